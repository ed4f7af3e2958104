//! The Muon optimizer: updates with orthonormalised momentum.
//!
//! K. Jordan and others, "Muon: An optimizer for hidden layers in neural networks" (2024,
//! kellerjordan.github.io/posts/muon): the momentum of a kernel, as a matrix of output channels by inputs, is
//! replaced by approximately the nearest matrix with orthonormal rows or columns. Rare directions, which have small
//! gradients, are learned as fast as frequent ones. Short trainings gain most (docs/experiments.md).
//!
//! Burn's Muon takes only matrices and iterates on the whole kernel; this one iterates on the kernel's Gram matrix,
//! which for 256 channels with 2,304 inputs takes little more than a third of the work.

use burn::optim::momentum::{Momentum, MomentumConfig, MomentumState};
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::cpu::times_transposed;

/// Coefficients of the iteration, as published: they increase small singular values fastest and leave all of them
/// between about 0.7 and 1.2.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
/// Iterations, as published.
const N_ITERATIONS: usize = 5;
/// Root mean square of an update at a learning rate of 1: that of AdamW in practice, so that the learning rates and
/// weight decays of AdamW apply (Liu et al. 2025, arXiv 2502.16982, section 2.2).
const STEP_RMS: f64 = 0.2;

/// The update rule of kernels, with output channels as the first axis, of any rank.
#[derive(Clone)]
pub(crate) struct Muon {
    momentum: Momentum,
    weight_decay: f64,
}

impl Muon {
    /// Nesterov momentum of 0.95; `weight_decay` is decoupled from the gradient.
    pub(crate) fn new(weight_decay: f64) -> Self {
        let momentum = MomentumConfig { momentum: 0.95, dampening: 0.0, nesterov: true };
        Self { momentum: Momentum::new(&momentum), weight_decay }
    }
}

impl Optimizer for Muon {
    type State<const D: usize> = MomentumState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        kernel: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (direction, state) = self.momentum.transform(gradient, state);
        let shape = direction.shape();
        let columns = shape.num_elements() / shape[0];
        let scale = lr * STEP_RMS * (shape[0].max(columns) as f64).sqrt();
        let step = orthogonal(direction.reshape([shape[0], columns])).reshape(shape);
        (kernel.mul_scalar(1.0 - lr * self.weight_decay) - step.mul_scalar(scale), Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.to_device(device)
    }
}

/// Approximately the nearest matrix whose rows (columns, if there are fewer) are orthonormal.
///
/// Newton-Schulz iteration of fifth order. With the matrix `x` and `g = x x^T`, one iteration is `x <- p x` with `p =
/// a + b g + c g^2`, after which the Gram matrix is `p g p`. So the iteration needs only Gram matrices, and `x` is
/// multiplied once, with the product of all `p`.
fn orthogonal(matrix: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = matrix.dims();
    if rows > columns {
        return orthogonal(matrix.transpose()).transpose();
    }
    // No singular value exceeds this norm; the iteration needs them below one.
    let norm = matrix.clone().square().sum().sqrt().clamp_min(1e-7);
    let x = matrix / norm.unsqueeze();
    let identity = Tensor::<2>::eye(rows, &x.device());
    let [a, b, c] = COEFFICIENTS;
    // Polynomials of a Gram matrix are symmetric, so each product can be one with a transpose.
    let polynomial = |gram: &Tensor<2>| {
        let squared = times_transposed(gram.clone(), gram.clone());
        identity.clone() * a + gram.clone() * b + squared * c
    };
    let mut gram = times_transposed(x.clone(), x.clone());
    let mut p = polynomial(&gram);
    let mut product = p.clone();
    for _ in 1..N_ITERATIONS {
        gram = times_transposed(times_transposed(p.clone(), gram), p);
        p = polynomial(&gram);
        product = times_transposed(p.clone(), product);
    }
    times_transposed(product, x.transpose())
}

#[cfg(test)]
mod tests {
    use burn::optim::{AdjustLrFn, MuonConfig, decay::WeightDecayConfig};
    use burn::tensor::TensorData;
    use mammo_core::seed::{Rng, stream};
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn random(shape: [usize; 2], rng: &mut Rng) -> Tensor<2> {
        let values: Vec<f32> = StandardNormal.sample_iter(rng).take(shape[0] * shape[1]).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn largest(difference: Tensor<2>) -> f32 {
        difference.abs().max().into_scalar()
    }

    #[test]
    fn steps_are_those_of_burns_muon_which_iterates_over_the_whole_matrix() {
        let theirs = MuonConfig::new()
            .with_weight_decay(Some(WeightDecayConfig::new(0.1)))
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .build();
        let ours = Muon::new(0.1);
        let mut rng = stream(1, "muon", 0);
        for shape in [[16, 144], [9, 9], [48, 16], [1, 7]] {
            let start = random(shape, &mut rng);
            let (mut a, mut b) = ((start.clone(), None), (start, None));
            for _ in 0..4 {
                let gradient = random(shape, &mut rng);
                a = ours.step(0.02, a.0, gradient.clone(), a.1);
                b = theirs.step(0.02, b.0, gradient, b.1);
            }
            assert!(largest(a.0 - b.0) < 2e-5, "{shape:?}");
        }
    }

    #[test]
    fn no_gradient_is_no_step_and_no_nan() {
        let zero = Tensor::<2>::zeros([4, 6], &Device::flex());
        let (after, _) = Muon::new(0.0).step(1.0, zero.clone(), zero, None);
        assert_eq!(after.into_data(), TensorData::zeros::<f32, _>([4, 6]));
    }

    #[test]
    fn a_step_has_the_root_mean_square_that_it_promises() {
        let zero = Tensor::<4>::zeros([8, 4, 3, 3], &Device::flex());
        let gradient = random([8, 36], &mut stream(2, "muon", 0)).reshape([8, 4, 3, 3]);
        let (after, _) = Muon::new(0.0).step(1.0, zero, gradient, None);
        let rms = after.square().mean().sqrt().into_scalar::<f32>();
        assert!((0.13..0.25).contains(&rms), "{rms}");
    }
}
