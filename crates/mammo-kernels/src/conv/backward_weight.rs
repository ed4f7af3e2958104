//! Gradient of the weights: `d_weight[tap] = sum over pixels of in[p + tap]^T * d_out[p]`.
//!
//! The sum runs over pixels, so pixels are the inner dimension of the product. Both operands are copied with pixels
//! adjacent, one strip of pixel rows at a time, so that the copies are still in the cache when they are multiplied.
//! The input is copied once per kernel column, already shifted and strided; kernel rows are different pointers into
//! the same copy.

use std::ops::Range;

use rayon::prelude::*;

use super::gather::{gather, needs_gather};
use super::interleave::{CopyLeft, CopyRight};
use super::{ConvShape, Pad, winograd};
use crate::isa::Isa;
use crate::micro::{Epilogue, Kernel, Rows, run_on_vectors};
use crate::operand::{Operand, units};
use crate::pack::Panels;
use crate::scratch::Scratch;

/// Depth of a strip in units: a panel of 32 columns and this depth takes 128 KiB.
const STRIP: usize = 1024;
/// Memory limit in bytes for the partial sums of all lanes together.
const LANE_BYTES: usize = 16 << 20;

/// Gradient of the loss with respect to the weights, `[c_out, c_in, k, k]`, written to `d_weight`. It is computed
/// from the input (`[n, h, w, c_in]`) and the gradient of the output (`[n, out_h, out_w, c_out]`).
///
/// # Panics
/// When the length of a slice does not match `shape`.
pub fn backward_weight<T: Operand>(
    isa: Isa,
    shape: &ConvShape,
    input: &[T],
    d_out: &[T],
    d_weight: &mut [f32],
) {
    assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(d_out.len(), shape.output_len(), "gradient of the output of {shape:?}");
    assert_eq!(d_weight.len(), shape.weight_len(), "gradient of the weights of {shape:?}");
    if needs_gather::<T>(shape.c_in) && shape.kernel > 1 {
        return by_im2col(isa, shape, input, d_out, d_weight);
    }
    if winograd::wins_for_weights::<T>(isa, shape) {
        return winograd::backward_weight(isa, shape, input, d_out, d_weight);
    }
    let flat = flatten(shape);
    let (kernel, taps) = (T::kernel(isa), shape.taps());
    let groups = shape.c_in.div_ceil(kernel.rows());
    let tile_len = kernel.rows() * shape.c_out;
    // [tap][group][row of the group][c_out]
    let size = taps * groups * tile_len;
    let rows = flat.n * flat.out_h();
    let per_strip = (STRIP / units::<T>(flat.out_w())).max(1);
    let sums = summed(size, rows.div_ceil(per_strip), |strip, sums, accumulate| {
        let first = strip * per_strip;
        let strip = first..rows.min(first + per_strip);
        let each = Strip::new(isa, &kernel, &flat, strip, input, d_out);
        let tiles = (taps * groups).div_ceil(4 * rayon::current_num_threads()).min(16);
        sums.par_chunks_mut(tiles * tile_len).enumerate().for_each(|(b, sums)| {
            each.multiply(b * tiles, sums, accumulate);
        });
    });
    to_weight_order(shape, &sums[..size], groups * kernel.rows(), d_weight);
}

/// Adds up `pieces` partial sums of `size` values; the total is in the first `size` values of the result. `add(piece,
/// sums, accumulate)` adds a piece to `sums`, or overwrites them.
///
/// Pieces are assigned to lanes, each with its own sums. The number of lanes depends only on the sizes, not on the
/// number of threads, so the order of summation and its rounding are reproducible.
pub(super) fn summed(
    size: usize,
    pieces: usize,
    add: impl Fn(usize, &mut [f32], bool) + Sync,
) -> Scratch<f32> {
    let lanes = (LANE_BYTES / (4 * size)).clamp(1, 16).min(pieces);
    let mut sums = f32::scratch_pool().take(lanes * size);
    sums.par_chunks_mut(size).enumerate().for_each(|(lane, sums)| {
        for piece in (lane..pieces).step_by(lanes) {
            add(piece, sums, piece != lane);
        }
    });
    let (total, rest) = sums.split_at_mut(size);
    for lane in rest.chunks_exact(size) {
        total.par_chunks_mut(1 << 14).zip(lane.par_chunks(1 << 14)).for_each(|(total, lane)| {
            total.iter_mut().zip(lane).for_each(|(t, l)| *t += l);
        });
    }
    sums
}

