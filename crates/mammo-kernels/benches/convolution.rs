//! A convolution of 3 x 3 forward and backward, at two sizes of ResNet50: `cargo bench -p mammo-kernels`.
#![allow(missing_docs)]

use divan::Bencher;
use divan::counter::ItemsCount;
use mammo_kernels::Operand;
use mammo_kernels::bf16;
use mammo_kernels::conv::{ConvShape, Pad, backward_input, backward_weight, forward, pack_training};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Epilogue;

fn main() {
    divan::main();
}

/// Side of the map and channels.
const SIZES: [(usize, usize); 2] = [(56, 64), (14, 256)];

fn shape((side, channels): (usize, usize)) -> ConvShape {
    let (c_in, c_out) = (channels, channels);
    ConvShape { n: 4, h: side, w: side, c_in, c_out, kernel: 3, stride: 1, pad: Pad::all(1) }
}

/// Counts multiply-adds, so that the column of items is their number per second.
fn counter(shape: &ConvShape) -> ItemsCount {
    ItemsCount::new(shape.multiply_adds())
}

#[divan::bench(types = [f32, bf16], args = SIZES, sample_count = 20)]
fn forward_3x3<T: Operand>(bencher: Bencher, size: (usize, usize)) {
    let (isa, shape) = (Isa::best(), shape(size));
    let input = vec![T::from_f32(0.5); shape.input_len()];
    let weight = pack_training::<T>(isa, &shape, &vec![0.25; shape.weight_len()]);
    let mut out = vec![T::default(); shape.output_len()];
    bencher
        .counter(counter(&shape))
        .bench_local(|| forward(isa, &shape, &input, &weight, &mut out, &Epilogue::default()));
}

#[divan::bench(types = [f32, bf16], args = SIZES, sample_count = 20)]
fn backward_input_3x3<T: Operand>(bencher: Bencher, size: (usize, usize)) {
    let (isa, shape) = (Isa::best(), shape(size));
    let d_out = vec![T::from_f32(0.5); shape.output_len()];
    let weight = vec![0.25; shape.weight_len()];
    let mut d_input = vec![T::default(); shape.input_len()];
    bencher
        .counter(counter(&shape))
        .bench_local(|| backward_input(isa, &shape, &d_out, &weight, None, &mut d_input));
}

#[divan::bench(types = [f32, bf16], args = SIZES, sample_count = 20)]
fn backward_weight_3x3<T: Operand>(bencher: Bencher, size: (usize, usize)) {
    let (isa, shape) = (Isa::best(), shape(size));
    let input = vec![T::from_f32(0.5); shape.input_len()];
    let d_out = vec![T::from_f32(0.5); shape.output_len()];
    let mut d_weight = vec![0.0; shape.weight_len()];
    bencher
        .counter(counter(&shape))
        .bench_local(|| backward_weight(isa, &shape, &input, &d_out, &mut d_weight));
}
