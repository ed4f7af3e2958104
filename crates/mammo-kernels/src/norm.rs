//! Batch norm with what follows it, in one pass each way: `relu(norm(x) + residual)`.
//!
//! Images are channels last, so a channel is a column: every pixel meets the same vectors of
//! scales and shifts. Sums run over fixed stretches of pixels in `f32` and over stretches in
//! `f64`, in order: they do not depend on the number of threads.

use rayon::prelude::*;

use crate::isa::{Isa, Job};
use crate::operand::Operand;

/// Numbers in a stretch: 16 Ki, which with all operands stays in the second-level cache.
const STRETCH: usize = 16 << 10;

/// Mean and variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean over images and pixels.
    pub mean: Vec<f32>,
    /// Biased variance (divided by the count).
    pub variance: Vec<f32>,
}

/// What is done to each number after the norm.
#[derive(Clone, Copy, Debug, Default)]
pub struct After<'a, T> {
    /// Added to the normed values.
    pub residual: Option<&'a [T]>,
    /// Negative results become zero.
    pub relu: bool,
}

/// Gradients of [`apply`] with [`Statistics`] of its own input.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Of the scale.
    pub gamma: Vec<f32>,
    /// Of the shift.
    pub beta: Vec<f32>,
}

/// Mean and variance of each of `channels` channels.
pub fn statistics<T: Operand>(isa: Isa, channels: usize, x: &[T]) -> Statistics {
    // Deviations from the first pixel: their squares do not swamp the variance of channels that
    // lie far from zero.
    let origin: Vec<f32> = x[..channels].iter().map(|v| v.to_f32()).collect();
    let sums = sum_stretches(channels, x.len(), |range, first, second| {
        isa.run(Moments { x: &x[range], origin: &origin, first, second });
    });
    let count = (x.len() / channels) as f64;
    let mean = |c: usize| sums.0[c] / count;
    Statistics {
        mean: (0..channels).map(|c| (f64::from(origin[c]) + mean(c)) as f32).collect(),
        variance: (0..channels).map(|c| (sums.1[c] / count - mean(c) * mean(c)).max(0.0) as f32).collect(),
    }
}

