//! Statistics of a ROC curve as an enum, so that one bootstrap computes all of them.

use crate::Result;
use crate::defined::Defined;
use crate::intervals::bootstrap::{BootstrapConfig, NoValue, Patients, bootstrap_each};
use crate::intervals::interval::{Deviate, Interval, Scale};
use crate::roc::ranked::{RankedScores, Roc};

/// A statistic that is read off the ROC curve.
///
/// `index` is a point of the curve, see [`index_of_threshold`]; `prevalence`, if given, replaces the
/// share of malignant cases in the sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CurveStatistic {
    /// Area under the curve.
    Auc,
    /// Partial area over high specificities.
    PartialAuc {
        /// Lower end of the range of specificity.
        min_specificity: f64,
    },
    /// Average precision.
    AveragePrecision,
    /// Largest sensitivity with at least this specificity.
    SensitivityAt(f64),
    /// Largest specificity with at least this sensitivity.
    SpecificityAt(f64),
    /// Sensitivity at this false-positive rate, interpolated linearly.
    OnCurve(f64),
    /// Sensitivity at a point.
    Sensitivity {
        /// The point.
        index: usize,
    },
    /// Specificity at a point.
    Specificity {
        /// The point.
        index: usize,
    },
    /// Positive predictive value at a point.
    Ppv {
        /// The point.
        index: usize,
        /// Prevalence that the value refers to; `None` for that of the resample.
        prevalence: Option<f64>,
    },
    /// Negative predictive value at a point.
    Npv {
        /// The point.
        index: usize,
        /// Prevalence that the value refers to; `None` for that of the resample.
        prevalence: Option<f64>,
    },
    /// Share of all cases that is positive at a point.
    RecallRate {
        /// The point.
        index: usize,
        /// Prevalence that the share refers to; `None` for that of the resample.
        prevalence: Option<f64>,
    },
    /// Net benefit at a point and a threshold probability.
    NetBenefit {
        /// The point of the threshold.
        index: usize,
        /// The threshold probability.
        threshold: f64,
        /// Prevalence that the benefit refers to; `None` for that of the resample.
        prevalence: Option<f64>,
    },
}

impl CurveStatistic {
    /// The scale of its interval, given the numbers of patients with malignant and with benign cases.
    pub fn scale(self, patients_by_class: [usize; 2]) -> Scale {
        let [malignant, benign] = patients_by_class;
        let rarer = malignant.min(benign);
        match self {
            Self::Auc | Self::AveragePrecision => Scale::area(patients_by_class),
            Self::PartialAuc { min_specificity } => {
                Scale::Area { n_patients: rarer, most: 1.0 - min_specificity }
            }
            Self::SensitivityAt(_) | Self::OnCurve(_) | Self::Sensitivity { .. } => Scale::share(malignant),
            Self::Specificity { .. } => Scale::share(benign),
            // The malignant cases determine the threshold, so their variance dominates.
            Self::SpecificityAt(_) => {
                Scale::Share { n_patients: benign, deviate: Deviate::Student { n_patients: rarer } }
            }
            Self::Npv { .. } => {
                Scale::Share { n_patients: rarer, deviate: Deviate::Student { n_patients: rarer } }
            }
            Self::Ppv { .. } | Self::RecallRate { .. } => Scale::share(rarer),
            // A mean over all patients; at a stated prevalence, a weighted sum of two class means.
            Self::NetBenefit { prevalence: None, .. } => Scale::Open { n_patients: malignant.max(benign) },
            Self::NetBenefit { prevalence: Some(_), .. } => Scale::Open { n_patients: rarer },
        }
    }

    /// Checks that a class has enough patients: a share of at least 0.9 differs from 1 only among ten
    /// patients or more.
    ///
    /// # Errors
    /// The reason.
    pub fn check_patients(self, patients_by_class: [usize; 2]) -> std::result::Result<(), String> {
        let (class, share, least, n) = match self {
            Self::SensitivityAt(least) => ("benign images", "specificity", least, patients_by_class[1]),
            Self::SpecificityAt(least) => ("cancer", "sensitivity", least, patients_by_class[0]),
            _ => return Ok(()),
        };
        // Rounding must not ask for one more: 1 / (1 - 0.9) is a little more than 10.
        let needed = (1.0 / (1.0 - least) - 1e-9).ceil();
        if n as f64 >= needed {
            return Ok(());
        }
        Err(format!(
            "{share} {least} cannot be told from 1 among {n} patients with {class}; it takes {needed}"
        ))
    }

