//! Share of an image explained by a smooth ramp: all of a synthetic gradient, little of tissue.

use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::resample::{Resample, resample};

/// Side of the reduced copy that is fitted.
const SIDE_PX: usize = 64;

/// Largest sum of the exponents of both coordinates.
const DEGREE: i32 = 4;

/// Share of the variance of the image, in a copy of 64x64 pixels, that the best polynomial of fourth
/// degree in both coordinates explains; 1 for one grey value.
pub(super) fn explained(image: &GreyImage) -> f64 {
    let all = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
    let small = resample(image, &all, SIDE_PX, SIDE_PX, Resample::Area);
    let values: Vec<f64> = small.pixels.iter().map(|&v| f64::from(v)).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if total == 0.0 {
        return 1.0;
    }
    // The first basis function is the constant, which explains no variance.
    basis().iter().skip(1).map(|axis| dot(axis, &values).powi(2)).sum::<f64>() / total
}

/// An orthonormal basis of the polynomials on the grid of pixels, by Gram-Schmidt.
fn basis() -> Vec<Vec<f64>> {
    let place = |i: usize| 2.0 * i as f64 / (SIDE_PX - 1) as f64 - 1.0;
    let exponents = (0..=DEGREE).flat_map(|sum| (0..=sum).map(move |i| (i, sum - i)));
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for (i, j) in exponents {
        let term = |at: usize| place(at % SIDE_PX).powi(i) * place(at / SIDE_PX).powi(j);
        let mut values: Vec<f64> = (0..SIDE_PX * SIDE_PX).map(term).collect();
        for axis in &basis {
            let part = dot(axis, &values);
            values.iter_mut().zip(axis).for_each(|(value, axis)| *value -= part * axis);
        }
        let length = dot(&values, &values).sqrt();
        values.iter_mut().for_each(|value| *value /= length);
        basis.push(values);
    }
    basis
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(value: impl Fn(f64, f64) -> f64) -> GreyImage {
        let mut image = GreyImage::black(128, 128);
        for (i, v) in image.pixels.iter_mut().enumerate() {
            *v = value((i % 128) as f64 / 127.0, (i / 128) as f64 / 127.0) as u16;
        }
        image
    }

    #[test]
    fn a_ramp_is_explained_and_a_body_with_an_edge_is_not() {
        assert!(explained(&image(|x, y| 60_000.0 * x * x * (1.0 - y))) > 0.999);
        assert_eq!(explained(&image(|_, _| 9_000.0)), 1.0);
        let disc = explained(&image(|x, y| if x.hypot(y - 0.5) < 0.4 { 50_000.0 } else { 500.0 }));
        assert!((0.3..0.9).contains(&disc), "{disc}");
        let noise = |x: f64, y: f64| 30_000.0 + 20_000.0 * (9_973.0 * x + 7_919.0 * y).sin();
        assert!(explained(&image(noise)) < 0.1);
    }
}
