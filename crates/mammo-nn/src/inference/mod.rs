//! Prediction: probabilities by [`predict`], on the CPU by a compiled [`plan`]; [`heatmap`] shows where a model sees cancer.

pub mod heatmap;
pub mod plan;
pub mod predict;
