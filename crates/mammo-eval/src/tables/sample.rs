//! Cases as parallel vectors of scores, truths and patients.

use crate::Result;
use crate::intervals::bootstrap::{BootstrapConfig, Patients, bootstrap};
use crate::intervals::interval::{Interval, Scale};
use crate::roc::ranked::RankedScores;
use crate::tables::aggregate::Case;

/// Scores, truths and patients of the same cases.
#[derive(Clone, Debug)]
pub struct Sample {
    /// One score per case.
    pub scores: Vec<f64>,
    /// Truth of each case.
    pub malignant: Vec<bool>,
    /// Patient of each case.
    pub patients: Patients,
}

impl Sample {
    /// Collects these cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let (mut scores, mut malignant, mut ids) = (vec![], vec![], vec![]);
        for case in cases {
            scores.push(case.score);
            malignant.push(case.malignant);
            ids.push(case.patient_id.as_str());
        }
        Self { scores, malignant, patients: Patients::from_ids(ids) }
    }

    /// Number of cases.
    pub fn n(&self) -> usize {
        self.scores.len()
    }

    /// Number of malignant cases.
    pub fn n_malignant(&self) -> usize {
        self.malignant.iter().filter(|&&malignant| malignant).count()
    }

    /// The cases sorted by score; each takes the weight of its patient.
    ///
    /// # Errors
    /// [`Error::Undefined`](crate::Error::Undefined) when a score is not finite.
    pub fn ranked(&self) -> Result<RankedScores> {
        RankedScores::new(&self.scores, &self.malignant, self.patients.of_case())
    }

    /// Area under the ROC curve with a bootstrap interval over patients.
    ///
    /// # Errors
    /// As [`roc_auc`](crate::roc::ranked::roc_auc) and [`bootstrap`].
    pub fn auc(&self, config: &BootstrapConfig) -> Result<Interval> {
        let ranked = self.ranked()?;
        let area = |times: &[u8]| Ok([ranked.resampled_auc(times)?]);
        let scale = Scale::area(ranked.units_by_class());
        bootstrap(self.patients.n(), config, [scale], area).map(|[interval]| interval)
    }

    /// Whether every score lies in `[0, 1]`.
    pub fn scores_are_probabilities(&self) -> bool {
        self.scores.iter().all(|score| (0.0..=1.0).contains(score))
    }
}
