//! Statistics of several classes: confusion matrix, recall, precision, one-versus-rest areas.

use serde::{Deserialize, Serialize};

use crate::roc::ranked::roc_auc;
use crate::{Error, Result};

/// Counts of cases by true and predicted class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    /// Class names, in the order of rows and columns.
    pub classes: Vec<String>,
    /// `counts[truth][predicted]`.
    pub counts: Vec<Vec<usize>>,
}

/// One class of a [`ConfusionMatrix`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// Name of the class.
    pub class: String,
    /// Cases of this class.
    pub n: usize,
    /// Cases predicted as this class.
    pub n_predicted: usize,
    /// Share of its cases that is predicted correctly; `None` if the class is absent.
    pub recall: Option<f64>,
    /// Share of the cases predicted as this class that belong to it; `None` if there are none.
    pub precision: Option<f64>,
}

impl ConfusionMatrix {
    /// Counts pairs of class indices.
    ///
    /// # Errors
    /// [`Error::Undefined`] when there are no cases.
    ///
    /// # Panics
    /// When the slices differ in length or an index names no class.
    pub fn from_classes(classes: &[&str], truth: &[usize], predicted: &[usize]) -> Result<Self> {
        assert_eq!(truth.len(), predicted.len(), "one prediction per case");
        if truth.is_empty() {
            return Err(undefined("confusion matrix", "there are no cases".into()));
        }
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            assert!(
                truth.max(predicted) < classes.len(),
                "class {} of {}",
                truth.max(predicted),
                classes.len()
            );
            counts[truth][predicted] += 1;
        }
        Ok(Self { classes: classes.iter().map(ToString::to_string).collect(), counts })
    }

    /// Takes each case for its most probable class, the first among equals.
    ///
    /// # Inputs
    /// - `probabilities`: `[n, k]` row by row, one row per case.
    ///
    /// # Errors
    /// [`Error::Undefined`] when there are no cases or a probability is not finite.
    ///
    /// # Panics
    /// When the shapes do not fit or an index names no class.
    pub fn from_probabilities(classes: &[&str], truth: &[usize], probabilities: &[f64]) -> Result<Self> {
        assert_eq!(probabilities.len(), truth.len() * classes.len(), "one row of probabilities per case");
        if let Some(at) = probabilities.iter().position(|p| !p.is_finite()) {
            let reason = format!("a probability of case {} is {}", at / classes.len(), probabilities[at]);
            return Err(undefined("confusion matrix", reason));
        }
        let predicted: Vec<usize> =
            probabilities.chunks_exact(classes.len().max(1)).map(most_probable).collect();
        Self::from_classes(classes, truth, &predicted)
    }

    /// Number of cases.
    pub fn n(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Share of all cases that is predicted correctly.
    pub fn accuracy(&self) -> f64 {
        let right: usize = (0..self.classes.len()).map(|class| self.counts[class][class]).sum();
        right as f64 / self.n() as f64
    }

    /// Mean recall of the classes that are present, so that rare and frequent classes have equal
    /// weight.
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls: Vec<f64> = self.per_class().iter().filter_map(|class| class.recall).collect();
        recalls.iter().sum::<f64>() / recalls.len() as f64
    }

    /// Recall and precision of every class, absent ones included.
    pub fn per_class(&self) -> Vec<ClassFigures> {
        let figures = |class: usize| {
            let n = self.counts[class].iter().sum();
            let n_predicted = self.counts.iter().map(|row| row[class]).sum();
            let share = |of: usize| (of > 0).then(|| self.counts[class][class] as f64 / of as f64);
            let name = self.classes[class].clone();
            ClassFigures { class: name, n, n_predicted, recall: share(n), precision: share(n_predicted) }
        };
        (0..self.classes.len()).map(figures).collect()
    }
}

/// Area of each class against all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneVersusRest {
    /// Mean over the classes that have an area.
    pub macro_auc: f64,
    /// One per class; `None` when the class is absent.
    pub per_class: Vec<Option<f64>>,
}

