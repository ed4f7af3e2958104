//! Compares with naive sums in `f64`, on random shapes, for every instruction set of this machine.

use super::*;
use crate::activation::Activation;
use crate::isa::Isa;
use crate::micro::Epilogue;
use crate::operand::Operand;
use half::bf16;

/// A small random number generator (xorshift), so that the crate needs no dependency for it.
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// Values that bf16 represents exactly, so that both types have the same reference.
    pub(super) fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.below(129) as f32 - 64.0) / 64.0).collect()
    }
}

pub(super) fn typed<T: Operand>(values: &[f32]) -> Vec<T> {
    values.iter().map(|&v| T::from_f32(v)).collect()
}

/// Calls `visit(output index, input index, weight index)` for each product of the convolution.
pub(super) fn each_product(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    for n in 0..s.n {
        for (oy, ox) in (0..s.out_h()).flat_map(|y| (0..s.out_w()).map(move |x| (y, x))) {
            for (ky, kx) in (0..s.kernel).flat_map(|y| (0..s.kernel).map(move |x| (y, x))) {
                let (y, x) = (oy * s.stride + ky, ox * s.stride + kx);
                if y < s.pad.top || x < s.pad.left || y - s.pad.top >= s.h || x - s.pad.left >= s.w {
                    continue;
                }
                let input = ((n * s.h + y - s.pad.top) * s.w + x - s.pad.left) * s.c_in;
                let output = ((n * s.out_h() + oy) * s.out_w() + ox) * s.c_out;
                for co in 0..s.c_out {
                    for ci in 0..s.c_in {
                        let weight = ((co * s.c_in + ci) * s.kernel + ky) * s.kernel + kx;
                        visit(output + co, input + ci, weight);
                    }
                }
            }
        }
    }
}

pub(super) fn close<T: Operand>(
    what: &str,
    shape: &ConvShape,
    isa: Isa,
    got: &[T],
    wanted: &[f64],
    exact: f64,
) {
    assert_eq!(got.len(), wanted.len());
    for (i, (g, w)) in got.iter().zip(wanted).enumerate() {
        let error = (f64::from(g.to_f32()) - w).abs();
        let bound = exact * (1.0 + w.abs());
        assert!(error <= bound, "{what} {shape:?} {isa:?} at {i}: {g:?} for {w}");
    }
}

fn check<T: Operand>(isa: Isa, shape: &ConvShape, random: &mut Random, rounding: f64) {
    let (x, w) = (random.values(shape.input_len()), random.values(shape.weight_len()));
    let (g, b) = (random.values(shape.output_len()), random.values(shape.c_out));
    let r = random.values(shape.output_len());
    let mut y = vec![0.0f64; shape.output_len()];
    let mut dx = vec![0.0f64; shape.input_len()];
    let mut dw = vec![0.0f64; shape.weight_len()];
    each_product(shape, |o, i, k| {
        y[o] += f64::from(x[i]) * f64::from(w[k]);
        dx[i] += f64::from(g[o]) * f64::from(w[k]);
        dw[k] += f64::from(x[i]) * f64::from(g[o]);
    });
    let panels = pack_forward::<T>(isa, shape, &w);
    let mut out = vec![7.0f32; y.len()];
    forward(isa, shape, &typed::<T>(&x), &panels, &mut out, &Epilogue::default());
    close("forward", shape, isa, &out, &y, 1e-5);

    let bias = panels.pad_bias(&b);
    let residual = typed::<T>(&r);
    for (activation, high) in [(Activation::Relu, f64::INFINITY), (Activation::Relu6, 6.0)] {
        let epilogue =
            Epilogue { bias: Some(&bias), residual: Some(&residual), activation, accumulate: false };
        let mut out = vec![T::from_f32(7.0); y.len()];
        forward(isa, shape, &typed::<T>(&x), &panels, &mut out, &epilogue);
        let finished: Vec<f64> =
            (0..y.len()).map(|i| (y[i] + f64::from(b[i % shape.c_out] + r[i])).clamp(0.0, high)).collect();
        close("finished", shape, isa, &out, &finished, rounding);
    }

    let mut d_in = vec![T::from_f32(7.0); dx.len()];
    backward_input(isa, shape, &typed::<T>(&g), &w, None, &mut d_in);
    close("backward_input", shape, isa, &d_in, &dx, rounding);
    let other = random.values(dx.len());
    backward_input(isa, shape, &typed::<T>(&g), &w, Some(&typed::<T>(&other)), &mut d_in);
    let sum: Vec<f64> = dx.iter().zip(&other).map(|(d, &o)| d + f64::from(o)).collect();
    close("backward_input and another", shape, isa, &d_in, &sum, rounding);
    let mut d_weight = vec![7.0; dw.len()];
    backward_weight(isa, shape, &typed::<T>(&x), &typed::<T>(&g), &mut d_weight);
    close("backward_weight", shape, isa, &d_weight, &dw, 1e-5);
}

