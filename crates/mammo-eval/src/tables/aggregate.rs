//! Pooling: from scores per image to scores per breast and per patient.

use serde::{Deserialize, Serialize};

use crate::calibration::logistic::{Fitted, LogisticFit};
use crate::tables::sample::Sample;
use crate::tables::scores::ScoreRow;
use crate::{Error, Result};
use mammo_core::record::Laterality;

/// How several scores are combined into one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The highest, because one suspicious view or breast is enough for a recall.
    Max,
    /// A weighted mean of the two, fitted on validation scores.
    Learned {
        /// Weight of the highest score; the mean has the rest.
        weight_of_max: f64,
    },
}

impl Pooling {
    /// Its name in settings and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Learned { .. } => "learned",
        }
    }

    /// The pooled score of at least one score.
    pub fn pool(self, scores: &[f64]) -> f64 {
        match self {
            Self::Mean => scores.iter().sum::<f64>() / scores.len() as f64,
            Self::Max => scores.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Learned { weight_of_max } => {
                let (mean, max) = (Self::Mean.pool(scores), Self::Max.pool(scores));
                mean + weight_of_max * (max - mean)
            }
        }
    }
}

/// A labelled image, breast or patient with its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Identifier of the patient.
    pub patient_id: String,
    /// Which breast; `None` for a patient, and for an image whose side is not known.
    pub laterality: Option<Laterality>,
    /// Whether it, or any of its parts, is malignant.
    pub malignant: bool,
    /// Its probability, or the pooled score of its parts.
    pub score: f64,
    /// Number of its images.
    pub n_images: usize,
}

impl Case {
    /// A single image as a case; `None` without a label.
    pub fn of_image(row: &ScoreRow) -> Option<Self> {
        let (patient_id, laterality) = (row.patient_id.clone(), row.laterality);
        Some(Self {
            patient_id,
            laterality,
            malignant: row.malignant()?,
            score: row.probability,
            n_images: 1,
        })
    }
}

/// Pools the images of each breast, sorted by patient and side. Images of unknown side are left
/// out; `None` if no image has a known side.
pub fn by_breast(images: &[Case], views: Pooling) -> Option<Vec<Case>> {
    let known: Vec<Case> = images.iter().filter(|image| image.laterality.is_some()).cloned().collect();
    (!known.is_empty()).then(|| pool_by(&known, views, |image| image.laterality))
}

/// The breasts and, as separate parts of their patients, the images of unknown side.
pub fn parts_of_patients(images: &[Case], breasts: Option<&[Case]>) -> Vec<Case> {
    let of_no_breast = images.iter().filter(|image| breasts.is_none() || image.laterality.is_none());
    breasts.unwrap_or_default().iter().chain(of_no_breast).cloned().collect()
}

/// Pools the parts of each patient, sorted by patient.
pub fn by_patient(parts: &[Case], pooling: Pooling) -> Vec<Case> {
    pool_by(parts, pooling, |_| None)
}

impl Pooling {
    /// Fits the weight of the highest view on validation images: of the weights 0, 0.05, ..., 1,
    /// the one at which a logistic regression of truth on the pooled score per breast has the
    /// highest likelihood.
    ///
    /// # Errors
    /// [`Error::Undefined`] when no image has a known side, a class is missing, or the scores
    /// separate the classes.
    pub fn learn(validation: &[Case]) -> Result<Self> {
        let mut best = None;
        for step in 0..=20 {
            let pooling = Self::Learned { weight_of_max: f64::from(step) / 20.0 };
            let Some(breasts) = by_breast(validation, pooling) else {
                let reason = "no image has a known side".into();
                return Err(Error::Undefined { statistic: "pooling of views", reason });
            };
            let sample = Sample::of(&breasts);
            let patients = sample.patients.of_case();
            let fit = LogisticFit::of(&sample.scores, &sample.malignant, patients, Fitted::Both)?;
            if best.is_none_or(|(_, log_loss)| fit.log_loss < log_loss) {
                best = Some((pooling, fit.log_loss));
            }
        }
        Ok(best.map_or(Self::Mean, |(pooling, _)| pooling))
    }
}