/// Two sums per channel over all pixels, from a function that adds those of a stretch.
fn sum_stretches(
    channels: usize,
    len: usize,
    add: impl Fn(std::ops::Range<usize>, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f64>, Vec<f64>) {
    let stretch = stretch_of_sums(channels);
    let parts: Vec<Vec<f32>> = (0..len.div_ceil(stretch))
        .into_par_iter()
        .map(|s| {
            let mut sums = vec![0.0f32; 2 * channels];
            let (first, second) = sums.split_at_mut(channels);
            add(s * stretch..((s + 1) * stretch).min(len), first, second);
            sums
        })
        .collect();
    let mut sums = total(2 * channels, &parts);
    let second = sums.split_off(channels);
    (sums, second)
}

/// Numbers whose sum is taken in `f32`: at most 512 pixels, so that it does not lose the last ones.
fn stretch_of_sums(channels: usize) -> usize {
    (STRETCH / channels).clamp(1, 512) * channels
}

fn total(len: usize, parts: &[Vec<f32>]) -> Vec<f64> {
    let mut total = vec![0.0f64; len];
    for part in parts {
        for (t, &p) in total.iter_mut().zip(part) {
            *t += f64::from(p);
        }
    }
    total
}

/// Scale and shift of each channel: `gamma / sqrt(variance + epsilon)` and what centres it.
pub fn fold(statistics: &Statistics, gamma: &[f32], beta: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let scale: Vec<f32> =
        statistics.variance.iter().zip(gamma).map(|(v, g)| g / (v + epsilon).sqrt()).collect();
    let shift = statistics.mean.iter().zip(&scale).zip(beta).map(|((m, s), b)| b - m * s).collect();
    (scale, shift)
}

/// `out = after(x * scale + shift)` by channel.
pub fn apply<T: Operand>(
    isa: Isa,
    x: &[T],
    scale: &[f32],
    shift: &[f32],
    after: After<'_, T>,
    out: &mut [T],
) {
    let channels = scale.len();
    assert!(x.len() == out.len() && x.len().is_multiple_of(channels) && shift.len() == channels);
    let stretch = (STRETCH / channels).max(1) * channels;
    out.par_chunks_mut(stretch).enumerate().for_each(|(s, out)| {
        let range = s * stretch..s * stretch + out.len();
        let x = &x[range.clone()];
        match after.residual {
            Some(r) => {
                isa.run(Apply::<T, true> { x, residual: &r[range], scale, shift, relu: after.relu, out })
            }
            None => isa.run(Apply::<T, false> { x, residual: x, scale, shift, relu: after.relu, out }),
        }
    });
}

/// ReLU after a norm, as its gradient sees it.
#[derive(Clone, Copy, Debug)]
pub enum Relu<'a, T> {
    /// There was none.
    None,
    /// It followed the norm directly: the norm is computed once more.
    Direct,
    /// It followed a sum; this is its result.
    Result(&'a [T]),
}

/// Operands of [`backward`].
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, T> {
    /// Input of the forward pass.
    pub x: &'a [T],
    /// Whether ReLU followed, and where it let gradients pass.
    pub relu: Relu<'a, T>,
    /// Gradient of the result.
    pub d_out: &'a [T],
    /// Statistics that the forward pass used.
    pub statistics: &'a Statistics,
    /// Whether they were those of `x` itself, and so depend on it.
    pub of_batch: bool,
    /// Scale of each channel.
    pub gamma: &'a [f32],
    /// Shift of each channel.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// Gradients of `x`, into `d_x`, of the residual, into `d_residual` when asked for, and of scale
/// and shift.
pub fn backward<T: Operand>(
    isa: Isa,
    b: &Backward<'_, T>,
    d_x: &mut [T],
    d_residual: Option<&mut [T]>,
) -> Gradients {
    let channels = b.gamma.len();
    let inverse: Vec<f32> = b.statistics.variance.iter().map(|v| 1.0 / (v + b.epsilon).sqrt()).collect();
    let mean = &b.statistics.mean;
    let (scale, shift) = fold(b.statistics, b.gamma, b.beta, b.epsilon);
    let (scale, shift) = (&scale[..], &shift[..]);
    let sums = sum_stretches(channels, b.x.len(), |range, first, second| {
        let (x, d_out) = (&b.x[range.clone()], &b.d_out[range.clone()]);
        match b.relu {
            Relu::None => isa.run(Reduce::<T, NONE> { x, out: x, d_out, mean, scale, shift, first, second }),
            Relu::Direct => {
                isa.run(Reduce::<T, DIRECT> { x, out: x, d_out, mean, scale, shift, first, second })
            }
            Relu::Result(out) => {
                let out = &out[range];
                isa.run(Reduce::<T, RESULT> { x, out, d_out, mean, scale, shift, first, second });
            }
        }
    });
    let count = (b.x.len() / channels) as f64;
    let gradients = Gradients {
        gamma: sums.1.iter().zip(&inverse).map(|(&s, &i)| (s * f64::from(i)) as f32).collect(),
        beta: sums.0.iter().map(|&s| s as f32).collect(),
    };
    // d_x = a * g - p - q * (x - mean), where a = gamma / std.
    let a: Vec<f32> = b.gamma.iter().zip(&inverse).map(|(g, i)| g * i).collect();
    let share = |sum: f64, a: f32| if b.of_batch { (sum / count) as f32 * a } else { 0.0 };
    let q: Vec<f32> = (0..channels).map(|c| share(sums.1[c], a[c]) * inverse[c] * inverse[c]).collect();
    let p: Vec<f32> = (0..channels).map(|c| share(sums.0[c], a[c]) - q[c] * mean[c]).collect();
    let stretch = (STRETCH / channels).max(1) * channels;
    let spread = |s: usize, d_x: &mut [T], d_residual: &mut [T]| {
        let range = s * stretch..s * stretch + d_x.len();
        let (x, d_out) = (&b.x[range.clone()], &b.d_out[range.clone()]);
        let spread =
            Spread::<T, NONE, false> { x, out: x, d_out, scale, shift, a: &a, p: &p, q: &q, d_x, d_residual };
        match (b.relu, spread.d_residual.is_empty()) {
            (Relu::None, true) => isa.run(spread),
            (Relu::None, false) => isa.run(spread.after::<NONE, true>(x)),
            (Relu::Direct, true) => isa.run(spread.after::<DIRECT, false>(x)),
            (Relu::Direct, false) => isa.run(spread.after::<DIRECT, true>(x)),
            (Relu::Result(out), true) => isa.run(spread.after::<RESULT, false>(&out[range])),
            (Relu::Result(out), false) => isa.run(spread.after::<RESULT, true>(&out[range])),
        }
    };
    match d_residual {
        Some(d_residual) => d_x
            .par_chunks_mut(stretch)
            .zip(d_residual.par_chunks_mut(stretch))
            .enumerate()
            .for_each(|(s, (d_x, d_residual))| spread(s, d_x, d_residual)),
        None => d_x.par_chunks_mut(stretch).enumerate().for_each(|(s, d_x)| spread(s, d_x, &mut [])),
    }
    gradients
}

/// Gradient of `relu(x + bias)`: that of the bias, and of `x` into `d_x`; `relu_out` is the
/// result. Without ReLU the gradient of `x` is that of the result, and `d_x` is empty.
pub fn bias_backward<T: Operand>(
    isa: Isa,
    channels: usize,
    relu_out: Option<&[T]>,
    d_out: &[T],
    d_x: &mut [T],
) -> Vec<f32> {
    let Some(out) = relu_out else {
        return channel_sums(isa, channels, d_out);
    };
    let stretch = stretch_of_sums(channels);
    let parts: Vec<Vec<f32>> = d_x
        .par_chunks_mut(stretch)
        .zip(out.par_chunks(stretch).zip(d_out.par_chunks(stretch)))
        .map(|(d_x, (out, d_out))| {
            let mut sums = vec![0.0; channels];
            isa.run(Mask { out, d_out, d_x, sums: &mut sums });
            sums
        })
        .collect();
    total(channels, &parts).into_iter().map(|s| s as f32).collect()
}

fn channel_sums<T: Operand>(isa: Isa, channels: usize, x: &[T]) -> Vec<f32> {
    let origin = vec![0.0; channels];
    let sums = sum_stretches(channels, x.len(), |range, first, second| {
        isa.run(Moments { x: &x[range], origin: &origin, first, second });
    });
    sums.0.iter().map(|&s| s as f32).collect()
}

/// A gradient on its way back through ReLU, and its sums.
struct Mask<'a, T> {
    out: &'a [T],
    d_out: &'a [T],
    d_x: &'a mut [T],
    sums: &'a mut [f32],
}

impl<T: Operand> Job for Mask<'_, T> {
    #[inline(always)]
    fn run(self) {
        let channels = self.sums.len();
        let pixels = self.out.chunks_exact(channels).zip(self.d_out.chunks_exact(channels));
        for ((out, d_out), d_x) in pixels.zip(self.d_x.chunks_exact_mut(channels)) {
            for (((out, d_out), d_x), sum) in out.iter().zip(d_out).zip(d_x).zip(&mut *self.sums) {
                let g = if out.to_f32() > 0.0 { *d_out } else { T::default() };
                *d_x = g;
                *sum += g.to_f32();
            }
        }
    }
}

