//! Maps from a model's probability to a calibrated one, fitted on validation scores.
//!
//! A model trained on balanced batches assumes a prevalence of one half, so that its outputs are far
//! too high where cancer is rare. All maps are increasing and keep the order of the scores, so that
//! areas and operating points do not change.

use serde::{Deserialize, Serialize};

use crate::calibration::logistic::{Fitted, LogisticFit, logit, sigmoid};
use crate::roc::ranked::{ascending, check_finite};
use crate::tables::sample::Sample;
use crate::{Error, Result};

/// An increasing map from a model's probability to a calibrated one, as the model card stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibrator {
    /// `σ(intercept + slope · logit p)` by maximum likelihood (Platt 1999, but on the logit and
    /// without smoothed targets).
    Platt {
        /// Intercept.
        intercept: f64,
        /// Slope.
        slope: f64,
    },
    /// `σ(logit p / temperature)` (Guo et al. 2017); 0.5 stays 0.5.
    Temperature {
        /// Above 1, probabilities move towards one half.
        temperature: f64,
    },
    /// Isotonic regression: linear between these points, constant outside of them (pool adjacent
    /// violators; Zadrozny & Elkan 2002). Unlike theirs, the result is clamped to
    /// [1 / 2n, 1 − 1 / 2n] for `n` validation cases, which cannot show a probability of 0 or 1.
    Isotonic {
        /// Probabilities of the model, ascending.
        from: Vec<f64>,
        /// Calibrated probability at each of them, non-decreasing.
        to: Vec<f64>,
    },
    /// Bayes' rule for a prevalence other than that of training (Saerens et al. 2002, equation 4). It
    /// assumes that the distribution of images within each class is the same in both populations.
    PriorShift {
        /// Prevalence during training; 0.5 for balanced batches.
        trained_at: f64,
        /// Prevalence in use.
        used_at: f64,
    },
}

