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
//! block, or shares one with other images of the batch.
//!
//! The gradient of the input is such a convolution itself, that of the weights has its products
//! at the same points (gradient.rs). Training goes this way where batches are large enough to pay for
//! transforming the weights each time.
//!
//! Maps may be `f32` or bf16. What lies at the points is `f32` always: numbers there are larger than what
//! becomes of them, and would lose what bf16 leaves out.

mod gradient;
mod tiles;
mod transform;
mod weights;

use rayon::prelude::*;

use super::ConvShape;
use crate::isa::Isa;
use crate::micro::{Finish, Kernel, Rows, run_on_vectors};
use crate::operand::{Kind, Operand};
use crate::pack::Panels;
use crate::product::block;
pub(super) use gradient::backward_weight;
use tiles::{ToOutput, ToPoints};
use transform::LANES;
pub(super) use weights::Side;
use weights::WeightsToPoints;

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

/// Whether this way is faster than direct sums, weights packed once: from 16 channels on, since transforms cost
/// as much for one output channel as for many (with 16 only the gradient of the weights gains much); from 64 on
/// where direct sums multiply pairs of bf16, twice as many in the same time.
pub(super) fn wins<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    let fewest = if multiplies_pairs::<T>(isa) { 64 } else { 16 };
    shape.kernel == 3 && shape.stride == 1 && shape.c_in.min(shape.c_out) >= fewest
}

/// The same for weights that change with each batch: transforming them costs as much as the products of so
/// many tiles save.
pub(super) fn wins_once<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    let fewest = if multiplies_pairs::<T>(isa) { 192 } else { 32 };
    wins::<T>(isa, shape) && tiles_of_batch(shape) >= fewest
}

/// The same for [`backward_weight`], which reads and writes the sums of all points as well: against products of
/// pairs that leaves a gain of a few hundredths at best, and a loss for most.
pub(super) fn wins_for_weights<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    !multiplies_pairs::<T>(isa) && wins::<T>(isa, shape) && tiles_of_batch(shape) >= 96
}

/// Whether direct sums of such maps are sums of products of bf16 pairs.
fn multiplies_pairs<T: Operand>(isa: Isa) -> bool {
    isa == Isa::Avx512Bf16 && T::KIND == Kind::Bf16
}

fn tiles_of_batch(shape: &ConvShape) -> usize {
    shape.n * shape.out_h().div_ceil(STEP) * shape.out_w().div_ceil(STEP)
}

/// Weights `[c_out, c_in, 3, 3]` at the points: a segment of the panels for each point.
pub(super) fn pack(isa: Isa, weight: &[f32], channels: [usize; 2], side: Side) -> Panels<f32> {
    assert_eq!(weight.len(), 9 * channels[0] * channels[1], "weights of {channels:?} channels");
    let (columns, depth) = match side {
        Side::Forward => (channels[0], channels[1]),
        Side::Backward => (channels[1], channels[0]),
    };
    let mut panels = Panels::unfilled(&f32::kernel(isa), columns, POINTS * depth);
    panels.for_each_panel(|first, live, panel| {
        isa.run(WeightsToPoints { weight, channels, side, first, live, panel });
    });
    panels
}

/// Image, row and column of the first output pixel of the tiles in `rows` rows of them, from output row
/// `from` on.
fn tile_places(shape: &ConvShape, n: usize, from: usize, rows: usize) -> impl Iterator<Item = [usize; 3]> {
    let across = shape.out_w().div_ceil(STEP);
    (0..rows * across).map(move |tile| [n, from + tile / across * STEP, tile % across * STEP])
}

/// A convolution about to be done, some rows of output pixels at a time.
pub(super) struct Winograd<'a, T: Operand> {
    isa: Isa,
    kernel: Kernel,
    shape: &'a ConvShape,
    input: &'a [T],
    /// As [`pack`] makes them.
    panels: &'a Panels<f32>,
    /// Tiles in a row of them.
    across: usize,
    zeros: Vec<T>,
}

/// The smallest number with the least cost.
fn best(mut numbers: impl Iterator<Item = usize>, cost: impl Fn(usize) -> usize) -> usize {
    let first = numbers.next().unwrap_or(1);
    numbers.fold(first, |best, n| if cost(n) < cost(best) { n } else { best })
}

/// Consecutive tiles on their way from input to output.
struct Block<'b> {
    /// First tile, counted from the first of the rows that are made.
    first: usize,
    /// Image, row and column of the first output pixel of each.
    tiles: &'b [[usize; 3]],
}

impl<'a, T: Operand> Winograd<'a, T> {
    pub fn new(isa: Isa, shape: &'a ConvShape, input: &'a [T], panels: &'a Panels<f32>) -> Self {
        assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
        assert!(shape.kernel == 3 && shape.stride == 1, "weights at points for {shape:?}");
        let across = shape.out_w().div_ceil(STEP);
        let zeros = vec![T::default(); shape.c_in];
        Self { isa, kernel: f32::kernel(isa), shape, input, panels, across, zeros }
    }

