//! Safe vectors for loops outside `micro`.
//!
//! How the compiler treats an array of sixteen floats depends on the code around it: it may keep the array in a
//! register, or write it to memory and take it apart. [`Lanes`] is a vector by its type.

use std::ops::{Add, Mul, Sub};

use super::simd::Simd;
use crate::activation::Activation;
use crate::isa::{Isa, Set};
use crate::operand::{Kind, Operand};

/// A loop on vectors of any instruction set; `run` and everything that it calls must be `#[inline(always)]`.
pub(crate) trait VectorJob {
    /// Does the work. A value of `S` proves that the processor has its instructions.
    fn run<S: Simd>(self, simd: S);
}

/// Runs `job` compiled for `isa`.
pub(crate) fn run_on_vectors<J: VectorJob>(isa: Isa, job: J) {
    match isa.set() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` of this set exists only where `Isa::available` found its features.
        Set::Avx512Bf16 => unsafe { super::avx512::run_with_pairs(job) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Set::Avx512 => unsafe { super::avx512::run(job) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Set::Avx2 => unsafe { super::avx2::run(job) },
        #[cfg(target_arch = "aarch64")]
        Set::Neon => super::neon::run(job),
        _ => super::portable::run(job),
    }
}

/// `S::LANES` consecutive values in a register. Each is made from an `S`, or from other lanes.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<S: Simd>(S::V);

impl<S: Simd> Lanes<S> {
    /// Zeros.
    #[inline(always)]
    pub fn zero(_: S) -> Self {
        // SAFETY: there is an `S`.
        Self(unsafe { S::zero() })
    }

    /// Loads the first `n` values of `from`; the other lanes are unspecified.
    #[inline(always)]
    pub fn load<T: Operand>(_: S, from: &[T], n: usize) -> Self {
        let from = &from[..n.min(S::LANES)];
        // SAFETY: there is an `S`, and as many numbers as are read.
        Self(unsafe {
            match T::KIND {
                Kind::F32 => S::load_f32(from.as_ptr().cast(), from.len()),
                Kind::Bf16 => S::load_bf16(from.as_ptr().cast(), from.len()),
            }
        })
    }

    /// Stores the first `n` lanes to the first values of `to`.
    #[inline(always)]
    pub fn store<T: Operand>(self, to: &mut [T], n: usize) {
        let to = &mut to[..n.min(S::LANES)];
        // SAFETY: `self` came from an `S`, and there are as many numbers as are written.
        unsafe {
            match T::KIND {
                Kind::F32 => S::store_f32(to.as_mut_ptr().cast(), self.0, to.len()),
                Kind::Bf16 => S::store_bf16(to.as_mut_ptr().cast(), self.0, to.len()),
            }
        }
    }

    /// Interleaves `n` values of two consecutive pixels into units, written to the start of `to`. For `f32` only the
    /// first pixel is used.
    #[inline(always)]
    pub fn join<T: Operand>(_: S, [first, second]: [&[T]; 2], to: &mut [T], n: usize) {
        let (first, second, to) = (&first[..n], &second[..n], &mut to[..n * T::PER_UNIT]);
        match T::KIND {
            Kind::F32 => to.copy_from_slice(first),
            Kind::Bf16 => {
                for at in (0..n).step_by(S::LANES) {
                    let live = S::LANES.min(n - at);
                    let pixels = [&first[at..], &second[at..]].map(|pixel| pixel.as_ptr().cast());
                    let to = to[2 * at..].as_mut_ptr().cast();
                    // SAFETY: there is an `S`, `live` numbers from `at` on in each pixel, and as many pairs.
                    unsafe { S::join(pixels[0], pixels[1], to, live) }
                }
            }
        }
    }

    /// `self + other * factor`, with a single rounding if the processor has fused multiply-add.
    #[inline(always)]
    pub fn plus(self, other: Self, factor: f32) -> Self {
        // SAFETY: `self` came from an `S`.
        Self(unsafe { S::fma(self.0, other.0, S::splat(&factor)) })
    }

    /// `self + other * factor`, lane by lane.
    #[inline(always)]
    pub fn plus_product(self, other: Self, factor: Self) -> Self {
        // SAFETY: `self` came from an `S`.
        Self(unsafe { S::fma(self.0, other.0, factor.0) })
    }

    /// Applies an activation.
    #[inline(always)]
    pub fn activate(self, activation: Activation) -> Self {
        // SAFETY: `self` came from an `S`.
        Self(unsafe { S::activate(self.0, activation) })
    }
}

impl<S: Simd> Add for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` came from an `S`.
        Self(unsafe { S::add(self.0, other.0) })
    }
}

impl<S: Simd> Sub for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: `self` came from an `S`.
        Self(unsafe { S::sub(self.0, other.0) })
    }
}

impl<S: Simd> Mul<f32> for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        // SAFETY: `self` came from an `S`.
        Self(unsafe { S::mul(self.0, S::splat(&factor)) })
    }
}
