//! How fast this machine convolves.

use std::time::{Duration, Instant};

use mammo_kernels::conv::{ConvShape, Pad, forward, pack_forward};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Finish;
use mammo_kernels::{Operand, bf16};

use crate::plan::Precision;

/// How long it is measured.
const DURATION: Duration = Duration::from_millis(300);

/// A convolution of the middle of a small network, 0.6 GFLOP.
const SHAPE: ConvShape = ConvShape {
    n: 8,
    h: 32,
    w: 32,
    c_in: 64,
    c_out: 64,
    kernel: 3,
    stride: 1,
    pad: Pad { top: 1, bottom: 1, left: 1, right: 1 },
};

/// Multiplications and additions a second, in units of 10^9, with which the processor convolves on all
/// threads in its fastest number type: the best run of a third of a second, since others may be
/// using the machine.
pub fn cpu_gflops() -> f64 {
    match Precision::fastest() {
        Precision::F32 => best_of::<f32>(),
        Precision::Bf16 => best_of::<bf16>(),
    }
}

fn best_of<T: Operand>() -> f64 {
    let input = vec![T::default(); SHAPE.input_len()];
    let weights = pack_forward::<T>(Isa::best(), &SHAPE, &vec![0.0; SHAPE.weight_len()]);
    let mut out = vec![T::default(); SHAPE.output_len()];
    let begun = Instant::now();
    let mut best = f64::INFINITY;
    while begun.elapsed() < DURATION {
        let started = Instant::now();
        forward(Isa::best(), &SHAPE, &input, &weights, &mut out, &Finish::default());
        best = best.min(started.elapsed().as_secs_f64());
    }
    2e-9 * SHAPE.multiply_adds() as f64 / best
}
