//! Convolution with its gradients.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use mammo_kernels::conv::{self, ConvShape, backward_input, backward_weight, pack_training};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Finish;
use mammo_kernels::norm;

use super::memory::filled;
use super::{ConvCall, Fork, Number, by_dtype, in_order, numbers, shape, tensor};

/// The shape of a call.
fn call_shape(x: &FlexTensor, weight: &FlexTensor, call: &ConvCall) -> ConvShape {
    call.window.over(shape(x), shape::<4>(weight)[0])
}

pub(super) fn forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    call: &ConvCall,
) -> FlexTensor {
    let s = call_shape(x, weight, call);
    let (x, weight) = (in_order(x), in_order(weight));
    by_dtype!(&x, T => {
        let panels = pack_training::<T>(Isa::best(), &s, numbers(&weight));
        let bias = bias.map(|b| panels.pad_bias(numbers(&in_order(b))));
        let finish = Finish { bias: bias.as_deref(), relu: call.relu, ..Finish::default() };
        filled([s.n, s.out_h(), s.out_w(), s.c_out], |out: &mut [T]| {
            conv::forward(Isa::best(), &s, numbers::<T>(&x), &panels, out, &finish);
        })
    })
}

/// What the gradients need.
#[derive(Clone, Debug)]
struct Kept {
    x: FlexTensor,
    weight: FlexTensor,
    call: ConvCall,
    /// The result, when it went through ReLU.
    relu_out: Option<FlexTensor>,
}

impl Kept {
    /// Gives those of input and weights that want a gradient theirs.
    fn register(&self, [x, weight]: [Option<NodeId>; 2], d_out: &FlexTensor, grads: &mut Gradients) {
        if let Some(weight) = weight {
            grads.register::<Flex>(weight, self.d_weight(d_out));
        }
        if let Some(x) = x
            && let Some(d_x) = self.d_x(d_out)
        {
            grads.register::<Flex>(x, d_x);
        }
    }

    /// `None` when another convolution of the same map will add it to its own.
    fn d_x(&self, d_out: &FlexTensor) -> Option<FlexTensor> {
        let s = call_shape(&self.x, &self.weight, &self.call);
        let fork = self.call.fork.as_ref();
        let other = fork.and_then(Fork::take);
        let weight = in_order(&self.weight);
        let d_x = by_dtype!(d_out, T => {
            filled([s.n, s.h, s.w, s.c_in], |d_x: &mut [T]| {
                let other = other.as_ref().map(numbers::<T>);
                backward_input(Isa::best(), &s, numbers::<T>(d_out), numbers(&weight), other, d_x);
            })
        });
        match fork.filter(|fork| fork.of_convolutions && other.is_none()) {
            Some(fork) => {
                fork.leave(d_x);
                None
            }
            None => Some(d_x),
        }
    }

    fn d_weight(&self, d_out: &FlexTensor) -> FlexTensor {
        let s = call_shape(&self.x, &self.weight, &self.call);
        by_dtype!(d_out, T => {
            let x = in_order(&self.x);
            filled([s.c_out, s.c_in, s.kernel, s.kernel], |d_weight: &mut [f32]| {
                backward_weight(Isa::best(), &s, numbers::<T>(&x), numbers::<T>(d_out), d_weight);
            })
        })
    }
}

#[derive(Debug)]
struct ConvBackward;

impl Backward<Flex, 2> for ConvBackward {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = in_order(&grads.consume::<Flex>(&ops.node));
        let ([x, weight], kept) = (ops.parents, ops.state);
        kept.register([x, weight].map(|node| node.map(|node| node.id)), &d_out, grads);
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
        OpsKind::Tracked(prep) => prep.finish(Kept { x, weight, call, relu_out: None }, out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

#[derive(Debug)]
struct ConvBiasBackward;

impl Backward<Flex, 3> for ConvBiasBackward {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = in_order(&grads.consume::<Flex>(&ops.node));
        let ([x, weight, bias], kept) = (ops.parents, ops.state);
        let (d_out, d_bias) = by_dtype!(&d_out, T => through_bias::<T>(&d_out, kept.relu_out.as_ref()));
        if let Some(node) = bias {
            grads.register::<Flex>(node.id, d_bias);
        }
        kept.register([x, weight].map(|node| node.map(|node| node.id)), &d_out, grads);
    }
}

/// The gradient before ReLU, and that of the bias.
fn through_bias<T: Number>(d_out: &FlexTensor, relu_out: Option<&FlexTensor>) -> (FlexTensor, FlexTensor) {
    let dims = shape::<4>(d_out);
    let mut d_bias = Vec::new();
    let mut back = |out: Option<&[T]>, d_sum: &mut [T]| {
        d_bias = norm::bias_backward(Isa::best(), dims[3], out, numbers(d_out), d_sum);
    };
    let d_sum = match relu_out {
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
            let relu_out = call.relu.then(|| out.clone());
            prep.finish(Kept { x, weight, call, relu_out }, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
