//! Image files in, [`GrayImage`] out.
//!
//! Whatever the file's bit depth, a [`GrayImage`] is full-scale 16 bit: 0 is black,
//! 65535 the largest value that the container can hold (an 8-bit value is multiplied
//! by 257). What the values mean is decided later, in [`preprocess`](crate::preprocess).

use std::path::Path;

use image::{ImageBuffer, ImageReader, Luma};

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
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| Error::io(path, "open the image", e))?;
    reader.into_dimensions().map_err(|e| unreadable(path, &e))
}

/// Reads a PNG (8 or 16 bit), JPEG or TIFF as full-scale 16-bit grey. Colour is averaged
/// by luminance.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened; [`Error::Image`] when it is truncated, no
/// image, smaller than [`MIN_SIDE_PX`] or larger than [`MAX_PIXELS`].
pub fn read_gray(path: &Path) -> Result<GrayImage> {
    let (width, height) = read_size(path)?;
    if width.min(height) < MIN_SIDE_PX {
        let expected = format!("at least {MIN_SIDE_PX} pixels on each side; is this a thumbnail?");
        return Err(Error::image(path, format!("{width}x{height} pixels"), expected));
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        let expected = format!("at most {MAX_PIXELS} pixels in all");
        return Err(Error::image(path, format!("{width}x{height} pixels"), expected));
    }
    let image = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| Error::io(path, "open the image", e))?
        .decode()
        .map_err(|e| unreadable(path, &e))?;
    Ok(GrayImage { width: width as usize, height: height as usize, pixels: image.into_luma16().into_raw() })
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
    let mut bytes = std::io::Cursor::new(Vec::new());
    buffer
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|e| Error::image(path, e.to_string(), "an image that PNG can hold"))?;
    write_atomically(path, bytes.get_ref())
}

fn unreadable(path: &Path, error: &image::ImageError) -> Error {
    Error::image(
        path,
        format!("cannot be decoded ({error})"),
        "a complete PNG, JPEG or TIFF image; copy it again",
    )
}
