//! 64-bit Arm.
//!
//! **Register blocking.** There are thirty-two vector registers of 4 floats: eight rows by two vectors take sixteen
//! for the sums, two for the panel, one or two for broadcasts. More rows would not fit the address registers.

use std::arch::aarch64::*;

use super::Kernel;
use super::lanes::VectorJob;
use super::simd::{Simd, part, put, rounded};
use super::tile::{Tiles, tiles, tiles_of};
use crate::operand::Kind;

const ROWS: usize = 8;

/// The kernel for `kind`.
pub(super) fn kernel(kind: Kind) -> Kernel {
    Kernel { kind, rows: ROWS, lanes: 4, tiles: tiles_of!(tiles_of_panel, kind) }
}

/// # Safety
/// The contract of [`Tiles`]. NEON is part of every 64-bit Arm processor.
unsafe fn tiles_of_panel<const NV: usize, const PAIRS: bool, const INTERLEAVED: bool>(t: &Tiles<'_>) {
    // SAFETY: same contract as this function.
    unsafe { tiles::<Neon, ROWS, NV, PAIRS, INTERLEAVED>(t) }
}

pub(super) fn run<J: VectorJob>(job: J) {
    job.run(Neon(()));
}

#[derive(Clone, Copy)]
struct Neon(());

// SAFETY: NEON is part of every 64-bit Arm processor.
unsafe impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor; the caller guarantees as many values at the pointer.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor; the caller guarantees as many values at the pointer.
        unsafe { vdupq_n_f32(from.read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn fma(acc: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe { vfmaq_f32(acc, a, b) }
    }

    #[inline(always)]
    unsafe fn dot(acc: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe {
            let upper = vdupq_n_u32(0xffff_0000);
            let low = |v| vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(v)));
            let high = |v| vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), upper));
            vfmaq_f32(vfmaq_f32(acc, low(a), low(b)), high(a), high(b))
        }
    }

    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn relu(a: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe { vmaxq_f32(a, vdupq_n_f32(0.0)) }
    }

    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor.
        unsafe { vminq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn load_f32(from: *const f32, n: usize) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor; the caller guarantees as many values at the pointer.
        unsafe { vld1q_f32(part::<f32, 4>(from, n).as_ptr()) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16, n: usize) -> float32x4_t {
        // SAFETY: NEON is part of every 64-bit Arm processor; the caller guarantees as many values at the pointer.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(part::<u16, 4>(from, n).as_ptr()))) }
    }

    #[inline(always)]
    unsafe fn store_f32(to: *mut f32, v: float32x4_t, n: usize) {
        // SAFETY: NEON is part of every 64-bit Arm processor; the caller guarantees as many values at the pointer.
        unsafe { if n == 4 { vst1q_f32(to, v) } else { put(to, numbers(v), n) } }
    }

    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: float32x4_t, n: usize) {
        // SAFETY: NEON is part of every 64-bit Arm processor; the caller guarantees as many values at the pointer.
        unsafe { put(to, rounded(numbers(v)), n) }
    }
}

fn numbers(v: float32x4_t) -> [f32; 4] {
    let mut numbers = [0.0; 4];
    // SAFETY: four numbers fit; NEON is part of every 64-bit Arm processor.
    unsafe { vst1q_f32(numbers.as_mut_ptr(), v) };
    numbers
}
