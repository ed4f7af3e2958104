//! Convolution with 3x3 kernels by Winograd's minimal filtering: four output pixels along an axis from
//! six products instead of twelve, so a tile of 4x4 from 36 instead of 144 (Lavin & Gray 2016, arXiv
//! 1509.09308, F(4x4, 3x3)).
//!
//! ```text
//! 6x6 windows of the input -> 36 points each    tiles.rs, on whole vectors of channels
//! 36 products [tiles, c_in] x [c_in, c_out]     the usual tile of micro/
//! 36 points -> 4x4 output pixels                tiles.rs, with bias, residual and ReLU
//! ```
//!
//! A block of tiles goes through all three before the next one starts, so that what lies between them
//! stays in the cache. Within a block all three are shared among threads too: a small map is one
//! block.

mod lanes;
mod tiles;

use rayon::prelude::*;

use super::ConvShape;
use crate::isa::Isa;
use crate::micro::{Finish, Kernel, Rows};
use crate::operand::{Kind, Operand, units};
use crate::pack::{Panels, Places, Scheme};
use crate::product::block;
use lanes::{LANES, weight_to_points};
use tiles::{ToOutput, ToPoints};

/// Side of a tile's window, and points along an axis.
const SIDE: usize = 6;
/// Side of a tile in the output.
pub(super) const STEP: usize = 4;
/// Products of a tile for each pair of channels.
const POINTS: usize = SIDE * SIDE;
/// Numbers between the points, so that they do not all fall into the same sets of the first-level cache.
const SKEW: usize = 16;

/// Tiles in a block, a multiple of the rows of every kernel. What lies between the three steps should stay
/// in the second-level cache; but with many channels it does not, and more tiles pay for reading the
/// weights of all points once, four times as many numbers as the weights.
fn tiles_per_block(shape: &ConvShape) -> usize {
    24 * ((shape.c_in + shape.c_out) / 256).clamp(1, 4)
}

/// Whether this way is faster than direct sums and as good: in `f32`, from 32 channels on; transforms
/// cost as much for one output channel as for many. bf16 would round values at the points, which are
/// larger than what becomes of them.
pub(super) fn wins<T: Operand>(shape: &ConvShape) -> bool {
    T::KIND == Kind::F32 && shape.kernel == 3 && shape.stride == 1 && shape.c_in.min(shape.c_out) >= 32
}

/// Weights `[c_out, c_in, 3, 3]` at the points: a segment of the panels for each point.
pub(super) fn pack<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Panels<T> {
    assert_eq!(weight.len(), shape.weight_len(), "weights for {shape:?}");
    let (depth, columns) = (shape.c_in, shape.c_out);
    let mut points = vec![0.0f32; POINTS * depth * columns];
    let factors = weight_to_points();
    points.par_chunks_mut(depth * columns).enumerate().for_each(|(point, to)| {
        let (down, across) = (factors[point / SIDE], factors[point % SIDE]);
        let factor: [f64; 9] = std::array::from_fn(|tap| down[tap / 3] * across[tap % 3]);
        for (to, taps) in to.iter_mut().zip(weight.chunks_exact(9)) {
            *to = taps.iter().zip(factor).map(|(&w, f)| f64::from(w) * f).sum::<f64>() as f32;
        }
    });
    let segments = (0..POINTS).map(|point| point * depth * columns).collect();
    let places = Places { columns, column_stride: depth, depth, depth_stride: 1, segments };
    Panels::new(isa, &points, &places).with_scheme(Scheme::Winograd)
}

/// A convolution about to be done, some rows of output pixels at a time.
pub(super) struct Winograd<'a, T: Operand> {
    isa: Isa,
    kernel: Kernel,
    shape: &'a ConvShape,
    input: &'a [T],
    /// As [`pack`] makes them.
    panels: &'a Panels<T>,
    /// Tiles in a row of them.
    across: usize,
    zeros: Vec<T>,
}

/// Consecutive tiles on their way from input to output.
struct Block<'b> {
    /// Image.
    n: usize,
    /// First tile, counted from the first of the rows that are made.
    first: usize,
    /// Row and column of the first output pixel of each.
    tiles: &'b [[usize; 2]],
}

impl<'a, T: Operand> Winograd<'a, T> {
    pub fn new(isa: Isa, shape: &'a ConvShape, input: &'a [T], panels: &'a Panels<T>) -> Self {
        assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
        assert!(shape.kernel == 3 && shape.stride == 1, "weights at points for {shape:?}");
        let across = shape.out_w().div_ceil(STEP);
        let zeros = vec![T::default(); shape.c_in];
        Self { isa, kernel: T::kernel(isa), shape, input, panels, across, zeros }
    }

