//! Pooling, forward and backward.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::DType;
use mammo_kernels::conv::ConvShape;
use mammo_kernels::isa::Isa;
use mammo_kernels::{bf16, pool};

use super::memory::filled;
use super::{Number, by_dtype, contiguous, numbers, shape, tensor};
use crate::networks::conventions::KernelGeometry;

/// The maxima, and the tap of the window that held each.
pub(super) fn max_forward(x: &FlexTensor, geometry: KernelGeometry) -> (FlexTensor, Vec<u8>) {
    let x = contiguous(x);
    let s = pooled_shape(&x, geometry);
    by_dtype!(&x, T => {
        let mut argmax = vec![0; s.output_len()];
        let out = filled([s.n, s.out_h(), s.out_w(), s.c_out], |out| {
            pool::max_pool(Isa::best(), &s, numbers::<T>(&x), out, &mut argmax);
        });
        (out, argmax)
    })
}

fn pooled_shape(x: &FlexTensor, geometry: KernelGeometry) -> ConvShape {
    let dims = shape::<4>(x);
    geometry.on_map(dims, dims[3])
}

#[derive(Debug)]
struct MaxPoolBackward;

impl Backward<Flex, 1> for MaxPoolBackward {
    type State = (ConvShape, Arc<Vec<u8>>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = contiguous(&grads.consume::<Flex>(&ops.node));
        let ([x], (s, argmax)) = (ops.parents, ops.state);
        if let Some(node) = x {
            let d_in = by_dtype!(&d_out, T => {
                filled([s.n, s.h, s.w, s.c_in], |d_in| {
                    pool::max_pool_backward(Isa::best(), &s, numbers::<T>(&d_out), &argmax, d_in);
                })
            });
            grads.register::<Flex>(node.id, d_in);
        }
    }
}

pub(super) fn max_tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    geometry: KernelGeometry,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (x, node) = x.into_parts();
    let (out, argmax) = max_forward(&x, geometry);
    match MaxPoolBackward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((pooled_shape(&x, geometry), Arc::new(argmax)), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

pub(super) fn mean_forward(x: &FlexTensor) -> FlexTensor {
    let x = contiguous(x);
    let [n, _, _, c] = shape::<4>(&x);
    by_dtype!(&x, T => tensor(pool::mean_over_space(n, c, numbers::<T>(&x)), [n, c]))
}

#[derive(Debug)]
struct MeanBackward;

impl Backward<Flex, 1> for MeanBackward {
    type State = ([usize; 4], DType);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_mean = contiguous(&grads.consume::<Flex>(&ops.node));
        let ([x], (dims, dtype)) = (ops.parents, ops.state);
        if let Some(node) = x {
            let mut back = |d_x: FlexTensor| grads.register::<Flex>(node.id, d_x);
            match dtype {
                DType::BF16 => back(filled(dims, |d_x: &mut [bf16]| spread(&d_mean, d_x))),
                _ => back(filled(dims, |d_x: &mut [f32]| spread(&d_mean, d_x))),
            }
        }
    }
}

fn spread<T: Number>(d_mean: &FlexTensor, d_x: &mut [T]) {
    pool::mean_over_space_backward(shape::<2>(d_mean)[1], numbers(d_mean), d_x);
}

pub(super) fn mean_tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (x, node) = x.into_parts();
    let out = mean_forward(&x);
    match MeanBackward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((shape(&x), x.dtype()), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
