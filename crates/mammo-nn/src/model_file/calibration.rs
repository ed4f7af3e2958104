//! From what a network says to a probability that can be believed.

use std::fmt;

use mammo_eval::{Calibrator, Sample};
use serde::{Deserialize, Serialize};

/// Which map is fitted to the validation side when a whole-image model has been trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// None: the model says nothing about true probabilities.
    None,
    /// Intercept and slope on the logit. The default: the intercept undoes the balanced batches,
    /// the slope overconfidence, and two numbers can be learned from the tens of patients that a
    /// validation side may have.
    #[default]
    Platt,
    /// One number, which cannot move the prevalence.
    Temperature,
    /// Any rising map; follows chance below some thousand images.
    Isotonic,
}

/// A map from the probability that the network gives one image, not flipped and not averaged
/// with other models, to a calibrated one: right where cancers are as frequent as on the
/// validation side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The map.
    pub calibrator: Calibrator,
    /// Validation images that it was fitted to; the kept epoch was chosen on the same.
    pub n_images: usize,
    /// Malignant ones among them.
    pub n_malignant: usize,
    /// Their patients.
    pub n_patients: usize,
}

impl Calibration {
    /// Fits a map to the validation side; `None` when none is wanted.
    ///
    /// # Errors
    /// [`mammo_core::Error::Undefined`] when the scores define no rising map: classes that are
    /// separated, or scores that are higher without cancer.
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

/// The map in words, and what it was fitted to.
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
