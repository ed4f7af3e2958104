//! Feature maps in the memory layout of their device.
//!
//! On the CPU maps are channels last, as its kernels need them; on other devices they have Burn's layout. Layers take
//! and return [`Maps`]; [`Maps::into_nchw`] converts to `[n, c, h, w]`, on the CPU as a view without a copy.
//!
//! The number type is that of the images: with bf16 images a network computes in bf16, with sums, weights and
//! statistics in `f32`. Only the CPU supports bf16.

use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{DType, Tensor};

use crate::cpu;
use crate::networks::conventions::{KernelGeometry, Padding};

/// Feature maps of a batch.
#[derive(Clone, Debug)]
pub enum Maps {
    /// `[n, h, w, c]`, for the kernels of the CPU.
    ChannelsLast(Tensor<4>),
    /// `[n, c, h, w]`, for all other devices.
    ChannelsFirst(Tensor<4>),
}

impl Maps {
    /// From `[n, c, h, w]`.
    pub fn from_nchw(x: Tensor<4>) -> Self {
        match cpu::supports(&x.device()) {
            true => Self::ChannelsLast(x.permute([0, 2, 3, 1])),
            false => Self::ChannelsFirst(x),
        }
    }

    /// To `[n, c, h, w]`.
    pub fn into_nchw(self) -> Tensor<4> {
        match self {
            Self::ChannelsLast(x) => x.permute([0, 3, 1, 2]),
            Self::ChannelsFirst(x) => x,
        }
    }

    /// Max pooling with a `kernel` x `kernel` window; padding is never the maximum.
    pub fn max_pool(self, kernel: usize, stride: usize, padding: Padding) -> Self {
        match self {
            Self::ChannelsLast(x) => {
                Self::ChannelsLast(cpu::max_pool(x, KernelGeometry { kernel, stride, padding }))
            }
            Self::ChannelsFirst(x) => {
                let [_, _, h, w] = x.dims();
                let pad = padding.of_map([h, w], kernel, stride);
                let pads = [(pad.top, pad.bottom), (pad.left, pad.right)];
                let options =
                    MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding_pairs(pads);
                Self::ChannelsFirst(max_pool2d(x, options))
            }
        }
    }

    /// Global average pooling, as `f32`: `[n, c]`.
    pub fn mean_over_space(self) -> Tensor<2> {
        match self {
            Self::ChannelsLast(x) => cpu::mean_over_space(x),
            Self::ChannelsFirst(x) => {
                let [n, c, h, w] = x.dims();
                x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
            }
        }
    }

    /// Global max pooling, as `f32`: `[n, c]`.
    pub fn max_over_space(self) -> Tensor<2> {
        match self {
            Self::ChannelsLast(x) => {
                let [n, h, w, c] = x.dims();
                x.cast(DType::F32).reshape([n, h * w, c]).max_dim(1).reshape([n, c])
            }
            Self::ChannelsFirst(x) => {
                let [n, c, h, w] = x.dims();
                x.cast(DType::F32).reshape([n, c, h * w]).max_dim(2).reshape([n, c])
            }
        }
    }
}
