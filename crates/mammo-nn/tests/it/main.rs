//! Tests of training, freezing, resuming, conversion, and of the file formats.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod calibration;
mod conversion;
mod freezing;
mod heatmaps;
mod learning;
mod model_files;
mod plans;
mod precisions;
mod resuming;
mod seeded;
mod toy;
mod weights;
