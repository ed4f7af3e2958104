//! Curves as they are stored and drawn: ROC with its band, precision–recall, histogram.

use serde::{Deserialize, Serialize};

use crate::roc::curve_statistic::{CurveFigures, CurveStatistic};
use crate::roc::ranked::{RankedScores, Roc};
use crate::tables::sample::Sample;

/// A value on a curve with its pointwise interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandPoint {
    /// Position on the horizontal axis, whose meaning depends on the curve.
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
    /// From (0, 0) to (1, 1) by descending threshold, corners only, at most [`MAX_POINTS`].
    pub points: Vec<RocCurvePoint>,
    /// Sensitivity at false-positive rates `at` = 0, 0.01, ..., 1, with bootstrap intervals over
    /// patients. The intervals are pointwise; they do not cover the whole curve simultaneously.
    pub band: Vec<BandPoint>,
}

/// Longer curves are thinned to this many points, which look the same in a drawing.
pub const MAX_POINTS: usize = 500;

/// A corner of a [`RocCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocCurvePoint {
    /// Scores of at least this are positive; `None` for the corner at which nothing is.
    pub threshold: Option<f64>,
    /// 1 minus specificity.
    pub false_positive_rate: f64,
    /// Share of the malignant cases that is positive.
    pub sensitivity: f64,
}

/// The precision–recall curve, a step function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallCurve {
    /// By descending threshold, thinned to at most [`MAX_POINTS`].
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
    /// Edges of the bins, one more than there are bins. A bin includes its upper edge; the first bin
    /// includes both edges.
    pub edges: Vec<f64>,
    /// Malignant cases per bin.
    pub malignant: Vec<usize>,
    /// Benign cases per bin.
    pub benign: Vec<usize>,
}

/// Sensitivities at false-positive rates 0, 0.01, ..., 1.
pub fn band_statistics() -> Vec<CurveStatistic> {
    (0..=100).map(|percent| CurveStatistic::OnCurve(f64::from(percent) / 100.0)).collect()
}

impl RocCurve {
    /// The curve of a sample of both classes; `figures` hold the [`band_statistics`].
    pub fn of(ranked: &RankedScores, roc: &Roc, figures: &CurveFigures) -> Self {
        let point = |index: usize| RocCurvePoint {
            threshold: index.checked_sub(1).map(|below| ranked.thresholds()[below]),
            false_positive_rate: 1.0 - roc.specificity(index),
            sensitivity: roc.sensitivity(index),
        };
        let points: Vec<RocCurvePoint> = corners(roc).into_iter().map(point).collect();
        let moved = |a: &RocCurvePoint, b: &RocCurvePoint| {
            (b.false_positive_rate - a.false_positive_rate) + (b.sensitivity - a.sensitivity)
        };
        let band = band_statistics().into_iter().filter_map(|statistic| {
            let CurveStatistic::OnCurve(at) = statistic else { return None };
            let interval = *figures.of(statistic).value()?;
            Some(BandPoint { at, estimate: interval.estimate, low: interval.low, high: interval.high })
        });
        Self { points: thinned(points, 2.0, moved), band: band.collect() }
    }
}

/// Indices of the points at which the slope of the curve changes, and of its two ends.
pub(crate) fn corners(roc: &Roc) -> Vec<usize> {
    let last = roc.len() - 1;
    let step = |from: usize, to: usize| {
        let ((above, left), (here, right)) = (roc.counts(from), roc.counts(to));
        (u64::from(here - above), u64::from(right - left))
    };
    let turns = |&index: &usize| {
        let ((up_before, right_before), (up, right)) = (step(index - 1, index), step(index, index + 1));
        up_before * right != up * right_before
    };
    let inner = (1..last).filter(turns);
    std::iter::once(0).chain(inner).chain([last]).collect()
}

/// Thins the points of a curve of total length `length` to at most [`MAX_POINTS`], keeping its ends.
pub(crate) fn thinned<T: Copy>(points: Vec<T>, length: f64, moved: impl Fn(&T, &T) -> f64) -> Vec<T> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let step = length / (MAX_POINTS - 2) as f64;
    let mut kept: Vec<T> = vec![points[0]];
    for point in &points[1..points.len() - 1] {
        if moved(&kept[kept.len() - 1], point) >= step {
            kept.push(*point);
        }
    }
    kept.push(points[points.len() - 1]);
    kept
}

impl PrecisionRecallCurve {
    /// The curve of a sample of both classes: one point per threshold at which the number of true
    /// positives grows.
    pub fn of(ranked: &RankedScores, roc: &Roc) -> Self {
        let found_more = |&index: &usize| roc.counts(index).0 > roc.counts(index - 1).0;
        let point = |index: usize| {
            let (true_positives, false_positives) = roc.counts(index);
            PrecisionRecallPoint {
                threshold: ranked.thresholds()[index - 1],
                recall: roc.sensitivity(index),
                precision: f64::from(true_positives) / f64::from(true_positives + false_positives),
            }
        };
        let points = (1..roc.len()).filter(found_more).map(point).collect();
        let (malignant, benign) = roc.totals();
        let moved = |a: &PrecisionRecallPoint, b: &PrecisionRecallPoint| b.recall - a.recall;
        Self { points: thinned(points, 1.0, moved), prevalence: malignant / (malignant + benign) }
    }
}

impl ScoreHistogram {
    /// Counts in `n_bins` bins over [0, 1] for probabilities, otherwise from the lowest to the
    /// highest score.
    pub fn of(sample: &Sample, n_bins: usize) -> Self {
        let (mut low, mut high) = (0.0, 1.0);
        if !sample.scores_are_probabilities() {
            low = sample.scores.iter().copied().fold(f64::INFINITY, f64::min);
            high = sample.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
        let edges = bin_edges(low, high, n_bins);
        let (mut malignant, mut benign) = (vec![0; n_bins], vec![0; n_bins]);
        for (&score, &is_malignant) in sample.scores.iter().zip(&sample.malignant) {
            let counts = if is_malignant { &mut malignant } else { &mut benign };
            counts[bin_of(&edges, score)] += 1;
        }
        Self { edges, malignant, benign }
    }
}

/// Edges of `n_bins` equally wide bins; over [0, 1] they are exact decimal fractions as far as
/// `f64` allows.
pub(crate) fn bin_edges(low: f64, high: f64, n_bins: usize) -> Vec<f64> {
    (0..=n_bins).map(|bin| low + (high - low) * (bin as f64 / n_bins as f64)).collect()
}

/// The bin of a value within the edges; a bin includes its upper edge, the first one both.
pub(crate) fn bin_of(edges: &[f64], value: f64) -> usize {
    edges[1..edges.len() - 1].partition_point(|&edge| edge < value)
}
