//! The layers of all networks here.

use std::sync::Arc;

use burn::module::{Module, ParamId};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{DType, Device, Tensor, TensorData};
use mammo_core::seed::Rng;
use mammo_kernels::Activation;
use mammo_kernels::norm::{Statistics, fold};
use rand::RngExt;

use crate::cpu::{self, ConvCall, NormCall, ResidualGradSlot};
use crate::inference::plan::{FoldedConv, Map, Planner};
use crate::networks::conventions::{ChannelNorm, Conventions, KernelGeometry, Padding};
use crate::networks::maps::Maps;
use crate::networks::precision::Precision;

/// Kernel, stride, padding and channel counts of one [`ConvNorm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Channels in.
    pub c_in: usize,
    /// Channels out.
    pub c_out: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Padding; stride 1 preserves the size unless it is `Valid`.
    pub padding: Padding,
    /// Whether every channel has a kernel of its own; then `c_in` equals `c_out`.
    pub depthwise: bool,
}

impl ConvGeometry {
    /// Channels that each output channel reads.
    pub fn depth(&self) -> usize {
        if self.depthwise { 1 } else { self.c_in }
    }
}

/// Convolution followed by an optional batch norm, a residual and an activation, as the caller says.
///
/// A bias before a batch norm has no effect in training, so the convolution has one only where the conventions of
/// Keras say so.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: Option<BatchNorm>,
    #[module(skip)]
    padding: Padding,
}

impl ConvNorm {
    /// Convolution followed by batch norm.
    pub fn new(shape: ConvGeometry, conventions: &Conventions, device: &Device) -> Self {
        let norm = Some(batch_norm(shape.c_out, conventions, device));
        Self { conv: conv2d(shape, conventions.bias_before_norm, device), norm, padding: shape.padding }
    }

    /// Convolution with a bias and no norm, as in the original VGG.
    pub fn without_norm(shape: ConvGeometry, device: &Device) -> Self {
        Self { conv: conv2d(shape, true, device), norm: None, padding: shape.padding }
    }

    /// # Shapes
    /// `c_in` channels to `c_out`; the size is given by [`Padding::n_out`].
    pub fn forward(&self, x: Maps, activation: Activation) -> Maps {
        self.apply(x, None, None, activation)
    }

    /// [`forward`](Self::forward), with `residual` added before the activation.
    pub fn forward_add(&self, x: Maps, residual: Maps, activation: Activation) -> Maps {
        self.apply(x, Some(residual), None, activation)
    }

    /// [`forward`](Self::forward) of a block's input that the other branch of the block reads as well.
    pub(crate) fn forward_shared(&self, x: Maps, slot: &ResidualGradSlot, activation: Activation) -> Maps {
        self.apply(x, None, Some(slot), activation)
    }

    /// [`forward_add`](Self::forward_add) with the block's input as the residual.
    pub(crate) fn forward_add_shared(
        &self,
        x: Maps,
        residual: Maps,
        slot: &ResidualGradSlot,
        activation: Activation,
    ) -> Maps {
        self.apply(x, Some(residual), Some(slot), activation)
    }

    fn apply(
        &self,
        x: Maps,
        residual: Option<Maps>,
        slot: Option<&ResidualGradSlot>,
        activation: Activation,
    ) -> Maps {
        match x {
            Maps::ChannelsLast(x) => {
                Maps::ChannelsLast(self.on_cpu(x, residual.map(Maps::into_nchw), slot, activation))
            }
            Maps::ChannelsFirst(x) => {
                let x = self.conv.forward(x);
                let x = match &self.norm {
                    Some(norm) => norm.forward(x),
                    None => x,
                };
                let x = match residual {
                    Some(residual) => x + residual.into_nchw(),
                    None => x,
                };
                Maps::ChannelsFirst(activate(x, activation))
            }
        }
    }

