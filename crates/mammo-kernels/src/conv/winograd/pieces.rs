//! When this way is faster than direct sums, and in what pieces the work is done.

use std::ops::RangeInclusive;

use super::STEP;
use crate::conv::ConvShape;
use crate::isa::Isa;
use crate::operand::{Kind, Operand};

/// Whether this way is faster than direct sums, weights packed once: from 16 channels on, since transforms cost
/// as much for one output channel as for many (with 16 only the gradient of the weights gains much); from 64 on
/// where direct sums multiply pairs of bf16, twice as many in the same time.
pub(in crate::conv) fn wins<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    let fewest = if multiplies_pairs::<T>(isa) { 64 } else { 16 };
    shape.kernel == 3 && shape.stride == 1 && shape.c_in.min(shape.c_out) >= fewest
}

/// The same for weights that change with each batch: transforming them costs as much as the products of so
/// many tiles save.
pub(in crate::conv) fn wins_once<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    let fewest = if multiplies_pairs::<T>(isa) { 192 } else { 32 };
    wins::<T>(isa, shape) && tiles_of_batch(shape) >= fewest
}

/// The same for [`backward_weight`](super::backward_weight), which reads and writes the sums of all points as well: against products of
/// pairs that leaves a gain of a few hundredths at best, and a loss for most.
pub(in crate::conv) fn wins_for_weights<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    !multiplies_pairs::<T>(isa) && wins::<T>(isa, shape) && tiles_of_batch(shape) >= 96
}

/// Whether direct sums of such maps are sums of products of bf16 pairs.
fn multiplies_pairs<T: Operand>(isa: Isa) -> bool {
    isa.multiplies_bf16() && T::KIND == Kind::Bf16
}

fn tiles_of_batch(shape: &ConvShape) -> usize {
    let [down, across] = tiles_of_image(shape);
    shape.n * down * across
}

/// Rows of tiles, and tiles in a row.
pub(super) fn tiles_of_image(shape: &ConvShape) -> [usize; 2] {
    [shape.out_h().div_ceil(STEP), shape.out_w().div_ceil(STEP)]
}

/// Tiles in a block, a multiple of the rows of every kernel. What lies between the three steps should stay
/// in the second-level cache; but with many channels it does not, and more tiles pay for reading the
/// weights of all points once, four times as many numbers as the weights.
pub(super) fn tiles_per_block(shape: &ConvShape) -> usize {
    24 * ((shape.c_in + shape.c_out) / 256).clamp(1, 4)
}

/// Rows of output pixels to be made in one go: a block or a few.
///
/// The last tile of the product is computed as a whole, however few of its `rows` rows are live: with 14 tiles in
/// a row of them two of 12 rows would be done for little more than one. So it is the number of rows of tiles, of
/// those that leave every thread some pieces, with which about the most rows of the product are live.
pub(super) fn band(shape: &ConvShape, rows: usize) -> usize {
    let [down, across] = tiles_of_image(shape);
    let fewest = (tiles_per_block(shape) / across).clamp(1, down);
    let most = (shape.n * down / (4 * rayon::current_num_threads())).clamp(fewest, 8 * fewest);
    STEP * cheapest(fewest..=most.min(down), |together| computed([down, together], across, rows))
}

/// Images to be made in one go: more than one where small ones can share blocks, by the same measure; alone they are
/// made `band` rows at a time.
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

/// The smallest number whose cost is at most a thirty-second above the least: small pieces stay in the cache.
fn cheapest(numbers: RangeInclusive<usize>, cost: impl Fn(usize) -> usize) -> usize {
    let least = numbers.clone().map(&cost).min().unwrap_or(0);
    let smallest = *numbers.start();
    numbers.into_iter().find(|n| cost(*n) <= least + least / 32).unwrap_or(smallest)
}
