//! The way of an image into a model, past the gate; and the table that says who got through.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use mammo_core::image::GrayImage;
use mammo_core::record::{Polarity, word_or_blank};
use mammo_core::write::write_atomically;
use mammo_dicom::image_file::{is_dicom, read_noted};
use mammo_dicom::{Note, UnknownObjects};
use mammo_image::input_check;
use mammo_image::input_check::{Accepted, Warning};
use mammo_image::preprocess::Preprocessing;
use serde::Serialize;

use crate::output;
use crate::predict::Scored;

/// What the `gate` column says of a scored image.
const PASSED: &str = "passed";

/// Whether DICOM headers are judged, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Files that nobody has looked at, and what is done with those that do not say what they are.
    Judged(UnknownObjects),
    /// Files of a manifest: the import judged them with what its tables know.
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

impl Refused {
    /// A file that could not be read or prepared.
    pub fn unreadable(error: &mammo_core::Error) -> Self {
        let code = match error {
            mammo_core::Error::Dicom { refusal, .. } => refusal.code(),
            _ => "unreadable",
        };
        Self { code, reason: error.to_string() }
    }
}

/// Something unusual about an image that is scored.
#[derive(Clone, Debug, PartialEq)]
pub enum Remark {
    /// How its DICOM file is written.
    File(Note),
    /// What it shows.
    Look(Warning),
}

impl Remark {
    /// The kind, in words, without what was found in this image.
    pub fn kind(&self) -> String {
        match self {
            Self::File(note) => note.kind.to_string(),
            Self::Look(warning) => warning.kind().to_string(),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(note) => note.fmt(f),
            Self::Look(warning) => warning.fmt(f),
        }
    }
}

/// An image that the gate accepts.
pub struct Opened {
    /// The image as stored.
    pub image: GrayImage,
    /// The polarity to prepare it with: the gate's, if the image shows another than was given.
    pub polarity: Polarity,
    /// What is unusual about it.
    pub remarks: Vec<Remark>,
}

/// Opens an image for one preprocessing, unless the gate refuses it; and what was odd about it.
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
    let (mut header, mut remarks) = (None, Vec::new());
    if let Headers::Judged(unknown) = headers
        && is_dicom(path).map_err(|e| Refused::unreadable(&e))?
    {
        let read = mammo_dicom::read_header(path).map_err(|e| Refused::unreadable(&e))?;
        let notes = read.admit(unknown).map_err(|(refusal, found)| {
            refused(refusal.code(), format!("{found} ({refusal}); expected {}", refusal.expected()))
        })?;
        remarks.extend(notes.into_iter().map(Remark::File));
        header = Some(read);
    }
    let (image, notes) = read_noted(path, preprocessing.voi).map_err(|e| Refused::unreadable(&e))?;
    remarks.extend(notes.into_iter().map(Remark::File));
    match input_check::check(&image, polarity, header.as_ref(), preprocessing) {
        Ok(Accepted { polarity, warnings }) => {
            remarks.extend(warnings.into_iter().map(Remark::Look));
            Ok(Opened { image, polarity, remarks })
        }
        Err(found) => Err(refused(found.refusal.code(), found.to_string())),
    }
}

/// One line of the table: a score, or why there is none.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    patient_id: &'a str,
    laterality: String,
    view: String,
    label: String,
    probability: Option<f64>,
    calibrated: Option<f64>,
    model: &'a str,
    preprocessing: &'a str,
    tta: &'a str,
    seconds: Option<f64>,
    gate: &'a str,
    reason: &'a str,
}

/// Writes scored images, each with what was odd about it, and refused ones, each with what the
/// gate said, to a file or to standard output. Readers of score tables pass over refused images.
pub fn write_table(path: Option<&Path>, scored: &Scored) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (row, remarks) in scored.rows.iter().zip(&scored.remarks) {
        let record = serde_json::to_value(row)?;
        let word = |name: &str| record[name].as_str().unwrap_or_default().to_string();
        writer.serialize(Line {
            file: &row.file,
            patient_id: &row.patient_id,
            laterality: word("laterality"),
            view: word("view"),
            label: word("label"),
            probability: Some(row.probability),
            calibrated: row.calibrated,
            model: &row.model,
            preprocessing: &row.preprocessing,
            tta: &row.tta,
            seconds: Some(row.seconds),
            gate: PASSED,
            reason: &remarks.iter().map(Remark::to_string).collect::<Vec<_>>().join("; "),
        })?;
    }
    for (image, Refused { code, reason }) in &scored.refused {
        writer.serialize(Line {
            file: &image.file,
            patient_id: &image.patient_id,
            laterality: word_or_blank(image.laterality),
            view: word_or_blank(image.view),
            label: image.pathology.to_string(),
            probability: None,
            calibrated: None,
            model: "",
            preprocessing: "",
            tta: "",
            seconds: None,
            gate: code,
            reason,
        })?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error()).context("the score table")?;
    match path {
        Some(path) => write_atomically(path, &bytes)?,
        None => output::results(&String::from_utf8(bytes).context("the score table")?),
    }
    Ok(())
}
