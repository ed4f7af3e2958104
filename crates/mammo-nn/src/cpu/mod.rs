//! The CPU kernels as operations of Burn, with their own gradients.
//!
//! Feature maps are channels last here: tensors of shape `[n, h, w, c]`, of `f32` or bf16. Weights, norms and their
//! gradients are always `f32`. Only the flex device has these operations; on other devices
//! [`crate::networks::layers`] uses Burn's own.
//!
//! Kernels panic on inconsistent shapes, which cannot occur: every `ConvShape` is built from the tensors here.

mod conv;
mod depthwise;
mod memory;
mod norm;
mod pool;
mod residual;

use std::sync::{Arc, OnceLock};

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Bytes, Device, Element, Tensor};
use mammo_kernels::norm::Statistics;
use mammo_kernels::{Activation, Operand, bf16};

use crate::networks::conventions::{KernelGeometry, Padding};

pub(crate) use residual::ResidualGradSlot;

/// True if tensors of this device can use the operations of this module.
pub(crate) fn supports(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}

/// Settings of a convolution.
#[derive(Clone, Debug)]
pub(crate) struct ConvCall {
    /// Kernel size, stride and padding.
    pub geometry: KernelGeometry,
    /// Applied to the sums; only together with a bias and without a norm after it.
    pub activation: Activation,
    /// Of the first convolution of a residual block: the slot through which the gradients of the block's input are added.
    pub residual_grad: Option<ResidualGradSlot>,
}

/// Settings of a batch norm, and the statistics that it returns.
#[derive(Clone, Debug)]
pub(crate) struct NormCall {
    /// The statistics to normalise with; `None` for those of the batch.
    pub given: Option<Statistics>,
    /// Receives the statistics of the batch.
    pub found: Arc<OnceLock<Statistics>>,
    /// Added to the variance.
    pub epsilon: f32,
    /// Applied to the normalised values.
    pub activation: Activation,
    /// Of the norm that ends a residual block: the slot that receives the gradient of the residual.
    pub residual_grad: Option<ResidualGradSlot>,
}

/// Operations that only the CPU backend has.
#[backend_extension(Autodiff, Flex)]
pub(crate) trait CpuOps: Backend {
    /// Convolution, `[n, h, w, c_in]` and `[c_out, c_in, k, k]` to `[n, h', w', c_out]`.
    fn cpu_conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, call: ConvCall) -> FloatTensor<Self>;
    /// As [`cpu_conv`](Self::cpu_conv), plus a bias `[c_out]`, then the activation of the call.
    fn cpu_conv_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: ConvCall,
    ) -> FloatTensor<Self>;
    /// Depthwise convolution, `[n, h, w, c]` and `[c, 1, k, k]` to `[n, h', w', c]`.
    fn cpu_depthwise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: KernelGeometry,
    ) -> FloatTensor<Self>;
    /// Batch norm of `[n, h, w, c]` with scale and shift `[c]`.
    fn cpu_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        call: NormCall,
    ) -> FloatTensor<Self>;
    /// As [`cpu_norm`](Self::cpu_norm), plus a residual of the shape of `x` before the activation.
    fn cpu_norm_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        call: NormCall,
    ) -> FloatTensor<Self>;
    /// Max pooling; padding is never the maximum.
    fn cpu_max_pool(x: FloatTensor<Self>, geometry: KernelGeometry) -> FloatTensor<Self>;
    /// Global average pooling, `[n, h, w, c]` to `[n, c]`, as `f32`.
    fn cpu_mean_over_space(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl CpuOps for Flex {
    fn cpu_conv(x: FlexTensor, weight: FlexTensor, call: ConvCall) -> FlexTensor {
        conv::forward(&x, &weight, None, &call)
    }

    fn cpu_conv_bias(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, call: ConvCall) -> FlexTensor {
        conv::forward(&x, &weight, Some(&bias), &call)
    }

    fn cpu_depthwise(x: FlexTensor, weight: FlexTensor, geometry: KernelGeometry) -> FlexTensor {
        depthwise::forward(&x, &weight, geometry)
    }

    fn cpu_norm(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, call: NormCall) -> FlexTensor {
        norm::forward(&x, &gamma, &beta, None, &call).0
    }

    fn cpu_norm_add(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: FlexTensor,
        call: NormCall,
    ) -> FlexTensor {
        norm::forward(&x, &gamma, &beta, Some(&residual), &call).0
    }

    fn cpu_max_pool(x: FlexTensor, geometry: KernelGeometry) -> FlexTensor {
        pool::max_forward(&x, geometry).0
    }

    fn cpu_mean_over_space(x: FlexTensor) -> FlexTensor {
        pool::mean_forward(&x)
    }
}

impl<C: CheckpointStrategy> CpuOps for Autodiff<Flex, C> {
    fn cpu_conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, call: ConvCall) -> FloatTensor<Self> {
        conv::tracked::<C>(x, weight, call)
    }

    fn cpu_conv_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: ConvCall,
    ) -> FloatTensor<Self> {
        conv::tracked_bias::<C>(x, weight, bias, call)
    }

    fn cpu_depthwise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: KernelGeometry,
    ) -> FloatTensor<Self> {
        depthwise::tracked::<C>(x, weight, geometry)
    }

    fn cpu_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        call: NormCall,
    ) -> FloatTensor<Self> {
        norm::tracked::<C>(x, gamma, beta, call)
    }

    fn cpu_norm_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        call: NormCall,
    ) -> FloatTensor<Self> {
        norm::tracked_add::<C>(x, gamma, beta, residual, call)
    }

    fn cpu_max_pool(x: FloatTensor<Self>, geometry: KernelGeometry) -> FloatTensor<Self> {
        pool::max_tracked::<C>(x, geometry)
    }

    fn cpu_mean_over_space(x: FloatTensor<Self>) -> FloatTensor<Self> {
        pool::mean_tracked::<C>(x)
    }
}

