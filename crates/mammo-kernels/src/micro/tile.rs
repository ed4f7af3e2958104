//! The tile product, written once for all instruction sets.
//!
//! One call makes all tiles of a block with one panel: with a depth of 64 a tile takes so few cycles that a
//! call and its checks for each would take a tenth of them.

use std::array::from_fn;

use super::simd::Simd;
use crate::operand::Kind;

/// A panel and the tiles that it makes, as the kernels see them.
///
/// Promises: for each tile, one for every kernel's rows of `offsets` or what is left of them, `rows` has
/// `segments` times the kernel's rows of pointers, each readable for `units` units; or, side by
/// side, `segments` pointers, each readable for the kernel's rows of units at `units` places, `step`
/// units apart; `panel` has `segments * units` times the panel's width of units; `bias` is null or as
/// wide as the panel; `out`, and `residual` unless null, can be accessed at `columns` numbers from each
/// of `offsets`.
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
    pub relu: bool,
    pub accumulate: bool,
}

/// Computes some tiles.
pub(super) type TilesFn = unsafe fn(&Tiles<'_>);

/// The forms of an instruction set's one function, which takes `NV`, `PAIRS` and `BESIDE`, for
/// [`Kernel`](super::Kernel): left operands by row and side by side, one vector and two.
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

/// Sums in registers, operands streamed: `ROWS * NV` accumulators, `NV` vectors of the panel and
/// one broadcast per row at a time. `PAIRS` says that units are pairs of bf16, `BESIDE` that the
/// left operands of all rows stand side by side.
///
/// # Safety
/// The promises of [`Tiles`] and of [`Simd`].
// Indices that are constants after unrolling keep the sums in registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
pub(super) unsafe fn tiles<
    S: Simd,
    const ROWS: usize,
    const NV: usize,
    const PAIRS: bool,
    const BESIDE: bool,
>(
    tiles: &Tiles<'_>,
) {
    // SAFETY: see the promises of `Tiles`; pointers advance within them.
    unsafe {
        let start: [S::V; NV] = from_fn(|j| match tiles.bias.is_null() {
            true => S::zero(),
            false => S::load(tiles.bias.add(j * S::LANES)),
        });
        // From tile to tile without a gap.
        let mut rows = tiles.rows;
        for offsets in tiles.offsets.chunks(ROWS) {
            prefetch_epilogue::<S>(tiles, offsets);
            let mut acc = [start; ROWS];
            let mut panel = tiles.panel;
            for _ in 0..tiles.segments {
                let row: [*const f32; ROWS] =
                    from_fn(|i| if BESIDE { (*rows).wrapping_add(i) } else { *rows.add(i) });
                rows = rows.add(if BESIDE { 1 } else { ROWS });
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
                    at += if BESIDE { tiles.step } else { 1 };
                }
            }
            // `acc` stays in registers only while its indices are constants, and the loop below is too long
            // to be unrolled: it reads a copy.
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

/// Asks the caches for all that the end of a tile will read or write: rows lie apart, so nothing else sees them
/// coming, and they arrive while the sums are made.
#[inline(always)]
fn prefetch_epilogue<S: Simd>(tiles: &Tiles<'_>, offsets: &[usize]) {
    let size = match tiles.out_kind {
        Kind::F32 => size_of::<f32>(),
        Kind::Bf16 => size_of::<u16>(),
    };
    for offset in offsets {
        // A row may begin in one line and end in the next.
        for at in [size * offset, size * (offset + tiles.columns) - 1] {
            S::prefetch(tiles.out.wrapping_add(at));
            if !tiles.residual.is_null() {
                S::prefetch(tiles.residual.wrapping_add(at));
            }
        }
    }
}

/// Residual, ReLU and conversion of one row on its way out.
///
/// # Safety
/// As for [`tiles`]; `offset` is one of theirs.
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
                    if tiles.relu {
                        v = S::relu(v);
                    }
                    S::store_f32(out, v, n);
                }
                Kind::Bf16 => {
                    let out = tiles.out.cast::<u16>().add(place);
                    if tiles.accumulate {
                        v = S::add(v, S::load_bf16(out, n));
                    }
                    if !tiles.residual.is_null() {
                        v = S::add(v, S::load_bf16(tiles.residual.cast::<u16>().add(place), n));
                    }
                    if tiles.relu {
                        v = S::relu(v);
                    }
                    S::store_bf16(out, v, n);
                }
            }
        }
    }
}
