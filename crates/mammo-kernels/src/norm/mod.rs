//! Batch norm fused with its epilogue, `activation(norm(x) + residual)`, in one pass forward and one backward.
//!
//! Images are channels last, so every pixel uses the same vectors of scales and shifts. Sums are computed in `f32`
//! over fixed strips of pixels, and in `f64` over the strips, in order: they do not depend on the number of threads.

mod loops;

use rayon::prelude::*;

use crate::activation::{Activation, Bounds};
use crate::isa::Isa;
use crate::operand::Operand;
use loops::{
    ActivationBackward, Apply, BY_OUTPUT, EVERYWHERE, GradientSums, InputGradient, Moments, RECOMPUTED,
};

/// Values per strip: 16 Ki, which with all operands fit the second-level cache.
const STRIP: usize = 16 << 10;

/// Mean and variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean over images and pixels.
    pub mean: Vec<f32>,
    /// Biased variance (divided by the count).
    pub variance: Vec<f32>,
}

/// The epilogue of the norm: operations on each value after normalisation.
#[derive(Clone, Copy, Debug, Default)]
pub struct NormEpilogue<'a, T> {
    /// Added to the normalised values.
    pub residual: Option<&'a [T]>,
    /// Applied last.
    pub activation: Activation,
}

/// Gradients of [`apply`] with [`Statistics`] of its own input.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Gradient of the scale.
    pub gamma: Vec<f32>,
    /// Gradient of the shift.
    pub beta: Vec<f32>,
}

/// Mean and variance of each of `channels` channels.
pub fn statistics<T: Operand>(isa: Isa, channels: usize, x: &[T]) -> Statistics {
    // Sums of deviations from the first pixel: with sums of the values themselves, the variance of channels far from
    // zero would lose its digits.
    let origin: Vec<f32> = x[..channels].iter().map(|v| v.to_f32()).collect();
    let sums = sum_strips(channels, x.len(), |range, first, second| {
        isa.run(Moments { x: &x[range], origin: &origin, first, second });
    });
    let count = (x.len() / channels) as f64;
    let mean = |c: usize| sums.0[c] / count;
    Statistics {
        mean: (0..channels).map(|c| (f64::from(origin[c]) + mean(c)) as f32).collect(),
        variance: (0..channels).map(|c| (sums.1[c] / count - mean(c) * mean(c)).max(0.0) as f32).collect(),
    }
}

