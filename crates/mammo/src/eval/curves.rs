//! Curves as they are stored and drawn: ROC with its band, precision–recall, histogram.

use serde::{Deserialize, Serialize};

/// A value on a curve with its pointwise interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandPoint {
    /// Where on the horizontal axis; each curve says what that is.
    pub at: f64,
    /// Value of the curve.
    pub estimate: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
}

/// The ROC curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocCurve {
    /// From (0, 0) to (1, 1) by falling threshold, corners only: at most [`MAX_POINTS`] of them.
    pub points: Vec<RocCurvePoint>,
    /// Sensitivity at false-positive rates `at` = 0, 0.01, ..., 1, its intervals by resampling
    /// patients. Intervals hold at one rate each, not for the curve as a whole.
    pub band: Vec<BandPoint>,
}

/// Longer curves are thinned to this many points, which no drawing can tell from all.
pub const MAX_POINTS: usize = 500;

/// A corner of a [`RocCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocCurvePoint {
    /// Scores of at least this are positive; `None` for the corner at which nothing is.
    pub threshold: Option<f64>,
    /// One less specificity.
    pub false_positive_rate: f64,
    /// Share of the malignant cases that is positive.
    pub sensitivity: f64,
}

/// The precision–recall curve: steps, not to be joined by straight lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallCurve {
    /// By falling threshold, thinned to at most [`MAX_POINTS`].
    pub points: Vec<PrecisionRecallPoint>,
    /// Share of malignant cases: the precision of calling everything positive.
    pub prevalence: f64,
}

/// A point of a [`PrecisionRecallCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    /// Scores of at least this are positive.
    pub threshold: f64,
    /// Share of the malignant cases that is positive (sensitivity).
    pub recall: f64,
    /// Share of the positive cases that is malignant (PPV).
    pub precision: f64,
}

/// How many cases have a score in each of equally wide bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreHistogram {
    /// Edges of the bins, one more than there are bins. A bin holds its lower edge; the last one
    /// holds both.
    pub edges: Vec<f64>,
    /// Malignant cases per bin.
    pub malignant: Vec<usize>,
    /// Benign cases per bin.
    pub benign: Vec<usize>,
}
