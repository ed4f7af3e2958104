//! Times the depthwise convolutions of EfficientNet-Lite0: `depthwise [f32|bf16] [train|predict]`.
//!
//! Beside the milliseconds stands the speed of reading and writing the maps: these layers are bound by memory.

use std::time::Instant;

use mammo_kernels::conv::{
    ConvShape, DepthwiseEpilogue, DepthwiseWeights, Pad, depthwise, depthwise_backward_input,
    depthwise_backward_weight,
};
use mammo_kernels::isa::Isa;
use mammo_kernels::{Activation, Operand, bf16};

/// Channels, kernel, stride, layers, and the factor from image to input map.
const LAYERS: [[usize; 5]; 10] = [
    [32, 3, 1, 1, 2],
    [96, 3, 2, 1, 2],
    [144, 3, 1, 1, 4],
    [144, 5, 2, 1, 4],
    [240, 5, 1, 1, 8],
    [240, 3, 2, 1, 8],
    [480, 3, 1, 2, 16],
    [480, 5, 1, 1, 16],
    [672, 5, 1, 2, 16],
    [1152, 5, 1, 3, 32],
];

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let train = words.iter().any(|word| word == "train");
    match words.iter().any(|word| word == "f32") {
        true => table::<f32>(train),
        false => table::<bf16>(train),
    }
}

fn table<T: Operand>(train: bool) {
    let [n, rows, columns] = if train { [32, 160, 160] } else { [1, 800, 480] };
    let mut sums = [0.0; 3];
    for [channels, kernel, stride, layers, factor] in LAYERS {
        let shape = ConvShape {
            n,
            h: rows / factor,
            w: columns / factor,
            c_in: channels,
            c_out: channels,
            kernel,
            stride,
            pad: Pad::all(kernel / 2),
        };
        print!("{layers} x {:3}x{:3} {channels:4} k{kernel} s{stride} |", shape.h, shape.w);
        let bytes = (size_of::<T>() * (shape.input_len() + shape.output_len())) as f64;
        for (sum, seconds) in sums.iter_mut().zip(measure::<T>(&shape, train)) {
            *sum += seconds * layers as f64;
            print!(" {:7.3} ms {:5.1} GB/s |", seconds * 1e3, bytes / seconds * 1e-9);
        }
        println!();
    }
    println!("sum {:?} ms", sums.map(|seconds| (seconds * 1e5).round() / 1e2));
}

/// Seconds of the forward pass and, in training, of both gradients.
fn measure<T: Operand>(shape: &ConvShape, train: bool) -> Vec<f64> {
    let isa = Isa::best();
    let x = vec![T::from_f32(0.5); shape.input_len()];
    let (mut out, mut d_x) = (vec![T::default(); shape.output_len()], x.clone());
    let weight = vec![0.25f32; shape.c_in * shape.taps()];
    let (packed, mut d_weight) = (DepthwiseWeights::new(shape, &weight), weight);
    let epilogue = DepthwiseEpilogue { bias: None, activation: Activation::Relu6 };
    let mut seconds = vec![best(|| depthwise(isa, shape, &x, &packed, epilogue, &mut out))];
    if train {
        seconds.push(best(|| depthwise_backward_input(isa, shape, &out, &packed, &mut d_x)));
        seconds.push(best(|| depthwise_backward_weight(isa, shape, &x, &out, &mut d_weight)));
    }
    seconds
}

fn best(mut run: impl FnMut()) -> f64 {
    let mut one = || {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..9).map(|_| one()).fold(f64::MAX, f64::min)
}
