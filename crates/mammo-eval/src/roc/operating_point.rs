//! A threshold chosen on validation data and applied, unchanged, to test data.
//!
//! Sensitivity and specificity on the data that the threshold was chosen on are optimistic. Hence
//! choosing and applying are two steps, and the point can be stored in between.

use serde::{Deserialize, Serialize};

use crate::intervals::proportion::Proportion;
use crate::roc::ranked::{RocPoint, check_finite, roc_curve};
use crate::{Error, Result};

/// How a threshold is chosen. Among equally good thresholds the most sensitive one is taken, and of
/// those with the same positive cases the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatingRule {
    /// Largest sensitivity + specificity − 1 (Youden 1950).
    MaxYouden,
    /// Largest specificity with at least this sensitivity.
    SensitivityAtLeast(f64),
    /// Largest sensitivity with at least this specificity.
    SpecificityAtLeast(f64),
    /// This threshold, independent of the data.
    Fixed(f64),
}

impl OperatingRule {
    /// Its name in tables, such as `sensitivity_at_least_0.9`.
    pub fn name(&self) -> String {
        match self {
            Self::MaxYouden => "max_youden".into(),
            Self::SensitivityAtLeast(least) => format!("sensitivity_at_least_{least}"),
            Self::SpecificityAtLeast(least) => format!("specificity_at_least_{least}"),
            Self::Fixed(threshold) => format!("fixed_{threshold}"),
        }
    }
}

/// A threshold with the rule by which it was chosen, as the model file stores it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Scores of at least this are positive.
    pub threshold: f64,
    /// How it was chosen.
    pub rule: OperatingRule,
    /// Sensitivity on the data it was chosen on; optimistic for any other data.
    pub sensitivity: f64,
    /// Specificity on the data it was chosen on; optimistic for any other data.
    pub specificity: f64,
}

impl OperatingPoint {
    /// Chooses the threshold among the scores of validation data.
    ///
    /// If only the point at which nothing is positive satisfies the rule, the threshold is the next
    /// `f64` above the highest score and the stored sensitivity is 0.
    ///
    /// # Errors
    /// [`Error::Undefined`] when a score is not finite or a class is missing;
    /// [`Error::Setting`] when the rule's number is not a share or, if fixed, not finite.
    ///
    /// # Panics
    /// When the slices differ in length.
    ///
    /// # Example
    /// ```
    /// use mammo_eval::{OperatingPoint, OperatingRule};
    ///
    /// let (scores, malignant) = ([0.9, 0.7, 0.6, 0.2], [true, false, true, false]);
    /// let point = OperatingPoint::choose(OperatingRule::SensitivityAtLeast(1.0), &scores, &malignant)?;
    /// assert_eq!((point.threshold, point.specificity), (0.6, 0.5));
    /// # Ok::<(), mammo_core::Error>(())
    /// ```
    pub fn choose(rule: OperatingRule, scores: &[f64], malignant: &[bool]) -> Result<Self> {
        check_rule(rule)?;
        let curve = roc_curve(scores, malignant)?;
        let everything_positive = &curve[curve.len() - 1];
        let (n_malignant, n_benign) =
            (everything_positive.true_positives, everything_positive.false_positives);
        let allowed = |point: &&RocPoint| match rule {
            OperatingRule::MaxYouden => true,
            OperatingRule::SensitivityAtLeast(least) => point.sensitivity >= least,
            OperatingRule::SpecificityAtLeast(least) => point.specificity >= least,
            OperatingRule::Fixed(threshold) => point.threshold >= threshold,
        };
        // Integers, so that ties are exact.
        let merit = |point: &RocPoint| {
            let (found, spared) = (point.true_positives, n_benign - point.false_positives);
            match rule {
                OperatingRule::MaxYouden => (found * n_benign + spared * n_malignant, found),
                OperatingRule::SensitivityAtLeast(_) => (spared, found),
                OperatingRule::SpecificityAtLeast(_) => (found, spared),
                // A fixed threshold is equivalent to the lowest observed score at or above it.
                OperatingRule::Fixed(_) => (point.true_positives + point.false_positives, 0),
            }
        };
        let better = |best: RocPoint, next: RocPoint| if merit(&next) > merit(&best) { next } else { best };
        // One end of the curve always qualifies: with nothing positive the specificity is 1, with
        // everything positive the sensitivity is 1.
        let best = curve.iter().filter(allowed).copied().reduce(better).unwrap_or(curve[0]);
        let threshold = match rule {
            OperatingRule::Fixed(threshold) => threshold,
            _ if best.threshold.is_finite() => best.threshold,
            _ => curve[1].threshold.next_up(),
        };
        Ok(Self { threshold, rule, sensitivity: best.sensitivity, specificity: best.specificity })
    }

