//! The standard normal distribution: two-sided p-value and two-sided quantile.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use statrs::function::erf::erfc_inv;

/// Two-sided p-value: `P(|Z| > |z|)`.
pub(crate) fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// Two-sided quantile: the `z` with `P(|Z| <= z) = level`; `level` lies strictly between 0 and 1.
///
/// This is `Normal::inverse_cdf` of statrs at `0.5 * (1 + level)`, computed from the upper tail so
/// that levels close to 1 lose no digits.
pub(crate) fn two_sided_z(level: f64) -> f64 {
    SQRT_2 * erfc_inv(1.0 - level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_quantiles_come_back() {
        for (level, z) in
            [(0.9, 1.644_853_626_951_472_2), (0.95, 1.959_963_984_540_054), (0.99, 2.575_829_303_548_900_4)]
        {
            assert!((two_sided_z(level) - z).abs() < 1e-12, "{level}");
            assert!((two_sided_p(-z) - (1.0 - level)).abs() < 1e-13, "{level}");
        }
    }

    /// The quantile by bisection of [`two_sided_p`], an independent function of the crate `libm`.
    fn bisected(level: f64) -> f64 {
        let (mut inside, mut outside) = (0.0, 10.0);
        for _ in 0..60 {
            let middle = 0.5 * (inside + outside);
            if two_sided_p(middle) > 1.0 - level { inside = middle } else { outside = middle }
        }
        0.5 * (inside + outside)
    }

    #[test]
    fn the_quantile_is_the_inverse_of_the_p_value() {
        let levels = (1..1000).map(|i| f64::from(i) / 1000.0).chain([1e-6, 0.9999, 0.999_999, 1.0 - 1e-12]);
        for level in levels {
            let (z, expected) = (two_sided_z(level), bisected(level));
            assert!((z - expected).abs() < 1e-12, "{level}: {z} and {expected}");
        }
    }
}
