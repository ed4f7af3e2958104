//! Calibration: how well probabilities agree with observed frequencies.
//!
//! | module | what |
//! |---|---|
//! | [`losses`] | Brier score and log loss |
//! | [`reliability`] | reliability curve, parts of the Brier score, slope and intercept |
//! | [`calibrator`] | maps to calibrated probabilities, fitted on validation scores |
//! | [`logistic`] | logistic regression on one score |

pub mod calibrator;
pub mod logistic;
pub mod losses;
pub mod reliability;
