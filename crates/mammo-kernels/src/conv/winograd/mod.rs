//! Convolution with 3x3 kernels by Winograd's minimal filtering, F(4x4, 3x3) of Lavin & Gray 2016 (arXiv 1509.09308,
//! section 4.3): four output pixels along an axis from six products instead of twelve, so a tile of 4x4 from 36
//! products instead of 144.
//!
//! ```text
//! 6x6 input windows -> 36 points each           tiles.rs, input transform on vectors of channels
//! 36 products [tiles, c_in] x [c_in, c_out]     the tile kernel of micro/
//! 36 points -> 4x4 output pixels                tiles.rs, output transform with bias, residual and ReLU
//! ```
//!
//! A *point* is one of the 36 coordinates of the Winograd domain. All three steps run on one block of tiles before
//! the next block starts, so that intermediate values stay in the cache. Each step is parallel within a block as
//! well: a small map is a single block, or shares one with other images of the batch.
//!
//! The gradient of the input is such a convolution itself; that of the weights is computed in the same domain
//! (gradient.rs). Training uses this method where batches are large enough to pay for transforming the weights in
//! each step.
//!
//! Feature maps may be `f32` or bf16. Values in the Winograd domain stay `f32`: they are larger than the outputs that
//! they cancel to, so errors of bf16 would dominate.

mod gradient;
mod pieces;
mod tiles;
mod transform;
mod weights;

use rayon::prelude::*;

use super::ConvShape;
use crate::isa::Isa;
use crate::micro::{Epilogue, Kernel, Rows, run_on_vectors};
use crate::operand::Operand;
use crate::pack::Panels;
use crate::product::block;
pub(super) use gradient::backward_weight;
use pieces::{tiles_of_image, tiles_per_block};
pub(super) use pieces::{wins, wins_for_weights, wins_once};
use tiles::{InputTransform, OutputTransform};
use transform::LANES;
pub(super) use weights::Side;
use weights::WeightTransform;

/// Side of a tile's input window: the points along an axis.
const SIDE: usize = 6;
/// Side of a tile of output pixels.
pub(super) const STEP: usize = 4;
/// Points of the Winograd domain: products per tile and pair of channels.
const POINTS: usize = SIDE * SIDE;
/// Values of padding between points, so that they do not map to the same sets of the first-level cache.
const SKEW: usize = 16;

/// Transforms weights `[c_out, c_in, 3, 3]` to the Winograd domain: one segment of the panels per point.
pub(super) fn pack(isa: Isa, weight: &[f32], channels: [usize; 2], side: Side) -> Panels<f32> {
    assert_eq!(weight.len(), 9 * channels[0] * channels[1], "weights of {channels:?} channels");
    let (columns, depth) = match side {
        Side::Forward => (channels[0], channels[1]),
        Side::Backward => (channels[1], channels[0]),
    };
    let mut panels = Panels::unfilled(&f32::kernel(isa), columns, POINTS * depth);
    panels.for_each_panel(|first, live, panel| {
        isa.run(WeightTransform { weight, channels, side, first, live, panel });
    });
    panels
}

/// Image, row and column of the first output pixel of each tile.
fn tile_positions(shape: &ConvShape, n: usize, from: usize, rows: usize) -> impl Iterator<Item = [usize; 3]> {
    let [_, across] = tiles_of_image(shape);
    (0..rows * across).map(move |tile| [n, from + tile / across * STEP, tile % across * STEP])
}

/// A Winograd convolution, computed some rows of output pixels at a time.
pub(super) struct Winograd<'a, T: Operand> {
    isa: Isa,
    kernel: Kernel,
    shape: &'a ConvShape,
    input: &'a [T],
    /// As returned by [`pack`].
    panels: &'a Panels<f32>,
    /// Tiles per row of tiles.
    across: usize,
    zeros: Vec<T>,
}

/// Consecutive tiles that pass the three steps together.
struct Block<'b> {
    /// Number of the first tile, counted from the first computed row.
    first: usize,
    /// Image, row and column of the first output pixel of each.
    tiles: &'b [[usize; 3]],
}

impl<'a, T: Operand> Winograd<'a, T> {
    pub fn new(isa: Isa, shape: &'a ConvShape, input: &'a [T], panels: &'a Panels<f32>) -> Self {
        assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
        assert!(shape.kernel == 3 && shape.stride == 1, "Winograd weights for {shape:?}");
        let [_, across] = tiles_of_image(shape);
        let zeros = vec![T::default(); shape.c_in];
        Self { isa, kernel: f32::kernel(isa), shape, input, panels, across, zeros }
    }

    /// Output rows to compute at once.
    pub fn band(&self) -> usize {
        pieces::band(self.shape, self.kernel.rows())
    }

