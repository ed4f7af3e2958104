//! Learning tests: do the networks learn, freeze, resume, convert and come back from disk?
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
