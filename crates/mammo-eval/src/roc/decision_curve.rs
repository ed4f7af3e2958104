//! Decision curve analysis: net benefit of the model against recalling everybody or nobody.

use serde::{Deserialize, Serialize};

use crate::defined::Defined;
use crate::roc::curve_statistic::{CurveFigures, CurveStatistic, index_of_threshold, net_benefit};
use crate::roc::ranked::RankedScores;
use crate::tables::sample::Sample;

/// Net benefit over the range of threshold probabilities (Vickers & Elkin 2006).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionCurve {
    /// Prevalence that the net benefits refer to.
    pub prevalence: f64,
    /// By ascending threshold probability.
    pub points: Vec<DecisionPoint>,
}

/// Net benefit at one threshold probability, in true positives per case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionPoint {
    /// Cases of at least this probability are recalled. It implies that one true recall is worth
    /// `(1 - threshold) / threshold` false recalls.
    pub threshold: f64,
    /// Net benefit of the model.
    pub net_benefit: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Net benefit of recalling everybody; that of recalling nobody is 0.
    pub recall_all: f64,
}

/// Net benefits at threshold probabilities 0.01, 0.02, ..., 0.99.
pub fn statistics(ranked: &RankedScores, prevalence: Option<f64>) -> Vec<CurveStatistic> {
    let at = |percent: u32| {
        let threshold = f64::from(percent) / 100.0;
        let index = index_of_threshold(ranked, threshold);
        CurveStatistic::NetBenefit { index, threshold, prevalence }
    };
    (1..100).map(at).collect()
}

impl DecisionCurve {
    /// The curve, from figures that contain the [`statistics`] for the same arguments. The scores
    /// must be probabilities, because they are compared with threshold probabilities.
    pub fn of(
        sample: &Sample,
        ranked: &RankedScores,
        figures: &CurveFigures,
        prevalence: Option<f64>,
    ) -> Defined<Self> {
        let of_sample = sample.n_malignant() as f64 / sample.n() as f64;
        let mut points = vec![];
        for statistic in statistics(ranked, prevalence) {
            let CurveStatistic::NetBenefit { threshold, .. } = statistic else { continue };
            let interval = match figures.of(statistic) {
                Defined::Value(interval) => interval,
                Defined::Undefined { undefined } => return Defined::undefined(undefined),
            };
            points.push(DecisionPoint {
                threshold,
                net_benefit: interval.estimate,
                low: interval.low,
                high: interval.high,
                recall_all: net_benefit(1.0, 0.0, prevalence.unwrap_or(of_sample), threshold),
            });
        }
        Defined::Value(Self { prevalence: prevalence.unwrap_or(of_sample), points })
    }
}
