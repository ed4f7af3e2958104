//! Transforms of weights to the Winograd domain and of their gradients back; rounded only after both axes.

use super::transform::{LANES, weight_transform};
use super::{POINTS, SIDE};
use crate::isa::Job;

/// Which weights of `[c_out, c_in, 3, 3]` a product reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conv) enum Side {
    /// Columns are output channels, the depth input channels.
    Forward,
    /// Input and output channels exchanged, kernels rotated by 180 degrees: for the gradient of the input.
    Backward,
}

/// One panel of transformed weights, one segment per point.
pub(super) struct WeightTransform<'a> {
    pub weight: &'a [f32],
    /// Output and input channels of `weight`.
    pub channels: [usize; 2],
    pub side: Side,
    pub first: usize,
    pub live: usize,
    pub panel: &'a mut [f32],
}

/// The nine taps of some columns.
type Taps = [[f64; LANES]; 9];

impl Job for WeightTransform<'_> {
    #[inline(always)]
    fn run(self) {
        let [c_out, c_in] = self.channels;
        let (depth, column_stride, depth_stride) = match self.side {
            Side::Forward => (c_in, 9 * c_in, 9),
            Side::Backward => (c_out, 9, 9 * c_in),
        };
        let factors = weight_transform();
        let width = self.panel.len() / (POINTS * depth);
        for columns in (0..self.live).step_by(LANES) {
            let live = (self.live - columns).min(LANES);
            for k in 0..depth {
                let mut taps: Taps = [[0.0; LANES]; 9];
                for column in 0..live {
                    let at = (self.first + columns + column) * column_stride + k * depth_stride;
                    let nine: &[f32; 9] = self.weight[at..].first_chunk().unwrap_or(&[0.0; 9]);
                    for (tap, lanes) in taps.iter_mut().enumerate() {
                        lanes[column] =
                            f64::from(nine[if self.side == Side::Forward { tap } else { 8 - tap }]);
                    }
                }
                for (p, down) in factors.iter().enumerate() {
                    // Along each column of the kernel, then along the rows of the result.
                    let mut row = [[0.0; LANES]; 3];
                    for (x, sums) in row.iter_mut().enumerate() {
                        weighted([&taps[x], &taps[3 + x], &taps[6 + x]], down, sums);
                    }
                    let [a, b, c] = &row;
                    for (q, across) in factors.iter().enumerate() {
                        let mut sums = [0.0; LANES];
                        weighted([a, b, c], across, &mut sums);
                        let to = &mut self.panel[((p * SIDE + q) * depth + k) * width + columns..][..live];
                        match to.first_chunk_mut::<LANES>() {
                            Some(to) => to.iter_mut().zip(&sums).for_each(|(to, &x)| *to = x as f32),
                            None => (0..live).for_each(|i| to[i] = sums[i % LANES] as f32),
                        }
                    }
                }
            }
        }
    }
}

/// Transforms gradients in the Winograd domain, `[point][c_in][c_out]`, to gradients of the weights of some output
/// channels: the transpose of [`WeightTransform`].
pub(super) struct WeightGradientTransform<'a> {
    pub points: &'a [f32],
    /// Output and input channels of all weights.
    pub channels: [usize; 2],
    /// First output channel of `d_weight`.
    pub first: usize,
    /// `[c_out, c_in, 3, 3]`, at most [`LANES`] output channels of it.
    pub d_weight: &'a mut [f32],
}

impl Job for WeightGradientTransform<'_> {
    #[inline(always)]
    fn run(self) {
        let [c_out, c_in] = self.channels;
        let live = self.d_weight.len() / (9 * c_in);
        let factors = weight_transform();
        for k in 0..c_in {
            let mut across = [[[0.0f64; LANES]; 3]; SIDE];
            for (p, across) in across.iter_mut().enumerate() {
                for (q, factors) in factors.iter().enumerate() {
                    let from = &self.points[((p * SIDE + q) * c_in + k) * c_out + self.first..][..live];
                    let mut point = [0.0f64; LANES];
                    match from.first_chunk::<LANES>() {
                        Some(from) => point.iter_mut().zip(from).for_each(|(to, &x)| *to = f64::from(x)),
                        None => (0..live).for_each(|i| point[i % LANES] = f64::from(from[i])),
                    }
                    for (sum, factor) in across.iter_mut().zip(factors) {
                        sum.iter_mut().zip(&point).for_each(|(sum, x)| *sum += x * factor);
                    }
                }
            }
            for (tap, (y, x)) in (0..9).map(|tap| (tap, (tap / 3, tap % 3))) {
                let mut sums = [0.0f64; LANES];
                for (across, factors) in across.iter().zip(&factors) {
                    sums.iter_mut().zip(&across[x]).for_each(|(sum, a)| *sum += a * factors[y]);
                }
                for (column, sum) in sums.iter().enumerate().take(live) {
                    self.d_weight[(column * c_in + k) * 9 + tap] = *sum as f32;
                }
            }
        }
    }
}

/// `sums = a * factors[0] + b * factors[1] + c * factors[2]`.
#[inline(always)]
fn weighted([a, b, c]: [&[f64; LANES]; 3], factors: &[f64; 3], sums: &mut [f64; LANES]) {
    for i in 0..LANES {
        sums[i] = a[i] * factors[0] + b[i] * factors[1] + c[i] * factors[2];
    }
}
