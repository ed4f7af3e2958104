//! Feature maps on their way through a network.
//!
//! On the CPU they are channels last, in the order in which its kernels read them; elsewhere
//! they are as Burn has them. Layers take and give [`Maps`]; whoever looks at a map sees
//! `[n, c, h, w]` through [`Maps::leave`], on the CPU as a view that costs nothing.
//!
//! The number type is that of the images: bf16 images make a network compute in bf16, with sums,
//! weights and statistics in `f32`. Only the CPU has that.

use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{DType, Tensor};

use crate::cpu;
use crate::networks::conventions::Padding;

/// Feature maps of a batch.
#[derive(Clone, Debug)]
pub enum Maps {
    /// `[n, h, w, c]`, for the kernels of the CPU.
    Last(Tensor<4>),
    /// `[n, c, h, w]`, for all other devices.
    First(Tensor<4>),
}

impl Maps {
    /// From `[n, c, h, w]`.
    pub fn enter(x: Tensor<4>) -> Self {
        match cpu::is_here(&x.device()) {
            true => Self::Last(x.permute([0, 2, 3, 1])),
            false => Self::First(x),
        }
    }

    /// To `[n, c, h, w]`.
    pub fn leave(self) -> Tensor<4> {
        match self {
            Self::Last(x) => x.permute([0, 3, 1, 2]),
            Self::First(x) => x,
        }
    }

    /// Largest value in each `kernel`-sized window; padding never wins.
    pub fn max_pool(self, kernel: usize, stride: usize, padding: Padding) -> Self {
        match self {
            Self::Last(x) => {
                let [_, h, w, _] = x.dims();
                let pad = padding.of_map([h, w], kernel, stride);
                Self::Last(cpu::max_pool(x, cpu::Window { kernel, stride, pad }))
            }
            Self::First(x) => {
                let [_, _, h, w] = x.dims();
                let pad = padding.of_map([h, w], kernel, stride);
                let pads = [(pad.top, pad.bottom), (pad.left, pad.right)];
                let options =
                    MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding_pairs(pads);
                Self::First(max_pool2d(x, options))
            }
        }
    }

    /// Mean over rows and columns, as `f32`: `[n, c]`.
    pub fn mean_over_space(self) -> Tensor<2> {
        match self {
            Self::Last(x) => cpu::mean_over_space(x),
            Self::First(x) => {
                let [n, c, h, w] = x.dims();
                x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
            }
        }
    }

    /// Largest value over rows and columns, as `f32`: `[n, c]`.
    pub fn max_over_space(self) -> Tensor<2> {
        match self {
            Self::Last(x) => {
                let [n, h, w, c] = x.dims();
                x.cast(DType::F32).reshape([n, h * w, c]).max_dim(1).reshape([n, c])
            }
            Self::First(x) => {
                let [n, c, h, w] = x.dims();
                x.cast(DType::F32).reshape([n, c, h * w]).max_dim(2).reshape([n, c])
            }
        }
    }
}
