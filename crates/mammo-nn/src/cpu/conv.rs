//! Convolution, forward and backward.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use mammo_kernels::Activation;
use mammo_kernels::conv::{self, ConvShape, backward_input, backward_weight, pack_training};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Epilogue;
use mammo_kernels::norm;

use super::memory::filled;
use super::{ConvCall, Number, ResidualGradSlot, by_dtype, contiguous, numbers, shape, tensor};

/// Shape of the convolution.
fn call_shape(x: &FlexTensor, weight: &FlexTensor, call: &ConvCall) -> ConvShape {
    call.geometry.on_map(shape(x), shape::<4>(weight)[0])
}

pub(super) fn forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    call: &ConvCall,
) -> FlexTensor {
    let s = call_shape(x, weight, call);
    let (x, weight) = (contiguous(x), contiguous(weight));
    by_dtype!(&x, T => {
        let panels = pack_training::<T>(Isa::best(), &s, numbers(&weight));
        let bias = bias.map(|b| panels.pad_bias(numbers(&contiguous(b))));
        let epilogue = Epilogue { bias: bias.as_deref(), activation: call.activation, ..Epilogue::default() };
        filled([s.n, s.out_h(), s.out_w(), s.c_out], |out: &mut [T]| {
            conv::forward(Isa::best(), &s, numbers::<T>(&x), &panels, out, &epilogue);
        })
    })
}

/// Operands of the backward pass.
#[derive(Clone, Debug)]
struct SavedForBackward {
    x: FlexTensor,
    weight: FlexTensor,
    call: ConvCall,
    /// The output, if an activation was applied.
    activated: Option<FlexTensor>,
}

impl SavedForBackward {
    /// Registers the gradients of the input and the weights, of each only if it is tracked.
    fn register(&self, [x, weight]: [Option<NodeId>; 2], d_out: &FlexTensor, grads: &mut Gradients) {
        if let Some(weight) = weight {
            grads.register::<Flex>(weight, self.d_weight(d_out));
        }
        match x {
            None => mark_unneeded(self.call.residual_grad.as_ref()),
            Some(x) => {
                if let Some(d_x) = self.d_x(d_out) {
                    grads.register::<Flex>(x, d_x);
                }
            }
        }
    }

    /// Gradient of the input; `None` if it was stored for the other convolution of the same map.
    fn d_x(&self, d_out: &FlexTensor) -> Option<FlexTensor> {
        let s = call_shape(&self.x, &self.weight, &self.call);
        let slot = self.call.residual_grad.as_ref();
        let other = slot.and_then(ResidualGradSlot::take);
        let weight = contiguous(&self.weight);
        let d_x = by_dtype!(d_out, T => {
            filled([s.n, s.h, s.w, s.c_in], |d_x: &mut [T]| {
                let other = other.as_ref().map(numbers::<T>);
                backward_input(Isa::best(), &s, numbers::<T>(d_out), numbers(&weight), other, d_x);
            })
        });
        match slot.filter(|slot| slot.stores_own() && other.is_none()) {
            Some(slot) => {
                slot.store(d_x);
                None
            }
            None => Some(d_x),
        }
    }

    fn d_weight(&self, d_out: &FlexTensor) -> FlexTensor {
        let s = call_shape(&self.x, &self.weight, &self.call);
        by_dtype!(d_out, T => {
            let x = contiguous(&self.x);
            filled([s.c_out, s.c_in, s.kernel, s.kernel], |d_weight: &mut [f32]| {
                backward_weight(Isa::best(), &s, numbers::<T>(&x), numbers::<T>(d_out), d_weight);
            })
        })
    }
}

/// Tells the slot of a residual block that nobody needs the gradient of the block's input.
fn mark_unneeded(slot: Option<&ResidualGradSlot>) {
    if let Some(slot) = slot {
        slot.mark_unneeded();
    }
}

#[derive(Debug)]
struct ConvBackward;

impl Backward<Flex, 2> for ConvBackward {
    type State = SavedForBackward;

    fn backward(self, ops: Ops<SavedForBackward, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = contiguous(&grads.consume::<Flex>(&ops.node));
        let ([x, weight], saved) = (ops.parents, ops.state);
        saved.register([x, weight].map(|node| node.map(|node| node.id)), &d_out, grads);
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    call: ConvCall,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
    let out = forward(&x, &weight, None, &call);
    match ConvBackward.prepare::<C>([x_node, weight_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(SavedForBackward { x, weight, call, activated: None }, out),
        OpsKind::UnTracked(prep) => {
            mark_unneeded(call.residual_grad.as_ref());
            prep.finish(out)
        }
    }
}

#[derive(Debug)]
struct ConvBiasBackward;

impl Backward<Flex, 3> for ConvBiasBackward {
    type State = SavedForBackward;

    fn backward(self, ops: Ops<SavedForBackward, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = contiguous(&grads.consume::<Flex>(&ops.node));
        let ([x, weight, bias], saved) = (ops.parents, ops.state);
        let (d_out, d_bias) = by_dtype!(&d_out, T => through_bias::<T>(&d_out, saved.call.activation, saved.activated.as_ref()));
        if let Some(node) = bias {
            grads.register::<Flex>(node.id, d_bias);
        }
        saved.register([x, weight].map(|node| node.map(|node| node.id)), &d_out, grads);
    }
}

/// Gradients of the sum before the activation and of the bias.
fn through_bias<T: Number>(
    d_out: &FlexTensor,
    activation: Activation,
    activated: Option<&FlexTensor>,
) -> (FlexTensor, FlexTensor) {
    let dims = shape::<4>(d_out);
    let mut d_bias = Vec::new();
    let mut back = |out: Option<&[T]>, d_sum: &mut [T]| {
        let activated = out.map(|out| (activation, out));
        d_bias = norm::bias_backward(Isa::best(), dims[3], activated, numbers(d_out), d_sum);
    };
    let d_sum = match activated {
        Some(out) => filled(dims, |d_sum| back(Some(numbers(out)), d_sum)),
        None => {
            back(None, &mut []);
            d_out.clone()
        }
    };
    (d_sum, tensor(d_bias, [dims[3]]))
}

pub(super) fn tracked_bias<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    bias: FloatTensor<Autodiff<Flex, C>>,
    call: ConvCall,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (weight, weight_node), (bias, bias_node)) =
        (x.into_parts(), weight.into_parts(), bias.into_parts());
    let out = forward(&x, &weight, Some(&bias), &call);
    match ConvBiasBackward.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let activated = (call.activation != Activation::None).then(|| out.clone());
            prep.finish(SavedForBackward { x, weight, call, activated }, out)
        }
        OpsKind::UnTracked(prep) => {
            mark_unneeded(call.residual_grad.as_ref());
            prep.finish(out)
        }
    }
}
