//! JPEG files that the library `image` does not read, or reads without detecting damage.

use std::path::Path;

use image::{ImageBuffer, Luma};

use super::decode_turned;
use crate::jpeg::file::{FileHeader, JPEG_LS, decode_file, file_header};
use crate::{Error, Result};
use mammo_core::image::GreyImage;

const START_OF_IMAGE: [u8; 2] = [0xFF, 0xD8];
const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// Substitutes for the missing end of a scan; bytes after a complete scan do not change its pixels.
const FILLS: [[u8; 64]; 2] = [[0x55; 64], [0xA9; 64]];

/// The header of a JPEG that only the DICOM decoders read: lossless, or with samples of other than
/// 8 bits.
///
/// # Errors
/// [`Error::Image`] with the name of the process when it is not supported.
pub fn special(path: &Path, bytes: &[u8]) -> Result<Option<FileHeader>> {
    let Some(header) = file_header(bytes) else { return Ok(None) };
    let FileHeader { process, precision, components, .. } = header;
    let name = match process {
        0..=2 if precision == 8 => return Ok(None),
        0 | 1 | 3 if components == 1 => return Ok(Some(header)),
        0 | 1 => format!("a colour JPEG of {precision} bits"),
        2 => format!("a progressive JPEG of {precision} bits"),
        3 => "a lossless JPEG in colour".to_string(),
        5..=7 => format!("a hierarchical JPEG (SOF{process})"),
        JPEG_LS => "a JPEG-LS image".to_string(),
        _ => format!("an arithmetic-coded JPEG (SOF{process})"),
    };
    let expected = "a baseline or progressive JPEG of 8 bits, or a grey one of 12 bits or lossless; convert \
                    it, for example into a 16-bit PNG";
    Err(Error::image(path, name, expected))
}

/// Decodes a file that [`special`] accepted; the largest value of its bits becomes 65535.
///
/// # Errors
/// [`Error::Image`] when it is damaged or truncated.
pub fn decode_special(path: &Path, bytes: &[u8], header: &FileHeader) -> Result<GreyImage> {
    let closed = if has_no_end(bytes) { ended(bytes, &[]) } else { bytes.to_vec() };
    let cells = decode_file(&closed, header)
        .map_err(|found| Error::image(path, found, "a complete JPEG image; copy it again"))?;
    let highest = (1_u32 << header.precision) - 1;
    let full_scale = |cell: u16| ((u32::from(cell) * 65535 + highest / 2) / highest) as u16;
    Ok(GreyImage {
        width: header.width as usize,
        height: header.height as usize,
        pixels: cells.into_iter().map(full_scale).collect(),
    })
}

/// Whether `bytes` are a JPEG whose last scan has no end-of-image marker after it.
///
/// The criterion is a start-of-scan marker (FF DA) without a later end-of-image marker (FF D9):
/// inside a scan FF is always followed by 00 or a restart marker. An embedded thumbnail ends before
/// the scan of the image starts.
pub fn has_no_end(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xFF, marker]);
    bytes.starts_with(&START_OF_IMAGE) && last(0xD9) < last(0xDA)
}

/// Decodes a JPEG without an end-of-image marker, if its scan is complete.
///
/// The library fills the missing rows of a truncated scan with grey and reports success. The scan is
/// therefore decoded twice, continued with two different fills: the results differ if and only if the
/// decoder reads bits of the fill.
///
/// # Errors
/// [`Error::Image`] when the scan is truncated, or further scans may be missing.
pub fn decode_without_end(path: &Path, bytes: &[u8]) -> Result<ImageBuffer<Luma<u16>, Vec<u16>>> {
    let cut = |found: &str| Error::image(path, found, "a complete JPEG image; copy it again");
    let is_one_scan = bytes.windows(2).filter(|pair| *pair == [0xFF, 0xDA]).count() == 1
        && file_header(bytes).is_some_and(|header| header.process < 2);
    if !is_one_scan {
        return Err(cut("the JPEG data stop before the end-of-image marker; scans may be missing"));
    }
    let [one, other] = FILLS.map(|fill| decode_turned(path, &ended(bytes, &fill)));
    let (one, other) = (one?.into_luma16(), other?.into_luma16());
    if one == other { Ok(one) } else { Err(cut("the JPEG data stop inside the image")) }
}

/// The file with a fill and an end-of-image marker. A single FF at the end is half a marker.
fn ended(bytes: &[u8], fill: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_suffix(&[0xFF]).unwrap_or(bytes);
    [bytes, fill, &END_OF_IMAGE].concat()
}
