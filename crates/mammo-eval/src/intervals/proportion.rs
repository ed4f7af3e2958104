//! Proportions with Wilson's score interval.

use serde::{Deserialize, Serialize};

use crate::intervals::normal::two_sided_z;
use crate::{Error, Result};

/// `successes` out of `n`, with Wilson's score interval.
///
/// Wilson (1927, J. Am. Stat. Assoc. 22:209–212) keeps its coverage near 0 and 1 and in small
/// samples, where `p ± z·√(p(1−p)/n)` collapses. It assumes independent cases;
/// with several images per patient the interval is too short.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// `successes / n`.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Number of successes.
    pub successes: usize,
    /// Number of cases.
    pub n: usize,
}

impl Proportion {
    /// The proportion and its interval at `level`, such as 0.95.
    ///
    /// # Errors
    /// [`Error::Undefined`] when there are no cases, [`Error::Setting`] when `level` is not
    /// strictly between 0 and 1.
    ///
    /// # Panics
    /// When there are more successes than cases.
    pub fn wilson(successes: usize, n: usize, level: f64) -> Result<Self> {
        assert!(successes <= n, "{successes} successes among {n} cases");
        check_level(level)?;
        if n == 0 {
            return Err(Error::Undefined { statistic: "proportion", reason: "there are no cases".into() });
        }
        let (cases, estimate) = (n as f64, successes as f64 / n as f64);
        let z2 = two_sided_z(level).powi(2);
        let centre = (estimate + z2 / (2.0 * cases)) / (1.0 + z2 / cases);
        let half_width = (z2 * (estimate * (1.0 - estimate) / cases + z2 / (4.0 * cases * cases))).sqrt()
            / (1.0 + z2 / cases);
        // With no successes or only successes one end is 0 or 1; set it exactly.
        let low = if successes == 0 { 0.0 } else { centre - half_width };
        let high = if successes == n { 1.0 } else { centre + half_width };
        Ok(Self { estimate, low, high, successes, n })
    }
}

/// Checks that a confidence level lies in `(0, 1)`.
pub(crate) fn check_level(level: f64) -> Result<()> {
    if level > 0.0 && level < 1.0 {
        Ok(())
    } else {
        Err(Error::setting("level", level.to_string(), "a confidence level between 0 and 1, such as 0.95"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cases_have_no_proportion() {
        assert!(matches!(Proportion::wilson(0, 0, 0.95), Err(Error::Undefined { .. })));
        assert!(matches!(Proportion::wilson(1, 2, 95.0), Err(Error::Setting { .. })));
        assert!(matches!(Proportion::wilson(1, 2, f64::NAN), Err(Error::Setting { .. })));
    }

    #[test]
    fn the_interval_mirrors_when_success_and_failure_change_places() {
        let few = Proportion::wilson(3, 17, 0.9).unwrap();
        let many = Proportion::wilson(14, 17, 0.9).unwrap();
        assert!((few.low + many.high - 1.0).abs() < 1e-15 && (few.high + many.low - 1.0).abs() < 1e-15);
        assert_eq!(Proportion::wilson(0, 17, 0.9).unwrap().low, 0.0);
        assert_eq!(Proportion::wilson(17, 17, 0.9).unwrap().high, 1.0);
    }
}