/// Two sums per channel over all pixels; `add` adds those of a strip.
fn sum_strips(
    channels: usize,
    len: usize,
    add: impl Fn(std::ops::Range<usize>, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f64>, Vec<f64>) {
    let strip = strip_of_sums(channels);
    let parts: Vec<Vec<f32>> = (0..len.div_ceil(strip))
        .into_par_iter()
        .map(|s| {
            let mut sums = vec![0.0f32; 2 * channels];
            let (first, second) = sums.split_at_mut(channels);
            add(s * strip..((s + 1) * strip).min(len), first, second);
            sums
        })
        .collect();
    let mut sums = total(2 * channels, &parts);
    let second = sums.split_off(channels);
    (sums, second)
}

/// Values per strip of whole pixels.
fn whole_pixels(channels: usize) -> usize {
    (STRIP / channels).max(1) * channels
}

/// Values that are summed in `f32`: at most 512 pixels, so that the last ones are not lost to rounding.
fn strip_of_sums(channels: usize) -> usize {
    (STRIP / channels).clamp(1, 512) * channels
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

/// Scale and shift of each channel: `gamma / sqrt(variance + epsilon)` and `beta - mean * scale`.
pub fn fold(statistics: &Statistics, gamma: &[f32], beta: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let scale: Vec<f32> =
        statistics.variance.iter().zip(gamma).map(|(v, g)| g / (v + epsilon).sqrt()).collect();
    let shift = statistics.mean.iter().zip(&scale).zip(beta).map(|((m, s), b)| b - m * s).collect();
    (scale, shift)
}

/// `out = epilogue(x * scale + shift)` per channel.
pub fn apply<T: Operand>(
    isa: Isa,
    x: &[T],
    scale: &[f32],
    shift: &[f32],
    epilogue: NormEpilogue<'_, T>,
    out: &mut [T],
) {
    let channels = scale.len();
    assert!(x.len() == out.len() && x.len().is_multiple_of(channels) && shift.len() == channels);
    let (strip, bounds) = (whole_pixels(channels), epilogue.activation.bounds());
    out.par_chunks_mut(strip).enumerate().for_each(|(s, out)| {
        let range = s * strip..s * strip + out.len();
        let x = &x[range.clone()];
        match epilogue.residual {
            Some(r) => isa.run(Apply::<T, true> { x, residual: &r[range], scale, shift, bounds, out }),
            None => isa.run(Apply::<T, false> { x, residual: x, scale, shift, bounds, out }),
        }
    });
}

/// Where the activation after a norm passed gradients, as the backward pass finds it.
#[derive(Clone, Copy, Debug)]
pub enum Passed<'a, T> {
    /// Everywhere: there was no activation.
    Everywhere,
    /// Recomputed: the activation of the norm itself.
    Recomputed(Activation),
    /// Read from the output of the activation of norm and residual.
    ByOutput(Activation, &'a [T]),
}

impl<T> Passed<'_, T> {
    fn bounds(&self) -> Bounds {
        match self {
            Self::Everywhere => Activation::None,
            Self::Recomputed(activation) | Self::ByOutput(activation, _) => *activation,
        }
        .bounds()
    }
}

/// Operands of [`backward`].
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, T> {
    /// Input of the forward pass.
    pub x: &'a [T],
    /// Where the activation that followed passed gradients.
    pub passed: Passed<'a, T>,
    /// Gradient of the output.
    pub d_out: &'a [T],
    /// Statistics used in the forward pass.
    pub statistics: &'a Statistics,
    /// True if they are statistics of `x`, so that their gradients count.
    pub of_batch: bool,
    /// Scale of each channel.
    pub gamma: &'a [f32],
    /// Shift of each channel.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// Backward pass of [`apply`]: the gradient of `x` goes to `d_x`, that of the residual to `d_residual` if given;
/// those of scale and shift are returned.
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
    let (scale, shift, bounds) = (&scale[..], &shift[..], b.passed.bounds());
    let sums = sum_strips(channels, b.x.len(), |range, first, second| {
        let (x, d_out) = (&b.x[range.clone()], &b.d_out[range.clone()]);
        let sums =
            GradientSums::<T, EVERYWHERE> { x, out: x, d_out, mean, scale, shift, bounds, first, second };
        match b.passed {
            Passed::Everywhere => isa.run(sums),
            Passed::Recomputed(_) => isa.run(sums.with::<RECOMPUTED>(x)),
            Passed::ByOutput(_, out) => isa.run(sums.with::<BY_OUTPUT>(&out[range])),
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
    let strip = whole_pixels(channels);
    let input_gradient = |s: usize, d_x: &mut [T], d_residual: &mut [T]| {
        let range = s * strip..s * strip + d_x.len();
        let (x, d_out) = (&b.x[range.clone()], &b.d_out[range.clone()]);
        let input_gradient = InputGradient::<T, EVERYWHERE, false> {
            x,
            out: x,
            d_out,
            scale,
            shift,
            bounds,
            a: &a,
            p: &p,
            q: &q,
            d_x,
            d_residual,
        };
        match (b.passed, input_gradient.d_residual.is_empty()) {
            (Passed::Everywhere, true) => isa.run(input_gradient),
            (Passed::Everywhere, false) => isa.run(input_gradient.with::<EVERYWHERE, true>(x)),
            (Passed::Recomputed(_), true) => isa.run(input_gradient.with::<RECOMPUTED, false>(x)),
            (Passed::Recomputed(_), false) => isa.run(input_gradient.with::<RECOMPUTED, true>(x)),
            (Passed::ByOutput(_, out), true) => isa.run(input_gradient.with::<BY_OUTPUT, false>(&out[range])),
            (Passed::ByOutput(_, out), false) => isa.run(input_gradient.with::<BY_OUTPUT, true>(&out[range])),
        }
    };
    match d_residual {
        Some(d_residual) => d_x
            .par_chunks_mut(strip)
            .zip(d_residual.par_chunks_mut(strip))
            .enumerate()
            .for_each(|(s, (d_x, d_residual))| input_gradient(s, d_x, d_residual)),
        None => d_x.par_chunks_mut(strip).enumerate().for_each(|(s, d_x)| input_gradient(s, d_x, &mut [])),
    }
    gradients
}

/// Backward pass of `activation(x + bias)`: the gradient of `x` goes to `d_x`, that of the bias is returned.
/// `activated` is the activation and its output. Without an activation the gradient of `x` equals `d_out`, and `d_x` is
/// empty.
pub fn bias_backward<T: Operand>(
    isa: Isa,
    channels: usize,
    activated: Option<(Activation, &[T])>,
    d_out: &[T],
    d_x: &mut [T],
) -> Vec<f32> {
    let Some((activation, out)) = activated else {
        return channel_sums(isa, channels, d_out);
    };
    let strip = strip_of_sums(channels);
    let parts: Vec<Vec<f32>> = d_x
        .par_chunks_mut(strip)
        .zip(out.par_chunks(strip).zip(d_out.par_chunks(strip)))
        .map(|(d_x, (out, d_out))| {
            let mut sums = vec![0.0; channels];
            isa.run(ActivationBackward { bounds: activation.bounds(), out, d_out, d_x, sums: &mut sums });
            sums
        })
        .collect();
    total(channels, &parts).into_iter().map(|s| s as f32).collect()
}

fn channel_sums<T: Operand>(isa: Isa, channels: usize, x: &[T]) -> Vec<f32> {
    let origin = vec![0.0; channels];
    let sums = sum_strips(channels, x.len(), |range, first, second| {
        isa.run(Moments { x: &x[range], origin: &origin, first, second });
    });
    sums.0.iter().map(|&s| s as f32).collect()
}

#[cfg(test)]
mod tests;
