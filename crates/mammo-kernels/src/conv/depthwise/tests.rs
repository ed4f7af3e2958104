//! Compares with naive sums in `f64`, on random shapes, for every instruction set of this machine.

use super::*;
use crate::bf16;
use crate::conv::tests::{Random, close, on_threads, typed};

/// Calls `visit(output, input, weight)` with the indices of each product.
fn each_product(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let c = s.c_in;
    for (n, oy, ox) in crate::conv::pixels_from(0, s.out_h(), s.out_w()).take(s.n * s.out_h() * s.out_w()) {
        for (ky, kx) in s.each_tap() {
            let Some(input) = s.input_at(n, oy, ox, ky, kx) else { continue };
            let output = ((n * s.out_h() + oy) * s.out_w() + ox) * c;
            (0..c).for_each(|i| visit(output + i, input + i, i * s.taps() + ky * s.kernel + kx));
        }
    }
}

fn check<T: Operand>(isa: Isa, s: &ConvShape, random: &mut Random, rounding: f64) {
    let n_weights = s.c_in * s.taps();
    let (x, w) = (random.values(s.input_len()), random.values(n_weights));
    let (g, b) = (random.values(s.output_len()), random.values(s.c_in));
    let mut y: Vec<f64> = (0..s.output_len()).map(|i| f64::from(b[i % s.c_in])).collect();
    let (mut dx, mut dw) = (vec![0.0f64; s.input_len()], vec![0.0f64; n_weights]);
    each_product(s, |o, i, k| {
        y[o] += f64::from(x[i]) * f64::from(w[k]);
        dx[i] += f64::from(g[o]) * f64::from(w[k]);
        dw[k] += f64::from(x[i]) * f64::from(g[o]);
    });
    let weight = DepthwiseWeights::new(s, &w);
    let (x, g) = (typed::<T>(&x), typed::<T>(&g));
    for (activation, [low, high]) in [
        (Activation::None, [f64::NEG_INFINITY, f64::INFINITY]),
        (Activation::Relu, [0.0, f64::INFINITY]),
        (Activation::Relu6, [0.0, 6.0]),
    ] {
        let mut out = vec![T::from_f32(7.0); y.len()];
        depthwise(isa, s, &x, &weight, DepthwiseEpilogue { bias: Some(&b), activation }, &mut out);
        let wanted: Vec<f64> = y.iter().map(|y| y.clamp(low, high)).collect();
        close("depthwise", s, isa, &out, &wanted, rounding);
    }
    let mut d_x = vec![T::from_f32(7.0); dx.len()];
    depthwise_backward_input(isa, s, &g, &weight, &mut d_x);
    close("depthwise_backward_input", s, isa, &d_x, &dx, rounding);
    let mut d_weight = vec![7.0; dw.len()];
    depthwise_backward_weight(isa, s, &x, &g, &mut d_weight);
    close("depthwise_backward_weight", s, isa, &d_weight, &dw, 1e-5);
}

#[test]
fn all_three_products_agree_with_naive_sums() {
    let mut random = Random(19);
    for _ in 0..if cfg!(miri) { 3 } else { 80 } {
        let kernel = [3, 5, 3, 5, 1, 7][random.below(if cfg!(miri) { 3 } else { 6 })];
        let channels = [1, 3, 16, 24, 40][random.below(if cfg!(miri) { 3 } else { 5 })];
        // TensorFlow pads one side more than the other, at stride 2 only one.
        let pads =
            [Pad::default(), Pad::all(kernel / 2), Pad { bottom: 1, right: kernel - 1, ..Pad::default() }];
        let extent = if cfg!(miri) { 3 } else { 14 };
        let shape = ConvShape {
            n: 1 + random.below(3),
            h: kernel + random.below(extent),
            w: kernel + random.below(extent),
            c_in: channels,
            c_out: channels,
            kernel,
            stride: 1 + random.below(3),
            pad: pads[random.below(3)],
        };
        for isa in Isa::available() {
            check::<f32>(isa, &shape, &mut random, 1e-5);
            check::<bf16>(isa, &shape, &mut random, 5e-3);
        }
    }
}

#[test]
fn sums_do_not_depend_on_the_number_of_threads() {
    let (h, w, c) = if cfg!(miri) { (6, 5, 3) } else { (90, 70, 24) };
    let shape = ConvShape { n: 2, h, w, c_in: c, c_out: c, kernel: 3, stride: 1, pad: Pad::all(1) };
    let mut random = Random(3);
    let (x, g) = (random.values(shape.input_len()), random.values(shape.output_len()));
    let run = |threads: usize| {
        on_threads(threads, || {
            let mut d_weight = vec![0.0; c * 9];
            depthwise_backward_weight(Isa::best(), &shape, &x, &g, &mut d_weight);
            d_weight
        })
    };
    assert_eq!(run(1), run(3));
}
