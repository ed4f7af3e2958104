//! The two number types of the kernels.

use half::bf16;

use crate::isa::Isa;
use crate::micro::{self, Kernel};
use crate::scratch::ScratchPool;

/// A number type of activations and packed weights.
///
/// Products work on *units* of four bytes: one `f32`, or two consecutive bf16.
///
/// Sealed: kernels write through pointers according to [`KIND`](Self::KIND), so no other type may implement it.
pub trait Operand:
    sealed::Sealed + Copy + Send + Sync + Default + PartialEq + std::fmt::Debug + 'static
{
    /// Values per unit.
    const PER_UNIT: usize;
    /// Which of the two types this is.
    const KIND: Kind;
    /// Rounds to nearest, ties to even.
    fn from_f32(x: f32) -> Self;
    /// Converts exactly.
    fn to_f32(self) -> f32;
    /// The pool of buffers of this type.
    fn scratch_pool() -> &'static ScratchPool<Self>;
    /// The tile kernel for this type.
    fn kernel(isa: Isa) -> Kernel {
        micro::kernel(isa, Self::KIND)
    }
}

mod sealed {
    /// The types that are operands.
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::bf16 {}
}

/// A number type as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit float.
    F32,
    /// The upper half of a 32-bit float.
    Bf16,
}

impl Operand for f32 {
    const PER_UNIT: usize = 1;
    const KIND: Kind = Kind::F32;

    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    fn scratch_pool() -> &'static ScratchPool<Self> {
        static POOL: ScratchPool<f32> = ScratchPool::new();
        &POOL
    }
}

impl Operand for bf16 {
    const PER_UNIT: usize = 2;
    const KIND: Kind = Kind::Bf16;

    /// Free of branches, so that loops over it vectorise. NaN stays NaN, even if its payload is in the lower half
    /// alone.
    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        let nan = (bits >> 16) | 0x40;
        bf16::from_bits(if x.is_nan() { nan } else { rounded } as u16)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    fn scratch_pool() -> &'static ScratchPool<Self> {
        static POOL: ScratchPool<bf16> = ScratchPool::new();
        &POOL
    }
}

/// The number of units that hold `numbers` values.
pub(crate) fn units<T: Operand>(numbers: usize) -> usize {
    numbers.div_ceil(T::PER_UNIT)
}
