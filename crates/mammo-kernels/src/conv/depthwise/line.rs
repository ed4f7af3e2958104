//! A line of output pixels, computed in groups of neighbours.

use super::DepthwiseEpilogue;
use crate::micro::{Lanes, Simd, VectorJob};
use crate::operand::Operand;

/// Pixels of a group.
const GROUP: usize = 4;

/// A row of input pixels that a line reads.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// Its start.
    pub x: usize,
    /// Start of the weights of its first tap.
    pub weight: usize,
}

/// A line of pixels, each of which reads `n_taps` neighbouring columns of the same rows; the first column moves by
/// `step` from pixel to pixel. Columns outside a row count as zero.
#[derive(Clone, Copy)]
pub(super) struct Line<'a, T> {
    pub x: &'a [T],
    /// Columns of a row of `x`.
    pub width: usize,
    pub channels: usize,
    pub rows: &'a [Row],
    pub n_taps: usize,
    /// Added (with wrap-around) to the start of a tap's weights, it gives that of the next tap.
    pub tap_step: usize,
    /// The first column that the first pixel reads.
    pub column: isize,
    pub step: usize,
    pub weight: &'a [f32],
    pub epilogue: DepthwiseEpilogue<'a>,
}

impl<'a, T: Operand> Line<'a, T> {
    /// The computation of the line, written to every `stride`-th pixel of `out` from pixel `first` on.
    pub fn to_pixels<'o>(self, out: &'o mut [T], first: usize, stride: usize) -> Pixels<'a, 'o, T> {
        Pixels { line: self, out, first, stride }
    }
}

/// A line and the row of pixels that it fills.
pub(super) struct Pixels<'a, 'o, T> {
    line: Line<'a, T>,
    out: &'o mut [T],
    first: usize,
    stride: usize,
}

impl<T: Operand> VectorJob for Pixels<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match (self.line.n_taps, self.line.step) {
            (3, 1) => self.groups::<S, 3, 1>(simd),
            (3, 2) => self.groups::<S, 3, 2>(simd),
            (5, 1) => self.groups::<S, 5, 1>(simd),
            (5, 2) => self.groups::<S, 5, 2>(simd),
            // Taps of kernels of 3 and of 5 that reach one of two neighbouring input pixels.
            (2, 1) => self.groups::<S, 2, 1>(simd),
            (1, 1) => self.groups::<S, 1, 1>(simd),
            _ => self.pixel_by_pixel(simd),
        }
    }
}

impl<T: Operand> Pixels<'_, '_, T> {
    /// Number of pixels.
    fn count(&self) -> usize {
        (self.out.len() / self.line.channels - self.first).div_ceil(self.stride)
    }

    #[inline(always)]
    fn groups<S: Simd, const TAPS: usize, const STEP: usize>(mut self, simd: S) {
        let count = self.count();
        for i in (0..count).step_by(GROUP) {
            let column = self.line.column + (i * STEP) as isize;
            let last = column + ((GROUP - 1) * STEP + TAPS) as isize;
            if column >= 0 && last <= self.line.width as isize && i + GROUP <= count {
                self.group::<S, TAPS, STEP, true>(simd, i, GROUP, column);
            } else {
                self.group::<S, TAPS, STEP, false>(simd, i, GROUP.min(count - i), column);
            }
        }
    }

    /// The `live` pixels from `i` on, of which the first reads from `column` on; `INSIDE` if all columns that a whole
    /// group reads lie within their rows.
    #[inline(always)]
    fn group<S: Simd, const TAPS: usize, const STEP: usize, const INSIDE: bool>(
        &mut self,
        simd: S,
        i: usize,
        live: usize,
        column: isize,
    ) {
        let channels = self.line.channels;
        let whole = channels / S::LANES * S::LANES;
        for from in (0..whole).step_by(S::LANES) {
            self.vector::<S, TAPS, STEP, INSIDE>(simd, [i, live], column, [from, S::LANES]);
        }
        if whole < channels {
            self.vector::<S, TAPS, STEP, INSIDE>(simd, [i, live], column, [whole, channels - whole]);
        }
    }

    /// One vector of channels of a group: `n` channels from `from` on.
    // Constant indices after unrolling keep the sums in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn vector<S: Simd, const TAPS: usize, const STEP: usize, const INSIDE: bool>(
        &mut self,
        simd: S,
        [i, live]: [usize; 2],
        column: isize,
        [from, n]: [usize; 2],
    ) {
        let Line { x, width, channels, rows, tap_step, weight, epilogue, .. } = self.line;
        let mut bias = Lanes::zero(simd);
        if let Some(of_channels) = epilogue.bias {
            bias = Lanes::load(simd, &of_channels[from..], n);
        }
        let mut sums = [bias; GROUP];
        for row in rows {
            // Not `array::from_fn`: its closure would not be compiled for the instruction set.
            let mut weights = [Lanes::zero(simd); TAPS];
            for tap in 0..TAPS {
                let at = row.weight.wrapping_add(tap.wrapping_mul(tap_step)) + from;
                weights[tap] = Lanes::load(simd, &weight[at..], n);
            }
            let pixels = &x[row.x..][..width * channels];
            for at in 0..(GROUP - 1) * STEP + TAPS {
                let pixel = (column + at as isize) as usize;
                if !INSIDE && pixel >= width {
                    continue;
                }
                let pixel = Lanes::load(simd, &pixels[pixel * channels + from..], n);
                for to in 0..GROUP {
                    let tap = at.wrapping_sub(to * STEP);
                    if tap < TAPS {
                        sums[to] = sums[to].plus_product(pixel, weights[tap]);
                    }
                }
            }
        }
        for (to, sum) in sums.iter().enumerate().take(live) {
            let at = (self.first + (i + to) * self.stride) * channels + from;
            sum.activate(epilogue.activation).store(&mut self.out[at..], n);
        }
    }

    /// Any number of taps and any step, without sharing loads.
    #[inline(always)]
    fn pixel_by_pixel<S: Simd>(self, simd: S) {
        let count = self.count();
        let Line { x, width, channels, rows, n_taps, tap_step, column, step, weight, epilogue } = self.line;
        for i in 0..count {
            let out = &mut self.out[(self.first + i * self.stride) * channels..][..channels];
            for from in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - from);
                let mut sum =
                    epilogue.bias.map_or(Lanes::zero(simd), |bias| Lanes::load(simd, &bias[from..], n));
                for (row, tap) in rows.iter().flat_map(|row| (0..n_taps).map(move |tap| (row, tap))) {
                    let column = (column + (i * step + tap) as isize) as usize;
                    if column < width {
                        let at = row.weight.wrapping_add(tap.wrapping_mul(tap_step)) + from;
                        let pixel = Lanes::load(simd, &x[row.x + column * channels + from..], n);
                        sum = sum.plus_product(pixel, Lanes::load(simd, &weight[at..], n));
                    }
                }
                sum.activate(epilogue.activation).store(&mut out[from..], n);
            }
        }
    }
}