    /// Rows of output pixels to be made in one go: a block or a few.
    ///
    /// The last tile of the product is computed as a whole, however few of its rows are live: with 14 tiles in a
    /// row of them two of 12 rows would be done for little more than one. So it is the number of rows of tiles, of
    /// those that leave every thread some pieces, with which most rows of the product are live.
    pub fn band(&self) -> usize {
        let down = self.shape.out_h().div_ceil(STEP);
        let fewest = (tiles_per_block(self.shape) / self.across).clamp(1, down);
        let most = (self.shape.n * down / (4 * rayon::current_num_threads())).clamp(fewest, 4 * fewest);
        STEP * best(fewest..=most.min(down), |rows| self.made([down, rows], self.across))
    }

    /// Images to be made in one go: more than one where small ones can share blocks, by the same measure.
    fn images(&self, band: usize) -> usize {
        let (n, down) = (self.shape.n, self.shape.out_h().div_ceil(STEP));
        let fewest = (tiles_per_block(self.shape) / (down * self.across)).clamp(1, n);
        let most = (n / rayon::current_num_threads()).clamp(fewest, 4 * fewest);
        best(fewest..=most, |images| match images {
            1 => n * self.made([down, band / STEP], self.across),
            _ => self.made([n, images], down * self.across),
        })
    }

    /// Rows of products for `count` times `tiles` tiles, `together` times at once.
    fn made(&self, [count, together]: [usize; 2], tiles: usize) -> usize {
        let whole = |count: usize| (count * tiles).next_multiple_of(self.kernel.rows());
        count / together * whole(together) + whole(count % together)
    }

    /// All output pixels.
    pub fn whole<O: Operand>(&self, out: &mut [O], finish: &Finish<'_, O>) {
        let line = self.shape.out_w() * self.shape.c_out;
        let image = self.shape.out_h() * line;
        let band = self.band();
        let images = self.images(band);
        let piece = if images == 1 { band * line } else { images * image };
        out.par_chunks_mut(images * image).enumerate().for_each(|(i, out)| {
            out.par_chunks_mut(piece).enumerate().for_each(|(b, out)| {
                self.rows([i * images, b * piece / line], out, finish);
            });
        });
    }

    /// The rows of output pixels of image `n` from `from` on, as many as fit into `out`; or, from the first one on,
    /// those of several images. Tiles stand where they stand in the whole map when `from` is a multiple of
    /// [`STEP`]: then sums are the same to the last digit.
    pub fn rows<O: Operand>(&self, [n, from]: [usize; 2], out: &mut [O], finish: &Finish<'_, O>) {
        let line = self.shape.out_w() * self.shape.c_out;
        let image = self.shape.out_h() * line;
        let residual = finish.residual.map(|r| &r[n * image + from * line..][..out.len()]);
        let finish = Finish { residual, ..*finish };
        let rows = |out: &[O]| (out.len() / line).div_ceil(STEP);
        let images = out.chunks(image).enumerate();
        let tiles = images.flat_map(|(i, out)| tile_places(self.shape, n + i, from, rows(out)));
        let tiles: Vec<[usize; 3]> = tiles.collect();
        // Blocks of about equal size, the last tile of each but the last one full.
        let blocks = tiles.len().div_ceil(tiles_per_block(self.shape));
        let fair = tiles.len().div_ceil(blocks).next_multiple_of(self.kernel.rows());
        for (b, tiles) in tiles.chunks(fair).enumerate() {
            self.block(&Block { first: b * fair, tiles }, out, &finish);
        }
    }

    fn block<O: Operand>(&self, of: &Block<'_>, out: &mut [O], finish: &Finish<'_, O>) {
        let (isa, shape, rows) = (self.isa, self.shape, self.kernel.rows());
        let (input, zeros) = (self.input, &self.zeros);
        // `[tile of the product][point][row][c_in]`
        let width = shape.c_in.next_multiple_of(LANES);
        let left_stride = rows * width + SKEW;
        let mut left = f32::shelf().take(of.tiles.len().div_ceil(rows) * POINTS * left_stride);
        let groups = left.par_chunks_mut(POINTS * left_stride).zip(of.tiles.par_chunks(rows));
        groups.for_each(|(to, tiles)| {
            let (channels, stride) = (0..shape.c_in, left_stride);
            run_on_vectors(isa, ToPoints { shape, input, zeros, tiles, channels, to, width, stride });
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
        let rows = |image: usize| image * shape.out_h().div_ceil(STEP);
        let images = out.par_chunks_mut(shape.out_h() * line).enumerate();
        let lines = images.flat_map(|(image, out)| {
            let lines = out.par_chunks_mut(STEP * line).enumerate();
            lines.map(move |(row, out)| (rows(image) + row, image * shape.out_h() + row * STEP, out))
        });
        lines.for_each(|(row, y, out)| {
            // The tiles of the block in this row of tiles.
            let first = of.first.max(row * self.across);
            let end = (of.first + of.tiles.len()).min((row + 1) * self.across);
            if first < end {
                let points = &points[(first - of.first) * padded..];
                let residual = finish.residual.map(|r| &r[y * line..][..out.len()]);
                let (column, count) = (first % self.across * STEP, end - first);
                let finish = Finish { residual, ..*finish };
                run_on_vectors(isa, ToOutput { shape, points, stride, column, count, out, finish });
            }
        });
    }

    /// The left operands of the product at `point`.
    fn left<'l>(&self, left: &'l [f32], point: usize, tiles: usize) -> Rows<'l, f32> {
        let rows = self.kernel.rows();
        let padded = self.shape.c_in.next_multiple_of(LANES);
        let mut table = Rows::apart(&self.kernel, 1, self.shape.c_in);
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
