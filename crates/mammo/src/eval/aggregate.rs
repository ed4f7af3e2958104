//! Image → breast → patient: the scores of several images pooled into one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scores::ScoreRow;
use crate::record::Laterality;

/// How several scores become one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The highest: one suspicious part suffices.
    Max,
    /// Between the two, as learned on validation scores.
    Learned {
        /// 1 is the highest score, 0 the mean.
        weight_of_max: f64,
    },
}

impl Pooling {
    /// The pooled score of at least one score.
    fn pool(self, scores: &[f64]) -> f64 {
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
    /// The woman.
    pub patient_id: String,
    /// Which breast; `None` for a patient.
    pub laterality: Option<Laterality>,
    /// Whether it, or any of its parts, is malignant.
    pub malignant: bool,
    /// Its probability, or the pooled score of its parts.
    pub score: f64,
    /// Images behind it.
    pub n_images: usize,
}

impl Case {
    /// A single image as a case; `None` without a label.
    pub fn of_image(row: &ScoreRow) -> Option<Self> {
        let (patient_id, laterality) = (row.patient_id.clone(), Some(row.laterality));
        Some(Self {
            patient_id,
            laterality,
            malignant: row.malignant()?,
            score: row.probability,
            n_images: 1,
        })
    }
}

/// Pools the labelled images of each breast, in order of patient and side. Rows without a label
/// play no part.
pub fn by_breast(rows: &[ScoreRow], views: Pooling) -> Vec<Case> {
    let images = rows.iter().filter_map(Case::of_image);
    pool_by(images, views, |image| image.laterality)
}

/// Pools the breasts of each patient, in order of patient.
pub fn by_patient(breasts: &[Case], pooling: Pooling) -> Vec<Case> {
    pool_by(breasts.iter().cloned(), pooling, |_| None)
}

/// Pools the parts that share patient and `laterality`.
fn pool_by(
    parts: impl Iterator<Item = Case>,
    pooling: Pooling,
    laterality: impl Fn(&Case) -> Option<Laterality>,
) -> Vec<Case> {
    let mut groups: BTreeMap<(String, Option<Laterality>), Vec<Case>> = BTreeMap::new();
    for part in parts {
        groups.entry((part.patient_id.clone(), laterality(&part))).or_default().push(part);
    }
    let pooled = groups.into_iter().map(|((patient_id, laterality), parts)| Case {
        patient_id,
        laterality,
        malignant: parts.iter().any(|part| part.malignant),
        score: pooling.pool(&parts.iter().map(|part| part.score).collect::<Vec<_>>()),
        n_images: parts.iter().map(|part| part.n_images).sum(),
    });
    pooled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::scores::tests::row;
    use crate::record::Pathology::{Benign, Malignant, Unknown};

    #[test]
    fn views_are_pooled_within_a_breast_and_breasts_within_a_patient() {
        let right = |row: ScoreRow| ScoreRow { laterality: Laterality::Right, ..row };
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
        let breasts = by_breast(&rows, Pooling::Mean);
        let expected = [
            breast("a", Laterality::Left, true, 0.5, 2),
            breast("a", Laterality::Right, false, 0.125, 1),
            breast("b", Laterality::Left, false, 0.5, 1),
        ];
        assert_eq!(breasts, expected);
        assert_eq!(by_breast(&rows, Pooling::Max)[0].score, 0.75);

        let score_of = |pooling| by_patient(&breasts, pooling).iter().map(|c| c.score).collect::<Vec<_>>();
        assert_eq!(score_of(Pooling::Max), [0.5, 0.5]);
        assert_eq!(score_of(Pooling::Mean), [0.3125, 0.5]);
        let patients = by_patient(&breasts, Pooling::Max);
        assert_eq!((patients[0].malignant, patients[0].laterality, patients[0].n_images), (true, None, 3));
        assert!(!patients[1].malignant);
    }
}
