//! Compares with naive sums in `f64`, on random shapes, for every instruction set of this machine.

use super::*;
use crate::activation::Activation;
use crate::bf16;
use crate::conv::backward_input::input_gradient_conv;
use crate::conv::packed::pack_winograd;
use crate::conv::tests::{Random, check_pooled, close, each_product, on_threads, typed};
use crate::conv::{Packed, Pad, forward};

/// The convolution in `f64`.
fn naive(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut y = vec![0.0f64; shape.output_len()];
    each_product(shape, |o, i, k| y[o] += f64::from(x[i]) * f64::from(weight[k]));
    y
}

fn random_shape(random: &mut Random) -> ConvShape {
    let (sizes, channels) = if cfg!(miri) { (4, 19) } else { (17, 70) };
    let mut size = |below: usize| 1 + random.below(below);
    let (n, h, w) = (size(2), 2 + size(sizes), 2 + size(sizes));
    let (c_in, c_out) = (size(channels), size(channels));
    let pad = [Pad::default(), Pad::all(1), Pad { bottom: 1, right: 2, ..Pad::default() }][size(3) - 1];
    ConvShape { n, h, w, c_in, c_out, kernel: 3, stride: 1, pad }
}

#[test]
fn agrees_with_naive_sums() {
    let mut random = Random(982451653);
    for _ in 0..if cfg!(miri) { 2 } else { 30 } {
        let shape = random_shape(&mut random);
        let (x, w) = (random.values(shape.input_len()), random.values(shape.weight_len()));
        let (b, r) = (random.values(shape.c_out), random.values(shape.output_len()));
        let y = naive(&shape, &x, &w);
        let plus: Vec<f64> = (0..y.len()).map(|i| y[i] + f64::from(b[i % shape.c_out] + r[i])).collect();
        let relu: Vec<f64> = plus.iter().map(|y| y.max(0.0)).collect();
        for isa in Isa::available() {
            let panels = pack_winograd::<f32>(isa, &shape, &w);
            let bias = panels.pad_bias(&b);
            let mut out = vec![7.0f32; y.len()];
            forward(isa, &shape, &x, &panels, &mut out, &Epilogue::default());
            close("forward", &shape, isa, &out, &y, 1e-4);
            let epilogue = Epilogue {
                bias: Some(&bias),
                residual: Some(&r),
                activation: Activation::Relu,
                accumulate: false,
            };
            forward(isa, &shape, &x, &panels, &mut out, &epilogue);
            close("finished", &shape, isa, &out, &relu, 1e-4);
            let epilogue = Epilogue { bias: Some(&bias), accumulate: true, ..Epilogue::default() };
            let mut out = r.clone();
            forward(isa, &shape, &x, &panels, &mut out, &epilogue);
            close("added", &shape, isa, &out, &plus, 1e-4);
            let mut out = vec![bf16::ONE; y.len()];
            forward(isa, &shape, &x, &panels, &mut out, &Epilogue::default());
            close("to bf16", &shape, isa, &out, &y, 5e-3);
            let (panels, mut out) = (pack_winograd::<bf16>(isa, &shape, &w), vec![7.0f32; y.len()]);
            forward(isa, &shape, &typed::<bf16>(&x), &panels, &mut out, &Epilogue::default());
            close("from bf16", &shape, isa, &out, &y, 1e-4);
        }
    }
}

#[test]
fn gradients_agree_with_naive_sums() {
    let mut random = Random(1299709);
    for _ in 0..if cfg!(miri) { 2 } else { 30 } {
        let shape = random_shape(&mut random);
        let conv = input_gradient_conv(&shape).unwrap();
        let (x, w) = (random.values(shape.input_len()), random.values(shape.weight_len()));
        let (g, other) = (random.values(shape.output_len()), random.values(shape.input_len()));
        let mut d_x: Vec<f64> = other.iter().map(|&o| f64::from(o)).collect();
        let mut d_w = vec![0.0f64; shape.weight_len()];
        each_product(&shape, |o, i, k| {
            d_x[i] += f64::from(g[o]) * f64::from(w[k]);
            d_w[k] += f64::from(g[o]) * f64::from(x[i]);
        });
        for isa in Isa::available() {
            let points = || pack(isa, &w, [shape.c_out, shape.c_in], Side::Backward);
            let mut d_in = vec![7.0f32; d_x.len()];
            let epilogue = Epilogue { residual: Some(&other), ..Epilogue::default() };
            forward(isa, &conv, &g, &Packed::Winograd(points()), &mut d_in, &epilogue);
            close("backward_input", &shape, isa, &d_in, &d_x, 1e-4);
            let mut d_weight = vec![7.0f32; d_w.len()];
            backward_weight(isa, &shape, &x, &g, &mut d_weight);
            close("backward_weight", &shape, isa, &d_weight, &d_w, 1e-4);
            let (x, g, mut d_in) = (typed::<bf16>(&x), typed(&g), vec![bf16::ONE; d_x.len()]);
            let other: Vec<bf16> = typed(&other);
            let epilogue = Epilogue { residual: Some(&other), ..Epilogue::default() };
            forward(isa, &conv, &g, &Packed::Winograd(points()), &mut d_in, &epilogue);
            close("backward_input in bf16", &shape, isa, &d_in, &d_x, 5e-3);
            backward_weight(isa, &shape, &x, &g, &mut d_weight);
            close("backward_weight from bf16", &shape, isa, &d_weight, &d_w, 1e-4);
        }
    }
}