    fn on_cpu(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        slot: Option<&ResidualGradSlot>,
        activation: Activation,
    ) -> Tensor<4> {
        let geometry = self.geometry();
        let residual = residual.map(|r| r.permute([0, 2, 3, 1]));
        let bias = self.conv.bias.as_ref().map(|b| b.val());
        let depthwise = self.is_depthwise();
        let fuse = self.norm.is_none() && residual.is_none() && !depthwise;
        // The norm at the end of a block stores a gradient, the convolution at its beginning takes it.
        let (conv_slot, norm_slot) = match residual {
            Some(_) => (None, slot.cloned()),
            None => (slot.cloned(), None),
        };
        let x = match (depthwise, bias) {
            (false, bias) => {
                let activation = if fuse { activation } else { Activation::None };
                let call = ConvCall { geometry, activation, residual_grad: conv_slot };
                cpu::conv(x, self.conv.weight.val(), bias, call)
            }
            (true, None) => cpu::depthwise(x, self.conv.weight.val(), geometry),
            (true, Some(bias)) => {
                let x = cpu::depthwise(x, self.conv.weight.val(), geometry);
                let bias = bias.reshape([1, 1, 1, -1]).cast(x.dtype());
                x + bias
            }
        };
        match &self.norm {
            Some(norm) => norm_on_cpu(norm, x, residual, norm_slot, activation),
            None if fuse => x,
            None => {
                let x = match residual {
                    Some(residual) => x + residual,
                    None => x,
                };
                activate(x, activation)
            }
        }
    }

    fn is_depthwise(&self) -> bool {
        self.conv.groups > 1
    }

    /// The kernels, if every channel has one of its own.
    pub(crate) fn depthwise_kernels(&self) -> Option<ParamId> {
        self.is_depthwise().then_some(self.conv.weight.id)
    }

    fn geometry(&self) -> KernelGeometry {
        let [_, _, kernel, _] = self.conv.weight.dims();
        KernelGeometry { kernel, stride: self.conv.stride[0], padding: self.padding }
    }

    /// Adds this layer to a plan; must compute the same as the `forward` methods.
    pub fn plan(&self, planner: &mut Planner, x: Map, residual: Option<Map>, activation: Activation) -> Map {
        let [c_out, depth, kernel, _] = self.conv.weight.dims();
        let mut weight: Vec<f32> = self.conv.weight.val().into_data().iter::<f32>().collect();
        let mut bias = self.conv.bias.as_ref().map_or_else(|| vec![0.0; c_out], |b| floats(b.val()));
        if let Some(norm) = &self.norm {
            let statistics = running_statistics(norm);
            let (gamma, beta) = (floats(norm.gamma.val()), floats(norm.beta.val()));
            let (scale, shift) = fold(&statistics, &gamma, &beta, norm.epsilon as f32);
            for (weight, s) in weight.chunks_exact_mut(depth * kernel * kernel).zip(&scale) {
                weight.iter_mut().for_each(|w| *w *= s);
            }
            for ((bias, scale), shift) in bias.iter_mut().zip(&scale).zip(&shift) {
                *bias = *bias * scale + shift;
            }
        }
        let depthwise = self.is_depthwise();
        let c_in = if depthwise { c_out } else { depth };
        let conv = FoldedConv { weight, bias, c_in, geometry: self.geometry(), depthwise };
        planner.conv(conv, x, residual, activation)
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        self.conv.weight.shape()[0]
    }
}

fn running_statistics(norm: &BatchNorm) -> Statistics {
    Statistics { mean: floats(norm.running_mean.value()), variance: floats(norm.running_var.value()) }
}

/// Batch norm, residual and activation in one operation, with the statistics that Burn uses: in training those of the
/// batch, which also update the running ones; otherwise the running ones.
fn norm_on_cpu(
    norm: &BatchNorm,
    x: Tensor<4>,
    residual: Option<Tensor<4>>,
    slot: Option<ResidualGradSlot>,
    activation: Activation,
) -> Tensor<4> {
    let device = x.device();
    let trains = device.is_autodiff() && norm.training.is_enabled();
    let given = (!trains).then(|| running_statistics(norm));
    let call = NormCall {
        given,
        found: Arc::default(),
        epsilon: norm.epsilon as f32,
        activation,
        residual_grad: slot,
    };
    let found = Arc::clone(&call.found);
    let out = cpu::norm(x, norm.gamma.val(), norm.beta.val(), residual, call);
    if let Some(found) = found.get() {
        let momentum = norm.momentum as f32;
        for (running, batch) in [(&norm.running_mean, &found.mean), (&norm.running_var, &found.variance)] {
            let old = running.value_sync();
            let moved: Vec<f32> = floats(old.clone())
                .iter()
                .zip(batch)
                .map(|(r, b)| r * (1.0 - momentum) + b * momentum)
                .collect();
            running.update(Tensor::from_data(TensorData::new(moved, [batch.len()]), &old.device()));
        }
    }
    out
}

/// An activation on a device without kernels of ours, or where nothing can be fused.
fn activate(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
        Activation::Relu6 => relu(x).clamp_max(6.0),
    }
}

