//! Closed-form standard errors of areas, clustered by patient.
//!
//! DeLong, DeLong & Clarke-Pearson (1988, Biometrics 44:837–845) in the form of Obuchowski
//! (1997, Biometrics 53:567–578) for clustered data. With one case per patient it equals
//! DeLong's. It is an alternative to the intervals of [`bootstrap`](mod@crate::intervals::bootstrap), and
//! gives the p-value of a difference.

use serde::{Deserialize, Serialize};

use crate::defined::Defined;
use crate::intervals::area_difference::{Area, PairedAreas};
use crate::intervals::interval::{on_logit_scale, two_sided_t};
use crate::intervals::normal::two_sided_z;
use crate::intervals::proportion::check_level;
use crate::roc::ranked::{ascending, check_finite, roc_auc};
use crate::{Error, Result};

/// An area with its standard error and its normal interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AucError {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Lower end of the interval, not below 0.
    pub low: f64,
    /// Upper end of the interval, not above 1.
    pub high: f64,
    /// The interval that is symmetric in `ln(auc / (1 - auc))`, which stays within (0, 1) and has
    /// better coverage near 1 (Pepe 2003, section 5.2.4), with Student's t; its degrees of
    /// freedom are the patients in the rarer class minus one. Undefined for an area of 0 or 1.
    pub logit: Defined<Ends>,
}

impl AucError {
    /// Area and ends of the interval with the better coverage: on the logit scale, or the normal one
    /// for an area of 0 or 1.
    pub fn best(&self) -> (f64, f64, f64) {
        let (low, high) = self.logit.value().map_or((self.low, self.high), |ends| (ends.low, ends.high));
        (self.auc, low, high)
    }
}

/// Ends of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ends {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The difference of two areas on the same cases.
///
/// `difference / standard_error` is DeLong's test statistic. Their test compares it with the normal
/// distribution, which rejects too often with few cancers; this one uses [`PairedAreas`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AucDifference {
    /// Second area minus first area.
    pub difference: f64,
    /// Its standard error, which accounts for the correlation of the two areas.
    pub standard_error: f64,
    /// Lower end of its interval ([`PairedAreas`]).
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Two-sided p-value; it is below one minus the level exactly when the interval excludes 0.
    pub p_value: f64,
}

/// Area, standard error and interval at `level`; `patients[case]` is the number of the patient.
///
/// # Errors
/// As [`roc_auc`], also [`Error::Undefined`] when a class has fewer than two patients;
/// [`Error::Setting`] for a level outside `(0, 1)`.
///
/// # Panics
/// When the slices differ in length.
pub fn delong_auc(scores: &[f64], malignant: &[bool], patients: &[u32], level: f64) -> Result<AucError> {
    check_level(level)?;
    let placed = PatientSums::of(scores, malignant, patients)?;
    let standard_error = placed.covariance(&placed)?.max(0.0).sqrt();
    let half_width = two_sided_z(level) * standard_error;
    let (low, high) = ((placed.auc - half_width).max(0.0), (placed.auc + half_width).min(1.0));
    let t = two_sided_t(level, placed.n_in_rarer_class());
    let logit = match on_logit_scale(placed.auc, t * standard_error) {
        Some((low, high)) => Defined::Value(Ends { low, high }),
        None => Defined::undefined(format!("the logit of an area of {} is infinite", placed.auc)),
    };
    Ok(AucError { auc: placed.auc, standard_error, low, high, logit })
}

