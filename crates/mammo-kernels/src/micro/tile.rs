//! The tile product, written once for all instruction sets.

use std::array::from_fn;

use super::simd::Simd;
use crate::operand::Kind;

/// A tile as the kernels see it.
///
/// Promises: `rows` has `segments` times the kernel's rows of pointers, each readable for `units`
/// units; or, side by side, `segments` pointers, each readable for the kernel's rows of units at
/// `units` places, `step` units apart; `panel` has `segments * units` times the panel's width
/// of units; `bias` is null or as wide as the panel; `out`, and `residual` unless null, can be
/// accessed at `columns` numbers from each of `offsets`, of which there are at most as many as
/// rows.
pub(super) struct Tile<'a> {
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

/// Computes one tile.
pub(super) type TileFn = unsafe fn(&Tile<'_>);

/// The tiles of an instruction set whose one function takes `NV`, `PAIRS` and `BESIDE`, for
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
/// The promises of [`Tile`] and of [`Simd`].
// Indices that are constants after unrolling keep the sums in registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
pub(super) unsafe fn tile<
    S: Simd,
    const ROWS: usize,
    const NV: usize,
    const PAIRS: bool,
    const BESIDE: bool,
>(
    tile: &Tile<'_>,
) {
    // SAFETY: see the promises of `Tile`; pointers advance within them.
    unsafe {
        let start: [S::V; NV] = from_fn(|j| match tile.bias.is_null() {
            true => S::zero(),
            false => S::load(tile.bias.add(j * S::LANES)),
        });
        let mut acc = [start; ROWS];
        let (mut rows, mut panel) = (tile.rows, tile.panel);
        for _ in 0..tile.segments {
            let row: [*const f32; ROWS] =
                from_fn(|i| if BESIDE { (*rows).wrapping_add(i) } else { *rows.add(i) });
            rows = rows.add(if BESIDE { 1 } else { ROWS });
            let mut at = 0;
            for _ in 0..tile.units {
                let b: [S::V; NV] = from_fn(|j| S::load(panel.add(j * S::LANES)));
                panel = panel.add(NV * S::LANES);
                for i in 0..ROWS {
                    let a = S::splat(row[i].add(at));
                    for j in 0..NV {
                        acc[i][j] =
                            if PAIRS { S::dot(acc[i][j], a, b[j]) } else { S::fma(acc[i][j], a, b[j]) };
                    }
                }
                at += if BESIDE { tile.step } else { 1 };
            }
        }
        // `acc` stays in registers only while its indices are constants: no loop over `offsets`.
        for i in 0..ROWS {
            if i < tile.offsets.len() {
                finish::<S, NV>(tile, *tile.offsets.get_unchecked(i), &acc[i]);
            }
        }
    }
}

/// Residual, ReLU and conversion of one row on its way out.
///
/// # Safety
/// As for [`tile`]; `offset` is one of the tile's.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn finish<S: Simd, const NV: usize>(tile: &Tile<'_>, offset: usize, sums: &[S::V; NV]) {
    for j in 0..NV {
        let done = j * S::LANES;
        if done >= tile.columns {
            break;
        }
        let n = (tile.columns - done).min(S::LANES);
        let place = offset + done;
        // SAFETY: `place + n` lies within `columns` numbers from `offset`.
        unsafe {
            let mut v = sums[j];
            match tile.out_kind {
                Kind::F32 => {
                    let out = tile.out.cast::<f32>().add(place);
                    if tile.accumulate {
                        v = S::add(v, S::load_f32(out, n));
                    }
                    if !tile.residual.is_null() {
                        v = S::add(v, S::load_f32(tile.residual.cast::<f32>().add(place), n));
                    }
                    if tile.relu {
                        v = S::relu(v);
                    }
                    S::store_f32(out, v, n);
                }
                Kind::Bf16 => {
                    let out = tile.out.cast::<u16>().add(place);
                    if tile.accumulate {
                        v = S::add(v, S::load_bf16(out, n));
                    }
                    if !tile.residual.is_null() {
                        v = S::add(v, S::load_bf16(tile.residual.cast::<u16>().add(place), n));
                    }
                    if tile.relu {
                        v = S::relu(v);
                    }
                    S::store_bf16(out, v, n);
                }
            }
        }
    }
}
