//! Times every convolution of ResNet50, VGG16 and the demo's network: `layers [f32|bf16] [train|predict]`.

use std::time::Instant;

use mammo_kernels::conv::{
    ConvShape, Pad, backward_input, backward_weight, forward, pack_prediction, pack_training,
};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Epilogue;
use mammo_kernels::{Activation, Operand, bf16};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let train = words.iter().any(|w| w == "train");
    match words.iter().any(|w| w == "f32") {
        true => table::<f32>(train),
        false => table::<bf16>(train),
    }
}

fn table<T: Operand>(train: bool) {
    let (n, h, w) = if train { (8, 224, 224) } else { (1, 1152, 896) };
    let small = if train { demo(32, 64, 64) } else { demo(1, 384, 288) };
    let networks =
        [("ResNet50", resnet50(n, h, w)), ("VGG16", vgg16(n, h, w)), ("the demo's YaroslavNet", small)];
    for (name, layers) in networks {
        println!("{name} {}", std::any::type_name::<T>());
        let mut sums = [0.0; 4];
        for (times, shape) in layers {
            let seconds = measure::<T>(&shape, train);
            let flops = 2e-9 * shape.multiply_adds() as f64;
            print!(
                "{times} x {:4}x{:4} {:4}->{:4} k{} s{} |",
                shape.h, shape.w, shape.c_in, shape.c_out, shape.kernel, shape.stride
            );
            for (i, s) in seconds.iter().enumerate() {
                sums[i] += s * times as f64;
                print!(" {:7.2} ms {:5.0} GF/s |", s * 1e3, flops / s);
            }
            sums[3] += flops * times as f64;
            println!();
        }
        println!(
            "sum {:?} ms, {:.1} GFLOP each",
            sums[..3].iter().map(|s| (s * 1e4).round() / 10.0).collect::<Vec<_>>(),
            sums[3]
        );
    }
}

fn measure<T: Operand>(shape: &ConvShape, train: bool) -> Vec<f64> {
    let isa = Isa::best();
    let x = vec![T::from_f32(0.5); shape.input_len()];
    let weight = vec![0.25f32; shape.weight_len()];
    let mut y = vec![T::default(); shape.output_len()];
    let mut dx = vec![T::default(); shape.input_len()];
    let mut d_weight = weight.clone();
    let panels = pack_prediction::<T>(isa, shape, &weight);
    let mut seconds = vec![best(|| {
        if train {
            let panels = pack_training::<T>(isa, shape, &weight);
            forward(isa, shape, &x, &panels, &mut y, &Epilogue::default());
        } else {
            forward(
                isa,
                shape,
                &x,
                &panels,
                &mut y,
                &Epilogue { activation: Activation::Relu, ..Epilogue::default() },
            );
        }
    })];
    if train {
        seconds.push(best(|| backward_input(isa, shape, &y, &weight, None, &mut dx)));
        seconds.push(best(|| backward_weight(isa, shape, &x, &y, &mut d_weight)));
    }
    seconds
}

fn best(mut run: impl FnMut()) -> f64 {
    let one = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..7).map(|_| one(&mut run)).fold(f64::MAX, f64::min)
}

fn conv([n, h, w, c_in]: [usize; 4], c_out: usize, kernel: usize, stride: usize) -> ConvShape {
    ConvShape { n, h, w, c_in, c_out, kernel, stride, pad: Pad::all(kernel / 2) }
}

fn resnet50(n: usize, h: usize, w: usize) -> Vec<(usize, ConvShape)> {
    let mut layers = vec![(1, conv([n, h, w, 3], 64, 7, 2))];
    let (mut h, mut w, mut c_in) = (h / 4, w / 4, 64);
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let mid = 64 << stage;
        let stride = if stage == 0 { 1 } else { 2 };
        layers.push((1, conv([n, h, w, c_in], mid, 1, 1)));
        layers.push((1, conv([n, h, w, mid], mid, 3, stride)));
        layers.push((1, conv([n, h, w, c_in], 4 * mid, 1, stride)));
        (h, w, c_in) = (h / stride, w / stride, 4 * mid);
        layers.push((blocks, conv([n, h, w, mid], c_in, 1, 1)));
        layers.push((blocks - 1, conv([n, h, w, c_in], mid, 1, 1)));
        layers.push((blocks - 1, conv([n, h, w, mid], mid, 3, 1)));
    }
    layers
}

fn vgg16(n: usize, h: usize, w: usize) -> Vec<(usize, ConvShape)> {
    plain([n, h, w, 3], &[(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)])
}

/// The demo's YaroslavNet.
fn demo(n: usize, h: usize, w: usize) -> Vec<(usize, ConvShape)> {
    plain([n, h, w, 1], &[(2, 16), (2, 32), (2, 64), (2, 128), (2, 256)])
}

fn plain([n, h, w, c_in]: [usize; 4], blocks: &[(usize, usize)]) -> Vec<(usize, ConvShape)> {
    let mut layers = Vec::new();
    let (mut h, mut w, mut c_in) = (h, w, c_in);
    for &(depth, c) in blocks {
        for _ in 0..depth {
            layers.push((1, conv([n, h, w, c_in], c, 3, 1)));
            c_in = c;
        }
        (h, w) = (h / 2, w / 2);
    }
    layers
}