    /// Applies the threshold to other cases: counts and shares with Wilson intervals at `level`.
    ///
    /// With one class only, the shares of the other class are `None`.
    ///
    /// # Errors
    /// [`Error::Undefined`] when a score is not finite, [`Error::Setting`] for a level outside
    /// `(0, 1)`.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn apply(&self, scores: &[f64], malignant: &[bool], level: f64) -> Result<OperatingResult> {
        assert_eq!(scores.len(), malignant.len(), "one truth per score");
        check_finite(scores)?;
        let count = |truth: bool, positive: bool| {
            let cases = scores.iter().zip(malignant);
            cases.filter(|&(&s, &m)| m == truth && (s >= self.threshold) == positive).count()
        };
        let (true_positives, false_negatives) = (count(true, true), count(true, false));
        let (false_positives, true_negatives) = (count(false, true), count(false, false));
        let share = |successes, others| match successes + others {
            0 => Ok(None),
            n => Proportion::wilson(successes, n, level).map(Some),
        };
        Ok(OperatingResult {
            threshold: self.threshold,
            level,
            true_positives,
            false_positives,
            true_negatives,
            false_negatives,
            sensitivity: share(true_positives, false_negatives)?,
            specificity: share(true_negatives, false_positives)?,
            ppv: share(true_positives, false_positives)?,
            npv: share(true_negatives, false_negatives)?,
            recall_rate: share(true_positives + false_positives, true_negatives + false_negatives)?,
        })
    }
}

/// Counts and shares of a set of cases at an [`OperatingPoint`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingResult {
    /// Scores of at least this are positive.
    pub threshold: f64,
    /// Confidence level of the intervals.
    pub level: f64,
    /// Malignant and positive.
    pub true_positives: usize,
    /// Benign and positive.
    pub false_positives: usize,
    /// Benign and negative.
    pub true_negatives: usize,
    /// Malignant and negative: the missed cancers.
    pub false_negatives: usize,
    /// Share of the malignant that is positive; `None` without malignant cases.
    pub sensitivity: Option<Proportion>,
    /// Share of the benign that is negative; `None` without benign cases.
    pub specificity: Option<Proportion>,
    /// Positive predictive value at the prevalence of this set; `None` when nothing is positive.
    pub ppv: Option<Proportion>,
    /// Negative predictive value at the prevalence of this set; `None` when nothing is negative.
    pub npv: Option<Proportion>,
    /// Share of all cases that is positive; `None` without cases.
    pub recall_rate: Option<Proportion>,
}

