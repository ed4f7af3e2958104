//! Networks, training and prediction for whole mammograms.
//!
//! The method of Shen et al. (arXiv 1711.05775) in one picture:
//!
//! ```text
//!  patch classifier                           whole-image classifier
//!  224 x 224 patch                            1152 x 896 image
//!       |                                          |
//!   [ trunk ]  ---- the same weights ---->     [ trunk ]      all convolutional, any size
//!       |                                          |
//!  global average                             [ top blocks ]  convolutional
//!       |                                          |
//!  linear, 5 classes                          global pooling
//!                                                  |
//!                                             linear, 2 classes
//! ```
//!
//! Lesion annotations are needed for the left column only. In the order of a run:
//! [`trunk`] (made of [`resnet`] and [`vgg`]), [`patch_classifier`], [`top`] and
//! [`image_classifier`] are the networks; [`examples`] and [`batches`] feed them,
//! [`schedule`] and [`optimizer`] say what learns how fast, `features` goes from a batch to
//! the trunk's features, [`train`] is the loop, [`run`] what goes into it and comes out,
//! [`validation`] what it learns from the side held back, [`resume`] its memory; [`model_file`] stores the result, [`predict`] uses it and
//! [`heatmap`] shows where it looks.

pub mod batches;
pub mod conventions;
mod cpu;
pub mod device;
pub mod error;
pub mod examples;
mod features;
pub mod heatmap;
pub mod image_classifier;
pub mod init;
pub mod layers;
pub mod maps;
pub mod model_file;
mod muon;
pub mod onnx;
pub mod optimizer;
pub mod outline;
pub mod patch_classifier;
pub mod plan;
pub mod predict;
pub mod resnet;
pub mod resume;
pub mod run;
pub mod schedule;
pub mod state;
pub mod step_memory;
pub mod top;
pub mod train;
pub mod trunk;
pub mod validation;
pub mod vgg;
pub mod weights;

/// Version of the tensor framework that this build uses, from `Cargo.lock`; `unknown` without one.
pub const BURN_VERSION: &str = env!("MAMMO_BURN_VERSION");

pub use error::{Error, Result};
