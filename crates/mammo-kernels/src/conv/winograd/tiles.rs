//! The transforms between feature maps and the Winograd domain, over all channels of a tile.

use std::ops::Range;

use super::transform::{Axis, LANES, output_transform};
use super::{POINTS, SIDE, STEP};
use crate::conv::ConvShape;
use crate::micro::{Epilogue, Lanes, Simd, VectorJob};
use crate::operand::Operand;

/// Transforms the input windows of some tiles. `to` is `[point][tile][channel]`; the channels of consecutive tiles
/// are `width` values apart, the tiles of consecutive points `stride`. Channels are padded to whole vectors.
pub(super) struct InputTransform<'a, T> {
    pub shape: &'a ConvShape,
    pub input: &'a [T],
    /// Values of pixels in the padding.
    pub zeros: &'a [T],
    /// Image, row and column of the first output pixel of each tile.
    pub tiles: &'a [[usize; 3]],
    pub channels: Range<usize>,
    pub to: &'a mut [f32],
    pub width: usize,
    pub stride: usize,
}

impl<T: Operand> VectorJob for InputTransform<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { shape, zeros, ref channels, .. } = self;
        let zeros = &zeros[channels.clone()];
        let mut lines = [[Lanes::zero(simd); SIDE]; SIDE];
        for (tile, [n, y, x]) in self.tiles.iter().enumerate() {
            let mut window: [[&[T]; SIDE]; SIDE] = [[zeros; SIDE]; SIDE];
            for (ky, row) in window.iter_mut().enumerate() {
                for (kx, pixel) in row.iter_mut().enumerate() {
                    if let Some(at) = shape.input_at(*n, *y, *x, ky, kx) {
                        *pixel = &self.input[at..][channels.clone()];
                    }
                }
            }
            let to = &mut self.to[tile * self.width..];
            transform_square(simd, &window, channels.len(), &mut lines, to, self.stride);
        }
    }
}

/// Transforms the output gradients of some tiles. `to` is `[point][tile][channel]`, as wide as a panel.
pub(super) struct OutputGradientTransform<'a, T> {
    pub shape: &'a ConvShape,
    pub d_out: &'a [T],
    /// Values of pixels beyond the map.
    pub zeros: &'a [T],
    /// Image, row and column of the first output pixel of each tile.
    pub tiles: &'a [[usize; 3]],
    pub channels: Range<usize>,
    pub to: &'a mut [f32],
}

impl<T: Operand> VectorJob for OutputGradientTransform<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { shape, zeros, ref channels, .. } = self;
        let zeros = &zeros[channels.clone()];
        let (h, w) = (shape.out_h(), shape.out_w());
        let stride = self.to.len() / POINTS;
        let width = stride / self.tiles.len();
        let mut lines = [[Lanes::zero(simd); STEP]; SIDE];
        for (tile, [n, y, x]) in self.tiles.iter().enumerate() {
            let mut pixels: [[&[T]; STEP]; STEP] = [[zeros; STEP]; STEP];
            for (y, row) in (*y..h).zip(&mut pixels) {
                for (x, pixel) in (*x..w).zip(row) {
                    *pixel = &self.d_out[((n * h + y) * w + x) * shape.c_out..][channels.clone()];
                }
            }
            transform_square(simd, &pixels, channels.len(), &mut lines, &mut self.to[tile * width..], stride);
        }
    }
}

/// Transforms a square of pixels, `channels` of them, and writes point `i` to `to[i * stride..]`. `lines` is working
/// memory.
#[inline(always)]
fn transform_square<S: Simd, T: Operand, const N: usize>(
    simd: S,
    pixels: &[[&[T]; N]; N],
    channels: usize,
    lines: &mut [[Lanes<S>; N]; SIDE],
    to: &mut [f32],
    stride: usize,
) where
    [Lanes<S>; N]: Axis<S>,
{
    // Whole vectors separately from the rest: the compiler then knows the length of each load and store.
    let whole = channels / S::LANES * S::LANES;
    for first in (0..whole).step_by(S::LANES) {
        transform_lanes(simd, pixels, [first, S::LANES], lines, &mut to[first..], stride);
    }
    if whole < channels {
        transform_lanes(simd, pixels, [whole, channels - whole], lines, &mut to[whole..], stride);
    }
}

