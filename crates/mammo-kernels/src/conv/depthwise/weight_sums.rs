//! Sums of products for the gradient of the weights.

use crate::conv::ConvShape;
use crate::micro::{Lanes, Simd, VectorJob};
use crate::operand::Operand;

/// Output pixels of a group, which share loads of the input.
const GROUP: usize = 4;
/// Sums per tap, so that a product need not wait for the one before.
const CHAINS: usize = 2;

/// The sums of products over some rows of output pixels, for all weights.
pub(super) struct WeightSums<'a, T> {
    pub shape: &'a ConvShape,
    pub x: &'a [T],
    /// Number of the first row of `d_out`, counted over all images.
    pub first: usize,
    pub d_out: &'a [T],
    /// `[k * k, channels]`.
    pub sums: &'a mut [f32],
}

impl<T: Operand> VectorJob for WeightSums<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (shape, channels) = (self.shape, self.shape.c_in);
        for (row, d_out) in (self.first..).zip(self.d_out.chunks_exact(shape.out_w() * channels)) {
            let (n, oy) = (row / shape.out_h(), row % shape.out_h());
            for ky in 0..shape.kernel {
                let y = (oy * shape.stride + ky).wrapping_sub(shape.pad.top);
                if y >= shape.h {
                    continue;
                }
                let x = &self.x[(n * shape.h + y) * shape.w * channels..][..shape.w * channels];
                match (shape.kernel, shape.stride) {
                    (3, 1) => self.tap_row::<S, 3, 1>(simd, x, d_out, ky),
                    (3, 2) => self.tap_row::<S, 3, 2>(simd, x, d_out, ky),
                    (5, 1) => self.tap_row::<S, 5, 1>(simd, x, d_out, ky),
                    (5, 2) => self.tap_row::<S, 5, 2>(simd, x, d_out, ky),
                    _ => self.tap_by_tap(simd, x, d_out, ky),
                }
            }
        }
    }
}

impl<T: Operand> WeightSums<'_, T> {
    /// The first column of the input that output column `ox` reads; it may lie outside.
    fn first_column(&self, ox: usize) -> isize {
        (ox * self.shape.stride) as isize - self.shape.pad.left as isize
    }

    /// Adds the products of a row of gradients with a row of the input, for the taps of row `ky`.
    #[inline(always)]
    fn tap_row<S: Simd, const TAPS: usize, const STEP: usize>(
        &mut self,
        simd: S,
        x: &[T],
        d_out: &[T],
        ky: usize,
    ) {
        let channels = self.shape.c_in;
        let whole = channels / S::LANES * S::LANES;
        for from in (0..whole).step_by(S::LANES) {
            self.vector::<S, TAPS, STEP>(simd, [x, d_out], ky, [from, S::LANES]);
        }
        if whole < channels {
            self.vector::<S, TAPS, STEP>(simd, [x, d_out], ky, [whole, channels - whole]);
        }
    }

    /// [`tap_row`](Self::tap_row) for `n` channels from `from` on.
    // Constant indices after unrolling keep the sums in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn vector<S: Simd, const TAPS: usize, const STEP: usize>(
        &mut self,
        simd: S,
        [x, d_out]: [&[T]; 2],
        ky: usize,
        [from, n]: [usize; 2],
    ) {
        let (channels, width, out_w) = (self.shape.c_in, self.shape.w, self.shape.out_w());
        let mut sums = [[Lanes::zero(simd); TAPS]; CHAINS];
        for ox in (0..out_w).step_by(GROUP) {
            let column = self.first_column(ox);
            let inside = column >= 0 && column as usize + (GROUP - 1) * STEP + TAPS <= width;
            if inside && ox + GROUP <= out_w {
                sums = self.group::<S, TAPS, STEP, true>(simd, [x, d_out], ox, [from, n], sums);
                continue;
            }
            // Sums of their own, since tests among the products keep them out of registers.
            let edge = [[Lanes::zero(simd); TAPS]; CHAINS];
            let edge = self.group::<S, TAPS, STEP, false>(simd, [x, d_out], ox, [from, n], edge);
            for chain in 0..CHAINS {
                for tap in 0..TAPS {
                    sums[chain][tap] = sums[chain][tap] + edge[chain][tap];
                }
            }
        }
        for tap in 0..TAPS {
            let at = (ky * TAPS + tap) * channels + from;
            let mut sum = Lanes::load(simd, &self.sums[at..], n);
            for chain in 0..CHAINS {
                sum = sum + sums[chain][tap];
            }
            sum.store(&mut self.sums[at..], n);
        }
    }

    /// The sums with the products of a group of gradients from column `ox` on; `INSIDE` if all columns that it reads
    /// exist.
    // Constant indices after unrolling keep the sums in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn group<S: Simd, const TAPS: usize, const STEP: usize, const INSIDE: bool>(
        &self,
        simd: S,
        [x, d_out]: [&[T]; 2],
        ox: usize,
        [from, n]: [usize; 2],
        mut sums: [[Lanes<S>; TAPS]; CHAINS],
    ) -> [[Lanes<S>; TAPS]; CHAINS] {
        let (channels, width, out_w) = (self.shape.c_in, self.shape.w, self.shape.out_w());
        let column = self.first_column(ox);
        // Not `array::from_fn`: its closure would not be compiled for the instruction set.
        let mut gradient = [Lanes::zero(simd); GROUP];
        for of in 0..GROUP {
            if INSIDE || ox + of < out_w {
                gradient[of] = Lanes::load(simd, &d_out[(ox + of) * channels + from..], n);
            }
        }
        for at in 0..(GROUP - 1) * STEP + TAPS {
            let pixel = (column + at as isize) as usize;
            if !INSIDE && pixel >= width {
                continue;
            }
            let pixel = Lanes::load(simd, &x[pixel * channels + from..], n);
            for of in 0..GROUP {
                let tap = at.wrapping_sub(of * STEP);
                if tap < TAPS {
                    let sum = &mut sums[of % CHAINS][tap];
                    *sum = sum.plus_product(pixel, gradient[of]);
                }
            }
        }
        sums
    }

    /// [`tap_row`](Self::tap_row) for any kernel and stride, without sharing loads.
    #[inline(always)]
    fn tap_by_tap<S: Simd>(&mut self, simd: S, x: &[T], d_out: &[T], ky: usize) {
        let (channels, kernel) = (self.shape.c_in, self.shape.kernel);
        for (kx, from) in
            (0..kernel).flat_map(|kx| (0..channels).step_by(S::LANES).map(move |from| (kx, from)))
        {
            let n = S::LANES.min(channels - from);
            let at = (ky * kernel + kx) * channels + from;
            let mut sum = Lanes::load(simd, &self.sums[at..], n);
            for ox in 0..self.shape.out_w() {
                let column = (self.first_column(ox) + kx as isize) as usize;
                if column < self.shape.w {
                    let pixel = Lanes::load(simd, &x[column * channels + from..], n);
                    sum = sum.plus_product(pixel, Lanes::load(simd, &d_out[ox * channels + from..], n));
                }
            }
            sum.store(&mut self.sums[at..], n);
        }
    }
}
