//! The two transforms between maps and tiles, over all channels of a tile.
//!
//! No `from_fn` and no function passed along: the compiler may leave either as a call, and what is called is
//! compiled without the [`Job`]'s instructions. That took a fifth of the time of some layers.

use std::ops::Range;

use super::lanes::{Axis, LANES, Lanes, points_to_output};
use super::{POINTS, SIDE, STEP};
use crate::conv::ConvShape;
use crate::isa::Job;
use crate::micro::Finish;
use crate::operand::Operand;

/// The windows of some tiles, at the points: `to` is `[point][tile][channel]`, a tile's channels `width`
/// numbers apart from the next one's, a point's tiles `stride`. Channels are filled up to whole lanes.
pub(super) struct ToPoints<'a, T> {
    pub shape: &'a ConvShape,
    pub input: &'a [T],
    /// What pixels in the padding hold.
    pub zeros: &'a [T],
    /// Image, row and column of the first output pixel of each tile.
    pub tiles: &'a [[usize; 3]],
    pub channels: Range<usize>,
    pub to: &'a mut [f32],
    pub width: usize,
    pub stride: usize,
}

impl<T: Operand> Job for ToPoints<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (shape, channels) = (self.shape, &self.channels);
        let zeros = &self.zeros[channels.clone()];
        let mut lines = [[Lanes::ZERO; SIDE]; SIDE];
        for (tile, [n, y, x]) in self.tiles.iter().enumerate() {
            let mut window: [[&[T]; SIDE]; SIDE] = [[zeros; SIDE]; SIDE];
            for (ky, row) in window.iter_mut().enumerate() {
                for (kx, pixel) in row.iter_mut().enumerate() {
                    if let Some(at) = shape.input_at(*n, *y, *x, ky, kx) {
                        *pixel = &self.input[at..][channels.clone()];
                    }
                }
            }
            for channels in in_lanes(channels.len()) {
                let to = &mut self.to[tile * self.width + channels.start..];
                pixels_to_points(&window, channels, &mut lines, to, [self.stride, LANES]);
            }
        }
    }
}

/// So many channels, by whole lanes and a rest.
#[inline(always)]
fn in_lanes(channels: usize) -> impl Iterator<Item = Range<usize>> {
    (0..channels).step_by(LANES).map(move |first| first..channels.min(first + LANES))
}

/// Some channels of a square of pixels to the points, down and then across, point `i` to
/// `to[i * stride..]`, `kept` numbers of it; `lines` is working memory.
#[inline(always)]
fn pixels_to_points<T: Operand, const N: usize>(
    pixels: &[[&[T]; N]; N],
    channels: Range<usize>,
    lines: &mut [[Lanes; N]; SIDE],
    to: &mut [f32],
    [stride, kept]: [usize; 2],
) where
    [Lanes; N]: Axis,
{
    for x in 0..N {
        let mut column = [Lanes::ZERO; N];
        for (lanes, row) in column.iter_mut().zip(pixels) {
            *lanes = Lanes::load(&row[x][channels.clone()]);
        }
        lines.iter_mut().zip(&column.to_points()).for_each(|(line, lanes)| line[x] = *lanes);
    }
    for (py, line) in lines.iter().enumerate() {
        for (px, lanes) in line.to_points().iter().enumerate() {
            lanes.store(&mut to[(py * SIDE + px) * stride..][..kept]);
        }
    }
}

/// The gradients of the output pixels of some tiles, at the points: `to` is `[point][tile][channel]`, as wide
/// as a panel.
pub(super) struct GradientToPoints<'a, T> {
    pub shape: &'a ConvShape,
    pub d_out: &'a [T],
    /// What pixels beyond the map hold.
    pub zeros: &'a [T],
    /// Image, row and column of the first output pixel of each tile.
    pub tiles: &'a [[usize; 3]],
    pub channels: Range<usize>,
    pub to: &'a mut [f32],
}

