//! Prediction on the CPU: a network compiled to a list of kernel calls.
//!
//! Batch norms are folded into the preceding convolutions; ReLU, residual sums and max pooling are fused into the
//! epilogue of a convolution; weights are packed once, and feature maps share as few buffers as their lifetimes
//! allow. A network whose input channels are copies of one grey plane reads that plane: its first convolution uses
//! the sum of its channels' kernels.
//!
//! **bf16.** The effect of rounding on the probability was measured layer by layer on real mammograms
//! (docs/performance.md). Two thirds of it came from the first layer, which therefore stays in `f32`: it is a
//! hundredth of the work. Most of the rest came from the weights, whose errors do not average out over an image:
//! `rounding` rounds them so that the errors cancel. Weights in the Winograd domain stay in `f32` too.

mod planner;
mod program;
mod rounding;

use burn::tensor::{Device, Tensor, TensorData};
use mammo_kernels::bf16;

pub use planner::{FoldedConv, Map, Planner};
pub use program::Program;

/// A compiled network, up to its last feature map.
pub enum Plan {
    /// In `f32`.
    F32(Program<f32>),
    /// In bf16.
    Bf16(Program<bf16>),
}

impl Plan {
    /// The last feature map of a batch of normalised grey planes.
    ///
    /// # Shapes
    /// `planes`: `[n, h, w]`. The result is `[n, c, h', w']`.
    pub fn feature_map(&self, planes: &[f32], size: [usize; 3], device: &Device) -> Tensor<4> {
        let (values, shape) = match self {
            Self::F32(program) => program.run(planes, size),
            Self::Bf16(program) => program.run(planes, size),
        };
        Tensor::<4>::from_data(TensorData::new(values, shape), device).permute([0, 3, 1, 2])
    }
}
