//! Image files in, [`GrayImage`] out.
//!
//! Whatever the file's bit depth, a [`GrayImage`] is full-scale 16 bit: 0 is black,
//! 65535 the largest value that the container can hold (an 8-bit value is multiplied
//! by 257). What the values mean is decided later, in [`preprocess`](crate::preprocess).

use std::io::{Cursor, Read};
use std::path::Path;

use image::{ImageBuffer, ImageReader, Luma};

use crate::dicom::{self, Note, Voi};
use crate::write::write_atomically;
use crate::{Error, Result};

/// A grey image, row by row, full-scale 16 bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrayImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` values, row-major.
    pub pixels: Vec<u16>,
}

impl GrayImage {
    /// A black image.
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }

    /// One row of pixels.
    pub fn row(&self, y: usize) -> &[u16] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }
}

/// Bytes that tell DICOM from other formats, and a DICOMDIR from images.
const DICOM_HEAD: usize = 1024;

/// Smallest side, in pixels, that can be a mammogram.
pub const MIN_SIDE_PX: u32 = 64;

/// Largest number of pixels accepted; a guard against headers that lie (a full-field
/// detector delivers about 14 million).
pub const MAX_PIXELS: u64 = 200_000_000;

/// Reads width and height without decoding the pixels.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened, [`Error::Image`] when it is no image.
pub fn read_size(path: &Path) -> Result<(u32, u32)> {
    if is_dicom(path)? {
        let header = dicom::read_header(path)?;
        return Ok((header.columns, header.rows));
    }
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| Error::io(path, "open the image", e))?;
    reader.into_dimensions().map_err(|e| unreadable(path, &e.to_string()))
}

/// Whether a file is DICOM by its first bytes, whatever its name.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn is_dicom(path: &Path) -> Result<bool> {
    Ok(dicom::is_dicom(&head(path)?))
}

/// Whether a file is the index of a medium by its first bytes: the DICOMDIR of a CD, DICOM
/// without an image.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn is_dicom_directory(path: &Path) -> Result<bool> {
    Ok(dicom::is_directory(&head(path)?))
}

fn head(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(DICOM_HEAD);
    std::fs::File::open(path)
        .and_then(|file| file.take(DICOM_HEAD as u64).read_to_end(&mut head))
        .map_err(|e| Error::io(path, "read the image's first bytes", e))?;
    Ok(head)
}

/// Reads DICOM, PNG (8 or 16 bit), JPEG, TIFF or PGM as full-scale 16-bit grey. Colour is
/// averaged by luminance; DICOM goes through its modality and VOI stages.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; otherwise those of [`decode_gray`].
pub fn read_gray(path: &Path) -> Result<GrayImage> {
    read_gray_as(path, Voi::Apply)
}

/// [`read_gray`], with or without the VOI stage of DICOM.
///
/// # Errors
/// As [`read_gray`].
pub fn read_gray_as(path: &Path, voi: Voi) -> Result<GrayImage> {
    Ok(read_noted(path, voi)?.0)
}