/// Checks the number of a rule.
fn check_rule(rule: OperatingRule) -> Result<()> {
    let (number, allowed, expected) = match rule {
        OperatingRule::MaxYouden => return Ok(()),
        OperatingRule::SensitivityAtLeast(least) | OperatingRule::SpecificityAtLeast(least) => {
            (least, (0.0..=1.0).contains(&least), "a share between 0 and 1, such as 0.9")
        }
        OperatingRule::Fixed(threshold) => (threshold, threshold.is_finite(), "a finite threshold"),
    };
    if allowed { Ok(()) } else { Err(Error::setting("operating rule", number.to_string(), expected)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 8] = [0.9, 0.8, 0.8, 0.6, 0.5, 0.4, 0.3, 0.1];
    const MALIGNANT: [bool; 8] = [false, true, false, true, true, false, true, false];

    fn check(rule: OperatingRule, threshold: f64, sensitivity: f64, specificity: f64) {
        let point = OperatingPoint::choose(rule, &SCORES, &MALIGNANT).unwrap();
        assert_eq!(
            (point.threshold, point.sensitivity, point.specificity),
            (threshold, sensitivity, specificity)
        );
        let applied = point.apply(&SCORES, &MALIGNANT, 0.95).unwrap();
        assert_eq!(applied.sensitivity.unwrap().estimate, sensitivity);
        assert_eq!(applied.specificity.unwrap().estimate, specificity);
    }

    #[test]
    fn each_rule_finds_the_threshold_found_by_hand() {
        check(OperatingRule::MaxYouden, 0.3, 1.0, 0.25);
        check(OperatingRule::SensitivityAtLeast(0.5), 0.5, 0.75, 0.5);
        check(OperatingRule::SensitivityAtLeast(0.76), 0.3, 1.0, 0.25);
        check(OperatingRule::SpecificityAtLeast(0.5), 0.5, 0.75, 0.5);
        check(OperatingRule::SpecificityAtLeast(0.0), 0.3, 1.0, 0.25);
        check(OperatingRule::Fixed(0.8), 0.8, 0.25, 0.5);
        check(OperatingRule::Fixed(0.85), 0.85, 0.0, 0.75);
        check(OperatingRule::Fixed(2.0), 2.0, 0.0, 1.0);
        check(OperatingRule::Fixed(-1.0), -1.0, 1.0, 0.0);
    }

    #[test]
    fn full_specificity_above_a_benign_maximum_calls_nothing_positive() {
        check(OperatingRule::SpecificityAtLeast(1.0), 0.9_f64.next_up(), 0.0, 1.0);
    }

    #[test]
    fn every_rule_agrees_with_a_search_over_all_thresholds() {
        let candidates =
            SCORES.map(|t| OperatingPoint::choose(OperatingRule::Fixed(t), &SCORES, &MALIGNANT).unwrap());
        for least in [0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 1.0] {
            let chosen =
                OperatingPoint::choose(OperatingRule::SensitivityAtLeast(least), &SCORES, &MALIGNANT);
            let best = candidates.iter().filter(|c| c.sensitivity >= least).map(|c| c.specificity);
            assert_eq!(chosen.unwrap().specificity, best.fold(0.0, f64::max), "{least}");
        }
    }

    #[test]
    fn a_score_equal_to_the_stored_threshold_stays_positive() {
        let score = 0.1 + 0.2 + 1.0 / 3.0;
        let point = OperatingPoint::choose(OperatingRule::MaxYouden, &[score, 0.1], &[true, false]).unwrap();
        let stored = serde_json::to_string(&point).unwrap();
        let read: OperatingPoint = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, point);
        assert_eq!(read.apply(&[score], &[true], 0.95).unwrap().true_positives, 1);
    }

    #[test]
    fn what_a_set_does_not_define_is_none() {
        let point = OperatingPoint::choose(OperatingRule::Fixed(0.5), &SCORES, &MALIGNANT).unwrap();
        let healthy = point.apply(&[0.1, 0.2], &[false, false], 0.95).unwrap();
        assert_eq!((healthy.true_negatives, healthy.sensitivity, healthy.ppv), (2, None, None));
        assert_eq!(healthy.npv.unwrap().estimate, 1.0);
        assert!(point.apply(&[f64::NAN], &[true], 0.95).is_err());
    }

    #[test]
    fn a_rule_that_cannot_be_meant_is_a_setting_error() {
        for rule in [OperatingRule::SensitivityAtLeast(90.0), OperatingRule::Fixed(f64::NAN)] {
            assert!(matches!(OperatingPoint::choose(rule, &SCORES, &MALIGNANT), Err(Error::Setting { .. })));
        }
    }
}