/// Pools the parts that share patient and `laterality`.
fn pool_by(parts: &[Case], pooling: Pooling, laterality: fn(&Case) -> Option<Laterality>) -> Vec<Case> {
    let compare = |a: &&Case, b: &&Case| (&a.patient_id, laterality(a)).cmp(&(&b.patient_id, laterality(b)));
    let mut sorted: Vec<&Case> = parts.iter().collect();
    sorted.sort_by(compare);
    let pooled = sorted.chunk_by(|a, b| compare(a, b).is_eq()).map(|parts| Case {
        patient_id: parts[0].patient_id.clone(),
        laterality: laterality(parts[0]),
        malignant: parts.iter().any(|part| part.malignant),
        score: pooling.pool(&parts.iter().map(|part| part.score).collect::<Vec<_>>()),
        n_images: parts.iter().map(|part| part.n_images).sum(),
    });
    pooled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::scores::tests::row;
    use mammo_core::record::Pathology::{Benign, Malignant, Unknown};

    #[test]
    fn views_are_pooled_within_a_breast_and_breasts_within_a_patient() {
        let right = |row: ScoreRow| ScoreRow { laterality: Some(Laterality::Right), ..row };
        let rows = [
            row("b-l", "b", Benign, 0.5),
            row("a-l-cc", "a", Malignant, 0.25),
            row("a-l-mlo", "a", Benign, 0.75),
            right(row("a-r", "a", Benign, 0.125)),
            right(row("a-r-unlabelled", "a", Unknown, 0.9)),
        ];
        let breast = |patient: &str, laterality, malignant, score, n_images| Case {
            patient_id: patient.into(),
            laterality: Some(laterality),
            malignant,
            score,
            n_images,
        };
        let images: Vec<Case> = rows.iter().filter_map(Case::of_image).collect();
        let breasts = by_breast(&images, Pooling::Mean).unwrap();
        let expected = [
            breast("a", Laterality::Left, true, 0.5, 2),
            breast("a", Laterality::Right, false, 0.125, 1),
            breast("b", Laterality::Left, false, 0.5, 1),
        ];
        assert_eq!(breasts, expected);
        assert_eq!(by_breast(&images, Pooling::Max).unwrap()[0].score, 0.75);
        let between = Pooling::Learned { weight_of_max: 0.5 };
        assert_eq!(by_breast(&images, between).unwrap()[0].score, 0.625);
        let no_side = Case { laterality: None, ..images[0].clone() };
        assert!(by_breast(std::slice::from_ref(&no_side), Pooling::Max).is_none());
        let with_one =
            [images.clone(), vec![Case { patient_id: "a".into(), score: 1.0, ..no_side }]].concat();
        let breasts_of_known = by_breast(&with_one, Pooling::Mean).unwrap();
        assert_eq!(breasts_of_known, breasts, "an image of unknown side changes no breast");
        let parts = parts_of_patients(&with_one, Some(&breasts_of_known));
        let patients = by_patient(&parts, Pooling::Max);
        assert_eq!((patients[0].score, patients[0].n_images), (1.0, 4), "but counts for its patient");
        assert_eq!(parts_of_patients(&with_one, None), with_one);

        let score_of = |pooling| by_patient(&breasts, pooling).iter().map(|c| c.score).collect::<Vec<_>>();
        assert_eq!(score_of(Pooling::Max), [0.5, 0.5]);
        assert_eq!(score_of(Pooling::Mean), [0.3125, 0.5]);
        let patients = by_patient(&breasts, Pooling::Max);
        assert_eq!((patients[0].malignant, patients[0].laterality, patients[0].n_images), (true, None, 3));
        assert!(!patients[1].malignant);
    }

    #[test]
    fn the_better_pooling_is_learned() {
        // The highest view separates the classes and the mean does not: the views of a benign breast
        // have medium scores.
        let breast = |patient: usize, malignant: bool| {
            let truth = if malignant { Malignant } else { Benign };
            let (noise, other) = ((patient * 7 % 10) as f64 / 40.0, (patient * 3 % 11) as f64 / 14.0);
            let views = if malignant { [0.9 - noise, 0.1 + other] } else { [0.75 - noise, 0.7 - noise] };
            views.map(|score| row(&format!("{patient}-{score}"), &format!("w{patient}"), truth, score))
        };
        let rows: Vec<ScoreRow> = (0..40).flat_map(|patient| breast(patient, patient % 2 == 0)).collect();
        let images: Vec<Case> = rows.iter().filter_map(Case::of_image).collect();
        let Pooling::Learned { weight_of_max } = Pooling::learn(&images).unwrap() else { panic!() };
        assert!(weight_of_max > 0.8, "{weight_of_max}");
    }
}
