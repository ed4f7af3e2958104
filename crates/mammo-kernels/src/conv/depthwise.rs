//! Depthwise convolution: every channel has a kernel of its own.
//!
//! A product has no depth here, so tiles of the micro-kernel would be empty but for one column. Instead each vector
//! holds neighbouring channels of one pixel, and a group of neighbouring pixels shares each load of the weights.
//! Weights and sums are `f32`, whatever the type of the maps.
//!
//! The gradient of the input has the same form as the forward pass: pixels that lie `stride` apart read the same taps
//! of neighbouring gradients ([`Line`]).

use rayon::prelude::*;

use super::{ConvShape, Pad};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::micro::{Lanes, Simd, VectorJob, run_on_vectors};
use crate::operand::Operand;

/// Pixels that share a load of the weights.
const GROUP: usize = 4;
/// Output pixels whose products are summed in `f32`.
const STRIP: usize = 512;

/// The weights of a depthwise convolution in the order in which the kernels read them, `[k * k, channels]`.
#[derive(Clone, Debug)]
pub struct DepthwiseWeights {
    taps: Vec<f32>,
}

impl DepthwiseWeights {
    /// From `[channels, 1, k, k]`.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        let (channels, taps) = (shape.c_in, shape.taps());
        assert_eq!(weight.len(), channels * taps, "weights of {shape:?}");
        Self { taps: (0..weight.len()).map(|i| weight[i % channels * taps + i / channels]).collect() }
    }
}

/// What is added to the sums of [`depthwise()`] and applied to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct DepthwiseEpilogue<'a> {
    /// Initial value of each channel's sums.
    pub bias: Option<&'a [f32]>,
    /// Applied to the sums.
    pub activation: Activation,
}

/// Depthwise convolution of `[n, h, w, c]` with `shape.c_in == shape.c_out == c`.
///
/// # Panics
/// When the length of a slice does not match `shape`.
pub fn depthwise<T: Operand>(
    isa: Isa,
    shape: &ConvShape,
    x: &[T],
    weight: &DepthwiseWeights,
    epilogue: DepthwiseEpilogue<'_>,
    out: &mut [T],
) {
    check(shape, x, out);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.c_out), "bias of {shape:?}");
    let (channels, kernel) = (shape.c_in, shape.kernel);
    let row_len = shape.w * channels;
    out.par_chunks_mut(shape.out_w() * channels).enumerate().for_each(|(row, out)| {
        let (n, oy) = (row / shape.out_h(), row % shape.out_h());
        let rows = (0..kernel).filter_map(|ky| {
            let y = (oy * shape.stride + ky).checked_sub(shape.pad.top).filter(|y| *y < shape.h)?;
            Some((ky, (n * shape.h + y) * row_len))
        });
        let taps = rows.flat_map(|(ky, at)| {
            (0..kernel).map(move |kx| Tap {
                row: at,
                column: kx as isize - shape.pad.left as isize,
                weight: (ky * kernel + kx) * channels,
            })
        });
        let taps = &taps.collect::<Vec<_>>();
        let line = Line { x, width: shape.w, step: shape.stride, channels, taps, weight, epilogue };
        run_on_vectors(isa, Pixels { line, out, first: 0, stride: 1 });
    });
}

/// Gradient of the input of [`depthwise()`], from that of its sums.
///
/// # Panics
/// When the length of a slice does not match `shape`.
pub fn depthwise_backward_input<T: Operand>(
    isa: Isa,
    shape: &ConvShape,
    d_out: &[T],
    weight: &DepthwiseWeights,
    d_x: &mut [T],
) {
    check(shape, d_x, d_out);
    let ConvShape { h, stride, kernel, pad: Pad { top, left, .. }, .. } = *shape;
    let (channels, width, rows) = (shape.c_in, shape.out_w(), shape.out_h());
    d_x.par_chunks_mut(shape.w * channels).enumerate().for_each(|(row, d_x)| {
        let (n, y) = (row / h, row % h);
        // Output row `oy` reads this one through tap row `y + top - oy * stride`.
        let reached =
            |ky: &usize| (y + top).checked_sub(*ky).is_some_and(|at| at % stride == 0 && at / stride < rows);
        for first in 0..stride.min(shape.w) {
            let mut taps = Vec::with_capacity(shape.taps());
            for ky in (0..kernel).filter(reached) {
                let oy = (y + top - ky) / stride;
                for kx in
                    (0..kernel).filter(|kx| (first + left + kernel * stride - kx).is_multiple_of(stride))
                {
                    taps.push(Tap {
                        row: (n * rows + oy) * width * channels,
                        column: ((first + left) as isize - kx as isize) / stride as isize,
                        weight: (ky * kernel + kx) * channels,
                    });
                }
            }
            let epilogue = DepthwiseEpilogue::default();
            let line = Line { x: d_out, width, step: 1, channels, taps: &taps, weight, epilogue };
            run_on_vectors(isa, Pixels { line, out: &mut *d_x, first, stride });
        }
    });
}

