//! CPU kernels for the small family of layers that mammography networks are made of.
//!
//! Plain slices in, plain slices out: no tensor type, no framework. Images are *channels last*
//! (`[n, h, w, c]`, contiguous), weights come as PyTorch and Burn keep them
//! (`[c_out, c_in, k, k]`). Operands are `f32` or [`bf16`]; sums are always `f32`.
//!
//! | module | what |
//! |---|---|
//! | [`isa`] | which instructions this processor has, chosen once at run time; a value proves that they are there |
//! | [`micro`] | the innermost product, one tile of outputs in registers |
//! | [`pack`] | weights and gradients in the order in which the micro-kernel reads them |
//! | [`scratch`] | working memory that is used again |
//! | [`product`] | the loop nest around the micro-kernel, cache blocks and threads |
//! | [`conv`] | convolution: forward, gradient of the input, gradient of the weights |
//! | [`norm`] | batch norm, residual sum and ReLU in one pass, both ways |
//! | [`pool`] | max pooling and the mean over space |
//!
//! `unsafe` is in [`micro`], and in two functions of [`isa`] that run a loop compiled for an instruction set.
//!
//! Threads are those of the current rayon pool. Results do not depend on their number.

pub mod conv;
pub mod isa;
pub mod micro;
pub mod norm;
pub mod operand;
pub mod pack;
pub mod pool;
pub mod product;
pub mod scratch;

pub use half::bf16;
pub use operand::Operand;