/// Joins short rows: for a 1x1 kernel it does not matter which pixels are neighbours.
fn flatten(shape: &ConvShape) -> ConvShape {
    if shape.kernel > 1 || shape.stride > 1 || shape.pad != Pad::default() {
        return *shape;
    }
    let join =
        (1..=shape.h).filter(|g| shape.h.is_multiple_of(*g) && g * shape.w <= STRIP).max().unwrap_or(1);
    ConvShape { h: shape.h / join, w: shape.w * join, ..*shape }
}

/// Copies all input windows (im2col) and computes the gradient of a 1x1 kernel with `taps * c_in` channels.
fn by_im2col<T: Operand>(isa: Isa, shape: &ConvShape, input: &[T], d_out: &[T], d_weight: &mut [f32]) {
    let (depth, taps) = (shape.taps() * shape.c_in, shape.taps());
    let padded = units::<T>(depth) * T::PER_UNIT;
    let (h, w) = (shape.out_h(), shape.out_w());
    let flat = ConvShape { n: 1, h, w, c_in: padded, kernel: 1, stride: 1, pad: Pad::default(), ..*shape };
    let sums = summed(padded * shape.c_out, shape.n, |n, sums, accumulate| {
        let mut windows = Vec::new();
        gather(shape, input, n * h * w, h * w, &mut windows);
        let mut of_image = vec![0.0f32; sums.len()];
        backward_weight(
            isa,
            &flat,
            &windows,
            &d_out[n * h * w * shape.c_out..][..h * w * shape.c_out],
            &mut of_image,
        );
        match accumulate {
            true => sums.iter_mut().zip(&of_image).for_each(|(sum, x)| *sum += x),
            false => sums.copy_from_slice(&of_image),
        }
    });
    for (i, w) in d_weight.iter_mut().enumerate() {
        let (co, ci, tap) = (i / depth, i % depth / taps, i % taps);
        *w = sums[co * padded + tap * shape.c_in + ci];
    }
}

/// Reorders `[tap][padded c_in][c_out]` to `[c_out, c_in, k, k]`, a few output channels at a time, so that each read
/// uses a whole cache line.
fn to_weight_order(shape: &ConvShape, sums: &[f32], padded: usize, d_weight: &mut [f32]) {
    const TOGETHER: usize = 16;
    /// Weights of one output channel that are written at once.
    const RUN: usize = 64;
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    d_weight.par_chunks_mut(TOGETHER * c_in * taps).enumerate().for_each(|(block, weight)| {
        let mut lines = [[0.0f32; RUN]; TOGETHER];
        for first in (0..c_in * taps).step_by(RUN) {
            let run = RUN.min(c_in * taps - first);
            let (mut tap, mut channel) = (first % taps, first / taps);
            for i in 0..run {
                let from = &sums[(tap * padded + channel) * c_out + block * TOGETHER..];
                for (line, &sum) in lines.iter_mut().zip(from) {
                    line[i] = sum;
                }
                tap += 1;
                if tap == taps {
                    (tap, channel) = (0, channel + 1);
                }
            }
            for (weight, line) in weight.chunks_exact_mut(c_in * taps).zip(&lines) {
                weight[first..first + run].copy_from_slice(&line[..run]);
            }
        }
    });
}

/// Both operands of a strip: some consecutive rows of output pixels.
struct Strip<'s, T: Operand> {
    kernel: &'s Kernel,
    shape: &'s ConvShape,
    /// First row of output pixels, counted over all images.
    first: usize,
    count: usize,
    /// `[input row][kx][group][unit][row of the tile]`.
    left: Scratch<T>,
    /// First input row in the copy, counted over all images.
    first_input: usize,
    right: Panels<T>,
    zeros: Vec<T>,
}

