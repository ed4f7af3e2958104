//! How well an image agrees with its reflection at a vertical axis: a chest does, a breast does not.

/// Correlation of the pixels of `columns` columns, of which `width` make a row of the image, with
/// their reflection: column `x` beside column `twice_axis - 1 - x`, where both are in the image. 1 for
/// one grey value.
pub(super) fn correlation(pixels: &[f64], width: usize, twice_axis: usize) -> f64 {
    let columns = twice_axis.saturating_sub(width)..twice_axis.min(width);
    let rows = || pixels.chunks_exact(width).map(|row| &row[columns.clone()]);
    let n = (columns.len() * (pixels.len() / width)) as f64;
    let mean = rows().flatten().sum::<f64>() / n;
    let (mut product, mut square) = (0.0, 0.0);
    for row in rows() {
        for (a, b) in row.iter().zip(row.iter().rev()) {
            product += (a - mean) * (b - mean);
            square += (a - mean).powi(2);
        }
    }
    if square > 0.0 { product / square } else { 1.0 }
}

/// The largest [`correlation`] over axes from 35 to 65 % of the width.
pub(super) fn symmetry(pixels: &[f64], width: usize) -> f64 {
    let axis = |percent: usize| width * percent / 50;
    (axis(35)..=axis(65)).step_by(4).map(|axis| correlation(pixels, width, axis)).fold(-1.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_agrees_with_its_reflection_at_its_own_axis_alone() {
        // Two rows of twelve columns, symmetric about column 5.
        let row = [0.0, 0.0, 1.0, 2.0, 5.0, 5.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let pixels = [row, row].concat();
        assert!((correlation(&pixels, 12, 10) - 1.0).abs() < 1e-12);
        assert!(correlation(&pixels, 12, 12) < 0.7);
        assert_eq!(correlation(&[3.0; 24], 12, 12), 1.0);
        let ramp: Vec<f64> = (0..24).map(|i| f64::from(i % 12)).collect();
        assert!((correlation(&ramp, 12, 12) + 1.0).abs() < 1e-12);
        assert!((symmetry(&pixels, 12) - 1.0).abs() < 0.2, "{}", symmetry(&pixels, 12));
    }
}
