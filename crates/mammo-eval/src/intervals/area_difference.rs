//! The interval and the p-value of a difference of two areas over the same cases.
//!
//! For areas near 1, the estimated difference and its standard error depend on the same few cancers
//! that the two models rank differently, so that a small difference comes with too small a standard
//! error. Therefore half the length of each area's own interval ([`Scale::Area`]) takes the place of
//! its standard error, and the two are combined with the correlation of the areas: the method of
//! variance estimates recovery (Zou & Donner 2008, Stat. Med. 27:1693–1702). Unlike theirs, the
//! interval is symmetric, so that two models with nearly equal rankings have a difference near 0 with
//! a short interval. docs/evaluation.md reports the simulated coverage.

use crate::intervals::bootstrap::Spread;
use crate::intervals::interval::{Scale, two_sided_t};

/// Smallest p-value reported: `1 - p` must still differ from 1 in `f64`.
const SMALLEST_P: f64 = 1e-15;

/// An area with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Its standard error.
    pub standard_error: f64,
}

/// Two areas over the same cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedAreas {
    /// Of the first model.
    pub first: Area,
    /// Of the second model.
    pub second: Area,
    /// Standard error of the difference, which accounts for the correlation of the two areas.
    pub standard_error: f64,
    /// Patients in the rarer class.
    pub n_patients: usize,
}

impl PairedAreas {
    /// From the standard errors of first area, second area and difference over the same resamples.
    pub fn of_spreads([first, second, difference]: [Spread; 3], patients_by_class: [usize; 2]) -> Self {
        let area = |of: Spread| Area { auc: of.estimate, standard_error: of.standard_error };
        let n_patients = patients_by_class[0].min(patients_by_class[1]);
        let (first, second) = (area(first), area(second));
        Self { first, second, standard_error: difference.standard_error, n_patients }
    }

    /// Second area minus first area.
    pub fn difference(&self) -> f64 {
        self.second.auc - self.first.auc
    }

    /// The ends of the interval of the difference at `level`.
    pub fn ends(&self, level: f64) -> (f64, f64) {
        let half_width = self.half_width(level);
        (self.difference() - half_width, self.difference() + half_width)
    }

    /// Two-sided p-value: one minus the level at which the interval begins to contain 0, so that
    /// interval and test always agree. At least 1e-15.
    pub fn p_value(&self) -> f64 {
        let difference = self.difference().abs();
        // Bisection of ln p: the half width depends on the level through a logit and a t quantile,
        // so that p has no closed form.
        let (mut smaller, mut larger) = (SMALLEST_P.ln(), 0.0_f64);
        for _ in 0..60 {
            let middle = 0.5 * (smaller + larger);
            let holds_zero = self.half_width(-middle.exp_m1()) >= difference;
            if holds_zero { smaller = middle } else { larger = middle }
        }
        larger.exp()
    }

    fn half_width(&self, level: f64) -> f64 {
        let length = |area: Area| {
            let scale = Scale::Area { n_patients: self.n_patients, most: 1.0 };
            let (low, high) = scale.ends(area.auc, area.standard_error, level);
            0.5 * (high - low)
        };
        let (a, b) = (length(self.first), length(self.second));
        let joined = (a * a + b * b - 2.0 * self.correlation() * a * b).max(0.0).sqrt();
        joined.max(two_sided_t(level, self.n_patients) * self.standard_error)
    }

    /// Correlation of the two areas; 0 if one has no variance.
    fn correlation(&self) -> f64 {
        let (a, b) = (self.first.standard_error, self.second.standard_error);
        if a * b <= 0.0 {
            return 0.0;
        }
        ((a * a + b * b - self.standard_error.powi(2)) / (2.0 * a * b)).clamp(-1.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intervals::normal::two_sided_p;

    fn areas(first: [f64; 2], second: [f64; 2], standard_error: f64, n_patients: usize) -> PairedAreas {
        let area = |[auc, standard_error]: [f64; 2]| Area { auc, standard_error };
        PairedAreas { first: area(first), second: area(second), standard_error, n_patients }
    }

    #[test]
    fn with_many_patients_it_is_the_normal_test() {
        let many = areas([0.8, 0.004], [0.81, 0.004], 0.005, 4000);
        let (low, high) = many.ends(0.95);
        assert!((low - (0.01 - 1.96 * 0.005)).abs() < 2e-5 && (high - (0.01 + 1.96 * 0.005)).abs() < 2e-5);
        assert!((many.p_value() - two_sided_p(2.0)).abs() < 3e-4, "{}", many.p_value());
    }

    #[test]
    fn p_value_and_interval_agree() {
        for second in [0.9, 0.93, 0.95, 0.99] {
            let few = areas([0.88, 0.05], [second, 0.04], 0.035, 9);
            let p = few.p_value();
            let (low, high) = few.ends(1.0 - p);
            assert!(low.abs().min(high.abs()) < 1e-9, "{second}: {low} to {high} at p = {p}");
            let turned = PairedAreas { first: few.second, second: few.first, ..few };
            assert_eq!(turned.p_value(), p);
        }
        assert!(areas([0.6, 0.01], [0.9, 0.01], 0.01, 1000).p_value() < 1e-14);
    }

    /// By hand with scipy 1.17: half lengths of expit(logit(a) -+ t * e / (a * (1 - a))).
    #[test]
    fn near_one_it_is_wider_than_its_standard_error_says() {
        let few = areas([0.96, 0.02], [0.98, 0.012], 0.014, 8);
        let (low, high) = few.ends(0.95);
        assert!((low - -0.01903540883).abs() < 1e-9 && (high - 0.05903540883).abs() < 1e-9, "{low} {high}");
        assert!(0.5 * (high - low) > 2.364_624 * 0.014);
    }

    #[test]
    fn models_that_rank_nearly_alike_come_out_as_nearly_equal() {
        let alike = areas([0.95, 0.02], [0.95, 0.02], 0.001, 30);
        let (low, high) = alike.ends(0.95);
        assert!(high < 0.0025 && low > -0.0025, "{low} {high}");
        let equal = areas([0.95, 0.02], [0.95, 0.02], 0.0, 30);
        assert_eq!(equal.ends(0.95), (0.0, 0.0));
        // Two models that both found all of eight cancers first.
        let perfect = areas([1.0, 0.0], [1.0, 0.0], 0.0, 8);
        assert!(perfect.ends(0.95).1 > 0.2 && perfect.p_value() == 1.0);
    }
}
