//! Reads image files as [`GreyImage`].
//!
//! A [`GreyImage`] is full-scale 16 bit for every bit depth of the file: 0 is black, 65535 the
//! largest value of the container (an 8-bit value is multiplied by 257). The values are interpreted
//! later, in `preprocess`.

use std::io::{BufRead, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, Luma};

use crate::Voi;
use crate::stored_image::{HEAD_BYTES, StoredImage};
use crate::{Error, Result};
use mammo_core::image::GreyImage;
use mammo_core::write::write_atomically;

mod jpeg;
#[cfg(test)]
mod tests;
mod tiff;

/// Smallest side of a mammogram in pixels.
pub const MIN_SIDE_PX: u32 = 64;

/// Largest number of pixels accepted; protects against wrong headers (a full-field detector has
/// about 14 million pixels).
pub const MAX_PIXELS: u64 = 200_000_000;

/// Reads width and height of the displayed image without decoding the pixels.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened, [`Error::Image`] when it is not an image.
pub fn read_size(path: &Path) -> Result<(u32, u32)> {
    if is_dicom(path)? {
        let header = crate::read_header(path)?;
        return Ok((header.columns, header.rows));
    }
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, "open the image", e))?;
    if let Ok((size, orientation)) = sizes(path, std::io::BufReader::new(file)) {
        return Ok(turned(size, orientation));
    }
    size_of_bytes(path, &std::fs::read(path).map_err(|e| Error::io(path, "read the image", e))?)
}

/// [`read_size`] of the content of an image file that is not DICOM.
pub(crate) fn size_of_bytes(path: &Path, bytes: &[u8]) -> Result<(u32, u32)> {
    let refused = match sizes(path, Cursor::new(bytes)) {
        Ok((size, orientation)) => return Ok(turned(size, orientation)),
        Err(error) => error,
    };
    // Names unsupported variants; the DICOM decoders give the size of the JPEG files that only they read.
    tiff::check(path, bytes)?;
    jpeg::special(path, bytes)?.map(|header| (header.width, header.height)).ok_or(refused)
}

/// Width and height as stored, and the orientation for display.
fn sizes<R: BufRead + Seek>(path: &Path, input: R) -> Result<((u32, u32), Orientation)> {
    let mut decoder = reader(path, input)?.into_decoder().map_err(|e| unreadable(path, &e))?;
    let orientation = decoder.orientation().map_err(|e| unreadable(path, &e))?;
    Ok((decoder.dimensions(), orientation))
}

/// A size after applying the orientation.
fn turned((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    }
}

/// Whether a file is DICOM by its first bytes, independent of its name.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn is_dicom(path: &Path) -> Result<bool> {
    Ok(crate::is_dicom(&head(path)?))
}

/// Whether a file is a DICOMDIR, the index of a medium without an image, by its first bytes.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn is_dicom_directory(path: &Path) -> Result<bool> {
    Ok(crate::is_directory(&head(path)?))
}

fn head(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    std::fs::File::open(path)
        .and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head))
        .map_err(|e| Error::io(path, "read the image's first bytes", e))?;
    Ok(head)
}

/// Reads DICOM, PNG (8 or 16 bit), JPEG (8 or 12 bit, lossless), TIFF (BigTIFF, too) or PGM as
/// full-scale 16-bit grey. Colour is converted to luminance; the modality and VOI transformations of
/// DICOM are applied; other files are rotated by their orientation (EXIF, TIFF tag 274).
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; otherwise those of [`decode_grey`].
pub fn read_grey(path: &Path) -> Result<GreyImage> {
    read_grey_as(path, Voi::Apply)
}

/// [`read_grey`], with or without the VOI stage of DICOM.
///
/// # Errors
/// As [`read_grey`].
pub fn read_grey_as(path: &Path, voi: Voi) -> Result<GreyImage> {
    Ok(StoredImage::open(path, voi)?.image)
}

/// Decodes the content of an image file that is already in memory; `path` only names it in
/// errors.
///
/// # Errors
/// [`Error::Image`] when it is truncated, not an image, smaller than [`MIN_SIDE_PX`] or larger
/// than [`MAX_PIXELS`]; [`Error::Dicom`] when it is DICOM that is refused.
pub fn decode_grey(path: &Path, bytes: &[u8]) -> Result<GreyImage> {
    decode_grey_as(path, bytes, Voi::Apply)
}

