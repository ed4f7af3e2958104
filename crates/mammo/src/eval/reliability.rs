//! Calibration as a reviewer asks for it: reliability curve, decomposed Brier score, expected
//! calibration error beside the value that chance alone gives, slope and intercept.

use serde::{Deserialize, Serialize};

use super::calibrator::Calibrator;
use super::measured::Measured;
use super::proportion::Proportion;

/// How far the probabilities of the images are from the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationFigures {
    /// Images.
    pub n: usize,
    /// Mean squared distance between probability and truth.
    pub brier: Measured,
    /// What the Brier score is made of.
    pub brier_parts: BrierParts,
    /// Mean negative logarithm of the probability given to the truth, in nats.
    pub log_loss: f64,
    /// The reliability curve: equally wide bins of probability, empty ones left out.
    pub bins: Vec<CalibrationBin>,
    /// Expected calibration error over the bins.
    pub ece: f64,
    /// The error that a perfectly calibrated model would show with these probabilities by chance
    /// alone: the bias of `ece`, which is never below 0 and shrinks with the sample.
    pub ece_by_chance: f64,
    /// Malignant images over the sum of the probabilities; 1 when risks are right on average.
    pub observed_over_expected: Measured<f64>,
    /// Intercept of a logistic recalibration with slope 1 (calibration in the large); 0 is right.
    pub in_the_large: Measured<Estimate>,
    /// Slope of the logistic recalibration; below 1 the probabilities are too extreme.
    pub slope: Measured<Estimate>,
    /// Intercept that goes with `slope`.
    pub intercept: Measured<Estimate>,
}

/// An estimate with a standard error clustered by patient and its normal interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Murphy's decomposition: Brier score = reliability − resolution + uncertainty + within bins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BrierParts {
    /// Mean squared distance between bin probability and bin truth; 0 is calibrated.
    pub reliability: f64,
    /// Mean squared distance between bin truth and prevalence; larger is better.
    pub resolution: f64,
    /// Prevalence times its complement; not the model's doing.
    pub uncertainty: f64,
    /// What the spread of probabilities inside of bins adds (Stephenson et al. 2008); Murphy's
    /// three parts add up exactly only when this is 0.
    pub within_bins: f64,
}

/// The images whose probability lies in one bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower edge, which the bin holds.
    pub low: f64,
    /// Upper edge, which only the last bin holds.
    pub high: f64,
    /// Mean probability.
    pub mean_probability: f64,
    /// Share of malignant images, with Wilson's interval.
    pub observed: Proportion,
}

/// Calibration after a calibrator that was learned on validation scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recalibrated {
    /// What was learned.
    pub calibrator: Calibrator,
    /// Calibration of the calibrated probabilities.
    pub figures: CalibrationFigures,
}