/// [`read_gray_as`], with what was odd about a DICOM file and was read all the same.
///
/// # Errors
/// As [`read_gray`].
pub fn read_noted(path: &Path, voi: Voi) -> Result<(GrayImage, Vec<Note>)> {
    if is_dicom(path)? {
        let read = dicom::read_any(path, voi)?;
        check_size(path, read.image.width as u32, read.image.height as u32)?;
        return Ok((read.image, read.notes));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read the image", e))?;
    Ok((decode_gray_as(path, &bytes, voi)?, Vec::new()))
}

/// Decodes the content of an image file that is already in memory; `path` only names it in
/// errors.
///
/// # Errors
/// [`Error::Image`] when it is truncated, no image, smaller than [`MIN_SIDE_PX`] or larger
/// than [`MAX_PIXELS`]; [`Error::Dicom`] when it is DICOM that is not read.
pub fn decode_gray(path: &Path, bytes: &[u8]) -> Result<GrayImage> {
    decode_gray_as(path, bytes, Voi::Apply)
}

fn decode_gray_as(path: &Path, bytes: &[u8], voi: Voi) -> Result<GrayImage> {
    if dicom::is_dicom(bytes) {
        let image = dicom::decode(path, bytes, voi)?.image;
        check_size(path, image.width as u32, image.height as u32)?;
        return Ok(image);
    }
    let (width, height) =
        reader(path, bytes)?.into_dimensions().map_err(|e| unreadable(path, &e.to_string()))?;
    check_size(path, width, height)?;
    if jpeg_is_cut(bytes) {
        return Err(unreadable(path, "the JPEG data stop before the end-of-image marker"));
    }
    let image = reader(path, bytes)?.decode().map_err(|e| unreadable(path, &e.to_string()))?;
    Ok(GrayImage { width: width as usize, height: height as usize, pixels: image.into_luma16().into_raw() })
}

/// Whether an image of this size can be a mammogram.
///
/// # Errors
/// [`Error::Image`] when it is smaller than [`MIN_SIDE_PX`] or larger than [`MAX_PIXELS`].
pub fn check_size(path: &Path, width: u32, height: u32) -> Result<()> {
    let found = || format!("{width}x{height} pixels");
    if width.min(height) < MIN_SIDE_PX {
        let expected = format!("at least {MIN_SIDE_PX} pixels on each side; is this a thumbnail?");
        return Err(Error::image(path, found(), expected));
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Error::image(path, found(), format!("at most {MAX_PIXELS} pixels in all")));
    }
    Ok(())
}

/// Writes a 16-bit grey PNG under a temporary name, then renames it.
///
/// # Errors
/// [`Error::Io`] when the disk refuses.
pub fn write_png16(path: &Path, image: &GrayImage) -> Result<()> {
    let buffer: ImageBuffer<Luma<u16>, &[u16]> =
        ImageBuffer::from_raw(image.width as u32, image.height as u32, image.pixels.as_slice()).ok_or_else(
            || {
                Error::image(
                    path,
                    format!("{} pixels", image.pixels.len()),
                    format!("{}x{}", image.width, image.height),
                )
            },
        )?;
    let mut bytes = Cursor::new(Vec::new());
    buffer
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|e| Error::image(path, e.to_string(), "an image that PNG can hold"))?;
    write_atomically(path, bytes.get_ref())
}

fn reader<'a>(path: &Path, bytes: &'a [u8]) -> Result<ImageReader<Cursor<&'a [u8]>>> {
    ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| Error::io(path, "recognise the image format", e))
}

/// Whether `bytes` are a JPEG that stops inside its last scan.
///
/// The decoder paints the missing rows grey and reports success, so it cannot be asked. A
/// start-of-scan marker (FF DA) with no end-of-image marker (FF D9) after it is the sign:
/// inside a scan FF is always followed by 00 or a restart marker. An embedded thumbnail
/// closes before the picture's own scan starts, so it hides nothing.
fn jpeg_is_cut(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xFF, marker]);
    bytes.starts_with(&[0xFF, 0xD8]) && last(0xD9) < last(0xDA)
}

fn unreadable(path: &Path, reason: &str) -> Error {
    Error::image(
        path,
        format!("cannot be decoded ({reason})"),
        "a complete DICOM, PNG, JPEG, TIFF or PGM image; copy it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: image::ImageFormat) -> Vec<u8> {
        let noise = |x: u32, y: u32| Luma([(x * 37 + y * 91 + x * y) as u8]);
        let mut bytes = Cursor::new(Vec::new());
        image::GrayImage::from_fn(96, 80, noise).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_file_cut_short_is_an_error_in_every_format() {
        for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png, image::ImageFormat::Tiff] {
            let bytes = encoded(format);
            let whole = decode_gray(Path::new("whole"), &bytes).unwrap();
            assert_eq!((whole.width, whole.height), (96, 80));
            for percent in [30, 60, 95] {
                let cut = &bytes[..bytes.len() * percent / 100];
                assert!(decode_gray(Path::new("cut"), cut).is_err(), "{format:?} cut to {percent} %");
            }
        }
    }

    #[test]
    fn eight_bits_become_full_scale_sixteen() {
        let png = encoded(image::ImageFormat::Png);
        let gray = decode_gray(Path::new("eight"), &png).unwrap();
        assert_eq!(gray.row(0)[1], 37 * 257);
    }
}