/// Area under the ROC curve of each class against all others, by the probability of that class.
///
/// # Inputs
/// - `probabilities`: `[n, n_classes]` row by row, one row per case.
///
/// # Errors
/// [`Error::Undefined`] when fewer than two classes are present or a probability is not finite.
///
/// # Panics
/// When the shapes do not fit.
pub fn one_versus_rest_auc(
    truth: &[usize],
    probabilities: &[f64],
    n_classes: usize,
) -> Result<OneVersusRest> {
    assert_eq!(probabilities.len(), truth.len() * n_classes, "one row of probabilities per case");
    if truth.iter().all(|class| Some(class) == truth.first()) {
        let reason = format!("fewer than two classes among {} cases", truth.len());
        return Err(undefined("one-versus-rest area", reason));
    }
    let area = |class: usize| {
        let is_class: Vec<bool> = truth.iter().map(|&t| t == class).collect();
        if !is_class.contains(&true) {
            return Ok(None);
        }
        let scores: Vec<f64> = probabilities.chunks_exact(n_classes).map(|row| row[class]).collect();
        roc_auc(&scores, &is_class).map(Some)
    };
    let per_class = (0..n_classes).map(area).collect::<Result<Vec<_>>>()?;
    let areas: Vec<f64> = per_class.iter().flatten().copied().collect();
    Ok(OneVersusRest { macro_auc: areas.iter().sum::<f64>() / areas.len() as f64, per_class })
}

fn most_probable(probabilities: &[f64]) -> usize {
    (1..probabilities.len()).fold(
        0,
        |best, class| {
            if probabilities[class] > probabilities[best] { class } else { best }
        },
    )
}

fn undefined(statistic: &'static str, reason: String) -> Error {
    Error::Undefined { statistic, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [&str; 3] = ["background", "benign", "malignant"];

    #[test]
    fn an_absent_class_is_shown_and_left_out_of_the_mean() {
        let matrix =
            ConfusionMatrix::from_classes(&CLASSES, &[0, 0, 0, 0, 1, 1], &[0, 0, 0, 2, 1, 0]).unwrap();
        assert_eq!(matrix.counts, [[3, 0, 1], [1, 1, 0], [0, 0, 0]]);
        assert_eq!(matrix.accuracy(), 4.0 / 6.0);
        assert_eq!(matrix.balanced_accuracy(), (0.75 + 0.5) / 2.0);
        let malignant = &matrix.per_class()[2];
        assert_eq!((malignant.n, malignant.recall), (0, None));
        assert_eq!((malignant.n_predicted, malignant.precision), (1, Some(0.0)));
    }

    #[test]
    fn the_first_of_equal_probabilities_wins() {
        let probabilities = [0.4, 0.4, 0.2, 0.1, 0.2, 0.7];
        let matrix = ConfusionMatrix::from_probabilities(&CLASSES, &[1, 2], &probabilities).unwrap();
        assert_eq!(matrix.counts, [[0, 0, 0], [1, 0, 0], [0, 0, 1]]);
    }

    #[test]
    fn two_classes_have_the_area_of_the_two_class_curve() {
        let probabilities = [0.1, 0.9, 0.6, 0.4, 0.3, 0.7, 0.8, 0.2];
        let areas = one_versus_rest_auc(&[1, 1, 0, 0], &probabilities, 2).unwrap();
        assert_eq!(areas.per_class, [Some(0.75), Some(0.75)]);
        assert_eq!(areas.macro_auc, 0.75);
    }

    #[test]
    fn what_cannot_be_counted_is_an_error() {
        assert!(ConfusionMatrix::from_classes(&CLASSES, &[], &[]).is_err());
        assert!(ConfusionMatrix::from_probabilities(&CLASSES, &[0], &[0.1, f64::NAN, 0.2]).is_err());
        assert!(one_versus_rest_auc(&[1, 1], &[0.1, 0.9, 0.2, 0.8], 2).is_err());
        assert!(one_versus_rest_auc(&[], &[], 2).is_err());
    }
}