fn decode_grey_as(path: &Path, bytes: &[u8], voi: Voi) -> Result<GreyImage> {
    if crate::is_dicom(bytes) {
        let image = crate::decode(path, bytes, voi)?.image;
        check_size(path, image.width as u32, image.height as u32)?;
        return Ok(image);
    }
    decode_other(path, bytes)
}

/// Decodes the content of an image file that is not DICOM.
pub(crate) fn decode_other(path: &Path, bytes: &[u8]) -> Result<GreyImage> {
    if let Some(header) = jpeg::special(path, bytes)? {
        check_size(path, header.width, header.height)?;
        return jpeg::decode_special(path, bytes, &header);
    }
    tiff::check(path, bytes)?;
    let ((width, height), _) = sizes(path, Cursor::new(bytes))?;
    check_size(path, width, height)?;
    let image = if jpeg::has_no_end(bytes) {
        jpeg::decode_without_end(path, bytes)?
    } else {
        decode_turned(path, bytes)?.into_luma16()
    };
    Ok(GreyImage { width: image.width() as usize, height: image.height() as usize, pixels: image.into_raw() })
}

/// A pixel is coloured if its channels differ by more than this share of full scale. The channels of a
/// compressed grey image differ by less.
const COLOURED: f64 = 0.1;

/// Largest accepted share of coloured pixels, such as marks drawn on a mammogram.
const MAX_COLOURED: f64 = 0.02;

/// Number of pixels of a colour image that are sampled, approximately.
const COLOUR_SAMPLES: usize = 100_000;

/// Refuses photographs and heat maps: a mammogram that is stored in colour has equal channels.
fn must_be_grey(path: &Path, image: &DynamicImage) -> Result<()> {
    if !image.color().has_color() {
        return Ok(());
    }
    let rgb = image.to_rgb8();
    let step = (rgb.width() as usize * rgb.height() as usize / COLOUR_SAMPLES).max(1);
    let (mut n, mut coloured) = (0_u32, 0_u32);
    for pixel in rgb.pixels().step_by(step) {
        let [red, green, blue] = pixel.0;
        let difference = red.max(green).max(blue) - red.min(green).min(blue);
        n += 1;
        coloured += u32::from(f64::from(difference) > COLOURED * 255.0);
    }
    let share = f64::from(coloured) / f64::from(n.max(1));
    if share > MAX_COLOURED {
        let found = format!("a colour image ({:.0} % of its pixels are coloured)", 100.0 * share);
        return Err(Error::image(path, found, "a mammogram in grey values"));
    }
    Ok(())
}

/// The image after applying its orientation.
fn decode_turned(path: &Path, bytes: &[u8]) -> Result<DynamicImage> {
    let mut decoder = reader(path, Cursor::new(bytes))?.into_decoder().map_err(|e| unreadable(path, &e))?;
    let orientation = decoder.orientation().map_err(|e| unreadable(path, &e))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| unreadable(path, &e))?;
    must_be_grey(path, &image)?;
    image.apply_orientation(orientation);
    Ok(image)
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
/// [`Error::Io`] when the file cannot be written.
pub fn write_png16(path: &Path, image: &GreyImage) -> Result<()> {
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

fn reader<R: BufRead + Seek>(path: &Path, mut input: R) -> Result<ImageReader<R>> {
    let recognise = |e| Error::io(path, "recognise the image format", e);
    let is_tiff = is_tiff(input.fill_buf().map_err(recognise)?);
    let mut reader = ImageReader::new(input).with_guessed_format().map_err(recognise)?;
    if is_tiff {
        // The library reads BigTIFF but does not recognise it.
        reader.set_format(ImageFormat::Tiff);
    }
    Ok(reader)
}

/// Whether the bytes begin as TIFF or, with larger offsets, as BigTIFF.
fn is_tiff(bytes: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(&magic[..]))
}

fn unreadable(path: &Path, error: &ImageError) -> Error {
    let what_to_do = match error {
        ImageError::Unsupported(_) => {
            "a DICOM, PNG, JPEG, TIFF or PGM image; convert it, for example into a 16-bit PNG"
        }
        _ => "a complete DICOM, PNG, JPEG, TIFF or PGM image; copy it again",
    };
    Error::image(path, format!("cannot be decoded ({error})"), what_to_do)
}