struct Moments<'a, T> {
    x: &'a [T],
    origin: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl<T: Operand> Job for Moments<'_, T> {
    #[inline(always)]
    fn run(self) {
        for pixel in self.x.chunks_exact(self.origin.len()) {
            for (((x, o), s), q) in pixel.iter().zip(self.origin).zip(&mut *self.first).zip(&mut *self.second)
            {
                let d = x.to_f32() - o;
                *s += d;
                *q += d * d;
            }
        }
    }
}

struct Apply<'a, T, const RESIDUAL: bool> {
    x: &'a [T],
    residual: &'a [T],
    scale: &'a [f32],
    shift: &'a [f32],
    relu: bool,
    out: &'a mut [T],
}

impl<T: Operand, const RESIDUAL: bool> Job for Apply<'_, T, RESIDUAL> {
    #[inline(always)]
    fn run(self) {
        let channels = self.scale.len();
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let pixels = self.x.chunks_exact(channels).zip(self.residual.chunks_exact(channels));
        for ((x, residual), out) in pixels.zip(self.out.chunks_exact_mut(channels)) {
            for c in 0..channels.min(x.len()).min(residual.len()).min(out.len()).min(self.shift.len()) {
                let mut y = x[c].to_f32() * self.scale[c] + self.shift[c];
                if RESIDUAL {
                    y += residual[c].to_f32();
                }
                out[c] = T::from_f32(if y > floor { y } else { floor });
            }
        }
    }
}