/// Transforms at most one vector of channels, `n` of them from `first` on: columns first, then rows.
#[inline(always)]
fn transform_lanes<S: Simd, T: Operand, const N: usize>(
    simd: S,
    pixels: &[[&[T]; N]; N],
    [first, n]: [usize; 2],
    lines: &mut [[Lanes<S>; N]; SIDE],
    to: &mut [f32],
    stride: usize,
) where
    [Lanes<S>; N]: Axis<S>,
{
    for x in 0..N {
        let mut column = [Lanes::zero(simd); N];
        for (lanes, row) in column.iter_mut().zip(pixels) {
            *lanes = Lanes::load(simd, &row[x][first..], n);
        }
        lines.iter_mut().zip(column.transform()).for_each(|(line, lanes)| line[x] = lanes);
    }
    for (py, line) in lines.iter().enumerate() {
        for (px, lanes) in line.transform().iter().enumerate() {
            lanes.store(&mut to[(py * SIDE + px) * stride..], S::LANES);
        }
    }
}

/// Transforms consecutive tiles of one row of tiles from the Winograd domain to output pixels.
pub(super) struct OutputTransform<'a, O> {
    pub shape: &'a ConvShape,
    /// `[point][tile][channel]` from the first of these tiles on; the tiles of consecutive points are `stride` values
    /// apart.
    pub points: &'a [f32],
    pub stride: usize,
    /// Output column of the first pixel of the first tile, and the number of tiles.
    pub column: usize,
    pub count: usize,
    /// Up to four rows of output pixels, and the residual at the same positions.
    pub out: &'a mut [O],
    pub epilogue: Epilogue<'a, O>,
}

impl<O: Operand> VectorJob for OutputTransform<'_, O> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let c_out = self.shape.c_out;
        // As in [`transform_square`].
        let whole = c_out / S::LANES * S::LANES;
        let mut lines = [[Lanes::zero(simd); SIDE]; STEP];
        for tile in 0..self.count {
            for first in (0..whole).step_by(S::LANES) {
                self.lanes(simd, tile, [first, S::LANES], &mut lines);
            }
            if whole < c_out {
                self.lanes(simd, tile, [whole, c_out - whole], &mut lines);
            }
        }
    }
}

impl<O: Operand> OutputTransform<'_, O> {
    /// Transforms at most one vector of channels of a tile, `n` of them from `first` on. `lines` is working memory.
    #[inline(always)]
    fn lanes<S: Simd>(
        &mut self,
        simd: S,
        tile: usize,
        [first, n]: [usize; 2],
        lines: &mut [[Lanes<S>; SIDE]; STEP],
    ) {
        let (c_out, out_w) = (self.shape.c_out, self.shape.out_w());
        let Epilogue { bias, residual, activation, accumulate } = self.epilogue;
        let points = &self.points[tile * c_out.next_multiple_of(LANES) + first..];
        for px in 0..SIDE {
            let mut column = [Lanes::zero(simd); SIDE];
            for (py, lanes) in column.iter_mut().enumerate() {
                *lanes = Lanes::load(simd, &points[(py * SIDE + px) * self.stride..], S::LANES);
            }
            lines.iter_mut().zip(output_transform(&column)).for_each(|(line, lanes)| line[px] = lanes);
        }
        let bias = bias.map_or(Lanes::zero(simd), |bias| Lanes::load(simd, &bias[first..], n));
        let column = self.column + tile * STEP;
        for (line, (y, pixels)) in lines.iter().zip(self.out.chunks_exact_mut(out_w * c_out).enumerate()) {
            for (x, sums) in (column..out_w).zip(output_transform(line)) {
                let at = x * c_out + first;
                let mut sums = sums + bias;
                if accumulate {
                    sums = sums + Lanes::load(simd, &pixels[at..], n);
                }
                if let Some(residual) = residual {
                    sums = sums + Lanes::load(simd, &residual[y * out_w * c_out + at..], n);
                }
                sums.activate(activation).store(&mut pixels[at..], n);
            }
        }
    }
}
