//! Depthwise convolution, forward and backward.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use mammo_kernels::conv::{
    ConvShape, DepthwiseEpilogue, DepthwiseWeights, depthwise, depthwise_backward_input,
    depthwise_backward_weight,
};
use mammo_kernels::isa::Isa;

use super::memory::filled;
use super::{by_dtype, contiguous, numbers, shape};
use crate::networks::conventions::KernelGeometry;

fn call_shape(x: &FlexTensor, geometry: KernelGeometry) -> ConvShape {
    let dims = shape::<4>(x);
    geometry.on_map(dims, dims[3])
}

pub(super) fn forward(x: &FlexTensor, weight: &FlexTensor, geometry: KernelGeometry) -> FlexTensor {
    let s = call_shape(x, geometry);
    let x = contiguous(x);
    let weight = DepthwiseWeights::new(&s, numbers(&contiguous(weight)));
    by_dtype!(&x, T => {
        filled([s.n, s.out_h(), s.out_w(), s.c_out], |out| {
            depthwise(Isa::best(), &s, numbers::<T>(&x), &weight, DepthwiseEpilogue::default(), out);
        })
    })
}

#[derive(Debug)]
struct DepthwiseBackward;

/// Operands of the backward pass.
#[derive(Clone, Debug)]
struct SavedForBackward {
    x: FlexTensor,
    weight: FlexTensor,
    geometry: KernelGeometry,
}

impl Backward<Flex, 2> for DepthwiseBackward {
    type State = SavedForBackward;

    fn backward(self, ops: Ops<SavedForBackward, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = contiguous(&grads.consume::<Flex>(&ops.node));
        let ([x_node, weight_node], saved) = (ops.parents, ops.state);
        let (s, x, weight) =
            (call_shape(&saved.x, saved.geometry), contiguous(&saved.x), contiguous(&saved.weight));
        if let Some(node) = weight_node {
            let d_weight = by_dtype!(&d_out, T => {
                filled([s.c_in, 1, s.kernel, s.kernel], |d_weight| {
                    depthwise_backward_weight(Isa::best(), &s, numbers::<T>(&x), numbers(&d_out), d_weight);
                })
            });
            grads.register::<Flex>(node.id, d_weight);
        }
        if let Some(node) = x_node {
            let weight = DepthwiseWeights::new(&s, numbers(&weight));
            let d_x = by_dtype!(&d_out, T => {
                filled([s.n, s.h, s.w, s.c_in], |d_x| {
                    depthwise_backward_input(Isa::best(), &s, numbers::<T>(&d_out), &weight, d_x);
                })
            });
            grads.register::<Flex>(node.id, d_x);
        }
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    geometry: KernelGeometry,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
    let out = forward(&x, &weight, geometry);
    match DepthwiseBackward.prepare::<C>([x_node, weight_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(SavedForBackward { x, weight, geometry }, out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
