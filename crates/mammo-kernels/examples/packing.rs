//! Times packing weights: `packing [f32|bf16]`.
use mammo_kernels::Operand;
use mammo_kernels::bf16;
use mammo_kernels::conv::{ConvShape, Pad, pack_training};
use mammo_kernels::isa::Isa;
use std::time::Instant;

fn main() {
    match std::env::args().any(|word| word == "f32") {
        true => table::<f32>(),
        false => table::<bf16>(),
    }
}

fn table<T: Operand>() {
    for (c_in, c_out, kernel) in [(512, 2048, 1), (2048, 512, 1), (512, 512, 3)] {
        let shape =
            ConvShape { n: 8, h: 14, w: 14, c_in, c_out, kernel, stride: 1, pad: Pad::all(kernel / 2) };
        let w = vec![0.5f32; shape.weight_len()];
        let mut best = f64::MAX;
        for _ in 0..20 {
            let t = Instant::now();
            std::hint::black_box(pack_training::<T>(Isa::best(), &shape, &w));
            best = best.min(t.elapsed().as_secs_f64());
        }
        println!(
            "{c_in}->{c_out} k{kernel}: {:.3} ms, {:.2} ns per weight",
            best * 1e3,
            best * 1e9 / w.len() as f64
        );
    }
}
