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
pub mod mask_file;
mod note;
mod parsed_file;
mod rle;
mod samples;
mod side_and_view;
mod stored_image;
mod syntax;
mod view;
mod view_position;
mod walk;

pub use admission::UnknownObjects;
pub use grey::Voi;
pub use header::{Header, PatientOrientation, Photometric, PresentationIntent, Spacing, SpacingSource};
pub use mammo_core::refusal::DicomRefusal;
pub use note::{Note, NoteKind};
pub use stored_image::StoredImage;
pub use view::{Projection, ViewModifier};
pub use view_position::{ViewPosition, unanimous};

use std::path::Path;

use flaw::Flaw;
use mammo_core::image::GreyImage;
pub use mammo_core::{Error, Result};
use stored_image::{OpenFile, read_dicom};
use walk::Stop;

/// One DICOM mammogram.
#[derive(Clone, Debug, PartialEq)]
pub struct DicomImage {
    /// What the file says about itself.
    pub header: Header,
    /// Full-scale 16-bit grey, dense tissue bright.
    pub image: GreyImage,
    /// What was odd about the file, the header's notes included.
    pub notes: Vec<Note>,
}

/// Whether these bytes, the first 512 or more of a file, begin as a DICOM file does, with or
/// without preamble and file meta group.
pub fn is_dicom(bytes: &[u8]) -> bool {
    parsed_file::is_dicom(bytes)
}

/// Whether these bytes, the first 512 or more of a file, begin as the index file of a medium
/// does, the DICOMDIR of a CD, which lists images and holds none.
pub fn is_directory(bytes: &[u8]) -> bool {
    parsed_file::is_directory(bytes)
}

/// Reads a screening mammogram with its VOI transformation applied.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Dicom`] with a [`DicomRefusal`] otherwise.
pub fn read(path: &Path) -> Result<DicomImage> {
    let mut admitted = Vec::new();
    let mut image = read_dicom(OpenFile::open(path)?, Voi::Apply, |header| {
        admitted = header.admitted(UnknownObjects::Refused).map_err(|flaw| flaw.at(path))?;
        Ok::<(), Error>(())
    })?;
    image.notes.extend(admitted);
    Ok(image)
}

/// Reads the pixels of any single grey frame, whatever the header says that it shows.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Dicom`] for a refusal of bytes or pixels.
pub fn read_any(path: &Path, voi: Voi) -> Result<DicomImage> {
    read_dicom(OpenFile::open(path)?, voi, |_| Ok::<(), Error>(()))
}

/// Reads the header alone, and of the file no more than that takes.
///
/// # Errors
/// As [`read_any`]; what the pixels hold is not looked at.
pub fn read_header(path: &Path) -> Result<Header> {
    OpenFile::open(path)?.header()
}

/// The header of a DICOM file; `None` for a file that is none by its first bytes.
///
/// # Errors
/// As [`read_header`].
pub fn read_header_if_dicom(path: &Path) -> Result<Option<Header>> {
    let mut opened = OpenFile::open(path)?;
    if is_dicom(&opened.bytes) { opened.header().map(Some) } else { Ok(None) }
}

/// The header of a DICOM file that is already in memory; `path` only names it in errors.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode_header(path: &Path, bytes: &[u8]) -> Result<Header> {
    let decoded = whole(bytes).and_then(|parsed| attributes::parse(&parsed));
    decoded.map_err(|flaw| flaw.at(path))
}

/// Decodes any single grey frame that is already in memory, as [`read_any`] does.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode(path: &Path, bytes: &[u8], voi: Voi) -> Result<DicomImage> {
    stored_image::decode(path, bytes, bytes.len(), voi, |_| Ok::<(), Error>(()))
}

/// The stored values of a file in memory, before modality and VOI: what other DICOM readers
/// call the pixel array, as signed numbers.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode_stored_values(path: &Path, bytes: &[u8]) -> Result<Vec<i32>> {
    let decoded = whole(bytes).and_then(|parsed| {
        let header = attributes::parse(&parsed)?;
        let (samples, _) = samples::decode(&parsed, &header)?;
        Ok(samples.iter().map(|&sample| header.stored_value(sample)).collect())
    });
    decoded.map_err(|flaw| flaw.at(path))
}

fn whole(bytes: &[u8]) -> Result<parsed_file::ParsedFile<'_>, Flaw> {
    sound(parsed_file::parse_file(bytes, bytes.len()))
}

fn sound(parsed: Result<parsed_file::ParsedFile<'_>, Stop>) -> Result<parsed_file::ParsedFile<'_>, Flaw> {
    parsed.map_err(|stop| match stop {
        Stop::Flaw(flaw) => flaw,
        Stop::NeedsMore => Flaw::damaged("the file ends inside its header"),
    })
}

#[cfg(test)]
mod irregular_tests;
#[cfg(test)]
mod kind_tests;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;
