//! Resampling of a rectangle of a grey image to another size.
//!
//! One separable filter implements three kernels that differ only in their weights. Not
//! `fast_image_resize`: reducing a mammogram needs exact area averaging, so that the contrast of a
//! calcification does not depend on its position relative to the output grid, and the box filter of
//! that crate counts whole pixels only.

use serde::{Deserialize, Serialize};

use crate::geometry::Rect;
use crate::image::GreyImage;
use crate::image::GreyView;

/// The resampling kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resample {
    /// Reduction: the mean over the covered area, partial pixels weighted by their area (OpenCV's
    /// `INTER_AREA`). Enlargement: bilinear.
    #[default]
    Area,
    /// A triangle filter of the width of an output pixel, at least of an input pixel: antialiased for
    /// reduction (as in Pillow), bilinear for enlargement.
    Bilinear,
    /// Four input pixels per axis with a = -0.75 at every scale, so reduction aliases. The method of
    /// the paper's code (OpenCV's `INTER_CUBIC`); for comparison with the paper only.
    Cubic,
}

/// The weights of one output position: `weights[range]` apply to source positions from `first` on.
struct Taps {
    first: usize,
    range: std::ops::Range<usize>,
}

/// The weights of a whole axis.
struct Axis {
    taps: Vec<Taps>,
    weights: Vec<f32>,
}

impl Axis {
    /// Weights that map `start..start + length` of `source_len` pixels to `output_len` pixels.
    /// Positions outside the source take its border pixel.
    fn new(kernel: Resample, source_len: usize, start: f64, length: f64, output_len: usize) -> Self {
        let scale = length / output_len as f64;
        let last = source_len as i64 - 1;
        let (mut taps, mut weights) = (Vec::with_capacity(output_len), Vec::new());
        for i in 0..output_len {
            let (from, to) = (start + i as f64 * scale, start + (i + 1) as f64 * scale);
            let (centre, radius) = ((from + to) / 2.0, kernel.radius(scale));
            let low = (centre - radius).floor() as i64;
            let high = ((centre + radius).ceil() as i64).max(low + 1);
            let first = low.clamp(0, last);
            let begin = weights.len();
            weights.resize(begin + (high - 1).clamp(first, last) as usize + 1 - first as usize, 0.0_f32);
            let mut sum = 0.0;
            for position in low..high {
                let weight = kernel.weight(position as f64, centre, scale);
                weights[begin + (position.clamp(first, last) - first) as usize] += weight as f32;
                sum += weight;
            }
            weights[begin..].iter_mut().for_each(|weight| *weight /= sum as f32);
            taps.push(Taps { first: first as usize, range: begin..weights.len() });
        }
        Self { taps, weights }
    }
}

impl Axis {
    /// The range of source positions with a weight.
    fn span(&self) -> std::ops::Range<usize> {
        let first = self.taps.iter().map(|taps| taps.first).min().unwrap_or(0);
        let end = self.taps.iter().map(|taps| taps.first + taps.range.len()).max().unwrap_or(0);
        first..end
    }
}

impl Resample {
    fn radius(self, scale: f64) -> f64 {
        match self {
            Self::Area if scale > 1.0 => scale / 2.0,
            Self::Area | Self::Bilinear => scale.max(1.0),
            Self::Cubic => 2.0,
        }
    }

    /// Weight of the source pixel that covers `position..position + 1`.
    fn weight(self, position: f64, centre: f64, scale: f64) -> f64 {
        let distance = (position + 0.5 - centre).abs();
        match self {
            Self::Area if scale > 1.0 => {
                let (from, to) = (centre - scale / 2.0, centre + scale / 2.0);
                ((position + 1.0).min(to) - position.max(from)).max(0.0)
            }
            Self::Area | Self::Bilinear => (1.0 - distance / scale.max(1.0)).max(0.0),
            Self::Cubic => cubic(distance),
        }
    }
}

/// Keys' cubic convolution kernel with a = -0.75.
fn cubic(distance: f64) -> f64 {
    const A: f64 = -0.75;
    let d = distance;
    if d <= 1.0 {
        ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A
    } else {
        0.0
    }
}

