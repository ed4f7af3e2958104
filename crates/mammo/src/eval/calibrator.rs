//! Maps from a model's probability to a calibrated one, learned on validation scores.

use serde::{Deserialize, Serialize};

/// A rising map from a model's probability to a calibrated one; small enough to travel in a
/// model's card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibrator {
    /// `σ(intercept + slope · logit p)` (Platt 1999, on the logit).
    Platt {
        /// Added to the scaled logit.
        intercept: f64,
        /// Factor on the logit.
        slope: f64,
    },
    /// `σ(logit p / temperature)` (Guo et al. 2017); keeps 0.5 where it is.
    Temperature {
        /// Above 1 draws probabilities towards one half.
        temperature: f64,
    },
    /// A rising line through these points (pool adjacent violators), level outside of them.
    Isotonic {
        /// Probabilities of the model, ascending.
        from: Vec<f64>,
        /// Calibrated probability at each of them, never falling.
        to: Vec<f64>,
    },
}
