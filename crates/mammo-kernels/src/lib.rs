//! CPU kernels for the layers of mammography networks: convolution, batch norm and pooling.
//!
//! Functions take and return plain slices: no tensor type, no framework. Images are *channels last* (`[n, h, w, c]`,
//! contiguous); weights have the layout of PyTorch and Burn (`[c_out, c_in, k, k]`). Operands are `f32` or [`bf16`];
//! sums are always `f32`.
//!
//! | module | what |
//! |---|---|
//! | [`activation`] | ReLU and ReLU6 |
//! | [`isa`] | instruction sets, detected at run time |
//! | [`micro`] | the micro-kernel: one tile of outputs in registers |
//! | [`pack`] | right operands in the order in which the micro-kernel reads them |
//! | [`scratch`] | a pool of buffers |
//! | [`product`] | the loop nest around the micro-kernel, cache blocks and threads |
//! | [`conv`] | convolution: forward, gradient of the input, gradient of the weights |
//! | [`norm`] | batch norm with residual sum and ReLU in one pass, forward and backward |
//! | [`pool`] | max pooling and the mean over space |
//!
//! `unsafe` is confined to [`micro`] and to two functions of [`isa`], which run a loop compiled for an instruction
//! set.
//!
//! Kernels run on the current rayon pool. Results do not depend on the number of threads.

pub mod activation;
pub mod conv;
pub mod isa;
pub mod micro;
pub mod norm;
pub mod operand;
pub mod pack;
pub mod pool;
pub mod product;
pub mod scratch;

pub use activation::Activation;
pub use half::bf16;
pub use operand::Operand;
