//! The way of an image into a model, past the gate; and the table that says who got through.

use std::path::Path;

use anyhow::{Context, Result};
use mammo::dicom;
use mammo::eval::scores::ScoreRow;
use mammo::gate;
use mammo::pixels::{GrayImage, is_dicom, read_gray_as};
use mammo::preprocess::Preprocessing;
use mammo::record::{Mammogram, Polarity, word_or_blank};
use mammo::write::write_atomically;
use serde::Serialize;

use crate::output;

/// What the `gate` column says of a scored image.
const PASSED: &str = "passed";

/// Whether DICOM headers are judged, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Files that nobody has looked at.
    Judged,
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
    pub fn unreadable(error: &mammo::Error) -> Self {
        let code = match error {
            mammo::Error::Dicom { refusal, .. } => refusal.code(),
            _ => "unreadable",
        };
        Self { code, reason: error.to_string() }
    }
}

/// Opens an image for one preprocessing, unless the gate refuses it.
pub fn open(
    path: &Path,
    polarity: Polarity,
    headers: Headers,
    preprocessing: &Preprocessing,
) -> Result<GrayImage, Refused> {
    let refused = |code, found: String| Refused { code, reason: format!("{}: {found}", path.display()) };
    if path.to_str().is_some_and(|name| name.contains(char::REPLACEMENT_CHARACTER)) && !path.exists() {
        return Err(refused("unreadable", "the name of the file is not UTF-8; rename the file".to_string()));
    }
    let mut header = None;
    if is_dicom(path).map_err(|e| Refused::unreadable(&e))? {
        header = Some(dicom::read_header(path).map_err(|e| Refused::unreadable(&e))?);
    }
    let header = header.as_ref().filter(|_| headers == Headers::Judged);
    if let Some((refusal, found)) = header.and_then(dicom::Header::refusal) {
        return Err(refused(refusal.code(), format!("{found} ({refusal}); expected {}", refusal.expected())));
    }
    let image = read_gray_as(path, preprocessing.voi).map_err(|e| Refused::unreadable(&e))?;
    match gate::judge(&image, polarity, header, preprocessing) {
        Ok(()) => Ok(image),
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

/// Writes scored and refused images, each with what the gate said, to a file or to standard
/// output. Readers of score tables pass over refused images.
pub fn write_table(path: Option<&Path>, rows: &[ScoreRow], refused: &[(Mammogram, Refused)]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
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
            reason: "",
        })?;
    }
    for (image, Refused { code, reason }) in refused {
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
