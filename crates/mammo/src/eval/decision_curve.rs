//! Net benefit: is acting on the model better than recalling everybody or nobody?

use serde::{Deserialize, Serialize};

/// Net benefit over the range of threshold probabilities (Vickers & Elkin 2006).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionCurve {
    /// Share of malignant cases that the benefits are for.
    pub prevalence: f64,
    /// By rising threshold probability.
    pub points: Vec<DecisionPoint>,
}

/// Net benefit at one threshold probability, in true positives per case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionPoint {
    /// Recall from this probability on: recalling one cancer is worth
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