impl<T: Operand> Job for GradientToPoints<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (shape, channels) = (self.shape, &self.channels);
        let zeros = &self.zeros[channels.clone()];
        let (h, w) = (shape.out_h(), shape.out_w());
        let stride = self.to.len() / POINTS;
        let width = stride / self.tiles.len();
        let mut lines = [[Lanes::ZERO; STEP]; SIDE];
        for (tile, [n, y, x]) in self.tiles.iter().enumerate() {
            let mut pixels: [[&[T]; STEP]; STEP] = [[zeros; STEP]; STEP];
            for (y, row) in (*y..h).zip(&mut pixels) {
                for (x, pixel) in (*x..w).zip(row) {
                    *pixel = &self.d_out[((n * h + y) * w + x) * shape.c_out..][channels.clone()];
                }
            }
            for channels in in_lanes(channels.len()) {
                let kept = channels.len();
                let to = &mut self.to[tile * width + channels.start..];
                pixels_to_points(&pixels, channels, &mut lines, to, [stride, kept]);
            }
        }
    }
}

/// Some consecutive tiles of one row of tiles, from the points to output pixels.
pub(super) struct ToOutput<'a, O> {
    pub shape: &'a ConvShape,
    /// `[point][tile][channel]`, a point's tiles `stride` numbers apart from the next one's, from the first
    /// of these tiles on.
    pub points: &'a [f32],
    pub stride: usize,
    /// Output column of the first pixel of the first tile, and how many tiles there are.
    pub column: usize,
    pub count: usize,
    /// Up to four rows of output pixels, and the residual at the same places.
    pub out: &'a mut [O],
    pub finish: Finish<'a, O>,
}

impl<O: Operand> Job for ToOutput<'_, O> {
    #[inline(always)]
    fn run(mut self) {
        let c_out = self.shape.c_out;
        let padded = c_out.next_multiple_of(LANES);
        let mut lines = [[Lanes::ZERO; SIDE]; STEP];
        for tile in 0..self.count {
            for channels in in_lanes(c_out) {
                self.tile(tile, padded, channels, &mut lines);
            }
        }
    }
}

impl<O: Operand> ToOutput<'_, O> {
    /// Some channels of a tile; `lines` is working memory.
    #[inline(always)]
    fn tile(
        &mut self,
        tile: usize,
        padded: usize,
        channels: Range<usize>,
        lines: &mut [[Lanes; SIDE]; STEP],
    ) {
        let (c_out, out_w) = (self.shape.c_out, self.shape.out_w());
        let Finish { bias, residual, relu, accumulate } = self.finish;
        let points = &self.points[tile * padded + channels.start..];
        for px in 0..SIDE {
            let mut column = [Lanes::ZERO; SIDE];
            for (py, lanes) in column.iter_mut().enumerate() {
                *lanes = Lanes::load(&points[(py * SIDE + px) * self.stride..][..LANES]);
            }
            let down = points_to_output(&column);
            lines.iter_mut().zip(&down).for_each(|(line, lanes)| line[px] = *lanes);
        }
        let bias = bias.map_or(Lanes::ZERO, |bias| Lanes::load(&bias[channels.clone()]));
        let first = self.column + tile * STEP;
        for (line, pixels) in lines.iter().zip(self.out.chunks_exact_mut(out_w * c_out).enumerate()) {
            let (y, pixels) = pixels;
            let sums = points_to_output(line);
            for (x, sums) in (first..out_w).zip(&sums) {
                let at = x * c_out + channels.start..x * c_out + channels.end;
                let mut sums = *sums + bias;
                if accumulate {
                    sums = sums + Lanes::load(&pixels[at.clone()]);
                }
                if let Some(residual) = residual {
                    sums = sums + Lanes::load(&residual[y * out_w * c_out..][at.clone()]);
                }
                if relu {
                    sums = sums.relu();
                }
                sums.store(&mut pixels[at]);
            }
        }
    }
}
