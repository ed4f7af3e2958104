//! Opens images through the input check.

use std::fmt;
use std::path::Path;

use super::domain::{DomainFinding, ImageKind};
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_dicom::{Header, Note, StoredImage, UnknownObjects, Voi};
use mammo_image::input_check;
use mammo_image::input_check::{Accepted, Warning};
use mammo_image::preprocess::Preprocessing;

/// Whether DICOM headers are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Files outside of a manifest, with the rule for those that do not state what they show.
    Checked(UnknownObjects),
    /// Files of a manifest, which its import checked.
    Trusted,
}

/// An image that is not scored.
#[derive(Clone, Debug)]
pub struct Refused {
    /// A word of docs/preprocessing.md, for tables.
    pub code: &'static str,
    /// What was found, with the file's name.
    pub reason: String,
}

/// A file that could not be read or prepared.
impl From<mammo_core::Error> for Refused {
    fn from(error: mammo_core::Error) -> Self {
        let code = match &error {
            mammo_core::Error::Dicom { refusal, .. } => refusal.code(),
            _ => "unreadable",
        };
        Self { code, reason: error.to_string() }
    }
}

/// Something unusual about an image that is scored.
#[derive(Clone, Debug, PartialEq)]
pub enum Remark {
    /// The encoding of its DICOM file.
    File(Note),
    /// Its content.
    Look(Warning),
    /// Its kind, if it is not known to be one for which the model has figures.
    Kind(DomainFinding),
}

impl Remark {
    /// The kind, in words, without what was found in this image.
    pub fn kind(&self) -> String {
        match self {
            Self::File(note) => note.kind.to_string(),
            Self::Look(warning) => warning.kind().to_string(),
            Self::Kind(finding) => finding.reason.clone(),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(note) => note.fmt(f),
            Self::Look(warning) => warning.fmt(f),
            Self::Kind(finding) => f.write_str(&finding.reason),
        }
    }
}

/// A decoded image, before the input check.
pub(super) struct Decoded {
    /// The image as stored.
    pub image: GreyImage,
    /// What its file states of its kind.
    pub kind: ImageKind,
    /// The header, unless an import has checked it.
    header: Option<Header>,
    /// The VOI stage with which it was decoded; `None` for an image that was in memory, which has none.
    voi: Option<Voi>,
    /// Irregularities of the file.
    remarks: Vec<Remark>,
}

impl Decoded {
    /// An image in memory.
    pub fn of_image(image: GreyImage) -> Self {
        Self { image, kind: ImageKind::default(), header: None, voi: None, remarks: Vec::new() }
    }

    /// Opens, parses and decodes a file.
    ///
    /// # Errors
    /// [`Refused`] when the file cannot be read or its header states that it is not a mammogram.
    pub fn of_file(path: &Path, headers: Headers, voi: Voi) -> Result<Self, Refused> {
        let refused = |code, found: String| Refused { code, reason: format!("{}: {found}", path.display()) };
        if path.to_str().is_some_and(|name| name.contains(char::REPLACEMENT_CHARACTER)) && !path.exists() {
            let found = "the name of the file is not UTF-8; rename the file".to_string();
            return Err(refused("unreadable", found));
        }
        let mut remarks = Vec::new();
        let stored = StoredImage::open_if(path, voi, |header| -> Result<(), Refused> {
            let Headers::Checked(unknown) = headers else { return Ok(()) };
            let notes = header.admit(unknown).map_err(|(refusal, found)| {
                refused(refusal.code(), format!("{found} ({refusal}); expected {}", refusal.expected()))
            })?;
            remarks.extend(notes.into_iter().map(Remark::File));
            Ok(())
        })?;
        remarks.extend(stored.notes.into_iter().map(Remark::File));
        let kind = ImageKind::of(stored.header.as_ref());
        // The import of a manifest checked its headers.
        let header = stored.header.filter(|_| headers != Headers::Trusted);
        Ok(Self { image: stored.image, kind, header, voi: Some(voi), remarks })
    }

    /// True if a preprocessing with this VOI stage can use the pixels.
    pub fn serves(&self, voi: Voi) -> bool {
        self.voi.is_none_or(|own| own == voi)
    }

    /// The input check for one preprocessing: the polarity to prepare the image with, which is that of its pixels if it
    /// differs from the stated one, and what is unusual about the image.
    ///
    /// # Errors
    /// [`Refused`] by the input check.
    pub fn check(
        &self,
        path: &Path,
        polarity: Polarity,
        preprocessing: &Preprocessing,
    ) -> Result<(Polarity, Vec<Remark>), Refused> {
        match input_check::check(&self.image, polarity, self.header.as_ref(), preprocessing) {
            Ok(Accepted { polarity, warnings }) => {
                let looks = warnings.into_iter().map(Remark::Look);
                Ok((polarity, self.remarks.iter().cloned().chain(looks).collect()))
            }
            Err(found) => {
                let reason = format!("{}: {found}", path.display());
                Err(Refused { code: found.failure.code(), reason })
            }
        }
    }
}
