//! Calibration of the scores as they are and after each available calibrator.

use crate::calibration::calibrator::Calibrator;
use crate::calibration::reliability::{CalibrationFigures, Recalibrated};
use crate::config::EvalConfig;
use crate::defined::Defined;
use crate::origin::Origin;
use crate::tables::sample::Sample;
use crate::tables::scores::ScoreTable;
use crate::tables::unit::Unit;
use crate::{Error, Result};

/// A figure that needs probabilities, for scores on another scale.
pub(super) fn not_probabilities<T>() -> Defined<T> {
    Defined::undefined("the scores are not probabilities between 0 and 1")
}

/// Calibration of the scores as they are.
pub(super) fn calibration(images: &Sample, config: &EvalConfig) -> Result<Defined<CalibrationFigures>> {
    if !images.scores_are_probabilities() {
        return Ok(not_probabilities());
    }
    Defined::of(CalibrationFigures::of(images, config.n_bins, &config.bootstrap))
}

/// Calibration after the calibrator of the model file.
pub(super) fn by_model_file(
    images: &Sample,
    table: &ScoreTable,
    calibrator: Option<&Calibrator>,
    config: &EvalConfig,
) -> Result<Vec<Defined<Recalibrated>>> {
    let Some(calibrator) = calibrator.filter(|_| images.scores_are_probabilities()) else {
        return Ok(vec![]);
    };
    let rows = &table.rows;
    let calibrated = match rows.iter().map(|row| row.calibrated).collect() {
        Some(scores) => Sample { scores, ..images.clone() },
        None if table.unit != Unit::Image => {
            let reason = "model file: fitted to single images, and some rows have no calibrated probability";
            return Ok(vec![Defined::undefined(reason)]);
        }
        None if rows.iter().any(|row| !["", "none"].contains(&row.tta.as_str())) => {
            let reason = "model file: fitted to single images, the scores are means over flips; \
                          score the images again, which adds a column of calibrated probabilities";
            return Ok(vec![Defined::undefined(reason)]);
        }
        None => calibrator.apply_to(images),
    };
    let figures = CalibrationFigures::of(&calibrated, config.n_bins, &config.bootstrap)?;
    Ok(vec![Defined::Value(Recalibrated {
        calibrator: calibrator.clone(),
        origin: Origin::ModelFile,
        figures,
    })])
}

/// Calibration after each calibrator fitted on validation scores and after the correction for the
/// prevalence.
pub(super) fn recalibrated(
    images: &Sample,
    validation: Option<&Sample>,
    config: &EvalConfig,
) -> Result<Vec<Defined<Recalibrated>>> {
    let mut calibrators = vec![];
    if let Some(validation) = validation.filter(|validation| validation.scores_are_probabilities()) {
        calibrators.extend([
            ("platt", Calibrator::platt(validation)),
            ("temperature", Calibrator::temperature(validation)),
            ("isotonic", Calibrator::isotonic(validation)),
        ]);
    }
    let of_validation = validation.map(|sample| sample.n_malignant() as f64 / sample.n() as f64);
    if let (Some(trained_at), Some(used_at)) =
        (config.training_prevalence, config.prevalence.or(of_validation))
    {
        calibrators.push(("prior_shift", Calibrator::prior_shift(trained_at, used_at)));
    }
    if !images.scores_are_probabilities() {
        return Ok(vec![]);
    }
    let after = |(method, calibrator): (&str, Result<Calibrator>)| {
        let calibrator = match calibrator {
            Ok(calibrator) => calibrator,
            Err(Error::Undefined { reason, .. }) => {
                return Ok(Defined::undefined(format!("{method}: {reason}")));
            }
            Err(other) => return Err(other),
        };
        let figures = CalibrationFigures::of(&calibrator.apply_to(images), config.n_bins, &config.bootstrap)?;
        let origin = match calibrator {
            Calibrator::PriorShift { .. } => Origin::Prevalence,
            _ => Origin::ValidationScores,
        };
        Ok(Defined::Value(Recalibrated { calibrator, origin, figures }))
    };
    calibrators.into_iter().map(after).collect()
}
