//! Networks, training and prediction for whole mammograms.
//!
//! The method of Shen et al. (arXiv 1711.05775) in one image:
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
//! Lesion annotations are needed for the left column only.
//!
//! | module | what |
//! |---|---|
//! | [`networks`] | trunks, patch classifier, top blocks, whole-image classifier |
//! | [`training`] | examples, batches, schedule, the loop, resuming |
//! | [`model_file`] | one file per model: weights, architecture, preprocessing, record |
//! | [`inference`] | from a model file to probabilities and heat maps |
//! | [`interop`] | weights of PyTorch and Keras in, ONNX out |
//! | [`device`] | where tensors live; `cpu`: the kernels of mammo-kernels as operations of Burn |

mod cpu;
pub mod device;
pub mod error;
pub mod inference;
pub mod interop;
pub mod model_file;
pub mod networks;
mod stored_number;
pub mod training;

/// Version of the tensor framework that this build uses, from `Cargo.lock`; `unknown` without one.
pub const BURN_VERSION: &str = env!("MAMMO_BURN_VERSION");

pub use error::{Error, Result};
