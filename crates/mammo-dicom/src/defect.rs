//! A defect of a DICOM file, before its path is known.

use std::path::Path;

use mammo_core::Error;
use mammo_core::refusal::DicomRefusal;

/// A [`DicomRefusal`] with what was found, before a path is known.
#[derive(Clone, Debug)]
pub(crate) struct Defect {
    pub(crate) refusal: DicomRefusal,
    pub(crate) found: String,
}

impl Defect {
    /// Control characters are replaced, because `found` may quote a damaged file and is written to tables.
    pub(crate) fn new(refusal: DicomRefusal, found: impl Into<String>) -> Self {
        Self { refusal, found: found.into().replace(char::is_control, "?") }
    }

    pub(crate) fn damaged(found: impl Into<String>) -> Self {
        Self::new(DicomRefusal::Damaged, found)
    }

    /// The error with the path of the file.
    pub(crate) fn at(self, path: &Path) -> Error {
        Error::Dicom { path: path.to_path_buf(), refusal: self.refusal, found: self.found }
    }
}
