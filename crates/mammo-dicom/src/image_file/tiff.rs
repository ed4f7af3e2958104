//! Detects unsupported variants of TIFF.

use std::io::Cursor;
use std::path::Path;

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::is_tiff;
use crate::{Error, Result};

/// What is supported.
const EXPECTED: &str = "one image of 8 or 16 bits per sample, integers, grey or RGB; convert it, for \
                        example into a 16-bit PNG";

/// Pages that are checked; a file with more pages has more than one image.
const MAX_PAGES: usize = 16;

/// Bits of NewSubfileType (TIFF 6.0, section 8): a smaller copy, a transparency mask.
const NO_PICTURE: u32 = 0b101;

/// Refuses TIFF files that the library does not read or misinterprets: samples that are not integers,
/// whose white value no tag states, and files with several images, of which it reads the first.
///
/// # Errors
/// [`Error::Image`] with the name of the variant.
pub fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    if !is_tiff(bytes) {
        return Ok(());
    }
    // The pixel decoder reports damage.
    let Ok(mut file) = Decoder::new(Cursor::new(bytes)) else { return Ok(()) };
    if let Some(variant) = variant(&mut file) {
        return Err(Error::image(path, variant, EXPECTED));
    }
    let (mut n_images, mut first_is_picture) = (0, None);
    for _ in 0..MAX_PAGES {
        let kind: u32 = file.find_tag_unsigned(Tag::NewSubfileType).ok().flatten().unwrap_or(0);
        let is_picture = kind & NO_PICTURE == 0;
        n_images += usize::from(is_picture);
        first_is_picture.get_or_insert(is_picture);
        if !file.more_images() || file.next_image().is_err() {
            break;
        }
    }
    if n_images > 1 {
        let found = format!("a TIFF with {n_images} pages or more");
        let found = if n_images < MAX_PAGES { format!("a TIFF with {n_images} pages") } else { found };
        return Err(Error::image(path, found, "one image per file; save each page as a separate file"));
    }
    if first_is_picture == Some(false) {
        return Err(Error::image(path, "a TIFF whose first page is a thumbnail or a mask", EXPECTED));
    }
    Ok(())
}

/// The name of an unsupported variant.
fn variant(file: &mut Decoder<Cursor<&[u8]>>) -> Option<String> {
    let mut numbers = |tag: Tag| file.find_tag_unsigned_vec::<u32>(tag).ok().flatten().unwrap_or_default();
    let bits = numbers(Tag::BitsPerSample).first().copied().unwrap_or(1);
    let format = numbers(Tag::SampleFormat).first().copied().unwrap_or(1);
    let photometric = numbers(Tag::PhotometricInterpretation).first().copied().unwrap_or(1);
    let kind = match format {
        2 => "signed whole",
        3 => "floating-point",
        5 | 6 => "complex",
        _ => "whole",
    };
    if format == 2 || format == 3 || format > 4 {
        return Some(format!("a TIFF of {bits}-bit {kind} numbers"));
    }
    let colours = match photometric {
        0..=2 | 5 => {
            let is_read = matches!(bits, 8 | 16) || (bits == 1 && photometric < 2);
            return (!is_read).then(|| format!("a TIFF of {bits}-bit samples"));
        }
        3 => "with a palette",
        4 => "that is a transparency mask",
        6 => "in YCbCr colours",
        8..=10 => "in L*a*b* colours",
        32803 => "of a colour filter array",
        _ => return Some(format!("a TIFF of the photometric interpretation {photometric}")),
    };
    Some(format!("a TIFF {colours}"))
}