/// Kinds of [`Relu`] for the loops, which the compiler makes one of each.
const NONE: u8 = 0;
const DIRECT: u8 = 1;
const RESULT: u8 = 2;

/// Whether the gradient passes at channel `c`.
#[inline(always)]
fn passes<T: Operand, const RELU: u8>(x: T, out: T, scale: f32, shift: f32) -> bool {
    match RELU {
        DIRECT => x.to_f32() * scale + shift > 0.0,
        RESULT => out.to_f32() > 0.0,
        _ => true,
    }
}

struct Reduce<'a, T, const RELU: u8> {
    x: &'a [T],
    out: &'a [T],
    d_out: &'a [T],
    mean: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl<T: Operand, const RELU: u8> Job for Reduce<'_, T, RELU> {
    #[inline(always)]
    fn run(self) {
        let channels = self.mean.len();
        // Slices of one length: the loop below needs no bounds checks, and so becomes vectors.
        let (mean, scale, shift) = (&self.mean[..channels], &self.scale[..channels], &self.shift[..channels]);
        let (first, second) = (&mut self.first[..channels], &mut self.second[..channels]);
        let pixels = self.x.chunks_exact(channels).zip(self.out.chunks_exact(channels));
        for ((x, out), d_out) in pixels.zip(self.d_out.chunks_exact(channels)) {
            let (x, out, d_out) = (&x[..channels], &out[..channels], &d_out[..channels]);
            for c in 0..channels {
                let live = passes::<T, RELU>(x[c], out[c], scale[c], shift[c]);
                let g = if live { d_out[c].to_f32() } else { 0.0 };
                first[c] += g;
                second[c] += g * (x[c].to_f32() - mean[c]);
            }
        }
    }
}

struct Spread<'a, T, const RELU: u8, const RESIDUAL: bool> {
    x: &'a [T],
    out: &'a [T],
    d_out: &'a [T],
    scale: &'a [f32],
    shift: &'a [f32],
    a: &'a [f32],
    p: &'a [f32],
    q: &'a [f32],
    d_x: &'a mut [T],
    d_residual: &'a mut [T],
}

impl<'a, T, const RELU: u8, const RESIDUAL: bool> Spread<'a, T, RELU, RESIDUAL> {
    /// The same work with another kind of ReLU and of residual.
    fn after<const OTHER: u8, const OTHER_RESIDUAL: bool>(
        self,
        out: &'a [T],
    ) -> Spread<'a, T, OTHER, OTHER_RESIDUAL> {
        let Self { x, d_out, scale, shift, a, p, q, d_x, d_residual, .. } = self;
        Spread { x, out, d_out, scale, shift, a, p, q, d_x, d_residual }
    }
}

