//! From the standard error of a statistic to the ends of its interval.
//!
//! Percentile intervals have too low coverage when a model is good and cancers are few: the
//! distribution over the resamples is then skewed and depends on a few patients, and at the boundary
//! (no cancer missed) all resamples are equal. Therefore only the standard error comes from the
//! resamples, and the interval is computed on a [`Scale`] on which the statistic is about
//! symmetrically distributed. BCa intervals (Efron 1987) have lower coverage; `docs/evaluation.md`
//! reports the simulation.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::intervals::normal::two_sided_z;

/// A statistic with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Value in the sample itself.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence level, such as 0.95.
    pub level: f64,
    /// Number of resamples used.
    pub n_resamples: usize,
    /// Number of resamples that were redrawn or left out because the statistic had no value, as when
    /// no cancer was drawn. If there are many, the sample is too small for the interval.
    pub n_redrawn: usize,
}

/// The scale on which an interval is symmetric around its estimate.
///
/// `n_patients` is the number of patients with cases of the class of the statistic, or of the rarer
/// class if the statistic depends on both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Untransformed, with Student's t at `n_patients - 1` degrees of freedom: net benefit, which is
    /// unbounded.
    Open {
        /// Number of patients, as above.
        n_patients: usize,
    },
    /// A share of cases, between 0 and 1: Wilson's score interval (1927) for the number of
    /// independent cases that would have this standard error (Korn & Graubard 1998, Survey
    /// Methodology 24:193–201). For a standard error of 0 that number is `n_patients`.
    Share {
        /// Number of patients, as above.
        n_patients: usize,
        /// Distribution whose quantile is used.
        deviate: Deviate,
    },
    /// A mean over pairs or ranks, between 0 and `most`: symmetric in the logit, with Student's t at
    /// `n_patients - 1` degrees of freedom (Pepe 2003, section 5.2.4, for the logit). For a standard
    /// error of 0 as [`Share`](Self::Share).
    Area {
        /// Number of patients, as above.
        n_patients: usize,
        /// Its largest value.
        most: f64,
    },
}

/// The distribution of (estimate − true value) / standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deviate {
    /// Normal.
    Normal,
    /// Student's t; its degrees of freedom are the patients whose variance was estimated, minus one
    /// (Korn & Graubard 1998).
    Student {
        /// Number of those patients.
        n_patients: usize,
    },
}

impl Deviate {
    /// Half width of the interval at `level`, in standard errors.
    fn quantile(self, level: f64) -> f64 {
        match self {
            Self::Normal => two_sided_z(level),
            Self::Student { n_patients } => two_sided_t(level, n_patients),
        }
    }
}

impl Scale {
    /// A share with the normal quantile.
    pub fn share(n_patients: usize) -> Self {
        Self::Share { n_patients, deviate: Deviate::Normal }
    }

    /// An area between 0 and 1, which depends on both classes.
    pub fn area(patients_by_class: [usize; 2]) -> Self {
        Self::Area { n_patients: patients_by_class[0].min(patients_by_class[1]), most: 1.0 }
    }

    /// The ends of the interval at `level` around an estimate with this standard error.
    pub fn ends(self, estimate: f64, standard_error: f64, level: f64) -> (f64, f64) {
        match self {
            Self::Open { n_patients } => {
                let half_width = two_sided_t(level, n_patients) * standard_error;
                (estimate - half_width, estimate + half_width)
            }
            Self::Share { n_patients, deviate } => {
                wilson(estimate, standard_error, n_patients, deviate.quantile(level))
            }
            Self::Area { n_patients, most } => {
                let (share, standard_error) = (estimate / most, standard_error / most);
                let t = two_sided_t(level, n_patients);
                let ends = match standard_error > 0.0 {
                    true => on_logit_scale(share, t * standard_error),
                    false => None,
                };
                let (low, high) = ends.unwrap_or_else(|| wilson(share, standard_error, n_patients, t));
                (low * most, high * most)
            }
        }
    }
}

