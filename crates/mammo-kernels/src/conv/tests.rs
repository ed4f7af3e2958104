//! Against naive sums in `f64`, on random shapes, for every instruction set of this machine.

use super::*;
use crate::isa::Isa;
use crate::micro::Finish;
use crate::operand::Operand;
use half::bf16;

/// A small generator of its own (xorshift), so that the crate needs no other.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// Numbers that bf16 holds exactly, so that both types are held to the same sums.
    fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.below(129) as f32 - 64.0) / 64.0).collect()
    }
}

fn typed<T: Operand>(values: &[f32]) -> Vec<T> {
    values.iter().map(|&v| T::from_f32(v)).collect()
}

/// Calls `visit(output index, input index, weight index)` for each product of the convolution.
fn each_product(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
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

fn close<T: Operand>(what: &str, shape: &ConvShape, isa: Isa, got: &[T], wanted: &[f64], exact: f64) {
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
    forward(isa, shape, &typed::<T>(&x), &panels, &mut out, &Finish::default());
    close("forward", shape, isa, &out, &y, 1e-5);

    let bias = panels.pad_bias(&b);
    let residual = typed::<T>(&r);
    let finish = Finish { bias: Some(&bias), residual: Some(&residual), relu: true, accumulate: false };
    let mut out = vec![T::from_f32(7.0); y.len()];
    forward(isa, shape, &typed::<T>(&x), &panels, &mut out, &finish);
    let finished: Vec<f64> =
        (0..y.len()).map(|i| (y[i] + f64::from(b[i % shape.c_out] + r[i])).max(0.0)).collect();
    close("finished", shape, isa, &out, &finished, rounding);

    let mut d_in = vec![T::from_f32(7.0); dx.len()];
    backward_input(isa, shape, &typed::<T>(&g), &w, &mut d_in);
    close("backward_input", shape, isa, &d_in, &dx, rounding);
    let mut d_weight = vec![7.0; dw.len()];
    backward_weight(isa, shape, &typed::<T>(&x), &typed::<T>(&g), &mut d_weight);
    close("backward_weight", shape, isa, &d_weight, &dw, 1e-5);
}

fn random_shape(random: &mut Random) -> ConvShape {
    let kernel = [1, 1, 3, 3, 7][random.below(5)];
    let size = |r: &mut Random| kernel + r.below(if cfg!(miri) { 4 } else { 14 });
    let channels =
        |r: &mut Random| [1, 2, 3, 5, 16, 17, 24, 32, 40, 64][r.below(if cfg!(miri) { 5 } else { 10 })];
    ConvShape {
        n: 1 + random.below(3),
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
    for _ in 0..if cfg!(miri) { 2 } else { 60 } {
        let shape = random_shape(&mut random);
        for isa in Isa::available() {
            check::<f32>(isa, &shape, &mut random, 1e-5);
            check::<bf16>(isa, &shape, &mut random, 5e-3);
        }
    }
}

#[test]
fn sums_do_not_depend_on_the_number_of_threads() {
    let shape = ConvShape { n: 2, h: 30, w: 20, c_in: 32, c_out: 48, kernel: 3, stride: 1, pad: Pad::all(1) };
    let mut random = Random(3);
    let (x, w, g) = (
        random.values(shape.input_len()),
        random.values(shape.weight_len()),
        random.values(shape.output_len()),
    );
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut y = vec![0.0f32; shape.output_len()];
            forward(
                Isa::best(),
                &shape,
                &x,
                &pack_forward::<f32>(Isa::best(), &shape, &w),
                &mut y,
                &Finish::default(),
            );
            let mut d_weight = vec![0.0; shape.weight_len()];
            backward_weight(Isa::best(), &shape, &x, &g, &mut d_weight);
            (y, d_weight)
        })
    };
    assert_eq!(run(1), run(3));
}
