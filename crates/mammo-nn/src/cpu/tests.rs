//! Compares the CPU operations with Burn's on the same layers: outputs, running statistics and all gradients.

use burn::module::{Module, ModuleVisitor, Param};
use mammo_kernels::Activation;

use burn::tensor::{DType, Device, Distribution, Gradients, Tensor};

use crate::networks::conventions::{Conventions, Padding};
use crate::networks::layers::{ConvGeometry, ConvNorm};
use crate::networks::maps::Maps;
use crate::networks::resnet::ResidualBlock;
use crate::networks::state::{load_state_dict, state_dict};

struct ParameterGradients<'a>(&'a Gradients, Vec<Vec<f32>>);

impl ModuleVisitor for ParameterGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.1.extend(param.val().grad(self.0).map(floats));
    }
}

fn floats<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.cast(DType::F32).into_data().iter::<f32>().collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Through {
    Burn,
    Kernels,
    KernelsInBf16,
}

/// Output, running statistics, and gradients of input, residual and every parameter that has one.
fn outcome(
    layer: &ConvNorm,
    residual: bool,
    activation: Activation,
    inputs: &[Tensor<4>; 3],
    through: Through,
) -> Vec<Vec<f32>> {
    let [x, r, g] = inputs.clone().map(|t| match through {
        Through::KernelsInBf16 => t.cast(DType::BF16).require_grad(),
        _ => t.require_grad(),
    });
    let enter =
        |t: Tensor<4>| if through == Through::Burn { Maps::ChannelsFirst(t) } else { Maps::from_nchw(t) };
    let out = match residual {
        true => layer.forward_add(enter(x.clone()), enter(r.clone()), activation),
        false => layer.forward(enter(x.clone()), activation),
    };
    let out = out.into_nchw();
    let grads = (out.clone() * g.detach()).sum().backward();
    let mut parameters = ParameterGradients(&grads, Vec::new());
    layer.visit(&mut parameters);
    let mut all = vec![floats(out)];
    all.extend([&x, &r].into_iter().filter_map(|t| t.grad(&grads)).map(floats));
    all.append(&mut parameters.1);
    // The first reading of a running statistic makes Burn apply its pending update.
    let _ = state_dict(layer);
    all.extend(state_dict(layer).into_values().map(|t| t.values));
    all
}

/// Euclidean norm of the difference relative to that of the values: at a ReLU, rounding to bf16 switches a gradient
/// on or off in places.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut a.iter().copied()).max(1e-3)
}

#[test]
fn layers_give_what_burn_gives_forward_and_backward() {
    let device = Device::flex().autodiff();
    device.seed(5);
    for (kernel, stride, padding) in
        [(3, 1, Padding::Half), (1, 2, Padding::Same), (3, 2, Padding::Same), (7, 2, Padding::Half)]
    {
        for (c_in, norm, trains, residual) in [
            (6, true, true, true),
            (10, true, true, true),
            (6, true, false, true),
            (16, true, true, false),
            (3, false, true, false),
            (18, false, true, true),
        ] {
            let depthwise = c_in == 10;
            let shape = ConvGeometry { c_in, c_out: 10, kernel, stride, padding, depthwise };
            // Clones share running statistics: each run builds its own layer. A frozen one uses
            // its running statistics, and its parameters have no gradients.
            let fresh = || match norm {
                true => ConvNorm::new(shape, &Conventions::default(), &device),
                false => ConvNorm::without_norm(shape, &device),
            };
            let start = state_dict(&fresh());
            let layer = || {
                let layer = load_state_dict(fresh(), start.clone()).unwrap();
                if trains { layer } else { layer.freeze() }
            };
            let random = |c: usize, side: usize| {
                Tensor::<4>::random([2, c, side, side], Distribution::Normal(0.0, 1.0), &device)
            };
            let side = padding.n_out(12, kernel, stride);
            let inputs = [random(c_in, 12), random(10, side), random(10, side)];
            let activation = if depthwise { Activation::Relu6 } else { Activation::Relu };
            let burn = outcome(&layer(), residual, activation, &inputs, Through::Burn);
            // Gradients of a shift are sums of a few hundred terms of both signs: one that rounding switches on at a
            // ReLU changes them by a tenth. A wrong term changes them by half and more.
            for (through, bound) in [(Through::Kernels, 2e-5), (Through::KernelsInBf16, 0.2)] {
                let ours = outcome(&layer(), residual, activation, &inputs, through);
                assert_eq!(ours.len(), burn.len(), "{shape:?}: as many gradients");
                for (i, (a, b)) in burn.iter().zip(&ours).enumerate() {
                    let found = difference(a, b);
                    assert!(found < bound, "{shape:?} norm {norm} residual {residual}, number {i}: {found}");
                }
            }
        }
    }
}

#[test]
fn a_map_that_goes_around_a_block_gets_both_gradients() {
    let device = Device::flex().autodiff();
    device.seed(6);
    let random = |c: usize, side: usize| {
        Tensor::<4>::random([2, c, side, side], Distribution::Normal(0.0, 1.0), &device)
    };
    // With an identity shortcut and with a projection.
    for (c_in, stride) in [(8, 1), (4, 1), (8, 2)] {
        let fresh = || ResidualBlock::bottleneck(c_in, [6, 6, 8], stride, &Conventions::default(), &device);
        let (start, x, g) = (state_dict(&fresh()), random(c_in, 6), random(8, 6 / stride));
        let gradients = |enter: fn(Tensor<4>) -> Maps| {
            let block = load_state_dict(fresh(), start.clone()).unwrap();
            let x = x.clone().require_grad();
            let out = block.forward(enter(x.clone() * 1.5)).into_nchw();
            let grads = (out * g.clone()).sum().backward();
            let mut parameters = ParameterGradients(&grads, vec![floats(x.grad(&grads).unwrap())]);
            block.visit(&mut parameters);
            parameters.1
        };
        let (burn, ours) = (gradients(Maps::ChannelsFirst), gradients(Maps::from_nchw));
        assert_eq!(ours.len(), burn.len());
        for (i, (a, b)) in burn.iter().zip(&ours).enumerate() {
            assert!(
                difference(a, b) < 2e-5,
                "{c_in} channels, stride {stride}, gradient {i}: {}",
                difference(a, b)
            );
        }
    }
}

#[test]
fn pooling_gives_what_burn_gives() {
    let device = Device::flex().autodiff();
    let x = Tensor::<4>::random([2, 5, 9, 12], Distribution::Normal(0.0, 1.0), &device).require_grad();
    for padding in [Padding::Half, Padding::Same, Padding::Valid] {
        let run = |enter: fn(Tensor<4>) -> Maps| {
            let pooled = enter(x.clone()).max_pool(3, 2, padding);
            let out = (pooled.clone().into_nchw().powi_scalar(2)).sum()
                + pooled.mean_over_space().powi_scalar(3).sum();
            let grads = out.clone().backward();
            (floats(out), floats(x.grad(&grads).unwrap()))
        };
        let (burn, ours) = (run(Maps::ChannelsFirst), run(Maps::from_nchw));
        assert!(difference(&burn.0, &ours.0) < 1e-5 && difference(&burn.1, &ours.1) < 1e-5, "{padding:?}");
    }
}
