//! The operations that a tile needs of an instruction set, and partial loads and stores for sets without masks.

use half::bf16;

use crate::activation::Activation;
use crate::operand::Operand;

/// A vector of `f32` and the operations that a tile needs.
///
/// # Safety
/// Methods may use instructions that only some processors have. They are called from functions that are entered only
/// after `Isa` has detected those features, and only these functions create values of the type. Pointers must be
/// valid for the number of values named.
pub(crate) unsafe trait Simd: Copy {
    /// A vector of `LANES` values.
    type V: Copy;
    /// Values per vector.
    const LANES: usize;

    /// Prefetches the cache line at `at`, which may be any address. Does nothing if there is no instruction for it.
    #[inline(always)]
    fn prefetch(_at: *const u8) {}
    unsafe fn zero() -> Self::V;
    /// Loads `LANES` values.
    unsafe fn load(from: *const f32) -> Self::V;
    /// The four bytes at `from` in every lane.
    unsafe fn splat(from: *const f32) -> Self::V;
    /// `acc + a * b`.
    unsafe fn fma(acc: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// `acc + a.0 * b.0 + a.1 * b.1`, each lane of `a` and `b` a pair of bf16.
    unsafe fn dot(acc: Self::V, a: Self::V, b: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// Replaces negative values by zero.
    unsafe fn relu(a: Self::V) -> Self::V;
    /// The smaller of each pair of values.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// Applies an activation.
    #[inline(always)]
    unsafe fn activate(a: Self::V, activation: Activation) -> Self::V {
        // SAFETY: as this function.
        unsafe {
            match activation {
                Activation::None => a,
                Activation::Relu => Self::relu(a),
                Activation::Relu6 => Self::min(Self::relu(a), Self::splat(&6.0)),
            }
        }
    }
    /// Loads the first `n <= LANES` values; the other lanes are unspecified but may be read.
    unsafe fn load_f32(from: *const f32, n: usize) -> Self::V;
    unsafe fn load_bf16(from: *const u16, n: usize) -> Self::V;
    /// Writes `n <= LANES` pairs of bf16, interleaved from the values at `first` and at `second`.
    #[inline(always)]
    unsafe fn join(first: *const u16, second: *const u16, to: *mut u16, n: usize) {
        for i in 0..n {
            // SAFETY: `n` numbers can be read at both, and twice as many written.
            unsafe {
                *to.add(2 * i) = *first.add(i);
                *to.add(2 * i + 1) = *second.add(i);
            }
        }
    }
    /// Stores the first `n <= LANES` values and nothing else.
    unsafe fn store_f32(to: *mut f32, v: Self::V, n: usize);
    /// Stores the first `n <= LANES` values rounded to bf16 (to nearest, ties to even).
    unsafe fn store_bf16(to: *mut u16, v: Self::V, n: usize);
}

/// The first `n <= N` values at `from`, padded with zeros.
///
/// # Safety
/// `n` numbers can be read at `from`.
#[inline(always)]
pub(super) unsafe fn part<T: Copy + Default, const N: usize>(from: *const T, n: usize) -> [T; N] {
    let mut part = [T::default(); N];
    // SAFETY: `n` numbers can be read, and `part` holds `N >= n`.
    unsafe { std::ptr::copy_nonoverlapping(from, part.as_mut_ptr(), n.min(N)) };
    part
}

/// Writes the first `n <= N` values to `to`.
///
/// # Safety
/// `n` numbers can be written at `to`.
#[inline(always)]
pub(super) unsafe fn put<T: Copy, const N: usize>(to: *mut T, numbers: [T; N], n: usize) {
    // SAFETY: `n` numbers can be written, and `numbers` holds `N >= n`.
    unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), to, n.min(N)) };
}

/// The bits of the values rounded to bf16.
#[inline(always)]
pub(super) fn rounded<const N: usize>(numbers: [f32; N]) -> [u16; N] {
    numbers.map(|x| <bf16 as Operand>::from_f32(x).to_bits())
}
