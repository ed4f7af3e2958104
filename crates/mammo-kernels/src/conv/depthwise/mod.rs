//! Depthwise convolution: every channel has a kernel of its own.
//!
//! A product has no depth here, so tiles of the micro-kernel would be empty but for one column. Instead each vector
//! holds neighbouring channels of one pixel, and neighbouring output pixels are computed together, so that each load
//! of a weight and of an input pixel serves several of them. Weights and sums are `f32`, whatever the type of the maps.
//!
//! The gradient of the input has the same form as the forward pass: input pixels that lie `stride` apart read the same
//! taps of neighbouring gradients ([`line`]).

mod line;
mod weight_sums;

use rayon::prelude::*;

use self::line::{Line, Row};
use self::weight_sums::WeightSums;
use super::{ConvShape, Pad};
use crate::activation::Activation;
use crate::isa::Isa;
use crate::micro::run_on_vectors;
use crate::operand::Operand;

/// Output pixels whose products are summed in `f32`.
const STRIP: usize = 512;
/// Values of a map below which another thread is not worth its start.
const FAIR: usize = 8192;

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
    let row_len = shape.out_w() * channels;
    out.par_chunks_mut(row_len).enumerate().with_min_len(FAIR.div_ceil(row_len)).for_each(|(row, out)| {
        let (n, oy) = (row / shape.out_h(), row % shape.out_h());
        let rows = (0..kernel).filter_map(|ky| {
            let y = (oy * shape.stride + ky).checked_sub(shape.pad.top).filter(|y| *y < shape.h)?;
            Some(Row { x: (n * shape.h + y) * shape.w * channels, weight: ky * kernel * channels })
        });
        let line = Line {
            x,
            width: shape.w,
            channels,
            rows: &rows.collect::<Vec<_>>(),
            n_taps: kernel,
            tap_step: channels,
            column: -(shape.pad.left as isize),
            step: shape.stride,
            weight: &weight.taps,
            epilogue,
        };
        run_on_vectors(isa, line.to_pixels(out, 0, 1));
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
    let (channels, width, height) = (shape.c_in, shape.out_w(), shape.out_h());
    let row_len = shape.w * channels;
    d_x.par_chunks_mut(row_len).enumerate().with_min_len(FAIR.div_ceil(row_len)).for_each(|(row, d_x)| {
        let (n, y) = (row / h, row % h);
        // Output row `oy` reads this row through tap row `y + top - oy * stride`.
        let rows_from = |first_tap: usize| {
            let rows = (0..kernel).filter_map(move |ky| {
                let at = (y + top).checked_sub(ky).filter(|at| at.is_multiple_of(stride))? / stride;
                let x = (n * height + at) * width * channels;
                (at < height).then_some(Row { x, weight: (ky * kernel + first_tap) * channels })
            });
            rows.collect::<Vec<_>>()
        };
        for first in 0..stride.min(shape.w) {
            // Columns `first`, `first + stride` and so on are read through taps `least`, `least + stride` and so on;
            // the largest of them reads the leftmost gradient, so taps are counted from there.
            let least = (first + left) % stride;
            let n_taps = kernel.saturating_sub(least).div_ceil(stride);
            let largest = least + n_taps.saturating_sub(1) * stride;
            let line = Line {
                x: d_out,
                width,
                channels,
                rows: &if n_taps > 0 { rows_from(largest) } else { Vec::new() },
                n_taps,
                tap_step: (stride * channels).wrapping_neg(),
                column: ((first + left) as isize - largest as isize) / stride as isize,
                step: 1,
                weight: &weight.taps,
                epilogue: DepthwiseEpilogue::default(),
            };
            run_on_vectors(isa, line.to_pixels(&mut *d_x, first, stride));
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
    let mut totals = vec![0.0f64; taps * channels];
    totals.par_chunks_mut(channels).enumerate().for_each(|(tap, totals)| {
        for part in &parts {
            let part = &part[tap * channels..][..channels];
            totals.iter_mut().zip(part).for_each(|(total, part)| *total += f64::from(*part));
        }
    });
    for (channel, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
        d_weight.iter_mut().enumerate().for_each(|(tap, d)| *d = totals[tap * channels + channel] as f32);
    }
}

fn check<T>(shape: &ConvShape, x: &[T], out: &[T]) {
    assert!(shape.c_in == shape.c_out, "a depthwise convolution of {shape:?}");
    assert!(x.len() == shape.input_len() && out.len() == shape.output_len(), "maps of {shape:?}");
}

#[cfg(test)]
mod tests;
