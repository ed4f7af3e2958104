//! Plain Rust, for other processors and for Miri.

use half::bf16;

use super::Kernel;
use super::lanes::VectorJob;
use super::simd::{Simd, part, put, rounded};
use super::tile::{Tiles, tiles, tiles_of};
use crate::operand::Kind;

const ROWS: usize = 4;

/// The kernel for `kind`.
pub(super) fn kernel(kind: Kind) -> Kernel {
    Kernel { kind, rows: ROWS, lanes: 4, tiles: tiles_of!(tiles_of_panel, kind) }
}

/// # Safety
/// The contract of [`Tiles`].
unsafe fn tiles_of_panel<const NV: usize, const PAIRS: bool, const INTERLEAVED: bool>(t: &Tiles<'_>) {
    // SAFETY: same contract as this function.
    unsafe { tiles::<Four, ROWS, NV, PAIRS, INTERLEAVED>(t) }
}

pub(super) fn run<J: VectorJob>(job: J) {
    job.run(Four(()));
}

/// Four floats that the compiler may keep in a vector.
#[derive(Clone, Copy)]
struct Four(());

fn both(pair: f32) -> (f32, f32) {
    let bits = pair.to_bits();
    (f32::from_bits(bits << 16), f32::from_bits(bits & 0xffff_0000))
}

// SAFETY: uses no special instruction.
unsafe impl Simd for Four {
    type V = [f32; 4];
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> [f32; 4] {
        [0.0; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        // SAFETY: the caller guarantees as many values at the pointer.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> [f32; 4] {
        // SAFETY: the caller guarantees as many values at the pointer.
        unsafe { [from.read_unaligned(); 4] }
    }

    #[inline(always)]
    unsafe fn fma(acc: [f32; 4], a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| acc[i] + a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn dot(acc: [f32; 4], a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| {
            let ((a_low, a_high), (b_low, b_high)) = (both(a[i]), both(b[i]));
            acc[i] + a_low * b_low + a_high * b_high
        })
    }

    #[inline(always)]
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn sub(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn relu(a: [f32; 4]) -> [f32; 4] {
        a.map(|x| if x > 0.0 { x } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn min(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    unsafe fn load_f32(from: *const f32, n: usize) -> [f32; 4] {
        // SAFETY: the caller guarantees as many values at the pointer.
        unsafe { part(from, n) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16, n: usize) -> [f32; 4] {
        // SAFETY: the caller guarantees as many values at the pointer.
        unsafe { part::<u16, 4>(from, n) }.map(|bits| bf16::from_bits(bits).to_f32())
    }

    #[inline(always)]
    unsafe fn store_f32(to: *mut f32, v: [f32; 4], n: usize) {
        // SAFETY: the caller guarantees as many values at the pointer.
        unsafe { put(to, v, n) }
    }

    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, v: [f32; 4], n: usize) {
        // SAFETY: the caller guarantees as many values at the pointer.
        unsafe { put(to, rounded(v), n) }
    }
}