/// Gradient of the weights of [`depthwise()`], `[channels, 1, k, k]`.
///
/// # Panics
/// When the length of a slice does not match `shape`.
pub fn depthwise_backward_weight<T: Operand>(
    isa: Isa,
    shape: &ConvShape,
    x: &[T],
    d_out: &[T],
    d_weight: &mut [f32],
) {
    check(shape, x, d_out);
    let (channels, taps) = (shape.c_in, shape.taps());
    assert_eq!(d_weight.len(), channels * taps, "weights of {shape:?}");
    let rows = (STRIP / shape.out_w()).max(1);
    let parts: Vec<Vec<f32>> = d_out
        .par_chunks(rows * shape.out_w() * channels)
        .enumerate()
        .map(|(strip, d_out)| {
            let mut sums = vec![0.0f32; taps * channels];
            run_on_vectors(isa, WeightSums { shape, x, first: strip * rows, d_out, sums: &mut sums });
            sums
        })
        .collect();
    // In `f64` and in order, so that neither many pixels nor the number of threads costs digits.
    d_weight.par_chunks_mut(taps).enumerate().for_each(|(channel, d_weight)| {
        for (tap, d_weight) in d_weight.iter_mut().enumerate() {
            let sum: f64 = parts.iter().map(|part| f64::from(part[tap * channels + channel])).sum();
            *d_weight = sum as f32;
        }
    });
}

fn check<T>(shape: &ConvShape, x: &[T], out: &[T]) {
    assert!(shape.c_in == shape.c_out, "a depthwise convolution of {shape:?}");
    assert!(x.len() == shape.input_len() && out.len() == shape.output_len(), "maps of {shape:?}");
}

/// One tap of a line of pixels.
#[derive(Clone, Copy)]
struct Tap {
    /// Start of the row that it reads.
    row: usize,
    /// The column that it reads for the first pixel of the line; it may lie outside the row.
    column: isize,
    /// Start of its weights.
    weight: usize,
}

/// A line of pixels that read the same taps, each pixel `step` columns further than the one before.
struct Line<'a, T> {
    x: &'a [T],
    /// Columns of a row of `x`.
    width: usize,
    step: usize,
    channels: usize,
    taps: &'a [Tap],
    weight: &'a DepthwiseWeights,
    epilogue: DepthwiseEpilogue<'a>,
}

/// The sums of a line, written to every `stride`-th pixel of a row from pixel `first` on.
struct Pixels<'a, T> {
    line: Line<'a, T>,
    out: &'a mut [T],
    first: usize,
    stride: usize,
}

impl<T: Operand> VectorJob for Pixels<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { line, out, first, stride } = self;
        let channels = line.channels;
        let count = (out.len() / channels - first).div_ceil(stride);
        let columns = line.taps.iter().map(|tap| tap.column);
        let (low, high) = (columns.clone().min().unwrap_or(0), columns.max().unwrap_or(0));
        // The pixels whose taps all lie within the row.
        let from = (-low).max(0) as usize;
        let from = from.div_ceil(line.step);
        let to = (line.width as isize - high).max(0) as usize;
        let to = to.div_ceil(line.step).min(count);
        let mut inside = Vec::with_capacity(line.taps.len());
        let mut i = 0;
        while i < count {
            let out = &mut out[(first + i * stride) * channels..];
            if from <= i && i + GROUP <= to {
                line.pixels::<S, GROUP>(simd, i, line.taps, out, stride * channels);
                i += GROUP;
            } else {
                let at = |tap: &Tap| tap.column + (i * line.step) as isize;
                inside.clear();
                inside.extend(line.taps.iter().filter(|tap| (0..line.width as isize).contains(&at(tap))));
                line.pixels::<S, 1>(simd, i, &inside, out, stride * channels);
                i += 1;
            }
        }
    }
}