impl Calibrator {
    /// Its name in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Platt { .. } => "platt",
            Self::Temperature { .. } => "temperature",
            Self::Isotonic { .. } => "isotonic",
            Self::PriorShift { .. } => "prior_shift",
        }
    }

    /// Its name in text.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Platt { .. } => "Platt",
            Self::Temperature { .. } => "temperature",
            Self::Isotonic { .. } => "isotonic",
            Self::PriorShift { .. } => "prior shift",
        }
    }

    /// Platt scaling fitted on the validation scores.
    ///
    /// # Errors
    /// [`Error::Undefined`] as [`LogisticFit::of`], or when the fitted slope is not positive.
    pub fn platt(validation: &Sample) -> Result<Self> {
        let LogisticFit { intercept, slope, .. } = fit(validation, Fitted::Both)?;
        Ok(Self::Platt { intercept, slope: rising(slope)? })
    }

    /// The temperature fitted on the validation scores.
    ///
    /// # Errors
    /// As [`Calibrator::platt`].
    pub fn temperature(validation: &Sample) -> Result<Self> {
        let slope = rising(fit(validation, Fitted::Slope)?.slope)?;
        Ok(Self::Temperature { temperature: 1.0 / slope })
    }

    /// The isotonic regression of truth on the validation scores.
    ///
    /// # Errors
    /// [`Error::Undefined`] when a score is not finite or there are none.
    pub fn isotonic(validation: &Sample) -> Result<Self> {
        check_finite(&validation.scores)?;
        if validation.n() == 0 {
            return Err(undefined("there are no cases".into()));
        }
        let (from, to) = pool_adjacent_violators(&validation.scores, &validation.malignant);
        Ok(Self::Isotonic { from, to })
    }

    /// The correction from one prevalence to another.
    ///
    /// # Errors
    /// [`Error::Setting`] for a prevalence that is not strictly between 0 and 1.
    pub fn prior_shift(trained_at: f64, used_at: f64) -> Result<Self> {
        for prevalence in [trained_at, used_at] {
            if !(prevalence > 0.0 && prevalence < 1.0) {
                let expected = "a share strictly between 0 and 1, such as 0.005";
                return Err(Error::setting("prevalence", prevalence.to_string(), expected));
            }
        }
        Ok(Self::PriorShift { trained_at, used_at })
    }

    /// Checks the parameters, as an edited file may hold invalid ones.
    ///
    /// # Errors
    /// [`Error::Setting`] saying what was found.
    pub fn check(&self) -> Result<()> {
        let share = |p: f64| p > 0.0 && p < 1.0;
        let (usable, expected) = match self {
            Self::Platt { intercept, slope } => (
                intercept.is_finite() && slope.is_finite() && *slope > 0.0,
                "a finite intercept and a slope above 0",
            ),
            Self::Temperature { temperature } => {
                (temperature.is_finite() && *temperature > 0.0, "a temperature above 0")
            }
            Self::Isotonic { from, to } => (
                !from.is_empty()
                    && from.len() == to.len()
                    && from.iter().chain(to).all(|p| (0.0..=1.0).contains(p))
                    && from.windows(2).all(|pair| pair[0] < pair[1])
                    && to.is_sorted(),
                "probabilities, as many before as after, rising",
            ),
            Self::PriorShift { trained_at, used_at } => {
                (share(*trained_at) && share(*used_at), "two shares strictly between 0 and 1")
            }
        };
        if usable { Ok(()) } else { Err(Error::setting("calibrator", format!("{self:?}"), expected)) }
    }

    /// The calibrated probability.
    ///
    /// # Example
    /// ```
    /// use mammo_eval::Calibrator;
    ///
    /// let screening = Calibrator::prior_shift(0.5, 0.01)?;
    /// assert!((screening.apply(0.5) - 0.01).abs() < 1e-15);
    /// # Ok::<(), mammo_core::Error>(())
    /// ```
    pub fn apply(&self, probability: f64) -> f64 {
        match self {
            Self::Platt { intercept, slope } => sigmoid(intercept + slope * logit(probability)),
            Self::Temperature { temperature } => sigmoid(logit(probability) / temperature),
            Self::Isotonic { from, to } => between_points(from, to, probability),
            Self::PriorShift { trained_at, used_at } => {
                sigmoid(logit(probability) + logit(*used_at) - logit(*trained_at))
            }
        }
    }

    /// The sample with calibrated scores.
    pub fn apply_to(&self, sample: &Sample) -> Sample {
        let scores = sample.scores.iter().map(|&score| self.apply(score)).collect();
        Sample { scores, ..sample.clone() }
    }
}

fn fit(sample: &Sample, fitted: Fitted) -> Result<LogisticFit> {
    let logits: Vec<f64> = sample.scores.iter().map(|&score| logit(score)).collect();
    LogisticFit::of(&logits, &sample.malignant, sample.patients.of_case(), fitted)
}

fn rising(slope: f64) -> Result<f64> {
    if slope > 0.0 {
        return Ok(slope);
    }
    Err(undefined(format!(
        "its slope is {slope:.3}: on the validation scores, higher means less likely cancer"
    )))
}

/// The non-decreasing step function with the least squared error, as the ends of its steps, clamped
/// half a case away from 0 and 1.
fn pool_adjacent_violators(scores: &[f64], malignant: &[bool]) -> (Vec<f64>, Vec<f64>) {
    struct Step {
        first: f64,
        last: f64,
        malignant: usize,
        n: usize,
    }
    // Integers, so that ties are exact. Steps whose shares do not increase are pooled.
    let falls = |before: &Step, after: &Step| before.malignant * after.n >= after.malignant * before.n;
    let order = ascending(scores);
    let mut steps: Vec<Step> = vec![];
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let score = scores[tie[0]];
        let n_malignant = tie.iter().filter(|&&case| malignant[case]).count();
        let mut step = Step { first: score, last: score, malignant: n_malignant, n: tie.len() };
        while let Some(before) = steps.pop_if(|before| falls(before, &step)) {
            step = Step {
                first: before.first,
                last: step.last,
                malignant: before.malignant + step.malignant,
                n: before.n + step.n,
            };
        }
        steps.push(step);
    }
    let (mut from, mut to) = (vec![], vec![]);
    let half_a_case = 0.5 / scores.len() as f64;
    for step in steps {
        let share = (step.malignant as f64 / step.n as f64).clamp(half_a_case, 1.0 - half_a_case);
        from.push(step.first);
        to.push(share);
        if step.last > step.first {
            from.push(step.last);
            to.push(share);
        }
    }
    (from, to)
}

