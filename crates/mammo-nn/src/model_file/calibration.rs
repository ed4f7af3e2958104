//! Calibration of the network's output probability.

use std::fmt;

use mammo_eval::{Calibrator, Sample};
use serde::{Deserialize, Serialize};

/// Calibration method, fitted to the validation set when a whole-image model has been trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// No calibration.
    None,
    /// Platt scaling: intercept and slope on the logit. The default: the intercept corrects for class-balanced
    /// batches, the slope for overconfidence, and two parameters can be fitted to the tens of patients of a small
    /// validation set.
    #[default]
    Platt,
    /// Temperature scaling: one parameter, which cannot correct the prevalence.
    Temperature,
    /// Isotonic regression: any increasing map; overfits below some thousand images.
    Isotonic,
}

/// A map from the network's probability for a single image, without flips or ensembles, to a calibrated one, at the
/// prevalence of the validation set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The fitted map.
    pub calibrator: Calibrator,
    /// Number of validation images that it was fitted to; the best epoch was chosen on the same images.
    pub n_images: usize,
    /// Number of malignant ones among them.
    pub n_malignant: usize,
    /// Number of their patients.
    pub n_patients: usize,
}

impl Calibration {
    /// Fits a map to the validation set; `None` without a method.
    ///
    /// # Errors
    /// [`mammo_core::Error::Undefined`] when the scores define no increasing map: if classes are separated, or scores
    /// are higher without cancer.
    pub fn fit(method: CalibrationMethod, validation: &Sample) -> mammo_core::Result<Option<Self>> {
        let calibrator = match method {
            CalibrationMethod::None => return Ok(None),
            CalibrationMethod::Platt => Calibrator::platt(validation)?,
            CalibrationMethod::Temperature => Calibrator::temperature(validation)?,
            CalibrationMethod::Isotonic => Calibrator::isotonic(validation)?,
        };
        Ok(Some(Self {
            calibrator,
            n_images: validation.n(),
            n_malignant: validation.n_malignant(),
            n_patients: validation.patients.n(),
        }))
    }
}

/// The map in words, and the data that it was fitted to.
impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.calibrator {
            Calibrator::Platt { intercept, slope } => {
                write!(f, "Platt: logit p becomes {intercept:.4} + {slope:.4} logit p")
            }
            Calibrator::Temperature { temperature } => write!(f, "temperature {temperature:.4}"),
            Calibrator::Isotonic { from, .. } => write!(f, "isotonic, {} points", from.len()),
            Calibrator::PriorShift { trained_at, used_at } => {
                write!(f, "from a prevalence of {trained_at} to {used_at}")
            }
        }?;
        let Self { n_images, n_malignant, n_patients, .. } = self;
        write!(
            f,
            "; fitted to {n_images} validation images of {n_patients} patients, {n_malignant} malignant, one \
             image at a time without flips"
        )
    }
}
