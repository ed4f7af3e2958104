//! Models of other frameworks: [`weights`] in, [`onnx`] out.

pub mod onnx;
pub mod weights;
