//! Gradient of the weights: `d_weight[tap] = sum over pixels of in[p + tap]^T * d_out[p]`.
//!
//! The sum runs over pixels, so pixels are the depth of the product. Both operands are copied
//! with pixels side by side, a stretch of pixel rows at a time, so that the copies are still in
//! the cache when they are multiplied. The input is copied once per kernel column, already
//! shifted and strided; kernel rows are other pointers into the same copy.

use rayon::prelude::*;

use super::gather::{gather, needs_gather};
use super::{ConvShape, Pad};
use crate::isa::Isa;
use crate::micro::{Finish, Kernel, Rows};
use crate::operand::{Operand, units};
use crate::pack::Panels;

/// Depth of a stretch in units: a panel of 32 columns and this depth takes 128 KiB.
const STRETCH: usize = 1024;

/// Gradient of the loss with respect to the weights, `[c_out, c_in, k, k]`, from the input
/// (`[n, h, w, c_in]`) and the gradient of the output (`[n, out_h, out_w, c_out]`).
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn backward_weight<T: Operand>(isa: Isa, shape: &ConvShape, input: &[T], d_out: &[T]) -> Vec<f32> {
    assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(d_out.len(), shape.output_len(), "gradient of the output of {shape:?}");
    if needs_gather::<T>(shape.c_in) && shape.kernel > 1 {
        return by_windows(isa, shape, input, d_out);
    }
    let flat = flatten(shape);
    let (kernel, taps) = (T::kernel(isa), shape.taps());
    let groups = shape.c_in.div_ceil(kernel.rows());
    let tile_len = kernel.rows() * shape.c_out;
    // [tap][group][row of the group][c_out]
    let mut sums = vec![0.0f32; taps * groups * tile_len];
    let rows = flat.n * flat.out_h();
    let per_stretch = (STRETCH / units::<T>(flat.out_w())).max(1);
    for first in (0..rows).step_by(per_stretch) {
        let stretch = Stretch::new(&kernel, &flat, first, per_stretch.min(rows - first), input, d_out);
        let tiles = (taps * groups).div_ceil(4 * rayon::current_num_threads()).min(16);
        sums.par_chunks_mut(tiles * tile_len).enumerate().for_each(|(b, sums)| {
            stretch.multiply(b * tiles, sums);
        });
    }
    to_weight_order(shape, &sums, groups * kernel.rows())
}

/// A kernel of one pixel does not care which pixels are neighbours: short rows are joined.
fn flatten(shape: &ConvShape) -> ConvShape {
    if shape.kernel > 1 || shape.stride > 1 || shape.pad != Pad::default() {
        return *shape;
    }
    let join =
        (1..=shape.h).filter(|g| shape.h.is_multiple_of(*g) && g * shape.w <= STRETCH).max().unwrap_or(1);
    ConvShape { h: shape.h / join, w: shape.w * join, ..*shape }
}

/// Through copies of all windows, as the gradient of a kernel of one pixel with `taps * c_in`
/// channels.
fn by_windows<T: Operand>(isa: Isa, shape: &ConvShape, input: &[T], d_out: &[T]) -> Vec<f32> {
    let (depth, taps) = (shape.taps() * shape.c_in, shape.taps());
    let padded = units::<T>(depth) * T::PER_UNIT;
    let (h, w) = (shape.out_h(), shape.out_w());
    let mut windows = Vec::new();
    let mut sums = vec![0.0f32; padded * shape.c_out];
    for n in 0..shape.n {
        gather(shape, input, n * h * w, h * w, &mut windows);
        let flat =
            ConvShape { n: 1, h, w, c_in: padded, kernel: 1, stride: 1, pad: Pad::default(), ..*shape };
        let of_image = &d_out[n * h * w * shape.c_out..][..h * w * shape.c_out];
        for (sum, x) in sums.iter_mut().zip(backward_weight(isa, &flat, &windows, of_image)) {
            *sum += x;
        }
    }
    let mut weight = vec![0.0; shape.weight_len()];
    for (i, w) in weight.iter_mut().enumerate() {
        let (co, ci, tap) = (i / depth, i % depth / taps, i % taps);
        *w = sums[co * padded + tap * shape.c_in + ci];
    }
    weight
}

/// From `[tap][channel in, padded][channel out]` to `[c_out, c_in, k, k]`.
fn to_weight_order(shape: &ConvShape, sums: &[f32], padded: usize) -> Vec<f32> {
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    let mut weight = vec![0.0; shape.weight_len()];
    weight.par_chunks_mut(c_in * taps).enumerate().for_each(|(co, weight)| {
        for (ci, weight) in weight.chunks_exact_mut(taps).enumerate() {
            for (tap, w) in weight.iter_mut().enumerate() {
                *w = sums[(tap * padded + ci) * c_out + co];
            }
        }
    });
    weight
}

/// Both operands of some consecutive rows of output pixels.
struct Stretch<'s, T> {
    kernel: &'s Kernel,
    shape: &'s ConvShape,
    /// Rows of output pixels, counted over all images.
    first: usize,
    count: usize,
    /// `[group][kx][input row][unit][row of the tile]`.
    left: Vec<T>,
    /// First input row of the copy and number of rows, counted over all images.
    input_rows: (usize, usize),
    right: Panels<T>,
    zeros: Vec<T>,
}

