//! Pooling of channels-last images.

use rayon::prelude::*;

use crate::conv::ConvShape;
use crate::isa::{Isa, Job};
use crate::operand::Operand;

/// Max pooling with the windows of `shape`, whose input and output channels are equal. `argmax` receives the number
/// of the tap that held the maximum, the first of equals. Padding is never the maximum.
///
/// # Panics
/// When the length of a slice does not match `shape`.
pub fn max_pool<T: Operand>(isa: Isa, shape: &ConvShape, x: &[T], out: &mut [T], argmax: &mut [u8]) {
    assert!(shape.c_in == shape.c_out && shape.taps() < 255, "pooling of {shape:?}");
    assert!(x.len() == shape.input_len() && out.len() == shape.output_len() && argmax.len() == out.len());
    let line = shape.out_w() * shape.c_out;
    let image = shape.h * shape.w * shape.c_in;
    out.par_chunks_mut(line).zip(argmax.par_chunks_mut(line)).enumerate().for_each(|(row, (out, argmax))| {
        let (n, row) = (row / shape.out_h(), row % shape.out_h());
        let x = &x[n * image..(n + 1) * image];
        isa.run(MaxPoolRow { shape, row, x, first_row: 0, out, argmax: Some(argmax) });
    });
}

/// One output row of [`max_pool`] of one image.
pub(crate) struct MaxPoolRow<'a, T> {
    pub shape: &'a ConvShape,
    pub row: usize,
    /// The image from row `first_row` on, at least the rows under the windows.
    pub x: &'a [T],
    pub first_row: usize,
    pub out: &'a mut [T],
    pub argmax: Option<&'a mut [u8]>,
}

impl<T: Operand> Job for MaxPoolRow<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (shape, c) = (self.shape, self.shape.c_out);
        let skipped = self.first_row * shape.w * c;
        let mut argmax = self.argmax.map(|argmax| argmax.chunks_exact_mut(c));
        for (ox, best) in self.out.chunks_exact_mut(c).enumerate() {
            best.fill(T::from_f32(f32::NEG_INFINITY));
            let mut argmax = argmax.as_mut().and_then(Iterator::next);
            for tap in 0..shape.taps() {
                let at = shape.input_at(0, self.row, ox, tap / shape.kernel, tap % shape.kernel);
                let Some(at) = at.map(|at| at - skipped) else { continue };
                let x = self.x[at..at + c].iter();
                match &mut argmax {
                    None => {
                        for (&x, best) in x.zip(&mut *best) {
                            *best = if x.to_f32() > best.to_f32() { x } else { *best };
                        }
                    }
                    Some(argmax) => {
                        for ((&x, best), argmax) in x.zip(&mut *best).zip(&mut **argmax) {
                            let larger = x.to_f32() > best.to_f32();
                            *best = if larger { x } else { *best };
                            *argmax = if larger { tap as u8 } else { *argmax };
                        }
                    }
                }
            }
        }
    }
}

/// Backward pass of [`max_pool`]: each output's gradient goes to the input that was the maximum.
pub fn max_pool_backward<T: Operand>(
    isa: Isa,
    shape: &ConvShape,
    d_out: &[T],
    argmax: &[u8],
    d_in: &mut [T],
) {
    assert!(
        d_in.len() == shape.input_len() && d_out.len() == shape.output_len() && argmax.len() == d_out.len()
    );
    d_in.par_chunks_mut(shape.w * shape.c_in).enumerate().for_each(|(row, d_in)| {
        isa.run(MaxPoolBackwardRow { shape, row, d_out, argmax, d_in });
    });
}

/// One input row of [`max_pool_backward`]: the sum over the windows that cover it.
struct MaxPoolBackwardRow<'a, T> {
    shape: &'a ConvShape,
    row: usize,
    d_out: &'a [T],
    argmax: &'a [u8],
    d_in: &'a mut [T],
}

impl<T: Operand> Job for MaxPoolBackwardRow<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (shape, c) = (self.shape, self.shape.c_in);
        let (n, y) = (self.row / shape.h, self.row % shape.h + shape.pad.top);
        self.d_in.fill(T::default());
        for ky in (0..shape.kernel.min(y + 1)).filter(|ky| (y - ky).is_multiple_of(shape.stride)) {
            let oy = (y - ky) / shape.stride;
            if oy >= shape.out_h() {
                continue;
            }
            for (ox, kx) in (0..shape.out_w()).flat_map(|ox| (0..shape.kernel).map(move |kx| (ox, kx))) {
                let x = (ox * shape.stride + kx).wrapping_sub(shape.pad.left);
                if x >= shape.w {
                    continue;
                }
                let at = ((n * shape.out_h() + oy) * shape.out_w() + ox) * c;
                let tap = (ky * shape.kernel + kx) as u8;
                let given = self.d_out[at..at + c].iter().zip(&self.argmax[at..at + c]);
                for (to, (d, &argmax)) in self.d_in[x * c..(x + 1) * c].iter_mut().zip(given) {
                    let d = if argmax == tap { d.to_f32() } else { 0.0 };
                    *to = T::from_f32(to.to_f32() + d);
                }
            }
        }
    }
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

/// Backward pass of [`mean_over_space`]: every pixel receives an equal share.
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
    fn the_maximum_is_pooled_and_receives_the_gradient() {
        let shape = ConvShape { n: 1, h: 3, w: 4, c_in: 1, c_out: 1, kernel: 3, stride: 2, pad: Pad::all(1) };
        let x: Vec<f32> = vec![-3.0, -1.0, -2.0, -9.0, -4.0, -5.0, -6.0, -7.0, 1.0, 0.5, 2.0, 3.0];
        let (mut out, mut argmax) = (vec![0.0; 4], vec![9; 4]);
        max_pool(Isa::best(), &shape, &x, &mut out, &mut argmax);
        assert_eq!(out, [-1.0, -1.0, 1.0, 3.0]);
        let mut d_in = vec![7.0; 12];
        max_pool_backward(Isa::best(), &shape, &[1.0, 2.0, 4.0, 8.0], &argmax, &mut d_in);
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
