//! Pooling of channels-last images.

use rayon::prelude::*;

use crate::conv::ConvShape;
use crate::isa::{Isa, Job};
use crate::operand::Operand;

/// Largest value under each window of `shape` (whose channels in and out are equal), with the
/// number of the tap that held it; the first one of equals. Padding is never the largest.
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn max_pool<T: Operand>(isa: Isa, shape: &ConvShape, x: &[T], out: &mut [T], taken: &mut [u8]) {
    assert!(shape.c_in == shape.c_out && shape.taps() < 255, "pooling of {shape:?}");
    assert!(x.len() == shape.input_len() && out.len() == shape.output_len() && taken.len() == out.len());
    let line = shape.out_w() * shape.c_out;
    out.par_chunks_mut(line).zip(taken.par_chunks_mut(line)).enumerate().for_each(|(row, (out, taken))| {
        let (n, oy) = (row / shape.out_h(), row % shape.out_h());
        for ox in 0..shape.out_w() {
            let range = ox * shape.c_out..(ox + 1) * shape.c_out;
            let (best, taken) = (&mut out[range.clone()], &mut taken[range]);
            best.fill(T::from_f32(f32::NEG_INFINITY));
            for tap in 0..shape.taps() {
                if let Some(at) = shape.input_at(n, oy, ox, tap / shape.kernel, tap % shape.kernel) {
                    isa.run(Larger { x: &x[at..at + shape.c_in], tap: tap as u8, best, taken });
                }
            }
        }
    });
}

struct Larger<'a, T> {
    x: &'a [T],
    tap: u8,
    best: &'a mut [T],
    taken: &'a mut [u8],
}

impl<T: Operand> Job for Larger<'_, T> {
    #[inline(always)]
    fn run(self) {
        for ((&x, best), taken) in self.x.iter().zip(self.best).zip(self.taken) {
            let larger = x.to_f32() > best.to_f32();
            *best = if larger { x } else { *best };
            *taken = if larger { self.tap } else { *taken };
        }
    }
}

/// Gradient of [`max_pool`]: each output's goes to the input that was taken.
pub fn max_pool_backward<T: Operand>(shape: &ConvShape, d_out: &[T], taken: &[u8], d_in: &mut [T]) {
    assert!(
        d_in.len() == shape.input_len() && d_out.len() == shape.output_len() && taken.len() == d_out.len()
    );
    let (image_in, image_out) = (shape.input_len() / shape.n, shape.output_len() / shape.n);
    d_in.par_chunks_mut(image_in).enumerate().for_each(|(n, d_in)| {
        d_in.fill(T::default());
        let outputs = n * image_out..(n + 1) * image_out;
        for (i, (d, &tap)) in d_out[outputs.clone()].iter().zip(&taken[outputs]).enumerate() {
            let (pixel, c) = (i / shape.c_out, i % shape.c_out);
            let (oy, ox) = (pixel / shape.out_w(), pixel % shape.out_w());
            let (ky, kx) = (usize::from(tap) / shape.kernel, usize::from(tap) % shape.kernel);
            if let Some(at) = shape.input_at(0, oy, ox, ky, kx) {
                d_in[at + c] = T::from_f32(d_in[at + c].to_f32() + d.to_f32());
            }
        }
    });
}

/// Mean over rows and columns: `[n, pixels, c]` to `[n, c]`.
pub fn mean_over_space<T: Operand>(n: usize, channels: usize, x: &[T]) -> Vec<f32> {
    let image = x.len() / n;
    let pixels = (image / channels) as f32;
    let mut means = vec![0.0f32; n * channels];
    means.par_chunks_mut(channels).zip(x.par_chunks(image)).for_each(|(mean, x)| {
        for pixel in x.chunks_exact(channels) {
            for (m, x) in mean.iter_mut().zip(pixel) {
                *m += x.to_f32();
            }
        }
        mean.iter_mut().for_each(|m| *m /= pixels);
    });
    means
}

/// Gradient of [`mean_over_space`]: shared equally by all pixels.
pub fn mean_over_space_backward<T: Operand>(channels: usize, d_mean: &[f32], d_x: &mut [T]) {
    let image = d_x.len() / (d_mean.len() / channels);
    let pixels = (image / channels) as f32;
    d_x.par_chunks_mut(image).zip(d_mean.par_chunks(channels)).for_each(|(d_x, d_mean)| {
        let share: Vec<T> = d_mean.iter().map(|d| T::from_f32(d / pixels)).collect();
        d_x.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&share));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::Pad;

    #[test]
    fn the_largest_is_taken_and_gets_the_gradient() {
        let shape = ConvShape { n: 1, h: 3, w: 4, c_in: 1, c_out: 1, kernel: 3, stride: 2, pad: Pad::all(1) };
        let x: Vec<f32> = vec![-3.0, -1.0, -2.0, -9.0, -4.0, -5.0, -6.0, -7.0, 1.0, 0.5, 2.0, 3.0];
        let (mut out, mut taken) = (vec![0.0; 4], vec![9; 4]);
        max_pool(Isa::best(), &shape, &x, &mut out, &mut taken);
        assert_eq!(out, [-1.0, -1.0, 1.0, 3.0]);
        let mut d_in = vec![7.0; 12];
        max_pool_backward(&shape, &[1.0, 2.0, 4.0, 8.0], &taken, &mut d_in);
        assert_eq!(d_in, [0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 8.0]);
    }

    #[test]
    fn mean_and_its_gradient() {
        let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert_eq!(mean_over_space(2, 2, &x), [2.0, 3.0, 8.0, 9.0]);
        let mut d_x = vec![0.0f32; 12];
        mean_over_space_backward(2, &[3.0, 6.0, 9.0, 12.0], &mut d_x);
        assert_eq!(d_x, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 3.0, 4.0]);
    }
}