impl<T: Operand, const RELU: u8, const RESIDUAL: bool> Job for Spread<'_, T, RELU, RESIDUAL> {
    #[inline(always)]
    fn run(self) {
        let channels = self.a.len();
        let (scale, shift) = (&self.scale[..channels], &self.shift[..channels]);
        let (a, p, q) = (&self.a[..channels], &self.p[..channels], &self.q[..channels]);
        let mut d_residual = self.d_residual.chunks_exact_mut(channels);
        let pixels = self.x.chunks_exact(channels).zip(self.out.chunks_exact(channels));
        let pixels = pixels.zip(self.d_out.chunks_exact(channels)).zip(self.d_x.chunks_exact_mut(channels));
        for (((x, out), d_out), d_x) in pixels {
            let (x, out, d_out, d_x) =
                (&x[..channels], &out[..channels], &d_out[..channels], &mut d_x[..channels]);
            let residual = if RESIDUAL { d_residual.next().unwrap_or_default() } else { &mut [] };
            let residual = &mut residual[..if RESIDUAL { channels } else { 0 }];
            for c in 0..channels {
                let live = passes::<T, RELU>(x[c], out[c], scale[c], shift[c]);
                let g = if live { d_out[c].to_f32() } else { 0.0 };
                d_x[c] = T::from_f32(a[c] * g - p[c] - q[c] * x[c].to_f32());
                if RESIDUAL {
                    residual[c] = T::from_f32(g);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| (i.wrapping_mul(2654435761).wrapping_add(seed) >> 8) as f32 / 8388608.0 - 1.0)
            .collect()
    }

    /// `relu(norm(x) + r)` weighted by `g`, in `f64`.
    fn loss(x: &[f64], r: &[f64], gamma: &[f64], beta: &[f64], g: &[f64], fixed: Option<&Statistics>) -> f64 {
        let c = gamma.len();
        let m = (x.len() / c) as f64;
        (0..x.len())
            .map(|i| {
                let k = i % c;
                let column = || x.iter().skip(k).step_by(c);
                let mean = fixed.map_or_else(|| column().sum::<f64>() / m, |s| f64::from(s.mean[k]));
                let var = fixed.map_or_else(
                    || column().map(|v| (v - mean).powi(2)).sum::<f64>() / m,
                    |s| f64::from(s.variance[k]),
                );
                ((x[i] - mean) / (var + 1e-5).sqrt() * gamma[k] + beta[k] + r[i]).max(0.0) * g[i]
            })
            .sum()
    }

    #[test]
    fn gradients_agree_with_differences() {
        let (c, pixels) = (5, 12);
        let (x, r, g) = (noise(c * pixels, 1), noise(c * pixels, 2), noise(c * pixels, 3));
        let (gamma, beta) = (noise(c, 4), noise(c, 5));
        let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let given = Statistics { mean: noise(c, 6), variance: vec![0.5; c] };
        for isa in Isa::available() {
            for fixed in [None, Some(&given)] {
                let used = fixed.cloned().unwrap_or_else(|| statistics(isa, c, &x));
                let (scale, shift) = fold(&used, &gamma, &beta, 1e-5);
                let mut y = vec![0.0; x.len()];
                apply(isa, &x, &scale, &shift, After { residual: Some(&r), relu: true }, &mut y);
                let value: f64 = y.iter().zip(&g).map(|(&y, &g)| f64::from(y) * f64::from(g)).sum();
                let ask = |x: &[f64], r: &[f64], gamma: &[f64], beta: &[f64]| {
                    loss(x, r, gamma, beta, &wide(&g), fixed)
                };
                let centre = ask(&wide(&x), &wide(&r), &wide(&gamma), &wide(&beta));
                assert!((value - centre).abs() < 1e-4, "{isa:?}: {value} for {centre}");
                let (mut d_x, mut d_r) = (vec![0.0; x.len()], vec![0.0; x.len()]);
                let operands = Backward {
                    x: &x,
                    relu: Relu::Result(&y),
                    d_out: &g,
                    statistics: &used,
                    of_batch: fixed.is_none(),
                    gamma: &gamma,
                    beta: &beta,
                    epsilon: 1e-5,
                };
                let grads = backward(isa, &operands, &mut d_x, Some(&mut d_r));
                let bump = |which: usize, i: usize, by: f64| {
                    let mut v = [wide(&x), wide(&r), wide(&gamma), wide(&beta)];
                    v[which][i] += by;
                    ask(&v[0], &v[1], &v[2], &v[3])
                };
                for (which, got) in [&d_x, &d_r, &grads.gamma, &grads.beta].into_iter().enumerate() {
                    for (i, &got) in got.iter().enumerate() {
                        let slope = (bump(which, i, 1e-6) - bump(which, i, -1e-6)) / 2e-6;
                        assert!(
                            (f64::from(got) - slope).abs() < 1e-3,
                            "{isa:?} {which} {i}: {got} for {slope}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn far_from_zero_the_variance_is_still_right() {
        let x: Vec<f32> = noise(4000, 9).iter().map(|v| 1000.0 + v).collect();
        let s = statistics(Isa::best(), 1, &x);
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / 4000.0;
        let var = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / 4000.0;
        assert!((f64::from(s.variance[0]) - var).abs() < 1e-5 * var, "{} for {var}", s.variance[0]);
    }

    #[test]
    fn bf16_agrees_with_f32_to_its_precision() {
        let x = noise(64 * 33, 1);
        let half: Vec<bf16> = x.iter().map(|&v| <bf16 as Operand>::from_f32(v)).collect();
        let (a, b) = (statistics(Isa::best(), 64, &x), statistics(Isa::best(), 64, &half));
        assert!(a.mean.iter().zip(&b.mean).all(|(a, b)| (a - b).abs() < 2e-3));
        let mut y = vec![bf16::ZERO; x.len()];
        apply(Isa::best(), &half, &[2.0; 64], &[1.0; 64], After::default(), &mut y);
        assert!(y.iter().zip(&x).all(|(y, x)| (y.to_f32() - (2.0 * x + 1.0)).abs() < 0.02));
    }
}