fn random_shape(random: &mut Random) -> ConvShape {
    let kernel = [1, 1, 3, 3, 7][random.below(if cfg!(miri) { 4 } else { 5 })];
    let size = |r: &mut Random| kernel + r.below(if cfg!(miri) { 3 } else { 14 });
    let channels =
        |r: &mut Random| [1, 3, 17, 16, 2, 5, 24, 32, 40, 64][r.below(if cfg!(miri) { 4 } else { 10 })];
    ConvShape {
        n: 1 + random.below(if cfg!(miri) { 2 } else { 3 }),
        h: size(random),
        w: size(random),
        c_in: channels(random),
        c_out: channels(random),
        kernel,
        stride: 1 + random.below(2),
        pad: [Pad::default(), Pad::all(kernel / 2), Pad { bottom: 1, right: 1, ..Pad::default() }]
            [random.below(3)],
    }
}

#[test]
fn all_three_products_agree_with_naive_sums() {
    let mut random = Random(88172645463325252);
    for _ in 0..if cfg!(miri) { 3 } else { 60 } {
        let shape = random_shape(&mut random);
        for isa in Isa::available() {
            check::<f32>(isa, &shape, &mut random, 1e-5);
            check::<bf16>(isa, &shape, &mut random, 5e-3);
        }
    }
}

/// Fused pooling equals pooling afterwards, with weights packed by `pack`.
pub(super) fn check_pooled(
    random: &mut Random,
    shape: &ConvShape,
    activation: Activation,
    pack: impl Fn(Isa, &ConvShape, &[f32]) -> Packed<f32>,
) {
    let (kernel, stride) = [(2, 2), (3, 2), (3, 1)][random.below(3)];
    let (h, w, c) = (shape.out_h(), shape.out_w(), shape.c_out);
    let pad = if h.min(w) < kernel { Pad::all(1) } else { Pad { top: 1, ..Pad::default() } };
    let pool = ConvShape { n: shape.n, h, w, c_in: c, c_out: c, kernel, stride, pad };
    let (x, weight) = (random.values(shape.input_len()), random.values(shape.weight_len()));
    let residual = random.values(shape.output_len());
    for isa in Isa::available() {
        let panels = pack(isa, shape, &weight);
        let epilogue = Epilogue { residual: Some(&residual), activation, ..Epilogue::default() };
        let mut whole = vec![0.0f32; shape.output_len()];
        forward(isa, shape, &x, &panels, &mut whole, &epilogue);
        let (mut unfused, mut argmax) = (vec![0.0; pool.output_len()], vec![0; pool.output_len()]);
        crate::pool::max_pool(isa, &pool, &whole, &mut unfused, &mut argmax);
        let mut fused = vec![7.0; pool.output_len()];
        forward_pooled(isa, &PooledShape { conv: *shape, pool }, &x, &panels, &mut fused, &epilogue);
        assert_eq!(fused, unfused, "{shape:?} {pool:?} {isa:?}");
    }
}

/// The result of `work` on `n` threads.
pub(super) fn on_threads<R: Send>(n: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(work)
}

#[test]
fn pooled_on_the_way_is_pooled_afterwards() {
    let mut random = Random(7);
    for _ in 0..if cfg!(miri) { 2 } else { 20 } {
        let shape = random_shape(&mut random);
        check_pooled(&mut random, &shape, Activation::None, pack_forward::<f32>);
    }
}

#[test]
fn sums_do_not_depend_on_the_number_of_threads() {
    let (h, w, c_in, c_out) = if cfg!(miri) { (6, 5, 16, 6) } else { (30, 20, 32, 48) };
    let shape = ConvShape { n: 2, h, w, c_in, c_out, kernel: 3, stride: 1, pad: Pad::all(1) };
    let mut random = Random(3);
    let (x, w, g) = (
        random.values(shape.input_len()),
        random.values(shape.weight_len()),
        random.values(shape.output_len()),
    );
    let run = |threads: usize| {
        on_threads(threads, || {
            let mut y = vec![0.0f32; shape.output_len()];
            forward(
                Isa::best(),
                &shape,
                &x,
                &pack_forward::<f32>(Isa::best(), &shape, &w),
                &mut y,
                &Epilogue::default(),
            );
            let mut d_weight = vec![0.0; shape.weight_len()];
            backward_weight(Isa::best(), &shape, &x, &g, &mut d_weight);
            (y, d_weight)
        })
    };
    assert_eq!(run(1), run(3));
}