/// Linear interpolation; constant outside of the points.
fn between_points(from: &[f64], to: &[f64], at: f64) -> f64 {
    let after = from.partition_point(|&from| from <= at);
    match (after.checked_sub(1), from.get(after)) {
        (None, _) => to[0],
        (Some(before), None) => to[before],
        (Some(before), Some(&next)) => {
            let share = (at - from[before]) / (next - from[before]);
            to[before] + share * (to[after] - to[before])
        }
    }
}

fn undefined(reason: String) -> Error {
    Error::Undefined { statistic: "calibrator", reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Patients;

    fn sample(scores: &[f64], malignant: &[bool]) -> Sample {
        let ids: Vec<String> = (0..scores.len()).map(|i| format!("{i:03}")).collect();
        let patients = Patients::from_ids(ids.iter().map(String::as_str));
        Sample { scores: scores.to_vec(), malignant: malignant.to_vec(), patients }
    }

    fn validation() -> Sample {
        let scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
        sample(&scores, &[false, true, false, false, true, false, true, true])
    }

    #[test]
    fn every_map_rises_and_stays_a_probability() {
        let calibrators = [
            Calibrator::platt(&validation()).unwrap(),
            Calibrator::temperature(&validation()).unwrap(),
            Calibrator::isotonic(&validation()).unwrap(),
            Calibrator::prior_shift(0.5, 0.01).unwrap(),
        ];
        for calibrator in calibrators {
            let mapped: Vec<f64> = (0..=100).map(|i| calibrator.apply(f64::from(i) / 100.0)).collect();
            assert!(mapped.is_sorted() && mapped.iter().all(|p| (0.0..=1.0).contains(p)), "{calibrator:?}");
            let stored = serde_json::to_string(&calibrator).unwrap();
            assert_eq!(serde_json::from_str::<Calibrator>(&stored).unwrap(), calibrator);
        }
    }

    #[test]
    fn a_map_that_is_none_is_refused() {
        for fitted in [Calibrator::platt(&validation()), Calibrator::isotonic(&validation())] {
            fitted.unwrap().check().unwrap();
        }
        for broken in [
            Calibrator::Platt { intercept: 0.0, slope: -1.0 },
            Calibrator::Temperature { temperature: 0.0 },
            Calibrator::Isotonic { from: vec![], to: vec![] },
            Calibrator::Isotonic { from: vec![0.2, 0.1], to: vec![0.0, 1.0] },
            Calibrator::Isotonic { from: vec![0.1, 0.2], to: vec![0.5] },
            Calibrator::PriorShift { trained_at: 0.5, used_at: 1.0 },
        ] {
            assert!(broken.check().is_err(), "{broken:?}");
        }
    }

    #[test]
    fn isotonic_steps_are_those_found_by_hand() {
        let Calibrator::Isotonic { from, to } = Calibrator::isotonic(&validation()).unwrap() else {
            panic!()
        };
        assert_eq!(from, [0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8]);
        let third = 1.0 / 3.0;
        let (lowest, highest) = (1.0 / 16.0, 15.0 / 16.0);
        assert_eq!(to, [lowest, third, third, 0.5, 0.5, highest, highest]);
        assert_eq!(between_points(&from, &to, 0.0), lowest);
        assert_eq!(between_points(&from, &to, 0.3), third);
        assert!((between_points(&from, &to, 0.65) - 0.71875).abs() < 1e-12);
        assert_eq!(between_points(&from, &to, 0.9), highest);
    }

    #[test]
    fn a_falling_map_is_refused() {
        let upside_down: Vec<bool> = validation().malignant.iter().map(|m| !m).collect();
        let error = Calibrator::platt(&sample(&validation().scores, &upside_down)).unwrap_err();
        assert!(error.to_string().contains("less likely cancer"), "{error}");
        assert!(Calibrator::prior_shift(0.5, 0.0).is_err());
        assert!(Calibrator::isotonic(&sample(&[], &[])).is_err());
    }
}
