//! When Winograd convolution is faster than direct convolution, and how its work is split.

use std::ops::RangeInclusive;

use super::STEP;
use crate::conv::ConvShape;
use crate::isa::Isa;
use crate::operand::{Kind, Operand};

/// True if Winograd convolution is faster than direct convolution when weights are packed once. That needs at least
/// 16 channels, since transforms cost as much for one output channel as for many (with 16 only the gradient of the
/// weights gains much), and 64 where direct convolution multiplies pairs of bf16 at twice the rate.
pub(in crate::conv) fn wins<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    let fewest = if multiplies_pairs::<T>(isa) { 64 } else { 16 };
    shape.kernel == 3 && shape.stride == 1 && shape.c_in.min(shape.c_out) >= fewest
}

/// As [`wins`] for weights that change with each batch: transforming them costs as much as the products of this many
/// tiles save.
pub(in crate::conv) fn wins_once<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    let fewest = if multiplies_pairs::<T>(isa) { 192 } else { 32 };
    wins::<T>(isa, shape) && tiles_of_batch(shape) >= fewest
}

/// As [`wins`] for [`backward_weight`](super::backward_weight), which also reads and writes the sums of all points:
/// against products of bf16 pairs that leaves a gain of a few per cent at best, and mostly a loss.
pub(in crate::conv) fn wins_for_weights<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    !multiplies_pairs::<T>(isa) && wins::<T>(isa, shape) && tiles_of_batch(shape) >= 96
}

/// True if direct convolution of such maps multiplies pairs of bf16.
fn multiplies_pairs<T: Operand>(isa: Isa) -> bool {
    isa.multiplies_bf16() && T::KIND == Kind::Bf16
}

fn tiles_of_batch(shape: &ConvShape) -> usize {
    let [down, across] = tiles_of_image(shape);
    shape.n * down * across
}

/// Rows of tiles, and tiles per row.
pub(super) fn tiles_of_image(shape: &ConvShape) -> [usize; 2] {
    [shape.out_h().div_ceil(STEP), shape.out_w().div_ceil(STEP)]
}

/// Tiles per block, a multiple of the rows of every kernel. Intermediate values should stay in the second-level
/// cache. With many channels they do not, and more tiles amortise reading the transformed weights, which are four
/// times as large as the weights.
pub(super) fn tiles_per_block(shape: &ConvShape) -> usize {
    24 * ((shape.c_in + shape.c_out) / 256).clamp(1, 4)
}

/// Output rows to compute at once: one block or a few.
///
/// The last tile of a product is computed in full, however few of its `rows` rows are used: with 14 tiles per row,
/// two tiles of 12 rows would be computed for little more than one. The result is the number of tile rows that uses
/// about the most rows of the product, among those that leave every thread some pieces.
pub(super) fn band(shape: &ConvShape, rows: usize) -> usize {
    let [down, across] = tiles_of_image(shape);
    let fewest = (tiles_per_block(shape) / across).clamp(1, down);
    let most = (shape.n * down / (4 * rayon::current_num_threads())).clamp(fewest, 8 * fewest);
    STEP * cheapest(fewest..=most.min(down), |together| computed([down, together], across, rows))
}

/// Images to compute at once: more than one where small images can share blocks, by the same measure. A single image
/// is computed `band` rows at a time.
pub(super) fn images(shape: &ConvShape, rows: usize, band: usize) -> usize {
    let [down, across] = tiles_of_image(shape);
    let by_rows = shape.n * computed([down, band / STEP], across, rows);
    let fewest = (tiles_per_block(shape) / (down * across)).clamp(1, shape.n);
    let most = (shape.n / rayon::current_num_threads()).clamp(fewest, 4 * fewest);
    cheapest(fewest..=most, |images| match images {
        1 => by_rows,
        _ => computed([shape.n, images], down * across, rows),
    })
}

/// Rows of the product that are computed for `count` times `tiles` tiles, `together` times at once.
fn computed([count, together]: [usize; 2], tiles: usize, rows: usize) -> usize {
    let whole = |count: usize| (count * tiles).next_multiple_of(rows);
    count / together * whole(together) + whole(count % together)
}

/// The smallest number whose cost is within a thirty-second of the minimum: small pieces stay in the cache.
fn cheapest(numbers: RangeInclusive<usize>, cost: impl Fn(usize) -> usize) -> usize {
    let least = numbers.clone().map(&cost).min().unwrap_or(0);
    let smallest = *numbers.start();
    numbers.into_iter().find(|n| cost(*n) <= least + least / 32).unwrap_or(smallest)
}