/// The rectangle `from` of `image`, resampled to `width` x `height` pixels.
///
/// `from` may have fractional edges and may extend beyond the border, where border pixels are
/// repeated.
///
/// # Panics
/// When the image or the output has no pixels, or `from` has no area.
pub fn resample<'a>(
    image: impl Into<GreyView<'a>>,
    from: &Rect,
    width: usize,
    height: usize,
    kernel: Resample,
) -> GreyImage {
    let image = image.into();
    assert!(!image.pixels.is_empty() && width > 0 && height > 0, "an empty image cannot be resampled");
    assert!(from.area() > 0.0, "an empty rectangle cannot be resampled: {from:?}");
    let columns = Axis::new(kernel, image.width, from.x, from.width, width);
    let rows = Axis::new(kernel, image.height, from.y, from.height, height);
    let mut output = GreyImage::black(width, height);
    // The vertical pass comes first, so that the inner loop runs over contiguous pixels, restricted
    // to the columns in use.
    let span = columns.span();
    let mut mixed = vec![0.0_f32; image.width];
    let mixed = &mut mixed[..span.end];
    for (row, line) in rows.taps.iter().zip(output.pixels.chunks_exact_mut(width)) {
        let mixed_span = &mut mixed[span.clone()];
        mixed_span.fill(0.0);
        for (source, &weight) in (row.first..).zip(&rows.weights[row.range.clone()]) {
            let start = source * image.width;
            mixed_span
                .iter_mut()
                .zip(&image.pixels[start + span.start..start + span.end])
                .for_each(|(sum, &v)| *sum += weight * f32::from(v));
        }
        for (column, pixel) in columns.taps.iter().zip(line) {
            let weights = &columns.weights[column.range.clone()];
            let values = &mixed[column.first..column.first + weights.len()];
            let value: f32 = weights.iter().zip(values).map(|(weight, value)| weight * value).sum();
            // The cast saturates, which clips the overshoot of the cubic kernel.
            *pixel = (value + 0.5) as u16;
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: usize, values: &[u16]) -> GreyImage {
        GreyImage { width, height: values.len() / width, pixels: values.to_vec() }
    }

    fn whole(image: &GreyImage) -> Rect {
        Rect::new(0.0, 0.0, image.width as f64, image.height as f64)
    }

    #[test]
    fn area_averages_whole_and_partial_pixels() {
        let row = image(3, &[300, 600, 900]);
        // Three pixels to two: each takes one pixel and half of the middle one.
        assert_eq!(resample(&row, &whole(&row), 2, 1, Resample::Area).pixels, [400, 800]);
        let square = image(2, &[0, 100, 200, 300]);
        assert_eq!(resample(&square, &whole(&square), 1, 1, Resample::Area).pixels, [150]);
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let source = image(3, &[5, 65535, 17, 0, 1, 40000]);
        for kernel in [Resample::Area, Resample::Bilinear, Resample::Cubic] {
            assert_eq!(resample(&source, &whole(&source), 3, 2, kernel), source, "{kernel:?}");
        }
    }

    #[test]
    fn a_constant_stays_constant_at_every_scale() {
        let source = image(7, &[12345; 35]);
        for kernel in [Resample::Area, Resample::Bilinear, Resample::Cubic] {
            for (width, height) in [(2, 3), (7, 5), (20, 31)] {
                let result = resample(&source, &Rect::new(0.3, -0.2, 6.1, 5.4), width, height, kernel);
                let worst = result.pixels.iter().map(|v| v.abs_diff(12345)).max();
                assert!(worst <= Some(1), "{kernel:?} {width}x{height}: {worst:?}");
            }
        }
    }

    #[test]
    fn area_keeps_the_mean() {
        let values: Vec<u16> = (0..35_u32).map(|i| (i * i * 7919 % 65536) as u16).collect();
        let source = image(7, &values);
        let mean = |v: &[u16]| v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
        let small = resample(&source, &whole(&source), 3, 2, Resample::Area);
        assert!((mean(&small.pixels) - mean(&values)).abs() < 1.0);
    }

    /// Outside oracle: `cv2.resize` of OpenCV 5.0.0 on `v[i] = i * i * 7919 % 65536`, 9x7 `uint16`.
    #[test]
    fn area_and_cubic_agree_with_opencv() {
        let values: Vec<u16> = (0..63_u32).map(|i| (i * i * 7919 % 65536) as u16).collect();
        let source = image(9, &values);
        let check = |kernel, width, row: usize, expected: &[u16]| {
            let height = if width == 4 { 3 } else { 10 };
            let result = resample(&source, &whole(&source), width, height, kernel);
            let worst = result.row(row).iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "{kernel:?}: {:?}, expected {expected:?}", result.row(row));
        };
        check(Resample::Area, 4, 0, &[19385, 28126, 28996, 51122]);
        check(Resample::Area, 4, 1, &[28848, 33433, 32229, 33556]);
        check(Resample::Cubic, 4, 0, &[11769, 21771, 26520, 65535]);
        check(Resample::Cubic, 4, 2, &[39596, 32429, 16050, 43729]);
        let enlarged = [0, 34048, 49493, 33874, 39518, 18703, 28380, 59235, 45673, 45060, 29381, 5937];
        check(Resample::Cubic, 12, 4, &enlarged);
    }
}
