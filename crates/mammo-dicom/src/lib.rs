//! DICOM mammograms: file in, header and full-scale 16-bit grey out.
//!
//! [`read`] takes screening mammograms only and says in a code why it refuses anything else;
//! [`read_any`] reads the pixels of every single grey frame, for archives whose objects are
//! known. Grey values go through the modality and, unless told otherwise, the VOI stage of
//! PS3.3 C.11 ([`Voi`]), so that 0 is black, 65535 white and dense tissue bright whatever
//! MONOCHROME1, rescale slope or window the file holds. After no other stage; before
//! [`preprocess`](mammo_image::preprocess), which reads DICOM through [`pixels`](crate::image_file).
//!
//! Files that break a rule without harm to the image are read, with a [`Note`] where grey values
//! or the kind of object are concerned. `dicom-object` decodes values. Pixels take their own way: 12-bit lossy JPEG is read by no
//! Rust library, and lossless JPEG, the usual coding of mammograms, ten times too slowly
//! (`jpeg/`). Left out: overlays, presentation states, tomosynthesis, colour.

mod admission;
mod attributes;
mod elements;
mod flaw;
mod fragments;
mod grey;
mod header;
pub mod image_file;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod layout;
pub mod mask_file;
mod note;
mod rle;
mod samples;
mod side_and_view;
mod syntax;
mod view;
mod view_position;
mod walk;

pub use admission::UnknownObjects;
pub use grey::Voi;
pub use header::{Header, PatientOrientation, Photometric, PresentationIntent, Spacing, SpacingSource};
pub use mammo_core::refusal::Refusal;
pub use note::{Note, NoteKind};
pub use view::{Projection, ViewModifier};
pub use view_position::{ViewPosition, the_only};

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flaw::{Flaw, Sound};
use layout::layout;
use mammo_core::image::GrayImage;
pub use mammo_core::{Error, Result};
use walk::Stop;

/// Largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// First piece of a file that is read for its header, in bytes; most headers are smaller.
const HEADER_PIECE_BYTES: usize = 64 << 10;

/// One DICOM mammogram.
#[derive(Clone, Debug, PartialEq)]
pub struct DicomImage {
    /// What the file says about itself.
    pub header: Header,
    /// Full-scale 16-bit grey, dense tissue bright.
    pub image: GrayImage,
    /// What was odd about the file, the header's notes included.
    pub notes: Vec<Note>,
}

/// Whether these bytes, the first 512 or more of a file, begin as a DICOM file does, with or
/// without preamble and file meta group.
pub fn is_dicom(bytes: &[u8]) -> bool {
    layout::is_dicom(bytes)
}

/// Whether these bytes, the first 512 or more of a file, begin as the index file of a medium
/// does, the DICOMDIR of a CD, which lists images and holds none.
pub fn is_directory(bytes: &[u8]) -> bool {
    layout::is_directory(bytes)
}

/// Reads a screening mammogram with its VOI transformation applied.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Dicom`] with a [`Refusal`] otherwise.
pub fn read(path: &Path) -> Result<DicomImage> {
    // The header first: a tomosynthesis object of gigabytes is refused by its first page.
    let admitted = read_header(path)?.admitted(UnknownObjects::Refused).map_err(|flaw| flaw.at(path))?;
    let mut image = read_any(path, Voi::Apply)?;
    image.notes.extend(admitted);
    Ok(image)
}

/// Reads the pixels of any single grey frame, whatever the header says that it shows.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Dicom`] for a refusal of bytes or pixels.
pub fn read_any(path: &Path, voi: Voi) -> Result<DicomImage> {
    let header = read_header(path)?;
    if !header.has_pixels {
        return Err(Flaw::new(Refusal::NoPixelData, "no pixel data element (7FE0,0010)").at(path));
    }
    header.check_pixels().map_err(|flaw| flaw.at(path))?;
    let (bytes, full) = read_file(path, most_file_bytes(&header))?;
    decode_beginning(&bytes, full, voi).map_err(|flaw| {
        if bytes.len() == full || flaw.refusal != Refusal::Damaged {
            return flaw.at(path);
        }
        let size = format!("{}x{} pixels", header.columns, header.rows);
        Flaw::new(Refusal::TooLarge, format!("a file of {} MiB for {size}", full >> 20)).at(path)
    })
}

