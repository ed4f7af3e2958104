//! AVX2 with fused multiply-add.
//!
//! **Register blocking.** There are sixteen vector registers of 8 floats: six rows by two vectors take twelve for the
//! sums, two for the panel, one for the broadcast. Pairs of bf16 are widened in registers, which is correct but
//! slower than `f32`.

use std::arch::x86_64::*;

use super::Kernel;
use super::lanes::VectorJob;
use super::simd::{Simd, part, put, rounded};
use super::tile::{Tiles, tiles, tiles_of};
use crate::operand::Kind;

const ROWS: usize = 6;

/// The kernel for `kind`.
pub(super) fn kernel(kind: Kind) -> Kernel {
    Kernel { kind, rows: ROWS, lanes: 8, tiles: tiles_of!(tiles_of_panel, kind) }
}

/// # Safety
/// The contract of [`Tiles`]; AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn tiles_of_panel<const NV: usize, const PAIRS: bool, const INTERLEAVED: bool>(t: &Tiles<'_>) {
    // SAFETY: same contract as this function.
    unsafe { tiles::<Avx2, ROWS, NV, PAIRS, INTERLEAVED>(t) }
}

/// # Safety
/// AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<J: VectorJob>(job: J) {
    job.run(Avx2(()));
}

#[derive(Clone, Copy)]
struct Avx2(());

// SAFETY: only called from the function above, which enables the features.
unsafe impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: a prefetch is valid for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> __m256 {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { _mm256_set1_ps(from.read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn fma(acc: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe { _mm256_fmadd_ps(a, b, acc) }
    }

    #[inline(always)]
    unsafe fn dot(acc: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe {
            let upper = _mm256_castsi256_ps(_mm256_set1_epi32(-65536));
            let low = |v| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(v)));
            let high = |v| _mm256_and_ps(v, upper);
            _mm256_fmadd_ps(high(a), high(b), _mm256_fmadd_ps(low(a), low(b), acc))
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn relu(a: __m256) -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe { _mm256_max_ps(a, _mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        // SAFETY: called under the features of the type.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn load_f32(from: *const f32, n: usize) -> __m256 {
        // Whole vectors are not copied: that would be a call.
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe {
            if n == 8 { _mm256_loadu_ps(from) } else { _mm256_loadu_ps(part::<f32, 8>(from, n).as_ptr()) }
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16, n: usize) -> __m256 {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(part::<u16, 8>(from, n).as_ptr().cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn store_f32(to: *mut f32, v: __m256, n: usize) {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { if n == 8 { _mm256_storeu_ps(to, v) } else { put(to, numbers(v), n) } }
    }

    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: __m256, n: usize) {
        // SAFETY: called under the features of the type; the caller guarantees as many values at the pointer.
        unsafe { put(to, rounded(numbers(v)), n) }
    }
}

/// # Safety
/// AVX.
#[inline(always)]
unsafe fn numbers(v: __m256) -> [f32; 8] {
    let mut numbers = [0.0; 8];
    // SAFETY: eight numbers fit.
    unsafe { _mm256_storeu_ps(numbers.as_mut_ptr(), v) };
    numbers
}
