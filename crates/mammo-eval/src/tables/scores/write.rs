//! Writes the score table of a prediction (docs/evaluation.md). Readers need the first six of its columns.

use mammo_core::record::{Mammogram, word_or_blank};
use serde::Serialize;

use super::ScoreRow;
use crate::tables::domain::Domain;
use crate::tables::unit::Unit;

/// What the `gate` column says of a scored image.
pub(super) const PASSED: &str = "passed";

/// Between the names of several images in one cell.
pub const NAMES: &str = ";";

/// The images of a row that stands for a breast or a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowImages {
    /// Breast or patient.
    pub by: Unit,
    /// The view of each scored image, in the order of the names in `file`; `unknown` where it is not known.
    pub views: String,
    /// Number of images that the score is made of.
    pub n_images: usize,
    /// Number of images of the breast or patient that were refused.
    pub n_refused: usize,
}

/// One line of the table: a score, or why there is none.
#[derive(Serialize)]
pub struct Line<'a> {
    file: &'a str,
    patient_id: &'a str,
    laterality: String,
    view: String,
    label: String,
    probability: Option<f64>,
    calibrated: Option<f64>,
    domain: Option<&'static str>,
    model: &'a str,
    preprocessing: &'a str,
    tta: &'a str,
    seconds: Option<f64>,
    gate: &'a str,
    reason: String,
    // A table of images does not have the columns below.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n_images: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n_refused: Option<usize>,
}

impl<'a> Line<'a> {
    /// A scored row with its domain and what is unusual about it.
    pub fn scored(row: &'a ScoreRow, domain: Domain, remarks: String) -> Self {
        Self {
            file: &row.file,
            patient_id: &row.patient_id,
            laterality: word_or_blank(row.laterality),
            view: word_or_blank(row.view),
            label: row.label.to_string(),
            probability: Some(row.probability),
            calibrated: row.calibrated,
            domain: Some(domain.name()),
            model: &row.model,
            preprocessing: &row.preprocessing,
            tta: &row.tta,
            seconds: Some(row.seconds),
            gate: PASSED,
            reason: remarks,
            by: None,
            views: None,
            n_images: None,
            n_refused: None,
        }
    }

    /// A row without score, with the codes and reasons of its images.
    pub fn refused(image: &'a Mammogram, gate: &'a str, reason: String) -> Self {
        Self {
            file: &image.file,
            patient_id: &image.patient_id,
            laterality: word_or_blank(image.laterality),
            view: word_or_blank(image.view),
            label: image.pathology.to_string(),
            probability: None,
            calibrated: None,
            domain: None,
            model: "",
            preprocessing: "",
            tta: "",
            seconds: None,
            gate,
            reason,
            by: None,
            views: None,
            n_images: None,
            n_refused: None,
        }
    }

    /// The same for a breast or a patient. All lines of a table must have their images, or none.
    pub fn of(self, images: &'a RowImages) -> Self {
        Self {
            by: Some(images.by.name()),
            views: Some(&images.views),
            n_images: Some(images.n_images),
            n_refused: Some(images.n_refused),
            ..self
        }
    }
}

/// The score table as CSV: scored rows, then refused ones. Readers of score tables pass over refused rows, and `domain`
/// is a column to group by, which tables need not have.
///
/// # Errors
/// A table that cannot be encoded.
pub fn score_table<'a>(lines: impl IntoIterator<Item = Line<'a>>) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.serialize(line).map_err(std::io::Error::other)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}
