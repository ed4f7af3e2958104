//! Discrimination for one kind of unit: images, breasts or patients.

use serde::{Deserialize, Serialize};

use super::bootstrap::Interval;
use super::curves::{PrecisionRecallCurve, RocCurve, ScoreHistogram};
use super::delong::AucError;
use super::measured::Measured;
use super::operating_point::{OperatingPoint, OperatingResult};
use super::proportion::Proportion;

/// Everything about how well one kind of unit is told apart.
///
/// [`Interval`]s come from resampling patients; those of [`Proportion`] and [`AucError`] are in
/// closed form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitFigures {
    /// Labelled units.
    pub n: usize,
    /// Those that are malignant.
    pub n_malignant: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Area under the ROC curve.
    pub auc: Measured,
    /// The same area with a standard error and intervals in closed form, clustered by patient.
    pub delong: Measured<AucError>,
    /// Area over the range of high specificity alone.
    pub partial_auc: Measured<PartialAuc>,
    /// Mean precision over the malignant cases (step-wise area under precision–recall).
    pub average_precision: Measured,
    /// Largest sensitivity at each of the specificities asked for.
    pub sensitivity_at_specificity: Vec<AtFixed>,
    /// Largest specificity at each of the sensitivities asked for.
    pub specificity_at_sensitivity: Vec<AtFixed>,
    /// What each frozen threshold does; the first is that of the model, if there is one.
    pub operating_points: Vec<OperatingFigures>,
    /// The ROC curve with its band.
    pub roc: Measured<RocCurve>,
    /// The precision–recall curve.
    pub precision_recall: Measured<PrecisionRecallCurve>,
    /// Scores by truth.
    pub histogram: ScoreHistogram,
}

/// The area under part of the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartialAuc {
    /// The part from this specificity up to 1.
    pub min_specificity: f64,
    /// Its area, at most `1 - min_specificity`.
    pub area: Interval,
    /// McClish's standardised area: 0.5 for chance, 1 for perfection.
    pub standardised: Interval,
}

/// A statistic at a fixed value of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtFixed {
    /// The fixed value, such as specificity 0.9.
    pub at: f64,
    /// The statistic there. The threshold is chosen anew in every resample, so that the interval
    /// holds the uncertainty of the choice too.
    pub value: Measured,
}

/// What a threshold chosen beforehand does here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingFigures {
    /// Where the threshold comes from: `model file` or `validation scores`.
    pub origin: String,
    /// The threshold and how it was chosen; its own figures are those of the data it was chosen on.
    pub point: OperatingPoint,
    /// Confusion counts and shares with Wilson intervals, which take the cases as independent.
    pub result: OperatingResult,
    /// Share of all cases that is positive.
    pub recall_rate: Proportion,
    /// Sensitivity, its interval by resampling patients.
    pub sensitivity: Measured,
    /// Specificity, its interval by resampling patients.
    pub specificity: Measured,
    /// Predictive values at the stated prevalence, if one was stated.
    pub at_prevalence: Option<PredictiveValues>,
}

/// Predictive values re-weighted from the prevalence of the sample to a stated one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictiveValues {
    /// Share of malignant cases where the model is to be used.
    pub prevalence: f64,
    /// Share of the positive that would be malignant.
    pub ppv: Measured,
    /// Share of the negative that would be benign.
    pub npv: Measured,
    /// Share of all that would be positive.
    pub recall_rate: Measured,
}
