//! Variants of TIFF that are not read, by their names.

use std::io::Cursor;
use std::path::Path;

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::is_tiff;
use crate::{Error, Result};

/// What is read.
const EXPECTED: &str = "one picture of 8 or 16 bits per sample, whole numbers, grey or RGB; convert it, for \
                        example into a 16-bit PNG";

/// Pages looked at; a file with more has more than one picture in any case.
const MAX_PAGES: usize = 16;

/// Bits of NewSubfileType (TIFF 6.0, section 8): a smaller copy, a transparency mask.
const NO_PICTURE: u32 = 0b101;

/// Refuses of a TIFF what the library does not read, or would read as something else: samples that are no
/// whole numbers, whose white no tag states, and files with several pictures, of which it reads
/// the first.
///
/// # Errors
/// [`Error::Image`] that names the variant.
pub fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    if !is_tiff(bytes) {
        return Ok(());
    }
    // What is damaged is said by the decoder of the pixels.
    let Ok(mut file) = Decoder::new(Cursor::new(bytes)) else { return Ok(()) };
    if let Some(variant) = variant(&mut file) {
        return Err(Error::image(path, variant, EXPECTED));
    }
    let (mut n_pictures, mut first_is_picture) = (0, None);
    for _ in 0..MAX_PAGES {
        let kind: u32 = file.find_tag_unsigned(Tag::NewSubfileType).ok().flatten().unwrap_or(0);
        let is_picture = kind & NO_PICTURE == 0;
        n_pictures += usize::from(is_picture);
        first_is_picture.get_or_insert(is_picture);
        if !file.more_images() || file.next_image().is_err() {
            break;
        }
    }
    if n_pictures > 1 {
        let found = format!("a TIFF with {n_pictures} pages or more");
        let found = if n_pictures < MAX_PAGES { format!("a TIFF with {n_pictures} pages") } else { found };
        return Err(Error::image(path, found, "one picture in a file; save each page as a file of its own"));
    }
    if first_is_picture == Some(false) {
        return Err(Error::image(path, "a TIFF whose first page is a thumbnail or a mask", EXPECTED));
    }
    Ok(())
}

/// The name of a variant that is not read.
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
