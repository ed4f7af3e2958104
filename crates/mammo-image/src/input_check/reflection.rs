//! Symmetry about a vertical axis: a chest radiograph is symmetric, a mammogram is not.

/// The share of the variance of an image, whose rows have `width` pixels, that agrees with its
/// reflection: column `x` beside column `twice_axis - 1 - x`, where both are in the image. At the
/// middle axis this is the correlation of the image with its mirror image. 1 for one grey value.
fn agreement(pixels: &[f64], width: usize, twice_axis: usize) -> f64 {
    let mean = pixels.iter().sum::<f64>() / pixels.len() as f64;
    let variance: f64 = pixels.iter().map(|value| (value - mean).powi(2)).sum();
    let columns = twice_axis.saturating_sub(width)..twice_axis.min(width);
    let agreeing = |row: &[f64]| -> f64 {
        let row = &row[columns.clone()];
        row.iter().zip(row.iter().rev()).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    if variance > 0.0 { pixels.chunks_exact(width).map(agreeing).sum::<f64>() / variance } else { 1.0 }
}

/// The largest [`agreement`] over axes from 35 to 65 % of the width.
pub(super) fn symmetry(pixels: &[f64], width: usize) -> f64 {
    let twice_axis = |percent: usize| width * percent / 50;
    let axes = (twice_axis(35)..=twice_axis(65)).step_by(4);
    axes.map(|axis| agreement(pixels, width, axis)).fold(-1.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_agrees_with_its_reflection_at_its_own_axis_alone() {
        // Two rows of forty columns: a peak of 20 columns, symmetric about column 16.
        let row: Vec<f64> = (0..40).map(|x| (10.0 - (f64::from(x) - 15.5).abs()).max(0.0)).collect();
        let pixels = [row.clone(), row].concat();
        // The columns from 32 on have no counterpart and the rest of the variance.
        assert!(agreement(&pixels, 40, 32) > 0.85, "{}", agreement(&pixels, 40, 32));
        assert!(agreement(&pixels, 40, 40) < 0.3, "{}", agreement(&pixels, 40, 40));
        assert_eq!(symmetry(&pixels, 40), agreement(&pixels, 40, 32));
        assert_eq!(agreement(&[3.0; 24], 12, 12), 1.0);
        let ramp: Vec<f64> = (0..24).map(|i| f64::from(i % 12)).collect();
        assert!((agreement(&ramp, 12, 12) + 1.0).abs() < 1e-12);
    }
}