/// Reads the header alone, and of the file no more than that takes.
///
/// # Errors
/// As [`read_any`]; what the pixels hold is not looked at.
pub fn read_header(path: &Path) -> Result<Header> {
    let io = |e| Error::io(path, "read the DICOM header", e);
    let mut file = File::open(path).map_err(io)?;
    let full = checked_len(path, &file)?;
    let mut bytes = Vec::new();
    let mut piece = HEADER_PIECE_BYTES;
    loop {
        (&mut file).take((piece - bytes.len()) as u64).read_to_end(&mut bytes).map_err(io)?;
        match layout(&bytes, full.max(bytes.len())) {
            Ok(layout) => return attributes::parse(&layout).map_err(|flaw| flaw.at(path)),
            Err(Stop::Flaw(flaw)) => return Err(flaw.at(path)),
            Err(Stop::NeedsMore) if bytes.len() < piece => {
                return Err(Flaw::damaged("the file became shorter while it was read").at(path));
            }
            Err(Stop::NeedsMore) => piece = piece.saturating_mul(4),
        }
    }
}

/// The header of a DICOM file that is already in memory; `path` only names it in errors.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode_header(path: &Path, bytes: &[u8]) -> Result<Header> {
    let decoded = whole(bytes).and_then(|layout| attributes::parse(&layout));
    decoded.map_err(|flaw| flaw.at(path))
}

/// Decodes any single grey frame that is already in memory, as [`read_any`] does.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode(path: &Path, bytes: &[u8], voi: Voi) -> Result<DicomImage> {
    decode_beginning(bytes, bytes.len(), voi).map_err(|flaw| flaw.at(path))
}

/// Decodes the beginning of a file of `full` bytes, as far as its pixels reach.
fn decode_beginning(bytes: &[u8], full: usize, voi: Voi) -> Sound<DicomImage> {
    let layout = sound(layout(bytes, full))?;
    let (header, greys) = attributes::parse_with_greys(&layout)?;
    let (samples, notes) = samples::decode(&layout, &header)?;
    let image = greys.apply(&header, samples, voi);
    Ok(DicomImage { notes: [&header.notes[..], &notes].concat(), header, image })
}

/// The stored values of a file in memory, before modality and VOI: what other DICOM readers
/// call the pixel array, as signed numbers.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode_stored_values(path: &Path, bytes: &[u8]) -> Result<Vec<i32>> {
    let decoded = whole(bytes).and_then(|layout| {
        let header = attributes::parse(&layout)?;
        let (samples, _) = samples::decode(&layout, &header)?;
        Ok(samples.iter().map(|&sample| header.stored_value(sample)).collect())
    });
    decoded.map_err(|flaw| flaw.at(path))
}

fn whole(bytes: &[u8]) -> Sound<layout::Layout<'_>> {
    sound(layout(bytes, bytes.len()))
}

fn sound(layout: walk::Walked<layout::Layout<'_>>) -> Sound<layout::Layout<'_>> {
    layout.map_err(|stop| match stop {
        Stop::Flaw(flaw) => flaw,
        Stop::NeedsMore => Flaw::damaged("the file ends inside its header"),
    })
}

/// How much of a file one frame can fill: its header, and pixels coded in twice their size.
fn most_file_bytes(header: &Header) -> usize {
    walk::MAX_HEADER_BYTES + 2 * header.n_pixels() * usize::from(header.bits_allocated / 8)
}

/// At most `most` bytes of a file, and its length.
fn read_file(path: &Path, most: usize) -> Result<(Vec<u8>, usize)> {
    let io = |e| Error::io(path, "read the DICOM file", e);
    let file = File::open(path).map_err(io)?;
    let full = checked_len(path, &file)?;
    let mut bytes = Vec::with_capacity(full.min(most));
    file.take(most as u64).read_to_end(&mut bytes).map_err(io)?;
    let full = if bytes.len() < most { bytes.len() } else { full.max(bytes.len()) };
    Ok((bytes, full))
}

/// Length of a file that is not absurdly long.
fn checked_len(path: &Path, file: &File) -> Result<usize> {
    let length = file.metadata().map_err(|e| Error::io(path, "read the size of the file", e))?.len();
    if length > MAX_FILE_BYTES {
        return Err(Flaw::new(Refusal::TooLarge, format!("a file of {} MiB", length >> 20)).at(path));
    }
    Ok(length as usize)
}

#[cfg(test)]
mod irregular_tests;
#[cfg(test)]
mod kind_tests;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;