/// The values of an `f32` tensor.
fn floats(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A batch norm with the conventions' epsilon and momentum.
fn batch_norm(channels: usize, conventions: &Conventions, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels)
        .with_epsilon(conventions.norm_epsilon)
        .with_momentum(conventions.norm_momentum)
        .init(device)
}

/// A convolution with a square kernel.
pub fn conv2d(shape: ConvGeometry, bias: bool, device: &Device) -> Conv2d {
    let pad = shape.kernel / 2;
    let padding = match shape.padding {
        Padding::Half => PaddingConfig2d::Explicit(pad, pad, pad, pad),
        Padding::Same => PaddingConfig2d::Same,
        Padding::Valid => PaddingConfig2d::Valid,
    };
    Conv2dConfig::new([shape.c_in, shape.c_out], [shape.kernel; 2])
        .with_stride([shape.stride; 2])
        .with_padding(padding)
        .with_groups(if shape.depthwise { shape.c_in } else { 1 })
        .with_bias(bias)
        .init(device)
}

/// Linear layer followed by an optional batch norm and ReLU.
#[derive(Module, Debug)]
pub struct LinearNorm {
    linear: Linear,
    norm: Option<BatchNorm>,
}

impl LinearNorm {
    /// From `d_in` to `d_out` features, with a batch norm of these conventions if given.
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

/// The input of a trunk's first layer: images with normalised channels, in the number type of `precision`.
///
/// Channels are normalised in `f32`, whatever the type of the images: bf16 keeps eight significant bits, so a grey
/// level of 200 of 255 would be off by half a level if rounded before, and by a hundredth of a level if rounded
/// after.
///
/// # Shapes
/// `[n, channels, h, w]`.
pub fn trunk_input(images: Tensor<4>, norm: Option<&ChannelNorm>, precision: Precision) -> Maps {
    Maps::from_nchw(precision.cast(match norm {
        Some(norm) => normalise_channels(images.cast(DType::F32), norm),
        None => images,
    }))
}

/// `(x - mean) / std` of each of three channels, in `f32`.
///
/// # Shapes
/// `[n, 3, h, w]` to the same shape.
fn normalise_channels(x: Tensor<4>, norm: &ChannelNorm) -> Tensor<4> {
    let plane = |values: [f64; 3]| {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Tensor::<4>::from_data(TensorData::new(values, [1, 3, 1, 1]), &x.device())
    };
    let (mean, std) = (plane(norm.mean), plane(norm.std));
    (x - mean) / std
}

/// Average pooling with a `kernel` x `kernel` window, stride 1 and no padding.
///
/// # Shapes
/// `[n, c, h, w]` to `[n, c, h - kernel + 1, w - kernel + 1]`.
pub fn average_pool(x: Tensor<4>, kernel: usize) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([kernel; 2]).with_stride([1, 1]))
}

/// Dropout: sets each value to zero with `probability` and scales the others so that the expectation is unchanged.
/// The mask is drawn from `rng`, not by the device: the same seed drops the same values on every device and after a
/// resume.
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
        let draw = || dropout(x.clone(), 0.5, &mut mammo_core::seed::stream(3, "dropout", 0)).into_data();
        let values: Vec<f32> = draw().try_to_vec().unwrap();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.03, "mean {mean}");
        assert!(values.iter().all(|&v| v == 0.0 || v == 2.0));
        assert_eq!(values, draw().try_to_vec::<f32>().unwrap());
    }

    #[test]
    fn mean_and_maximum_over_space_agree_with_a_hand_count() {
        let x = Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 6.0]]]], &Device::flex());
        assert_eq!(Maps::from_nchw(x.clone()).mean_over_space().into_scalar::<f32>(), 3.0);
        assert_eq!(Maps::from_nchw(x).max_over_space().into_scalar::<f32>(), 6.0);
    }

    #[test]
    fn the_maximum_over_space_hands_its_gradient_to_the_cell_that_won() {
        let values = [[[[1.0, 5.0], [3.0, 2.0]], [[-4.0, -3.0], [-1.0, -2.0]]]];
        let device = Device::flex().autodiff();
        for enter in [Maps::ChannelsFirst as fn(Tensor<4>) -> Maps, Maps::from_nchw] {
            let x = Tensor::<4>::from_data(values, &device).require_grad();
            let out = (enter(x.clone()).max_over_space() * Tensor::from_data([[10.0, 7.0]], &device)).sum();
            let gradient: Vec<f32> = x.grad(&out.backward()).unwrap().into_data().try_to_vec().unwrap();
            assert_eq!(gradient, [0.0, 10.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0]);
        }
    }
}
