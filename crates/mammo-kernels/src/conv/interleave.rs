//! Copies of feature maps with adjacent pixels, for the gradient of the weights: pixels are the inner dimension of
//! that product, so two of them form a unit of bf16.

use super::ConvShape;
use crate::micro::{Lanes, Simd, VectorJob};
use crate::operand::{Operand, units};

/// Copies one row of input pixels, shifted by `kx` and strided, into `[group][unit][row of the tile]`. Rows beyond
/// the channels are not initialised: their sums are never read.
pub(super) struct CopyLeft<'a, T> {
    pub rows: usize,
    pub shape: &'a ConvShape,
    pub line: &'a [T],
    pub kx: usize,
    pub run_len: usize,
    pub copy: &'a mut [T],
}

impl<T: Operand> VectorJob for CopyLeft<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (shape, c) = (self.shape, self.shape.c_in);
        let unit_len = self.rows * T::PER_UNIT;
        let zeros = vec![T::default(); c];
        let pixel = |ox: usize| {
            let x = (ox * shape.stride + self.kx).wrapping_sub(shape.pad.left);
            if ox < shape.out_w() && x < shape.w { &self.line[x * c..(x + 1) * c] } else { &zeros[..] }
        };
        for unit in 0..units::<T>(shape.out_w()) {
            let (a, b) = (pixel(unit * T::PER_UNIT), pixel(unit * T::PER_UNIT + T::PER_UNIT - 1));
            let groups = a.chunks(self.rows).zip(b.chunks(self.rows));
            for ((a, b), run) in groups.zip(self.copy.chunks_exact_mut(self.run_len)) {
                let to = &mut run[unit * unit_len..][..unit_len];
                match a.len() {
                    // The common lengths, constants for the compiler.
                    12 => Lanes::join(simd, [a, b], to, 12),
                    6 => Lanes::join(simd, [a, b], to, 6),
                    n => Lanes::join(simd, [a, b], to, n),
                }
            }
        }
    }
}

/// Copies one row of output pixels into `[unit][column of the panel]`.
pub(super) struct CopyRight<'a, T> {
    pub c_out: usize,
    pub line: &'a [T],
    pub column: usize,
    pub live: usize,
    pub width: usize,
    pub panel: &'a mut [T],
}

impl<T: Operand> VectorJob for CopyRight<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let zeros = vec![T::default(); self.live];
        let pixels = self.line.chunks_exact(self.c_out).map(|p| &p[self.column..self.column + self.live]);
        let mut pixels = pixels.chain(std::iter::repeat(&zeros[..]));
        for unit in self.panel.chunks_exact_mut(self.panel.len() / self.width) {
            let a = pixels.next().unwrap_or(&zeros);
            let b = if T::PER_UNIT == 2 { pixels.next().unwrap_or(&zeros) } else { a };
            match a.len() {
                // The common lengths, constants for the compiler.
                32 => Lanes::join(simd, [a, b], unit, 32),
                16 => Lanes::join(simd, [a, b], unit, 16),
                n => Lanes::join(simd, [a, b], unit, n),
            }
        }
    }
}