impl<T: Operand> Line<'_, T> {
    /// Pixels `i` to `i + N` of the line; every tap of each lies within its row.
    #[inline(always)]
    fn pixels<S: Simd, const N: usize>(
        &self,
        simd: S,
        i: usize,
        taps: &[Tap],
        out: &mut [T],
        out_step: usize,
    ) {
        let channels = self.channels;
        for from in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - from);
            let bias = match self.epilogue.bias {
                Some(bias) => Lanes::load(simd, &bias[from..], n),
                None => Lanes::zero(simd),
            };
            let mut sums = [bias; N];
            for tap in taps {
                let weight = Lanes::load(simd, &self.weight.taps[tap.weight + from..], n);
                let column = (tap.column + (i * self.step) as isize) as usize;
                let x = &self.x[tap.row + column * channels + from..];
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.plus_product(Lanes::load(simd, &x[pixel * self.step * channels..], n), weight);
                }
            }
            for (pixel, sum) in sums.iter().enumerate() {
                sum.activate(self.epilogue.activation).store(&mut out[pixel * out_step + from..], n);
            }
        }
    }
}

/// The sums of products of some rows of output pixels, for all weights.
struct WeightSums<'a, T> {
    shape: &'a ConvShape,
    x: &'a [T],
    /// Number of the first row of `d_out`, counted over all images.
    first: usize,
    d_out: &'a [T],
    /// `[k * k, channels]`.
    sums: &'a mut [f32],
}

impl<T: Operand> VectorJob for WeightSums<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (shape, channels) = (self.shape, self.shape.c_in);
        for (row, d_out) in (self.first..).zip(self.d_out.chunks_exact(shape.out_w() * channels)) {
            let (n, oy) = (row / shape.out_h(), row % shape.out_h());
            for ky in 0..shape.kernel {
                let y = (oy * shape.stride + ky).wrapping_sub(shape.pad.top);
                if y >= shape.h {
                    continue;
                }
                let x = &self.x[(n * shape.h + y) * shape.w * channels..][..shape.w * channels];
                match shape.kernel {
                    3 => self.taps::<S, 3>(simd, x, d_out, [ky, 0]),
                    5 => self.taps::<S, 5>(simd, x, d_out, [ky, 0]),
                    kernel => (0..kernel).for_each(|kx| self.taps::<S, 1>(simd, x, d_out, [ky, kx])),
                }
            }
        }
    }
}

impl<T: Operand> WeightSums<'_, T> {
    /// Adds the products of one row of gradients with one row of the input, for `N` neighbouring taps from `tap` on.
    // An index per tap keeps the sums in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn taps<S: Simd, const N: usize>(&mut self, simd: S, x: &[T], d_out: &[T], [ky, kx]: [usize; 2]) {
        let (shape, channels) = (self.shape, self.shape.c_in);
        // Column read by tap `k` for output column `ox`; beyond the width if it lies in the padding.
        let column = |ox: usize, k: usize| (ox * shape.stride + kx + k).wrapping_sub(shape.pad.left);
        for from in (0..channels).step_by(S::LANES) {
            let lanes = S::LANES.min(channels - from);
            let at = |k: usize| (ky * shape.kernel + kx + k) * channels + from;
            let mut sums: [Lanes<S>; N] =
                std::array::from_fn(|k| Lanes::load(simd, &self.sums[at(k)..], lanes));
            for ox in 0..shape.out_w() {
                let gradient = Lanes::load(simd, &d_out[ox * channels + from..], lanes);
                let first = column(ox, 0);
                if first < shape.w && first + N <= shape.w {
                    let x = &x[first * channels + from..];
                    for k in 0..N {
                        sums[k] =
                            sums[k].plus_product(Lanes::load(simd, &x[k * channels..], lanes), gradient);
                    }
                } else {
                    for k in 0..N {
                        let column = column(ox, k);
                        if column < shape.w {
                            let x = Lanes::load(simd, &x[column * channels + from..], lanes);
                            sums[k] = sums[k].plus_product(x, gradient);
                        }
                    }
                }
            }
            for k in 0..N {
                sums[k].store(&mut self.sums[at(k)..], lanes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bf16;
    use crate::conv::tests::{Random, close, on_threads, typed};

    /// Calls `visit(output, input, weight)` with the indices of each product.
    fn each_product(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
        let c = s.c_in;
        for (n, oy, ox) in
            super::super::pixels_from(0, s.out_h(), s.out_w()).take(s.n * s.out_h() * s.out_w())
        {
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
            let pads = [
                Pad::default(),
                Pad::all(kernel / 2),
                Pad { bottom: 1, right: kernel - 1, ..Pad::default() },
            ];
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
}
