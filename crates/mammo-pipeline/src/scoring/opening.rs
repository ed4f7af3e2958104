//! Opens images through the input check.

use std::fmt;
use std::path::Path;

use super::domain::{DomainFinding, ImageKind};
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_dicom::{Header, Note, StoredImage, UnknownObjects};
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

/// An image that the input check accepts.
pub struct Opened {
    /// The image as stored.
    pub image: GreyImage,
    /// The polarity to prepare it with: that of its pixels, if it differs from the stated one.
    pub polarity: Polarity,
    /// What its file states of its kind.
    pub kind: ImageKind,
    /// What is unusual about it.
    pub remarks: Vec<Remark>,
}

/// Opens an image for one preprocessing.
///
/// # Errors
/// [`Refused`] when the file cannot be read, its header states that it is not a mammogram, or the input check refuses it.
pub fn open(
    path: &Path,
    polarity: Polarity,
    headers: Headers,
    preprocessing: &Preprocessing,
) -> Result<Opened, Refused> {
    let refused = |code, found: String| Refused { code, reason: format!("{}: {found}", path.display()) };
    if path.to_str().is_some_and(|name| name.contains(char::REPLACEMENT_CHARACTER)) && !path.exists() {
        return Err(refused("unreadable", "the name of the file is not UTF-8; rename the file".to_string()));
    }
    let mut remarks = Vec::new();
    let stored = StoredImage::open_if(path, preprocessing.voi, |header| -> Result<(), Refused> {
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
    let image = stored.image;
    let opened = check_image(image, path, polarity, header.as_ref(), preprocessing)?;
    remarks.extend(opened.remarks);
    Ok(Opened { remarks, kind, ..opened })
}

/// Checks an image that is open already.
///
/// # Errors
/// [`Refused`] by the input check.
pub(super) fn check_image(
    image: GreyImage,
    path: &Path,
    polarity: Polarity,
    header: Option<&Header>,
    preprocessing: &Preprocessing,
) -> Result<Opened, Refused> {
    match input_check::check(&image, polarity, header, preprocessing) {
        Ok(Accepted { polarity, warnings }) => {
            let remarks = warnings.into_iter().map(Remark::Look).collect();
            Ok(Opened { image, polarity, kind: ImageKind::default(), remarks })
        }
        Err(found) => {
            let reason = format!("{}: {found}", path.display());
            Err(Refused { code: found.failure.code(), reason })
        }
    }
}
