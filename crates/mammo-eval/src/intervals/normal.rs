//! The two numbers of the standard normal distribution that intervals and tests need.

use std::f64::consts::FRAC_1_SQRT_2;

/// The chance that a standard normal deviate lies farther than `|z|` from zero.
pub(crate) fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The `z` such that a standard normal deviate lies within `±z` with probability `level`.
///
/// Halves an interval until its ends are neighbours; `level` lies strictly between 0 and 1.
pub(crate) fn two_sided_z(level: f64) -> f64 {
    // Beyond 10 the tail is smaller than the spacing of `f64` below one.
    let (mut inside, mut outside) = (0.0, 10.0);
    for _ in 0..60 {
        let middle = 0.5 * (inside + outside);
        if two_sided_p(middle) > 1.0 - level { inside = middle } else { outside = middle }
    }
    0.5 * (inside + outside)
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
}