/// Tests whether two scores of the same cases have different areas.
///
/// # Errors
/// As [`delong_auc`]; also [`Error::Undefined`] when the variance of the difference is 0, as for
/// equal rankings.
///
/// # Panics
/// When the slices differ in length.
pub fn delong_difference(
    first: &[f64],
    second: &[f64],
    malignant: &[bool],
    patients: &[u32],
    level: f64,
) -> Result<AucDifference> {
    check_level(level)?;
    let (a, b) =
        (PatientSums::of(first, malignant, patients)?, PatientSums::of(second, malignant, patients)?);
    let variance = a.covariance(&a)? + b.covariance(&b)? - 2.0 * a.covariance(&b)?;
    // For equal rankings the terms cancel up to rounding.
    if variance <= 1e-14 {
        return Err(undefined(
            "the two rankings agree, so that the variance of their difference is 0".into(),
        ));
    }
    let area = |sums: &PatientSums| -> Result<Area> {
        Ok(Area { auc: sums.auc, standard_error: sums.covariance(sums)?.max(0.0).sqrt() })
    };
    let standard_error = variance.sqrt();
    let areas =
        PairedAreas { first: area(&a)?, second: area(&b)?, standard_error, n_patients: a.n_in_rarer_class() };
    let (low, high) = areas.ends(level);
    Ok(AucDifference { difference: areas.difference(), standard_error, low, high, p_value: areas.p_value() })
}

/// Areas of several scores of the same cases, and their covariance matrix.
///
/// # Errors
/// As [`delong_auc`].
///
/// # Panics
/// When the slices differ in length.
pub fn delong_covariance(
    scores: &[&[f64]],
    malignant: &[bool],
    patients: &[u32],
) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let sums: Vec<PatientSums> =
        scores.iter().map(|scores| PatientSums::of(scores, malignant, patients)).collect::<Result<_>>()?;
    let row = |a: &PatientSums| sums.iter().map(|b| a.covariance(b)).collect::<Result<Vec<f64>>>();
    Ok((sums.iter().map(|sum| sum.auc).collect(), sums.iter().map(row).collect::<Result<_>>()?))
}

/// Contributions of the patients to the area, by class.
struct PatientSums {
    auc: f64,
    n_malignant: f64,
    n_benign: f64,
    patients: Vec<PatientSum>,
}

/// One patient: sums of (placement − area) over the malignant and the benign cases.
#[derive(Clone, Default)]
struct PatientSum {
    has_malignant: bool,
    has_benign: bool,
    malignant: f64,
    benign: f64,
}

impl PatientSums {
    fn of(scores: &[f64], malignant: &[bool], patients: &[u32]) -> Result<Self> {
        assert_eq!(scores.len(), patients.len(), "one patient per score");
        check_finite(scores)?;
        let auc = roc_auc(scores, malignant)?;
        let n_patients = patients.iter().max().map_or(0, |&last| last as usize + 1);
        let mut sums = vec![PatientSum::default(); n_patients];
        for ((placement, &malignant), &patient) in
            placements(scores, malignant).iter().zip(malignant).zip(patients)
        {
            let sum = &mut sums[patient as usize];
            if malignant {
                sum.has_malignant = true;
                sum.malignant += placement - auc;
            } else {
                sum.has_benign = true;
                sum.benign += placement - auc;
            }
        }
        // Patient numbers without any case are not counted.
        sums.retain(|sum| sum.has_malignant || sum.has_benign);
        let n_malignant = malignant.iter().filter(|&&m| m).count() as f64;
        Ok(Self { auc, n_malignant, n_benign: scores.len() as f64 - n_malignant, patients: sums })
    }

    fn n_with_malignant(&self) -> usize {
        self.patients.iter().filter(|patient| patient.has_malignant).count()
    }

    fn n_with_benign(&self) -> usize {
        self.patients.iter().filter(|patient| patient.has_benign).count()
    }

    /// Patients in the rarer class.
    fn n_in_rarer_class(&self) -> usize {
        self.n_with_malignant().min(self.n_with_benign())
    }