/// Blocks of several small images do not mix them.
#[test]
fn small_images_in_a_batch_are_as_alone() {
    let shape = ConvShape { n: 5, h: 6, w: 5, c_in: 33, c_out: 20, kernel: 3, stride: 1, pad: Pad::all(1) };
    let one = ConvShape { n: 1, ..shape };
    let mut random = Random(5);
    let (x, weight) = (random.values(shape.input_len()), random.values(shape.weight_len()));
    let residual = random.values(shape.output_len());
    for isa in Isa::available() {
        let panels = pack_winograd::<f32>(isa, &shape, &weight);
        let run = |shape: &ConvShape, x: &[f32], residual: &[f32]| {
            let mut out = vec![0.0f32; shape.output_len()];
            let epilogue = Epilogue { residual: Some(residual), ..Epilogue::default() };
            forward(isa, shape, x, &panels, &mut out, &epilogue);
            out
        };
        let alone = x.chunks(one.input_len()).zip(residual.chunks(one.output_len()));
        let alone: Vec<f32> = alone.flat_map(|(x, residual)| run(&one, x, residual)).collect();
        assert_eq!(run(&shape, &x, &residual), alone, "{isa:?}");
    }
}

#[test]
fn pooled_on_the_way_is_pooled_afterwards() {
    let mut random = Random(11);
    for _ in 0..if cfg!(miri) { 2 } else { 20 } {
        let shape = random_shape(&mut random);
        check_pooled(&mut random, &shape, Activation::Relu, pack_winograd);
    }
}

/// Rounding errors on values like those of a network: positive inputs, weights of both signs, outputs near 1.
#[test]
fn errors_stay_a_few_millionths_of_the_output() {
    let (h, w, c_in, c_out) = if cfg!(miri) { (5, 4, 16, 3) } else { (22, 18, 256, 24) };
    let shape = ConvShape { n: 1, h, w, c_in, c_out, kernel: 3, stride: 1, pad: Pad::all(1) };
    let mut random = Random(4711);
    let mut bell = |scale: f32| {
        let uniform = (0..12).map(|_| random.below(1 << 20) as f32 / (1 << 20) as f32);
        (uniform.sum::<f32>() - 6.0) * scale
    };
    let x: Vec<f32> = (0..shape.input_len()).map(|_| bell(1.0).max(0.0)).collect();
    let weight: Vec<f32> = (0..shape.weight_len()).map(|_| bell((2.0 / (9 * c_in) as f32).sqrt())).collect();
    let exact = naive(&shape, &x, &weight);
    let root_mean_square = |values: &mut dyn Iterator<Item = f64>| {
        (values.map(|v| v * v).sum::<f64>() / exact.len() as f64).sqrt()
    };
    let scale = root_mean_square(&mut exact.iter().copied());
    for isa in Isa::available() {
        let mut out = vec![0.0f32; shape.output_len()];
        forward(isa, &shape, &x, &pack_winograd::<f32>(isa, &shape, &weight), &mut out, &Epilogue::default());
        let errors = || out.iter().zip(&exact).map(|(&got, wanted)| (f64::from(got) - wanted) / scale);
        let (typical, largest) = (root_mean_square(&mut errors()), errors().fold(0.0, |m, e| e.abs().max(m)));
        println!("{isa:?}: {typical:.1e}, at most {largest:.1e}");
        assert!(typical < 3e-6 && largest < 1.5e-5, "{isa:?}: {typical:e}, at most {largest:e}");
    }
}

#[test]
fn sums_do_not_depend_on_the_number_of_threads() {
    let (h, w, c_in, c_out) = if cfg!(miri) { (7, 5, 16, 6) } else { (30, 23, 33, 48) };
    let shape = ConvShape { n: 2, h, w, c_in, c_out, kernel: 3, stride: 1, pad: Pad::all(1) };
    let mut random = Random(3);
    let (x, weight) = (random.values(shape.input_len()), random.values(shape.weight_len()));
    let run = |threads: usize| {
        on_threads(threads, || {
            let mut out = vec![0.0f32; shape.output_len()];
            let panels = pack_winograd::<f32>(Isa::best(), &shape, &weight);
            forward(Isa::best(), &shape, &x, &panels, &mut out, &Epilogue::default());
            let mut d_weight = vec![0.0f32; shape.weight_len()];
            backward_weight(Isa::best(), &shape, &x, &out, &mut d_weight);
            (out, d_weight)
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn pieces_fill_the_rows_of_a_product() {
    let shape = |n, h, w, c_in, c_out| {
        let pad = Pad::all(1);
        ConvShape { n, h, w, c_in, c_out, kernel: 3, stride: 1, pad }
    };
    on_threads(2, || {
        // Five rows of 14 tiles are 70 of 72; one alone would be 14 of 24.
        assert_eq!(pieces::band(&shape(8, 56, 56, 128, 256), 12), 5 * STEP);
        // One of 224 is 224 of 228.
        assert_eq!(pieces::band(&shape(1, 1152, 896, 64, 64), 12), STEP);
        // An image of 49 tiles is 49 of 60, two are 98 of 108, three 147 of 156.
        let images = |shape: &ConvShape| pieces::images(shape, 12, pieces::band(shape, 12));
        assert_eq!(images(&shape(8, 28, 28, 512, 512)), 3);
        assert_eq!(images(&shape(1, 28, 28, 512, 512)), 1);
    });
}