/// [`CpuOps::cpu_conv`] or [`CpuOps::cpu_conv_bias`] of tensors.
pub(crate) fn conv(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, call: ConvCall) -> Tensor<4> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::cpu_conv_bias(x, weight, bias.into_dispatch(), call),
        None => Dispatch::cpu_conv(x, weight, call),
    })
}

/// [`CpuOps::cpu_depthwise`] of tensors.
pub(crate) fn depthwise(x: Tensor<4>, weight: Tensor<4>, geometry: KernelGeometry) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::cpu_depthwise(x.into_dispatch(), weight.into_dispatch(), geometry))
}

/// `a` times the transpose of `b`. On the CPU it is computed as a 1x1 convolution, several times as fast as Burn's
/// matrix product.
pub(crate) fn times_transposed(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    if !supports(&a.device()) {
        return a.matmul(b.transpose());
    }
    let ([rows, depth], [columns, _]) = (a.dims(), b.dims());
    let geometry = KernelGeometry { kernel: 1, stride: 1, padding: Padding::Valid };
    let (pixels, kernels) = (a.reshape([1, 1, rows, depth]), b.reshape([columns, depth, 1, 1]));
    conv(pixels, kernels, None, ConvCall { geometry, activation: Activation::None, residual_grad: None })
        .reshape([rows, columns])
}

/// [`CpuOps::cpu_norm`] or [`CpuOps::cpu_norm_add`] of tensors.
pub(crate) fn norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    residual: Option<Tensor<4>>,
    call: NormCall,
) -> Tensor<4> {
    let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    Tensor::from_dispatch(match residual {
        Some(residual) => Dispatch::cpu_norm_add(x, gamma, beta, residual.into_dispatch(), call),
        None => Dispatch::cpu_norm(x, gamma, beta, call),
    })
}

/// [`CpuOps::cpu_max_pool`] of a tensor.
pub(crate) fn max_pool(x: Tensor<4>, geometry: KernelGeometry) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::cpu_max_pool(x.into_dispatch(), geometry))
}

/// [`CpuOps::cpu_mean_over_space`] of a tensor.
pub(crate) fn mean_over_space(x: Tensor<4>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::cpu_mean_over_space(x.into_dispatch()))
}

/// A number type of feature maps, for Burn and for the kernels.
trait Number: Operand + Element + bytemuck::Pod {}

impl Number for f32 {}
impl Number for bf16 {}

/// Runs `$body` with `$t` as the number type of `$tensor`.
macro_rules! by_dtype {
    ($tensor:expr, $t:ident => $body:expr) => {
        match burn::backend::TensorMetadata::dtype($tensor) {
            burn::tensor::DType::BF16 => {
                type $t = mammo_kernels::bf16;
                $body
            }
            _ => {
                type $t = f32;
                $body
            }
        }
    };
}
use by_dtype;

/// The values of a contiguous tensor.
fn numbers<T: Number>(tensor: &FlexTensor) -> &[T] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<T>()[start..start + tensor.layout().num_elements()]
}

/// The same tensor, contiguous.
fn contiguous(tensor: &FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor.clone() } else { tensor.to_contiguous() }
}

fn tensor<T: Number, const D: usize>(numbers: Vec<T>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(numbers), Layout::contiguous(shape.into()), <T as Element>::dtype())
}

fn shape<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.shape().dims()
}

#[cfg(test)]
mod tests;
