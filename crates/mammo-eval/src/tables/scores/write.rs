//! Writes the score table of a prediction: 14 columns, of which readers need the first six (docs/evaluation.md).

use mammo_core::record::{Mammogram, word_or_blank};
use serde::Serialize;

use super::ScoreRow;
use crate::tables::domain::Domain;

/// What the `gate` column says of a scored image.
pub(super) const PASSED: &str = "passed";

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
    domain: Option<&'static str>,
    model: &'a str,
    preprocessing: &'a str,
    tta: &'a str,
    seconds: Option<f64>,
    gate: &'a str,
    reason: &'a str,
}

/// The score table as CSV: scored images, each with its domain and what is unusual about it, then refused ones, each
/// with code and reason. Readers of score tables pass over refused images, and `domain` is a column to group by, which
/// tables need not have.
///
/// # Errors
/// A table that cannot be encoded.
pub fn score_table<'a>(
    scored: impl IntoIterator<Item = (&'a ScoreRow, Domain, String)>,
    refused: impl IntoIterator<Item = (&'a Mammogram, &'a str, &'a str)>,
) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (row, domain, remarks) in scored {
        let line = Line {
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
            reason: &remarks,
        };
        writer.serialize(line).map_err(std::io::Error::other)?;
    }
    for (image, gate, reason) in refused {
        let line = Line {
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
        };
        writer.serialize(line).map_err(std::io::Error::other)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}
