//! The few layers that every network here is made of.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};
use mammo::seed::Rng;
use rand::RngExt;

/// Kernel, stride and channel counts of one [`ConvNorm`].
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Channels in.
    pub c_in: usize,
    /// Channels out.
    pub c_out: usize,
    /// Side of the square kernel; the padding is half of it, so stride 1 keeps the size.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
}

/// Convolution, then batch norm when the network has it, without activation.
///
/// With batch norm the convolution has no bias, which the norm would cancel.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

impl ConvNorm {
    /// Convolution followed by batch norm (epsilon 1e-5, momentum 0.1).
    pub fn new(shape: ConvShape, device: &Device) -> Self {
        let norm = BatchNormConfig::new(shape.c_out).with_epsilon(1e-5).with_momentum(0.1).init(device);
        Self { conv: conv2d(shape, false, device), norm: Some(norm) }
    }

    /// Convolution with a bias and no norm, as in the original VGG.
    pub fn without_norm(shape: ConvShape, device: &Device) -> Self {
        Self { conv: conv2d(shape, true, device), norm: None }
    }

    /// # Shapes
    /// `[n, c_in, h, w]` to `[n, c_out, ceil(h / stride), ceil(w / stride)]`.
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

/// A convolution padded by half its kernel.
pub fn conv2d(shape: ConvShape, bias: bool, device: &Device) -> Conv2d {
    let pad = shape.kernel / 2;
    Conv2dConfig::new([shape.c_in, shape.c_out], [shape.kernel; 2])
        .with_stride([shape.stride; 2])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(bias)
        .init(device)
}

/// Largest value in each `kernel`-sized window.
///
/// # Shapes
/// `[n, c, h, w]` to `[n, c, (h + 2 pad - kernel) / stride + 1, ...]`.
pub fn max_pool(x: Tensor<4>, kernel: usize, stride: usize, pad: usize) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([pad; 2]))
}

/// Mean over rows and columns: `[n, c, h, w]` to `[n, c]`.
pub fn mean_over_space(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
}

/// Largest value over rows and columns: `[n, c, h, w]` to `[n, c]`.
pub fn max_over_space(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w]).max_dim(2).reshape([n, c])
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
    fn pooling_over_space_agrees_with_hand_counts() {
        let x = Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 6.0]]]], &Device::flex());
        assert_eq!(mean_over_space(x.clone()).into_scalar::<f32>(), 3.0);
        assert_eq!(max_over_space(x).into_scalar::<f32>(), 6.0);
    }
}
