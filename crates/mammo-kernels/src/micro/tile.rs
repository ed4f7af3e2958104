//! The tile kernel, written once for all instruction sets.
//!
//! One call computes all tiles of a block with one panel: with a depth of 64 a tile takes so few cycles that a call
//! and its checks per tile would cost a tenth of them.

use std::array::from_fn;

use super::simd::Simd;
use crate::activation::Activation;
use crate::operand::Kind;

/// A panel and the tiles to compute, as raw pointers.
///
/// Contract: for each tile, that is for each group of the kernel's rows in `offsets`, `rows` has `segments` times the
/// kernel's rows of pointers, each readable for `units` units; if rows are interleaved, `segments` pointers, each
/// readable for the kernel's rows of units at `units` positions, `step` units apart. `panel` has `segments * units`
/// times its width of units. `bias` is null or as wide as the panel. `out`, and `residual` unless null, can be
/// accessed at `columns` values from each of `offsets`.
pub(super) struct Tiles<'a> {
    pub rows: *const *const f32,
    pub segments: usize,
    pub units: usize,
    pub step: usize,
    pub panel: *const f32,
    pub bias: *const f32,
    pub residual: *const u8,
    pub out: *mut u8,
    pub out_kind: Kind,
    pub offsets: &'a [usize],
    pub columns: usize,
    pub activation: Activation,
    pub accumulate: bool,
}

/// Computes tiles.
pub(super) type TilesFn = unsafe fn(&Tiles<'_>);

/// The four instances of an instruction set's function, which takes `NV`, `PAIRS` and `INTERLEAVED`, for
/// [`Kernel`](super::Kernel): separate or interleaved rows, one vector of columns or two.
macro_rules! tiles_of {
    ($function:ident, $kind:expr) => {
        match $kind {
            Kind::F32 => [
                [$function::<1, false, false>, $function::<2, false, false>],
                [$function::<1, false, true>, $function::<2, false, true>],
            ],
            Kind::Bf16 => [
                [$function::<1, true, false>, $function::<2, true, false>],
                [$function::<1, true, true>, $function::<2, true, true>],
            ],
        }
    };
}
pub(super) use tiles_of;

/// Computes sums in registers while operands are streamed: `ROWS * NV` accumulators, `NV` vectors of the panel and
/// one broadcast per row at a time. With `PAIRS` units are pairs of bf16; with `INTERLEAVED` the left operands of all rows
/// are interleaved.
///
/// # Safety
/// The contracts of [`Tiles`] and [`Simd`].
// Constant indices after unrolling keep the sums in registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
pub(super) unsafe fn tiles<
    S: Simd,
    const ROWS: usize,
    const NV: usize,
    const PAIRS: bool,
    const INTERLEAVED: bool,
>(
    tiles: &Tiles<'_>,
) {
    // SAFETY: see the contract of `Tiles`; pointers advance within them.
    unsafe {
        let start: [S::V; NV] = from_fn(|j| match tiles.bias.is_null() {
            true => S::zero(),
            false => S::load(tiles.bias.add(j * S::LANES)),
        });
        // Tiles follow one another without a gap.
        let mut rows = tiles.rows;
        for offsets in tiles.offsets.chunks(ROWS) {
            prefetch_epilogue::<S>(tiles, offsets);
            let mut acc = [start; ROWS];
            let mut panel = tiles.panel;
            for _ in 0..tiles.segments {
                let row: [*const f32; ROWS] =
                    from_fn(|i| if INTERLEAVED { (*rows).wrapping_add(i) } else { *rows.add(i) });
                rows = rows.add(if INTERLEAVED { 1 } else { ROWS });
                let mut at = 0;
                for _ in 0..tiles.units {
                    let b: [S::V; NV] = from_fn(|j| S::load(panel.add(j * S::LANES)));
                    panel = panel.add(NV * S::LANES);
                    for i in 0..ROWS {
                        let a = S::splat(row[i].add(at));
                        for j in 0..NV {
                            acc[i][j] =
                                if PAIRS { S::dot(acc[i][j], a, b[j]) } else { S::fma(acc[i][j], a, b[j]) };
                        }
                    }
                    at += if INTERLEAVED { tiles.step } else { 1 };
                }
            }
            // `acc` stays in registers only while its indices are constants. The loop below is too long to be
            // unrolled, so it reads a copy.
            let mut sums = [start; ROWS];
            for i in 0..ROWS {
                for j in 0..NV {
                    sums[i][j] = acc[i][j];
                }
            }
            for (offset, sums) in offsets.iter().zip(&sums) {
                epilogue::<S, NV>(tiles, *offset, sums);
            }
        }
    }
}

/// Prefetches the output and residual lines of this tile; their stride defeats the hardware prefetcher.
#[inline(always)]
fn prefetch_epilogue<S: Simd>(tiles: &Tiles<'_>, offsets: &[usize]) {
    let size = match tiles.out_kind {
        Kind::F32 => size_of::<f32>(),
        Kind::Bf16 => size_of::<u16>(),
    };
    for offset in offsets {
        // A row may start in one cache line and end in the next.
        for at in [size * offset, size * (offset + tiles.columns) - 1] {
            S::prefetch(tiles.out.wrapping_add(at));
            if !tiles.residual.is_null() {
                S::prefetch(tiles.residual.wrapping_add(at));
            }
        }
    }
}

/// The epilogue of one row: accumulation, residual, activation, conversion and store.
///
/// # Safety
/// As for [`tiles`]; `offset` is one of its offsets.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn epilogue<S: Simd, const NV: usize>(tiles: &Tiles<'_>, offset: usize, sums: &[S::V; NV]) {
    for j in 0..NV {
        let done = j * S::LANES;
        if done >= tiles.columns {
            break;
        }
        let n = (tiles.columns - done).min(S::LANES);
        let place = offset + done;
        // SAFETY: `place + n` lies within `columns` numbers from `offset`.
        unsafe {
            let mut v = sums[j];
            match tiles.out_kind {
                Kind::F32 => {
                    let out = tiles.out.cast::<f32>().add(place);
                    if tiles.accumulate {
                        v = S::add(v, S::load_f32(out, n));
                    }
                    if !tiles.residual.is_null() {
                        v = S::add(v, S::load_f32(tiles.residual.cast::<f32>().add(place), n));
                    }
                    S::store_f32(out, S::activate(v, tiles.activation), n);
                }
                Kind::Bf16 => {
                    let out = tiles.out.cast::<u16>().add(place);
                    if tiles.accumulate {
                        v = S::add(v, S::load_bf16(out, n));
                    }
                    if !tiles.residual.is_null() {
                        v = S::add(v, S::load_bf16(tiles.residual.cast::<u16>().add(place), n));
                    }
                    S::store_bf16(out, S::activate(v, tiles.activation), n);
                }
            }
        }
    }
}
