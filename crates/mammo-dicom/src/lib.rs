//! DICOM mammograms: file in, header and full-scale 16-bit grey out.
//!
//! [`read`] accepts only screening mammograms and refuses other objects with a code; [`read_any`]
//! reads the pixels of every object with one grey frame, for archives whose objects are known. The
//! modality and, by default, the VOI transformation of PS3.3 C.11 ([`Voi`]) are applied, so that 0
//! is black, 65535 white and dense tissue bright for every photometric interpretation, rescale slope
//! and window. `preprocess` reads DICOM through
//! [`image_file`].
//!
//! Files that violate the standard without effect on the image are read, with a [`Note`] where grey
//! values or the kind of object are concerned. `dicom-object` decodes values. Pixels are decoded
//! here: no Rust library reads 12-bit lossy JPEG, and the one for lossless JPEG, the usual coding of
//! mammograms, is ten times too slow (`jpeg/`). Not supported: overlays, presentation states,
//! tomosynthesis, colour.

mod admission;
mod attributes;
mod defect;
mod elements;
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

use defect::Defect;
use mammo_core::image::GreyImage;
pub use mammo_core::{Error, Result};
use stored_image::{OpenFile, read_dicom};
use walk::Stop;

/// One DICOM mammogram.
#[derive(Clone, Debug, PartialEq)]
pub struct DicomImage {
    /// The attributes of the file.
    pub header: Header,
    /// Full-scale 16-bit grey, dense tissue bright.
    pub image: GreyImage,
    /// Irregularities of the file, including the header's notes.
    pub notes: Vec<Note>,
}

/// Whether these bytes, the first 512 or more of a file, are the beginning of a DICOM file, with
/// or without preamble and file meta group.
pub fn is_dicom(bytes: &[u8]) -> bool {
    parsed_file::is_dicom(bytes)
}

/// Whether these bytes, the first 512 or more of a file, are the beginning of a DICOMDIR, the index
/// of a medium, which lists images and contains none.
pub fn is_directory(bytes: &[u8]) -> bool {
    parsed_file::is_directory(bytes)
}

/// Reads a screening mammogram with its VOI transformation applied.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Dicom`] with a [`DicomRefusal`] otherwise.
pub fn read(path: &Path) -> Result<DicomImage> {
    let mut admitted = Vec::new();
    let mut image = read_dicom(&mut OpenFile::open(path)?, Voi::Apply, |header| {
        admitted = header.admitted(UnknownObjects::Refused).map_err(|defect| defect.at(path))?;
        Ok::<(), Error>(())
    })?;
    image.notes.extend(admitted);
    Ok(image)
}

/// Reads the pixels of any object with one grey frame, whatever kind of object the header states.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Dicom`] for a refusal of bytes or pixels.
pub fn read_any(path: &Path, voi: Voi) -> Result<DicomImage> {
    read_dicom(&mut OpenFile::open(path)?, voi, |_| Ok::<(), Error>(()))
}

/// Reads the header only, and only the part of the file that contains it.
///
/// # Errors
/// As [`read_any`]; the pixels are not checked.
pub fn read_header(path: &Path) -> Result<Header> {
    OpenFile::open(path)?.header()
}

/// The header of a DICOM file; `None` for a file that is not DICOM by its first bytes.
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
    decoded.map_err(|defect| defect.at(path))
}

/// Decodes a file in memory, as [`read_any`] does.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode(path: &Path, bytes: &[u8], voi: Voi) -> Result<DicomImage> {
    stored_image::decode(path, bytes, bytes.len(), voi, |_| Ok::<(), Error>(()))
}

/// The stored values of a file in memory as signed numbers, before modality and VOI: the pixel
/// array of other DICOM readers.
///
/// # Errors
/// [`Error::Dicom`].
pub fn decode_stored_values(path: &Path, bytes: &[u8]) -> Result<Vec<i32>> {
    let decoded = whole(bytes).and_then(|parsed| {
        let header = attributes::parse(&parsed)?;
        let (samples, _) = samples::decode(&parsed, &header)?;
        Ok(samples.iter().map(|&sample| header.stored_value(sample)).collect())
    });
    decoded.map_err(|defect| defect.at(path))
}

fn whole(bytes: &[u8]) -> Result<parsed_file::ParsedFile<'_>, Defect> {
    complete(parsed_file::parse_file(bytes, bytes.len()))
}

/// The parsed file; a header that continues after the last byte is a defect.
fn complete(
    parsed: Result<parsed_file::ParsedFile<'_>, Stop>,
) -> Result<parsed_file::ParsedFile<'_>, Defect> {
    parsed.map_err(|stop| match stop {
        Stop::Defect(defect) => defect,
        Stop::NeedsMore => Defect::damaged("the file ends inside its header"),
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
