//! AVX-512, with and without `vdpbf16ps`.
//!
//! **Register blocking.** There are 32 vector registers of 16 floats and 15 usable address
//! registers. A step reads `NV` vectors of the panel and one broadcast per row, and does
//! `ROWS * NV` multiply-adds. Two of those start per cycle and take four cycles, so at least
//! eight must be independent; two loads start per cycle, so loads stay hidden while
//! `NV + ROWS <= ROWS * NV`. Twelve rows take twelve address registers and leave three for panel,
//! step and counter. With `NV = 2` the sums take 24 vector registers, the panel two, a broadcast
//! one. `NV = 1` serves a rest of at most 16 columns.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::Kernel;
use super::lanes::VectorJob;
use super::simd::Simd;
use super::tile::{Tiles, tiles};
use crate::operand::Kind;

const ROWS: usize = 12;

/// The kernel for `kind`; `pairs` is true if the processor multiplies pairs of bf16.
pub(super) fn kernel(kind: Kind, pairs: bool) -> Kernel {
    let tiles: [[super::TilesFn; 2]; 2] = match (kind, pairs) {
        (Kind::F32, _) => {
            [[tile_f32::<1, false>, tile_f32::<2, false>], [tile_f32::<1, true>, tile_f32::<2, true>]]
        }
        (Kind::Bf16, true) => {
            [[tile_bf16::<1, false>, tile_bf16::<2, false>], [tile_bf16::<1, true>, tile_bf16::<2, true>]]
        }
        (Kind::Bf16, false) => {
            [[tile_split::<1, false>, tile_split::<2, false>], [tile_split::<1, true>, tile_split::<2, true>]]
        }
    };
    Kernel { kind, rows: ROWS, lanes: 16, tiles }
}

/// # Safety
/// The contract of [`Tiles`]; AVX-512 F, BW, VL.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile_f32<const NV: usize, const INTERLEAVED: bool>(t: &Tiles<'_>) {
    // SAFETY: same contract as this function.
    unsafe { tiles::<Wide<false>, ROWS, NV, false, INTERLEAVED>(t) }
}

/// # Safety
/// The contract of [`Tiles`]; AVX-512 F, BW, VL and BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile_bf16<const NV: usize, const INTERLEAVED: bool>(t: &Tiles<'_>) {
    // SAFETY: same contract as this function.
    unsafe { tiles::<Wide<true>, ROWS, NV, true, INTERLEAVED>(t) }
}

/// # Safety
/// The contract of [`Tiles`]; AVX-512 F, BW, VL.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile_split<const NV: usize, const INTERLEAVED: bool>(t: &Tiles<'_>) {
    // SAFETY: same contract as this function.
    unsafe { tiles::<Wide<false>, ROWS, NV, true, INTERLEAVED>(t) }
}

/// # Safety
/// AVX-512 F, BW, DQ, VL.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
pub(super) unsafe fn run<J: VectorJob>(job: J) {
    job.run(Wide::<false>(()));
}

/// # Safety
/// AVX-512 F, BW, DQ, VL and BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")]
pub(super) unsafe fn run_with_pairs<J: VectorJob>(job: J) {
    job.run(Wide::<true>(()));
}

/// 512-bit vectors; with `PAIRS` the processor has `vdpbf16ps`.
#[derive(Clone, Copy)]
struct Wide<const PAIRS: bool>(());

/// The first `n <= 16` lanes.
#[inline(always)]
fn mask(n: usize) -> __mmask16 {
    ((1_u32 << n) - 1) as __mmask16
}

// SAFETY: only called from the functions above, which enable the features.
unsafe impl<const PAIRS: bool> Simd for Wide<PAIRS> {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: a prefetch is valid for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> __m512 {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { _mm512_set1_ps(from.read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn fma(acc: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe { _mm512_fmadd_ps(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn dot(acc: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe {
            if PAIRS {
                return _mm512_dpbf16_ps(
                    acc,
                    transmute::<__m512, __m512bh>(a),
                    transmute::<__m512, __m512bh>(b),
                );
            }
            let upper = _mm512_castsi512_ps(_mm512_set1_epi32(-65536));
            let low = |v| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(v)));
            let high =
                |v| _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v), _mm512_castps_si512(upper)));
            _mm512_fmadd_ps(high(a), high(b), _mm512_fmadd_ps(low(a), low(b), acc))
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn relu(a: __m512) -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe { _mm512_max_ps(a, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        // SAFETY: called under the features of the type.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn load_f32(from: *const f32, n: usize) -> __m512 {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { if n == 16 { _mm512_loadu_ps(from) } else { _mm512_maskz_loadu_ps(mask(n), from) } }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16, n: usize) -> __m512 {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe {
            let half = if n == 16 {
                _mm256_loadu_si256(from.cast())
            } else {
                _mm256_maskz_loadu_epi16(mask(n), from.cast())
            };
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)))
        }
    }

    #[inline(always)]
    unsafe fn join(first: *const u16, second: *const u16, to: *mut u16, n: usize) {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe {
            let wide =
                |from: *const u16| _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask(n), from.cast()));
            let pairs = _mm512_or_si512(wide(first), _mm512_slli_epi32::<16>(wide(second)));
            _mm512_mask_storeu_epi32(to.cast(), mask(n), pairs);
        }
    }

    #[inline(always)]
    unsafe fn store_f32(to: *mut f32, v: __m512, n: usize) {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { if n == 16 { _mm512_storeu_ps(to, v) } else { _mm512_mask_storeu_ps(to, mask(n), v) } }
    }

    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: __m512, n: usize) {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe {
            let half = if PAIRS {
                transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v))
            } else {
                let bits = _mm512_castps_si512(v);
                let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                let rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
                let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
                let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
                _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(_mm512_mask_mov_epi32(rounded, nan, quiet)))
            };
            if n == 16 {
                _mm256_storeu_si256(to.cast(), half);
            } else {
                _mm256_mask_storeu_epi16(to.cast(), mask(n), half);
            }
        }
    }
}
