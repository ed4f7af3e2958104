//! Batch norm with residual sum and activation, forward and backward.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use mammo_kernels::Activation;
use mammo_kernels::isa::Isa;
use mammo_kernels::norm::{self, NormEpilogue, Passed, Statistics};

use super::memory::filled;
use super::{NormCall, by_dtype, contiguous, numbers, shape, tensor};

/// The output, and the statistics that it was normalised with.
pub(super) fn forward(
    x: &FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    residual: Option<&FlexTensor>,
    call: &NormCall,
) -> (FlexTensor, Arc<Statistics>) {
    let (x, gamma, beta) = (contiguous(x), contiguous(gamma), contiguous(beta));
    let residual = residual.map(contiguous);
    let dims = shape::<4>(&x);
    by_dtype!(&x, T => {
        let statistics = match &call.given {
            Some(given) => given.clone(),
            None => call.found.get_or_init(|| norm::statistics(Isa::best(), dims[3], numbers::<T>(&x))).clone(),
        };
        let (scale, shift) = norm::fold(&statistics, numbers(&gamma), numbers(&beta), call.epsilon);
        let epilogue = NormEpilogue { residual: residual.as_ref().map(numbers::<T>), activation: call.activation };
        let out = filled(dims, |out| norm::apply(Isa::best(), numbers::<T>(&x), &scale, &shift, epilogue, out));
        (out, Arc::new(statistics))
    })
}

/// Operands of the backward pass.
#[derive(Clone, Debug)]
struct SavedForBackward {
    x: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    /// The output, if a residual was added before an activation.
    activated: Option<FlexTensor>,
    statistics: Arc<Statistics>,
    call: NormCall,
}

impl SavedForBackward {
    /// Gradients of `x`, scale, shift and residual.
    fn gradients(&self, d_out: &FlexTensor, with_residual: bool) -> [Option<FlexTensor>; 4] {
        let (x, d_out) = (contiguous(&self.x), contiguous(d_out));
        let (gamma, beta) = (contiguous(&self.gamma), contiguous(&self.beta));
        let dims = shape::<4>(&x);
        by_dtype!(&x, T => {
            let operands = norm::Backward {
                x: numbers::<T>(&x),
                passed: match (&self.activated, self.call.activation) {
                    (_, Activation::None) => Passed::Everywhere,
                    (Some(out), activation) => Passed::ByOutput(activation, numbers(out)),
                    (None, activation) => Passed::Recomputed(activation),
                },
                d_out: numbers(&d_out),
                statistics: &self.statistics,
                of_batch: self.call.given.is_none(),
                gamma: numbers(&gamma),
                beta: numbers(&beta),
                epsilon: self.call.epsilon,
            };
            let (mut of_scale, mut d_x) = (None, None);
            let mut back = |d_residual: Option<&mut [T]>| {
                d_x = Some(filled(dims, |d_x| of_scale = Some(norm::backward(Isa::best(), &operands, d_x, d_residual))));
            };
            let d_residual = match with_residual {
                true => Some(filled(dims, |d_residual| back(Some(d_residual)))),
                false => {
                    back(None);
                    None
                }
            };
            let of_scale = of_scale.map(|g| [g.gamma, g.beta].map(|g| tensor(g, [dims[3]])));
            let [d_gamma, d_beta] = of_scale.map_or([None, None], |g| g.map(Some));
            [d_x, d_gamma, d_beta, d_residual]
        })
    }
}

#[derive(Debug)]
struct NormBackward;

/// Its parents are input, scale and shift, and with `N == 4` the residual.
impl<const N: usize> Backward<Flex, N> for NormBackward {
    type State = SavedForBackward;

    fn backward(self, ops: Ops<SavedForBackward, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = grads.consume::<Flex>(&ops.node);
        let slot = ops.state.call.residual_grad.as_ref();
        let with_residual = slot.is_some() || ops.parents.get(3).is_some_and(Option::is_some);
        let mut gradients = ops.state.gradients(&d_out, with_residual);
        if let Some(slot) = slot
            && let Some(gradient) = gradients[3].take()
        {
            slot.store(gradient);
        }
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    gamma: FloatTensor<Autodiff<Flex, C>>,
    beta: FloatTensor<Autodiff<Flex, C>>,
    call: NormCall,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (gamma, gamma_node), (beta, beta_node)) =
        (x.into_parts(), gamma.into_parts(), beta.into_parts());
    let (out, statistics) = forward(&x, &gamma, &beta, None, &call);
    match NormBackward.prepare::<C>([x_node, gamma_node, beta_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(SavedForBackward { x, gamma, beta, activated: None, statistics, call }, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

pub(super) fn tracked_add<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    gamma: FloatTensor<Autodiff<Flex, C>>,
    beta: FloatTensor<Autodiff<Flex, C>>,
    residual: FloatTensor<Autodiff<Flex, C>>,
    call: NormCall,
) -> FloatTensor<Autodiff<Flex, C>> {
    let ((x, x_node), (gamma, gamma_node), (beta, beta_node)) =
        (x.into_parts(), gamma.into_parts(), beta.into_parts());
    let (residual, residual_node) = residual.into_parts();
    let (out, statistics) = forward(&x, &gamma, &beta, Some(&residual), &call);
    let activated = (call.activation != Activation::None).then(|| out.clone());
    let saved = |call| SavedForBackward { x, gamma, beta, activated, statistics, call };
    // With a slot the gradient of the residual is stored, not registered: the residual is not a parent then.
    if call.residual_grad.is_some() {
        return match NormBackward.prepare::<C>([x_node, gamma_node, beta_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved(call), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        };
    }
    let nodes = [x_node, gamma_node, beta_node, residual_node];
    match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(saved(call), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