    /// Rows of output pixels that fill a block, or more than one block when a single row of tiles does.
    pub fn band(&self) -> usize {
        STEP * (tiles_per_block(self.shape) / self.across).max(1)
    }

    /// All output pixels.
    pub fn whole<O: Operand>(&self, out: &mut [O], finish: &Finish<'_, O>) {
        let (line, band) = (self.shape.out_w() * self.shape.c_out, self.band());
        out.par_chunks_mut(self.shape.out_h() * line).enumerate().for_each(|(n, image)| {
            image.par_chunks_mut(band * line).enumerate().for_each(|(b, out)| {
                self.rows([n, b * band], out, finish);
            });
        });
    }

    /// The rows of output pixels of image `n` from `from` on, as many as fit into `out`. Tiles stand where
    /// they stand in the whole map when `from` is a multiple of [`STEP`]: then sums are the same to the
    /// last digit.
    pub fn rows<O: Operand>(&self, [n, from]: [usize; 2], out: &mut [O], finish: &Finish<'_, O>) {
        let line = self.shape.out_w() * self.shape.c_out;
        let residual = finish.residual.map(|r| &r[(n * self.shape.out_h() + from) * line..][..out.len()]);
        let finish = Finish { residual, ..*finish };
        let rows = (out.len() / line).div_ceil(STEP);
        let place = |tile: usize| [from + tile / self.across * STEP, tile % self.across * STEP];
        let tiles: Vec<[usize; 2]> = (0..rows * self.across).map(place).collect();
        // Blocks of about equal size, the last tile of each but the last one full.
        let blocks = tiles.len().div_ceil(tiles_per_block(self.shape));
        let fair = tiles.len().div_ceil(blocks).next_multiple_of(self.kernel.rows());
        for (b, tiles) in tiles.chunks(fair).enumerate() {
            self.block(&Block { n, first: b * fair, tiles }, out, &finish);
        }
    }

    fn block<O: Operand>(&self, of: &Block<'_>, out: &mut [O], finish: &Finish<'_, O>) {
        let (isa, shape, rows) = (self.isa, self.shape, self.kernel.rows());
        let image_len = shape.h * shape.w * shape.c_in;
        let image = &self.input[of.n * image_len..][..image_len];
        // `[tile of the product][point][row][c_in]`
        let left_stride = rows * shape.c_in.next_multiple_of(LANES) + SKEW;
        let mut left = T::shelf().take(of.tiles.len().div_ceil(rows) * POINTS * left_stride);
        let groups = left.par_chunks_mut(POINTS * left_stride).zip(of.tiles.par_chunks(rows));
        groups.for_each(|(to, tiles)| {
            isa.run(ToPoints { shape, image, zeros: &self.zeros, tiles, to, stride: left_stride });
        });

        // `[point][tile][c_out]`
        let padded = shape.c_out.next_multiple_of(LANES);
        let stride = of.tiles.len() * padded + SKEW;
        let offsets: Vec<usize> = (0..of.tiles.len()).map(|tile| tile * padded).collect();
        let mut points = f32::shelf().take(POINTS * stride);
        points.par_chunks_mut(stride).enumerate().for_each(|(point, to)| {
            let left = self.left(&left, point, of.tiles.len());
            let panels = self.panels.of_segment(point, POINTS);
            block(&self.kernel, &left, panels, &offsets, to, &Finish::default());
        });

        let line = shape.out_w() * shape.c_out;
        out.par_chunks_mut(STEP * line).enumerate().for_each(|(row, out)| {
            // The tiles of the block in this row of tiles.
            let first = of.first.max(row * self.across);
            let end = (of.first + of.tiles.len()).min((row + 1) * self.across);
            if first < end {
                let points = &points[(first - of.first) * padded..];
                let residual = finish.residual.map(|r| &r[row * STEP * line..][..out.len()]);
                let (column, count) = (first % self.across * STEP, end - first);
                let finish = Finish { residual, ..*finish };
                isa.run(ToOutput { shape, points, stride, column, count, out, finish });
            }
        });
    }

    /// The left operands of the product at `point`.
    fn left<'l>(&self, left: &'l [T], point: usize, tiles: usize) -> Rows<'l, T> {
        let rows = self.kernel.rows();
        let padded = self.shape.c_in.next_multiple_of(LANES);
        let mut table = Rows::apart(&self.kernel, 1, units::<T>(self.shape.c_in));
        table.reset(tiles.div_ceil(rows), left);
        for (tile, group) in left.chunks_exact(POINTS * (rows * padded + SKEW)).enumerate() {
            let group = &group[point * (rows * padded + SKEW)..];
            for row in 0..rows {
                table.set(tile, 0, row, &group[row * padded..]);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests;