    /// Covariance of two areas over the same patients; with itself, the variance.
    fn covariance(&self, other: &Self) -> Result<f64> {
        let pairs = || self.patients.iter().zip(&other.patients);
        let (n_with_malignant, n_with_benign) = (self.n_with_malignant(), self.n_with_benign());
        if n_with_malignant < 2 || n_with_benign < 2 {
            return Err(undefined(format!(
                "{n_with_malignant} patients with malignant and {n_with_benign} with benign cases; \
                 at least two of each are needed"
            )));
        }
        let unbiased = |n: usize| n as f64 / (n - 1) as f64;
        let malignant: f64 = pairs().map(|(a, b)| a.malignant * b.malignant).sum();
        let benign: f64 = pairs().map(|(a, b)| a.benign * b.benign).sum();
        let between: f64 = pairs().map(|(a, b)| a.malignant * b.benign + a.benign * b.malignant).sum();
        let (m, n) = (self.n_malignant, self.n_benign);
        Ok(unbiased(n_with_malignant) * malignant / (m * m)
            + unbiased(n_with_benign) * benign / (n * n)
            + unbiased(self.patients.len()) * between / (m * n))
    }
}

/// Placement values: for a malignant case the share of benign cases with a lower score, for a benign
/// case the share of malignant cases with a higher score; ties count half.
fn placements(scores: &[f64], malignant: &[bool]) -> Vec<f64> {
    let n_malignant = malignant.iter().filter(|&&m| m).count();
    let n_benign = malignant.len() - n_malignant;
    let order = ascending(scores);
    let (mut malignant_below, mut benign_below) = (0, 0);
    let mut placements = vec![0.0; scores.len()];
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let malignant_here = tie.iter().filter(|&&case| malignant[case]).count();
        let benign_here = tie.len() - malignant_here;
        let malignant_above = n_malignant - malignant_below - malignant_here;
        for &case in tie {
            placements[case] = if malignant[case] {
                (benign_below as f64 + 0.5 * benign_here as f64) / n_benign as f64
            } else {
                (malignant_above as f64 + 0.5 * malignant_here as f64) / n_malignant as f64
            };
        }
        malignant_below += malignant_here;
        benign_below += benign_here;
    }
    placements
}

fn undefined(reason: String) -> Error {
    Error::Undefined { statistic: "standard error of the area under the ROC curve", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 6] = [0.9, 0.4, 0.7, 0.6, 0.1, 0.4];
    const MALIGNANT: [bool; 6] = [true, true, true, false, false, false];

    #[test]
    fn repeating_every_image_of_a_patient_adds_no_information() {
        let once = delong_auc(&SCORES, &MALIGNANT, &[0, 1, 2, 3, 4, 5], 0.95).unwrap();
        let (scores, malignant) = ([SCORES, SCORES].concat(), [MALIGNANT, MALIGNANT].concat());
        let patients = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5];
        let twice = delong_auc(&scores, &malignant, &patients, 0.95).unwrap();
        assert!((once.standard_error - twice.standard_error).abs() < 1e-15);
        let as_if_independent = delong_auc(&scores, &malignant, &(0..12).collect::<Vec<_>>(), 0.95).unwrap();
        assert!(as_if_independent.standard_error < 0.8 * once.standard_error);
    }

    #[test]
    fn swapping_the_models_turns_the_difference_around() {
        let (other, patients) = ([0.2, 0.5, 0.8, 0.3, 0.4, 0.6], [0, 1, 2, 3, 4, 5]);
        let there = delong_difference(&SCORES, &other, &MALIGNANT, &patients, 0.95).unwrap();
        let back = delong_difference(&other, &SCORES, &MALIGNANT, &patients, 0.95).unwrap();
        assert_eq!((there.difference, there.p_value), (-back.difference, back.p_value));
    }

    #[test]
    fn what_has_no_spread_is_an_error() {
        let patients = [0, 1, 2, 3, 4, 5];
        let doubled = SCORES.map(|s| 2.0 * s);
        assert!(matches!(
            delong_difference(&SCORES, &doubled, &MALIGNANT, &patients, 0.95),
            Err(Error::Undefined { .. })
        ));
        assert!(delong_auc(&SCORES, &MALIGNANT, &[0, 0, 0, 3, 4, 5], 0.95).is_err());
        assert!(delong_auc(&SCORES, &[true; 6], &patients, 0.95).is_err());
    }
}
