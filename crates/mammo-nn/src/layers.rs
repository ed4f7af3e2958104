//! The few layers that every network here is made of.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use mammo::seed::Rng;
use rand::RngExt;

use crate::conventions::{ChannelNorm, Conventions, Padding};

/// Kernel, stride, padding and channel counts of one [`ConvNorm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels in.
    pub c_in: usize,
    /// Channels out.
    pub c_out: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// How the border is filled; stride 1 keeps the size unless there is none.
    pub padding: Padding,
}

/// Convolution, then batch norm when the network has it, without activation.
///
/// Before a batch norm, which cancels it, the convolution has a bias only where the
/// conventions of Keras say so.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

impl ConvNorm {
    /// Convolution followed by batch norm.
    pub fn new(shape: ConvShape, conventions: &Conventions, device: &Device) -> Self {
        let norm = batch_norm(shape.c_out, conventions, device);
        Self { conv: conv2d(shape, conventions.bias_before_norm, device), norm: Some(norm) }
    }

    /// Convolution with a bias and no norm, as in the original VGG.
    pub fn without_norm(shape: ConvShape, device: &Device) -> Self {
        Self { conv: conv2d(shape, true, device), norm: None }
    }

    /// # Shapes
    /// `[n, c_in, h, w]` to `[n, c_out, ...]`, the size as [`Padding::n_out`] counts it.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv.forward(x);
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    /// [`forward`](Self::forward), then ReLU.
    pub fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        relu(self.forward(x))
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        self.conv.weight.shape()[0]
    }
}

/// A batch norm with the conventions' epsilon and momentum.
fn batch_norm(channels: usize, conventions: &Conventions, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels)
        .with_epsilon(conventions.norm_epsilon)
        .with_momentum(conventions.norm_momentum)
        .init(device)
}

/// A convolution with a square kernel.
pub fn conv2d(shape: ConvShape, bias: bool, device: &Device) -> Conv2d {
    let pad = shape.kernel / 2;
    let padding = match shape.padding {
        Padding::Half => PaddingConfig2d::Explicit(pad, pad, pad, pad),
        Padding::Same => PaddingConfig2d::Same,
        Padding::Valid => PaddingConfig2d::Valid,
    };
    Conv2dConfig::new([shape.c_in, shape.c_out], [shape.kernel; 2])
        .with_stride([shape.stride; 2])
        .with_padding(padding)
        .with_bias(bias)
        .init(device)
}

/// Linear layer, then batch norm when the network has it, then ReLU.
#[derive(Module, Debug)]
pub struct LinearNorm {
    linear: Linear,
    norm: Option<BatchNorm>,
}

impl LinearNorm {
    /// From `d_in` to `d_out` features; `norm` holds the conventions of a batch norm.
    pub fn new(d_in: usize, d_out: usize, norm: Option<&Conventions>, device: &Device) -> Self {
        Self {
            linear: LinearConfig::new(d_in, d_out).init(device),
            norm: norm.map(|conventions| batch_norm(d_out, conventions, device)),
        }
    }

    /// `[n, d_in]` to `[n, d_out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.linear.forward(x);
        relu(match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        })
    }
}

/// `(x - mean) / std` of each of three channels.
///
/// # Shapes
/// `[n, 3, h, w]` stays.
pub fn normalise_channels(x: Tensor<4>, norm: &ChannelNorm) -> Tensor<4> {
    let plane = |values: [f64; 3]| {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Tensor::<4>::from_data(TensorData::new(values, [1, 3, 1, 1]), &x.device())
    };
    let (mean, std) = (plane(norm.mean), plane(norm.std));
    (x - mean) / std
}

/// Largest value in each `kernel`-sized window; padding never wins.
///
/// # Shapes
/// `[n, c, h, w]` to `[n, c, ...]`, the size as [`Padding::n_out`] counts it.
pub fn max_pool(x: Tensor<4>, kernel: usize, stride: usize, padding: Padding) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let pads = [h, w].map(|n| match padding {
        Padding::Half => (kernel / 2, kernel / 2),
        Padding::Same => {
            let total = ((n.div_ceil(stride) - 1) * stride + kernel).saturating_sub(n);
            (total / 2, total - total / 2)
        }
        Padding::Valid => (0, 0),
    });
    max_pool2d(x, MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding_pairs(pads))
}

/// Mean of each square of `kernel` cells, one cell apart, without padding.
///
/// # Shapes
/// `[n, c, h, w]` to `[n, c, h - kernel + 1, w - kernel + 1]`.
pub fn average_pool(x: Tensor<4>, kernel: usize) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([kernel; 2]).with_stride([1, 1]))
}

/// Mean over rows and columns: `[n, c, h, w]` to `[n, c]`.
pub fn mean_over_space(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
}

/// Sets each value to zero with `probability` and scales the rest up, so that the
/// expectation stays. The mask comes from `rng`, not from the device: the same seed drops
/// the same values on every device and after a resume.
pub fn dropout(x: Tensor<2>, probability: f64, rng: &mut Rng) -> Tensor<2> {
    if probability <= 0.0 {
        return x;
    }
    let [n, c] = x.dims();
    let keep = (1.0 / (1.0 - probability)) as f32;
    let mask: Vec<f32> =
        (0..n * c).map(|_| if rng.random::<f64>() < probability { 0.0 } else { keep }).collect();
    let mask = Tensor::<2>::from_data(TensorData::new(mask, [n, c]), &x.device());
    x * mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_keeps_the_mean_and_repeats_with_the_seed() {
        let device = Device::flex();
        let x = Tensor::<2>::ones([50, 200], &device);
        let draw = || dropout(x.clone(), 0.5, &mut mammo::seed::stream(3, "dropout", 0)).into_data();
        let values: Vec<f32> = draw().try_to_vec().unwrap();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.03, "mean {mean}");
        assert!(values.iter().all(|&v| v == 0.0 || v == 2.0));
        assert_eq!(values, draw().try_to_vec::<f32>().unwrap());
    }

    #[test]
    fn the_mean_over_space_agrees_with_a_hand_count() {
        let x = Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 6.0]]]], &Device::flex());
        assert_eq!(mean_over_space(x).into_scalar::<f32>(), 3.0);
    }
}
