//! The two transforms between maps and tiles, over all channels of a tile.

use super::lanes::{LANES, Lanes, input_to_points, points_to_output};
use super::{SIDE, STEP};
use crate::conv::ConvShape;
use crate::isa::Job;
use crate::micro::Finish;
use crate::operand::Operand;

/// The windows of some tiles, at the points: `to` is `[point][tile][channel]`, a point's tiles `stride`
/// numbers apart from the next one's, a tile's channels filled up to whole lanes.
pub(super) struct ToPoints<'a, T> {
    pub shape: &'a ConvShape,
    /// One image.
    pub image: &'a [T],
    /// Row and column of the first output pixel of each tile.
    pub tiles: &'a [[usize; 2]],
    pub to: &'a mut [T],
    pub stride: usize,
}

impl<T: Operand> Job for ToPoints<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (shape, c_in) = (self.shape, self.shape.c_in);
        let padded = c_in.next_multiple_of(LANES);
        // `[point down][kx]`
        let mut lines = [[Lanes::ZERO; SIDE]; SIDE];
        for (tile, [y, x]) in self.tiles.iter().enumerate() {
            // Where the pixels of the window start; those in the padding do not.
            let mut pixels = [[None; SIDE]; SIDE];
            for (ky, row) in pixels.iter_mut().enumerate() {
                for (kx, pixel) in row.iter_mut().enumerate() {
                    *pixel = shape.input_at(0, *y, *x, ky, kx);
                }
            }
            for channel in (0..c_in).step_by(LANES) {
                let live = LANES.min(c_in - channel);
                for kx in 0..SIDE {
                    let mut window = [Lanes::ZERO; SIDE];
                    for (lanes, row) in window.iter_mut().zip(&pixels) {
                        if let Some(at) = row[kx] {
                            *lanes = Lanes::load(&self.image[at + channel..][..live]);
                        }
                    }
                    let down = input_to_points(window);
                    for py in 0..SIDE {
                        lines[py][kx] = down[py];
                    }
                }
                for (py, line) in lines.iter().enumerate() {
                    let points = input_to_points(*line);
                    for (px, lanes) in points.iter().enumerate() {
                        let at = (py * SIDE + px) * self.stride + tile * padded + channel;
                        lanes.store(&mut self.to[at..at + LANES]);
                    }
                }
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
    fn run(self) {
        let (c_out, out_w) = (self.shape.c_out, self.shape.out_w());
        let padded = c_out.next_multiple_of(LANES);
        let rows = self.out.len() / (out_w * c_out);
        let Finish { bias, residual, relu, accumulate } = self.finish;
        // `[y][point across]`
        let mut lines = [[Lanes::ZERO; SIDE]; STEP];
        for tile in 0..self.count {
            let column = self.column + tile * STEP;
            let columns = STEP.min(out_w - column);
            for channel in (0..c_out).step_by(LANES) {
                let live = LANES.min(c_out - channel);
                let bias = bias.map_or(Lanes::ZERO, |bias| Lanes::load(&bias[channel..][..live]));
                #[allow(clippy::needless_range_loop)]
                for px in 0..SIDE {
                    let mut points = [Lanes::ZERO; SIDE];
                    for (py, lanes) in points.iter_mut().enumerate() {
                        let at = (py * SIDE + px) * self.stride + tile * padded + channel;
                        *lanes = Lanes::load(&self.points[at..at + LANES]);
                    }
                    let down = points_to_output(points);
                    for y in 0..STEP {
                        lines[y][px] = down[y];
                    }
                }
                for (y, line) in lines.iter().enumerate().take(rows) {
                    let pixels = points_to_output(*line);
                    for (x, pixel) in pixels.iter().enumerate().take(columns) {
                        let at = (y * out_w + column + x) * c_out + channel;
                        let mut sums = *pixel + bias;
                        if accumulate {
                            sums = sums + Lanes::load(&self.out[at..at + live]);
                        }
                        if let Some(residual) = residual {
                            sums = sums + Lanes::load(&residual[at..at + live]);
                        }
                        if relu {
                            sums = sums.relu();
                        }
                        sums.store(&mut self.out[at..at + live]);
                    }
                }
            }
        }
    }
}