/// The interval around a share that is symmetric on the logit scale; `half_width` is that of the
/// symmetric interval on the scale of the share (delta method). `None` for a share of 0 or 1.
pub(crate) fn on_logit_scale(share: f64, half_width: f64) -> Option<(f64, f64)> {
    let spread = share * (1.0 - share);
    if spread <= 0.0 {
        return None;
    }
    let (logit, half_width) = ((share / (1.0 - share)).ln(), half_width / spread);
    let share_of = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    Some((share_of(logit - half_width), share_of(logit + half_width)))
}

/// Two-sided quantile of Student's t with `n - 1`, but at least one, degrees of freedom.
pub(crate) fn two_sided_t(level: f64, n: usize) -> f64 {
    let degrees_of_freedom = n.saturating_sub(1).max(1) as f64;
    match StudentsT::new(0.0, 1.0, degrees_of_freedom) {
        Ok(student) => student.inverse_cdf(0.5 * (1.0 + level)),
        Err(_) => unreachable!("at least one degree of freedom"),
    }
}

/// Wilson's interval for the number of independent cases with this standard error; it always
/// contains the share.
fn wilson(share: f64, standard_error: f64, n_patients: usize, z: f64) -> (f64, f64) {
    let variance = share * (1.0 - share);
    let n = match variance > 0.0 && standard_error > 0.0 {
        true => variance / standard_error.powi(2),
        false => n_patients.max(1) as f64,
    };
    let z2 = z * z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half_width = z / (1.0 + z2 / n) * (variance.max(0.0) / n + z2 / (4.0 * n * n)).sqrt();
    // With rounding an end could otherwise lie on the wrong side of a share of 0 or 1.
    ((centre - half_width).max(0.0).min(share), (centre + half_width).min(1.0).max(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Proportion;

    #[test]
    fn a_share_of_independent_cases_has_wilsons_interval() {
        for (successes, n) in [(7, 9), (0, 12), (12, 12), (400, 1000)] {
            let share = successes as f64 / n as f64;
            let standard_error = (share * (1.0 - share) / n as f64).sqrt();
            let (low, high) = Scale::share(n).ends(share, standard_error, 0.95);
            let wilson = Proportion::wilson(successes, n, 0.95).unwrap();
            assert!((low - wilson.low).abs() < 1e-12 && (high - wilson.high).abs() < 1e-12, "{low} {high}");
        }
    }

    #[test]
    fn an_area_stays_within_its_range_and_widens_with_fewer_patients() {
        let few = Scale::area([6, 40]).ends(0.97, 0.02, 0.95);
        let many = Scale::area([600, 400]).ends(0.97, 0.02, 0.95);
        assert!(few.0 < many.0 && many.0 < 0.97 && 0.97 < many.1 && many.1 < few.1 && few.1 < 1.0);
        // scipy.stats.t.ppf(0.975, 5), scipy.special.expit(logit(0.97) -+ t * 0.02 / (0.97 * 0.03)).
        assert!((two_sided_t(0.95, 6) - 2.570_581_835_636_314).abs() < 1e-9);
        assert!((few.0 - 0.846_755_3).abs() < 1e-6 && (few.1 - 0.994_742_5).abs() < 1e-6, "{few:?}");
        let perfect = Scale::area([6, 40]).ends(1.0, 0.0, 0.95);
        assert!(perfect.0 > 0.4 && perfect.0 < 0.6 && perfect.1 == 1.0, "{perfect:?}");
        // An area that rounding has pushed past its largest value.
        let (low, high) = Scale::Area { n_patients: 6, most: 0.2 }.ends(0.2 + 1e-16, 0.0, 0.95);
        assert!(low < high && high >= 0.2, "{low} {high}");
        let part = Scale::Area { n_patients: 6, most: 0.2 }.ends(0.97 * 0.2, 0.02 * 0.2, 0.95);
        assert!((part.0 - 0.2 * few.0).abs() < 1e-12 && (part.1 - 0.2 * few.1).abs() < 1e-12);
    }
}