    /// Its value on a curve.
    ///
    /// # Errors
    /// [`NoValue`] for a predictive value if no case is positive or negative.
    pub fn of(self, roc: &Roc) -> std::result::Result<f64, NoValue> {
        let shares = |index| (roc.sensitivity(index), roc.specificity(index));
        let or_own = |prevalence: Option<f64>| {
            let (malignant, benign) = roc.totals();
            prevalence.unwrap_or(malignant / (malignant + benign))
        };
        Ok(match self {
            Self::Auc => roc.auc(),
            Self::PartialAuc { min_specificity } => roc.partial_auc(min_specificity),
            Self::AveragePrecision => roc.average_precision(),
            Self::SensitivityAt(specificity) => roc.sensitivity(roc.index_at_specificity(specificity)),
            Self::SpecificityAt(sensitivity) => roc.specificity(roc.index_at_sensitivity(sensitivity)),
            Self::OnCurve(rate) => roc.sensitivity_at_rate(rate),
            Self::Sensitivity { index } => roc.sensitivity(index),
            Self::Specificity { index } => roc.specificity(index),
            Self::Ppv { index, prevalence } => {
                let ((sensitivity, specificity), prevalence) = (shares(index), or_own(prevalence));
                let (found, false_alarms) =
                    (prevalence * sensitivity, (1.0 - prevalence) * (1.0 - specificity));
                share(found, false_alarms).ok_or(NoValue("nothing is positive"))?
            }
            Self::Npv { index, prevalence } => {
                let ((sensitivity, specificity), prevalence) = (shares(index), or_own(prevalence));
                let (spared, missed) = ((1.0 - prevalence) * specificity, prevalence * (1.0 - sensitivity));
                share(spared, missed).ok_or(NoValue("nothing is negative"))?
            }
            Self::RecallRate { index, prevalence } => {
                let ((sensitivity, specificity), prevalence) = (shares(index), or_own(prevalence));
                prevalence * sensitivity + (1.0 - prevalence) * (1.0 - specificity)
            }
            Self::NetBenefit { index, threshold, prevalence } => {
                let (sensitivity, specificity) = shares(index);
                net_benefit(sensitivity, specificity, or_own(prevalence), threshold)
            }
        })
    }
}

/// Net benefit in true positives per case: true positives minus false positives, the latter
/// weighted by the odds of the threshold probability.
pub fn net_benefit(sensitivity: f64, specificity: f64, prevalence: f64, threshold: f64) -> f64 {
    let false_alarms = (1.0 - prevalence) * (1.0 - specificity);
    prevalence * sensitivity - false_alarms * threshold / (1.0 - threshold)
}

/// The point of the curve at which exactly the scores of at least `threshold` are positive.
pub fn index_of_threshold(ranked: &RankedScores, threshold: f64) -> usize {
    ranked.thresholds().partition_point(|&score| score >= threshold)
}

/// Statistics of one sample with their intervals.
pub struct CurveFigures {
    statistics: Vec<CurveStatistic>,
    values: Vec<Defined<Interval>>,
}

impl CurveFigures {
    /// Computes the statistics with bootstrap intervals over patients, all from the same resamples.
    /// With one class only, all are undefined.
    ///
    /// # Errors
    /// As [`bootstrap_each`] except [`Error::Undefined`](crate::Error::Undefined).
    pub fn bootstrap(
        ranked: &RankedScores,
        patients: &Patients,
        statistics: Vec<CurveStatistic>,
        config: &BootstrapConfig,
    ) -> Result<Self> {
        let n = statistics.len();
        let resample = |times: &[u8], roc: &mut Roc, values: &mut [std::result::Result<f64, NoValue>]| {
            ranked.curve(times, roc)?;
            for (value, statistic) in values.iter_mut().zip(&statistics) {
                *value = statistic.of(roc);
            }
            Ok(())
        };
        let patients_by_class = ranked.units_by_class();
        let scales: Vec<Scale> =
            statistics.iter().map(|statistic| statistic.scale(patients_by_class)).collect();
        let values = bootstrap_each(patients.n(), config, &scales, Roc::default, resample);
        let values = match Defined::of(values)? {
            Defined::Value(values) => values,
            Defined::Undefined { undefined } => vec![Defined::undefined(undefined); n],
        };
        let shown = |(value, statistic): (Defined<Interval>, &CurveStatistic)| match (
            statistic.check_patients(patients_by_class),
            &value,
        ) {
            (Err(reason), Defined::Value(_)) => Defined::undefined(reason),
            _ => value,
        };
        let values = values.into_iter().zip(&statistics).map(shown).collect();
        Ok(Self { statistics, values })
    }

    /// One of the statistics.
    ///
    /// # Panics
    /// When it was not among those computed.
    pub fn of(&self, statistic: CurveStatistic) -> Defined<Interval> {
        match self.statistics.iter().position(|&computed| computed == statistic) {
            Some(index) => self.values[index].clone(),
            None => panic!("{statistic:?} was not computed"),
        }
    }
}

/// `part / (part + rest)`; `None` if both are 0.
fn share(part: f64, rest: f64) -> Option<f64> {
    (part + rest > 0.0).then(|| part / (part + rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_the_sample_cannot_show_is_refused_with_its_reason() {
        let reason = CurveStatistic::SpecificityAt(0.9).check_patients([9, 400]).unwrap_err();
        assert!(reason.contains("among 9 patients with cancer; it takes 10"), "{reason}");
        assert_eq!(CurveStatistic::SpecificityAt(0.9).check_patients([10, 5]), Ok(()));
        assert!(CurveStatistic::SensitivityAt(0.95).check_patients([400, 19]).is_err());
        assert_eq!(CurveStatistic::SensitivityAt(0.95).check_patients([1, 20]), Ok(()));
        assert_eq!(CurveStatistic::SensitivityAt(0.8).check_patients([1, 5]), Ok(()));
        assert_eq!(CurveStatistic::Auc.check_patients([2, 2]), Ok(()));
    }
}