impl<'s, T: Operand> Stretch<'s, T> {
    fn new(
        kernel: &'s Kernel,
        shape: &'s ConvShape,
        first: usize,
        count: usize,
        input: &[T],
        d_out: &[T],
    ) -> Self {
        let width = units::<T>(shape.out_w());
        let row_len = width * kernel.rows() * T::PER_UNIT;
        let input_rows = input_rows(shape, first, count);
        let groups = shape.c_in.div_ceil(kernel.rows());
        let mut left = vec![T::default(); groups * shape.kernel * input_rows.1 * row_len];
        left.par_chunks_mut(input_rows.1 * row_len).enumerate().for_each(|(i, copy)| {
            let (group, kx) = (i / shape.kernel, i % shape.kernel);
            for (y, copy) in copy.chunks_exact_mut(row_len).enumerate() {
                let at = (input_rows.0 + y) * shape.w * shape.c_in;
                copy_left(kernel, shape, &input[at..at + shape.w * shape.c_in], group, kx, copy);
            }
        });
        let mut right = Panels::zeros(kernel, shape.c_out, count * width);
        let line = shape.out_w() * shape.c_out;
        right.for_each_panel(|column, live, panel| {
            for (y, panel) in panel.chunks_exact_mut(panel.len() / count).enumerate() {
                copy_right(shape.c_out, &d_out[(first + y) * line..][..line], column, live, width, panel);
            }
        });
        Self { kernel, shape, first, count, left, input_rows, right, zeros: vec![T::default(); row_len] }
    }

    /// Adds to `sums` the tiles from number `first_tile` on; a tile is a tap and a group.
    fn multiply(&self, first_tile: usize, sums: &mut [f32]) {
        let (kernel, shape) = (self.kernel, self.shape);
        let width = units::<T>(shape.out_w());
        let row_len = self.zeros.len();
        let groups = shape.c_in.div_ceil(kernel.rows());
        let tiles = sums.len() / (kernel.rows() * shape.c_out);
        let mut rows = Rows::new(kernel, self.count, width, kernel.rows());
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
                        let y = n * shape.h + y - self.input_rows.0;
                        let at = ((group * shape.kernel + kx) * self.input_rows.1 + y) * row_len;
                        &self.left[at..at + row_len]
                    }
                    false => &self.zeros,
                };
                for row in 0..kernel.rows() {
                    rows.set(tile, segment, row, &copy[row * T::PER_UNIT..]);
                }
            }
        }
        let offsets: Vec<usize> = (0..tiles * kernel.rows()).map(|i| i * shape.c_out).collect();
        let finish = Finish { accumulate: true, ..Finish::default() };
        crate::product::block(kernel, &rows, &self.right, &offsets, sums, &finish);
    }
}

/// The rows of input pixels under some rows of output pixels: first and number, over all images.
fn input_rows(shape: &ConvShape, first: usize, count: usize) -> (usize, usize) {
    let last = first + count - 1;
    let from = shape.h.min((first % shape.out_h() * shape.stride).saturating_sub(shape.pad.top));
    let to = shape.h.min((last % shape.out_h() * shape.stride + shape.kernel).saturating_sub(shape.pad.top));
    let from = first / shape.out_h() * shape.h + from;
    (from, (last / shape.out_h() * shape.h + to).saturating_sub(from))
}

/// One row of input pixels, shifted by `kx` and strided: `[unit][channel of the group]`.
fn copy_left<T: Operand>(
    kernel: &Kernel,
    shape: &ConvShape,
    line: &[T],
    group: usize,
    kx: usize,
    copy: &mut [T],
) {
    let first = group * kernel.rows();
    let live = (shape.c_in - first).min(kernel.rows());
    for ox in 0..shape.out_w() {
        let x = (ox * shape.stride + kx).wrapping_sub(shape.pad.left);
        if x >= shape.w {
            continue;
        }
        let from = &line[x * shape.c_in + first..][..live];
        let to = &mut copy[ox / T::PER_UNIT * kernel.rows() * T::PER_UNIT..][..kernel.rows() * T::PER_UNIT];
        for (unit, &v) in to.chunks_exact_mut(T::PER_UNIT).zip(from) {
            unit[ox % T::PER_UNIT] = v;
        }
    }
}

/// One row of output pixels: `[unit][column of the panel]`.
fn copy_right<T: Operand>(
    c_out: usize,
    line: &[T],
    first: usize,
    live: usize,
    width: usize,
    panel: &mut [T],
) {
    let columns = panel.len() / width / T::PER_UNIT;
    for (ox, pixel) in line.chunks_exact(c_out).enumerate() {
        let to = &mut panel[ox / T::PER_UNIT * columns * T::PER_UNIT..][..columns * T::PER_UNIT];
        for (unit, &v) in to.chunks_exact_mut(T::PER_UNIT).zip(&pixel[first..first + live]) {
            unit[ox % T::PER_UNIT] = v;
        }
    }
}
