//! What a tile asks of an instruction set.

/// A vector of `f32` and the operations that a tile needs.
///
/// # Safety
/// Methods may use instructions that only some processors have: they are called from functions
/// that are entered after `Isa` found those features. Pointers must be valid for the numbers
/// named.
pub(super) unsafe trait Simd {
    /// `LANES` numbers.
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;

    unsafe fn zero() -> Self::V;
    /// `LANES` numbers.
    unsafe fn load(from: *const f32) -> Self::V;
    /// The four bytes at `from` in every lane.
    unsafe fn splat(from: *const f32) -> Self::V;
    /// `acc + a * b`.
    unsafe fn fma(acc: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// `acc + a.0 * b.0 + a.1 * b.1`, each lane of `a` and `b` a pair of bf16.
    unsafe fn dot(acc: Self::V, a: Self::V, b: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// Negative numbers become zero.
    unsafe fn relu(a: Self::V) -> Self::V;
    /// The first `n <= LANES` numbers; the rest is undefined but readable.
    unsafe fn load_f32(from: *const f32, n: usize) -> Self::V;
    unsafe fn load_bf16(from: *const u16, n: usize) -> Self::V;
    /// Writes the first `n <= LANES` numbers and nothing else.
    unsafe fn store_f32(to: *mut f32, v: Self::V, n: usize);
    /// The same, rounded to bf16 (to nearest, ties to even).
    unsafe fn store_bf16(to: *mut u16, v: Self::V, n: usize);
}