impl<'s, T: Operand> Strip<'s, T> {
    /// The strip of the output rows `rows`, counted over all images.
    fn new(
        isa: Isa,
        kernel: &'s Kernel,
        shape: &'s ConvShape,
        rows: Range<usize>,
        input: &[T],
        d_out: &[T],
    ) -> Self {
        let (first, count) = (rows.start, rows.len());
        let width = units::<T>(shape.out_w());
        let groups = shape.c_in.div_ceil(kernel.rows());
        let run_len = width * kernel.rows() * T::PER_UNIT;
        let (first_input, input_rows) = input_rows(shape, first, count);
        let mut left = T::scratch_pool().take(input_rows * shape.kernel * groups * run_len);
        left.par_chunks_mut(groups * run_len).enumerate().for_each(|(i, copy)| {
            let at = (first_input + i / shape.kernel) * shape.w * shape.c_in;
            let line = &input[at..at + shape.w * shape.c_in];
            let kx = i % shape.kernel;
            run_on_vectors(isa, CopyLeft { rows: kernel.rows(), shape, line, kx, run_len, copy });
        });
        let mut right = Panels::unfilled(kernel, shape.c_out, count * width);
        let line = shape.out_w() * shape.c_out;
        right.for_each_panel(|column, live, panel| {
            for (y, panel) in panel.chunks_exact_mut(panel.len() / count).enumerate() {
                let line = &d_out[(first + y) * line..][..line];
                run_on_vectors(isa, CopyRight { c_out: shape.c_out, line, column, live, width, panel });
            }
        });
        Self { kernel, shape, first, count, left, first_input, right, zeros: vec![T::default(); run_len] }
    }

    /// Computes the tiles from number `first_tile` on into `sums`, or adds them; a tile is one tap and one group of
    /// channels.
    fn multiply(&self, first_tile: usize, sums: &mut [f32], accumulate: bool) {
        let (kernel, shape) = (self.kernel, self.shape);
        let width = units::<T>(shape.out_w());
        let run_len = self.zeros.len();
        let groups = shape.c_in.div_ceil(kernel.rows());
        let tiles = sums.len() / (kernel.rows() * shape.c_out);
        let mut rows = Rows::interleaved(kernel, self.count, width, kernel.rows());
        rows.reset(tiles, &self.zeros);
        for tile in 0..tiles {
            let (tap, group) = ((first_tile + tile) / groups, (first_tile + tile) % groups);
            let (ky, kx) = (tap / shape.kernel, tap % shape.kernel);
            for segment in 0..self.count {
                let (n, oy) =
                    ((self.first + segment) / shape.out_h(), (self.first + segment) % shape.out_h());
                let y = (oy * shape.stride + ky).wrapping_sub(shape.pad.top);
                let copy = match y < shape.h {
                    true => {
                        let y = n * shape.h + y - self.first_input;
                        let at = ((y * shape.kernel + kx) * groups + group) * run_len;
                        &self.left[at..at + run_len]
                    }
                    false => &self.zeros,
                };
                rows.set(tile, segment, 0, copy);
            }
        }
        let offsets: Vec<usize> = (0..tiles * kernel.rows()).map(|i| i * shape.c_out).collect();
        let epilogue = Epilogue { accumulate, ..Epilogue::default() };
        crate::product::block(kernel, &rows, self.right.iter(), &offsets, sums, &epilogue);
    }
}

/// The input rows under a strip of output rows: the first and their number, counted over all images.
fn input_rows(shape: &ConvShape, first: usize, count: usize) -> (usize, usize) {
    let last = first + count - 1;
    let from = shape.h.min((first % shape.out_h() * shape.stride).saturating_sub(shape.pad.top));
    let to = shape.h.min((last % shape.out_h() * shape.stride + shape.kernel).saturating_sub(shape.pad.top));
    let from = first / shape.out_h() * shape.h + from;
    (from, (last / shape.out_h() * shape.h + to).saturating_sub(from))
}