    /// Computes all output pixels.
    pub fn whole<O: Operand>(&self, out: &mut [O], epilogue: &Epilogue<'_, O>) {
        let line = self.shape.out_w() * self.shape.c_out;
        let image = self.shape.out_h() * line;
        let band = self.band();
        let images = pieces::images(self.shape, self.kernel.rows(), band);
        let piece = if images == 1 { band * line } else { images * image };
        out.par_chunks_mut(images * image).enumerate().for_each(|(i, out)| {
            out.par_chunks_mut(piece).enumerate().for_each(|(b, out)| {
                self.rows([i * images, b * piece / line], out, epilogue);
            });
        });
    }

    /// Computes output rows of image `n` from row `from` on, as many as fit into `out`; if `from` is 0, of several
    /// images. If `from` is a multiple of [`STEP`], tiles have the same positions as in the whole map, and sums are
    /// equal to the last digit.
    pub fn rows<O: Operand>(&self, [n, from]: [usize; 2], out: &mut [O], epilogue: &Epilogue<'_, O>) {
        let line = self.shape.out_w() * self.shape.c_out;
        let image = self.shape.out_h() * line;
        let residual = epilogue.residual.map(|r| &r[n * image + from * line..][..out.len()]);
        let epilogue = Epilogue { residual, ..*epilogue };
        let rows = |out: &[O]| (out.len() / line).div_ceil(STEP);
        let images = out.chunks(image).enumerate();
        let tiles = images.flat_map(|(i, out)| tile_positions(self.shape, n + i, from, rows(out)));
        let tiles: Vec<[usize; 3]> = tiles.collect();
        // Blocks of about equal size; only the last one may end in a partial tile of the product.
        let blocks = tiles.len().div_ceil(tiles_per_block(self.shape));
        let fair = tiles.len().div_ceil(blocks).next_multiple_of(self.kernel.rows());
        for (b, tiles) in tiles.chunks(fair).enumerate() {
            self.block(&Block { first: b * fair, tiles }, out, &epilogue);
        }
    }

    fn block<O: Operand>(&self, of: &Block<'_>, out: &mut [O], epilogue: &Epilogue<'_, O>) {
        let (isa, shape, rows) = (self.isa, self.shape, self.kernel.rows());
        let (input, zeros) = (self.input, &self.zeros);
        // `[tile of the product][point][row][c_in]`
        let width = shape.c_in.next_multiple_of(LANES);
        let left_stride = rows * width + SKEW;
        let mut left = f32::scratch_pool().take(of.tiles.len().div_ceil(rows) * POINTS * left_stride);
        let groups = left.par_chunks_mut(POINTS * left_stride).zip(of.tiles.par_chunks(rows));
        groups.for_each(|(to, tiles)| {
            let (channels, stride) = (0..shape.c_in, left_stride);
            run_on_vectors(isa, InputTransform { shape, input, zeros, tiles, channels, to, width, stride });
        });

        // `[point][tile][c_out]`
        let padded = shape.c_out.next_multiple_of(LANES);
        let stride = of.tiles.len() * padded + SKEW;
        let offsets: Vec<usize> = (0..of.tiles.len()).map(|tile| tile * padded).collect();
        let mut points = f32::scratch_pool().take(POINTS * stride);
        points.par_chunks_mut(stride).enumerate().for_each(|(point, to)| {
            let left = self.left(&left, point, of.tiles.len());
            let panels = self.panels.of_segment(point, POINTS);
            block(&self.kernel, &left, panels, &offsets, to, &Epilogue::default());
        });

        let line = shape.out_w() * shape.c_out;
        let [down, _] = tiles_of_image(shape);
        let images = out.par_chunks_mut(shape.out_h() * line).enumerate();
        let lines = images.flat_map(|(image, out)| {
            let lines = out.par_chunks_mut(STEP * line).enumerate();
            lines.map(move |(row, out)| (image * down + row, image * shape.out_h() + row * STEP, out))
        });
        lines.for_each(|(row, y, out)| {
            // The tiles of this block in this row of tiles.
            let first = of.first.max(row * self.across);
            let end = (of.first + of.tiles.len()).min((row + 1) * self.across);
            if first < end {
                let points = &points[(first - of.first) * padded..];
                let residual = epilogue.residual.map(|r| &r[y * line..][..out.len()]);
                let (column, count) = (first % self.across * STEP, end - first);
                let epilogue = Epilogue { residual, ..*epilogue };
                run_on_vectors(isa, OutputTransform { shape, points, stride, column, count, out, epilogue });
            }
        });
    }

    /// The left operands of the product at `point`.
    fn left<'l>(&self, left: &'l [f32], point: usize, tiles: usize) -> Rows<'l, f32> {
        let rows = self.kernel.rows();
        let padded = self.shape.c_in.next_multiple_of(LANES);
        let mut table = Rows::separate(&self.kernel, 1, self.shape.c_in);
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
