//! The receiver operating characteristic (ROC) and the statistics read off it.
//!
//! | module | what |
//! |---|---|
//! | [`ranked`] | area and curve, exact with ties, for any weights |
//! | [`weighted`] | the curve of one weighting of the cases |
//! | [`curve_statistic`] | statistics of a curve, all from the same resamples |
//! | [`curves`] | curves and histograms as they are stored and drawn |
//! | [`operating_point`] | a threshold chosen on one set, applied to another |
//! | [`decision_curve`] | net benefit |

pub mod curve_statistic;
pub mod curves;
pub mod decision_curve;
pub mod operating_point;
pub mod ranked;
pub mod weighted;
