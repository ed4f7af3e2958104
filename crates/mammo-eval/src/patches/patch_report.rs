//! Evaluation of a patch classifier by its class probabilities.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::patches::confusion::{ConfusionMatrix, OneVersusRest, one_versus_rest_auc};
use crate::report::figure::{Figure, FigureTable};

/// The evaluation of a patch classifier.
///
/// It has no intervals, because patches of one image overlap and are not independent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchEvaluation {
    /// Number of patches.
    pub n: usize,
    /// Share of patches whose class is predicted correctly.
    pub accuracy: f64,
    /// Mean recall of the classes that are present.
    pub balanced_accuracy: f64,
    /// Area of each class against all others.
    pub one_versus_rest: OneVersusRest,
    /// Counts by true and predicted class.
    pub confusion: ConfusionMatrix,
}

/// Evaluates a patch classifier.
///
/// # Inputs
/// - `truth`: class index of each patch.
/// - `probabilities`: `[n, classes]` row by row.
///
/// # Errors
/// [`Error::Undefined`](crate::Error::Undefined) when fewer than two classes are present or a
/// probability is not finite.
///
/// # Panics
/// When the shapes do not fit.
pub fn evaluate_patches(classes: &[&str], truth: &[usize], probabilities: &[f64]) -> Result<PatchEvaluation> {
    let confusion = ConfusionMatrix::from_probabilities(classes, truth, probabilities)?;
    Ok(PatchEvaluation {
        n: confusion.n(),
        accuracy: confusion.accuracy(),
        balanced_accuracy: confusion.balanced_accuracy(),
        one_versus_rest: one_versus_rest_auc(truth, probabilities, classes.len())?,
        confusion,
    })
}

impl FigureTable for PatchEvaluation {
    fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![
            Figure::count("n_patches", self.n),
            Figure::value("accuracy", Some(self.accuracy), self.n),
            Figure::value("balanced_accuracy", Some(self.balanced_accuracy), self.n),
            Figure::value("macro_auc", Some(self.one_versus_rest.macro_auc), self.n),
        ];
        for (class, auc) in self.confusion.per_class().iter().zip(&self.one_versus_rest.per_class) {
            figures.extend([
                Figure::value(&format!("recall_{}", class.class), class.recall, class.n),
                Figure::value(&format!("precision_{}", class.class), class.precision, class.n_predicted),
                Figure::value(&format!("auc_{}", class.class), *auc, class.n),
            ]);
        }
        for (truth, row) in self.confusion.classes.iter().zip(&self.confusion.counts) {
            let taken = self.confusion.classes.iter().zip(row);
            figures.extend(
                taken.map(|(taken, &count)| Figure::count(&format!("{truth}_taken_for_{taken}"), count)),
            );
        }
        figures
    }

    fn level(&self) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_every_confusion_is_told() {
        let classes = ["background", "benign_mass", "malignant_mass"];
        let probabilities = [0.8, 0.1, 0.1, 0.3, 0.6, 0.1, 0.1, 0.7, 0.2];
        let evaluation = evaluate_patches(&classes, &[0, 0, 1], &probabilities).unwrap();
        let value = |name: &str| evaluation.figures().into_iter().find(|f| f.name == name).unwrap().value;
        assert_eq!(value("balanced_accuracy"), Some(0.75));
        assert_eq!(value("macro_auc"), Some(1.0));
        assert_eq!(value("recall_background"), Some(0.5));
        assert_eq!(value("precision_benign_mass"), Some(0.5));
        assert_eq!(value("background_taken_for_benign_mass"), Some(1.0));
        assert_eq!(value("recall_malignant_mass"), None);
        assert_eq!(value("auc_malignant_mass"), None);
        let text = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<PatchEvaluation>(&text).unwrap(), evaluation);
    }
}
