//! Reads lesion masks: images whose non-zero pixels are the lesion.

use std::path::Path;

use crate::image_file::decode_grey;
use crate::{Error, Result};
use mammo_core::image::GreyImage;

/// Reads a mask. JPEG compression leaves grey artefacts around a lesion: in a JPEG, pixels up to half
/// of the maximum become zero.
///
/// # Errors
/// Those of [`read_grey`](crate::image_file::read_grey).
pub fn read_mask(path: &Path) -> Result<GreyImage> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read the mask", e))?;
    let mut mask = decode_grey(path, &bytes)?;
    if bytes.starts_with(&[0xFF, 0xD8]) {
        let half = mask.pixels.iter().max().map_or(0, |max| max / 2);
        mask.pixels.iter_mut().filter(|value| **value <= half).for_each(|value| *value = 0);
    }
    Ok(mask)
}
