//! Gradient of the weights in the Winograd domain: `sum over tiles of in[tile]^T * d_out[tile]` for each of the 36
//! points. The input windows are transformed as in the forward pass, the output gradients by the transpose of
//! [`output_transform`](super::transform::output_transform).

use rayon::prelude::*;

use super::pieces::tiles_of_image;
use super::tiles::{InputTransform, OutputGradientTransform};
use super::transform::LANES;
use super::weights::WeightGradientTransform;
use super::{POINTS, tile_positions};
use crate::conv::ConvShape;
use crate::conv::backward_weight::summed;
use crate::isa::Isa;
use crate::micro::{Epilogue, Kernel, Rows, run_on_vectors};
use crate::operand::Operand;
use crate::pack::Panels;
use crate::product::block;
use crate::scratch::Scratch;

/// Channels per group of left operands: a multiple of the vector length and of the rows of every kernel.
const TOGETHER: usize = 48;

/// Tiles per block, the inner dimension of its products. With many channels the sums do not fit the cache, and more
/// tiles per block amortise reading and writing them.
fn tiles_per_block(shape: &ConvShape) -> usize {
    64 * ((shape.c_in + shape.c_out) / 128).clamp(1, 4)
}

/// As [`backward_weight`](crate::conv::backward_weight()).
pub(in crate::conv) fn backward_weight<T: Operand>(
    isa: Isa,
    shape: &ConvShape,
    input: &[T],
    d_out: &[T],
    d_weight: &mut [f32],
) {
    let (c_in, c_out) = (shape.c_in, shape.c_out);
    let [down, _] = tiles_of_image(shape);
    let tiles: Vec<[usize; 3]> = (0..shape.n).flat_map(|n| tile_positions(shape, n, 0, down)).collect();
    let blocks: Vec<&[[usize; 3]]> = tiles.chunks(tiles_per_block(shape)).collect();
    let sums = summed(POINTS * c_in * c_out, blocks.len(), |b, sums, accumulate| {
        let block = GradientBlock::new(isa, shape, blocks[b], input, d_out);
        sums.par_chunks_mut(c_in * c_out).enumerate().for_each(|(point, sums)| {
            block.multiply(point, sums, accumulate);
        });
    });
    let points = &sums[..POINTS * c_in * c_out];
    d_weight.par_chunks_mut(LANES * c_in * 9).enumerate().for_each(|(i, d_weight)| {
        isa.run(WeightGradientTransform { points, channels: [c_out, c_in], first: i * LANES, d_weight });
    });
}

/// Both operands of some tiles, in the Winograd domain.
struct GradientBlock<'s> {
    kernel: Kernel,
    shape: &'s ConvShape,
    tiles: usize,
    /// `[channel group][point][tile][channel]`
    left: Scratch<f32>,
    /// One segment per point.
    right: Panels<f32>,
}

impl<'s> GradientBlock<'s> {
    fn new<T: Operand>(
        isa: Isa,
        shape: &'s ConvShape,
        tiles: &[[usize; 3]],
        input: &[T],
        d_out: &[T],
    ) -> Self {
        let kernel = f32::kernel(isa);
        let (c_in, c_out) = (shape.c_in, shape.c_out);
        let zeros = vec![T::default(); c_in.max(c_out)];
        let stride = tiles.len() * TOGETHER;
        let mut left = f32::scratch_pool().take(c_in.div_ceil(TOGETHER) * POINTS * stride);
        left.par_chunks_mut(POINTS * stride).enumerate().for_each(|(i, to)| {
            let channels = i * TOGETHER..c_in.min((i + 1) * TOGETHER);
            run_on_vectors(
                isa,
                InputTransform { shape, input, zeros: &zeros, tiles, channels, to, width: TOGETHER, stride },
            );
        });
        let mut right = Panels::unfilled(&kernel, c_out, POINTS * tiles.len());
        right.for_each_panel(|first, live, to| {
            let channels = first..first + live;
            run_on_vectors(isa, OutputGradientTransform { shape, d_out, zeros: &zeros, tiles, channels, to });
        });
        Self { kernel, shape, tiles: tiles.len(), left, right }
    }

    /// Computes the product at `point` into `sums`, `[c_in][c_out]`, or adds it.
    fn multiply(&self, point: usize, sums: &mut [f32], accumulate: bool) {
        let (rows, c_in) = (self.kernel.rows(), self.shape.c_in);
        let mut table = Rows::interleaved(&self.kernel, 1, self.tiles, TOGETHER);
        table.reset(c_in.div_ceil(rows), &self.left);
        for (tile, channel) in (0..c_in).step_by(rows).enumerate() {
            let at = (channel / TOGETHER * POINTS + point) * self.tiles * TOGETHER + channel % TOGETHER;
            table.set(tile, 0, 0, &self.left[at..]);
        }
        let offsets: Vec<usize> = (0..c_in).map(|i| i * self.shape.c_out).collect();
        let panels = self.right.of_segment(point, POINTS);
        block(&self.kernel, &table, panels, &offsets, sums, &Epilogue { accumulate, ..Epilogue::default() });
    }
}
