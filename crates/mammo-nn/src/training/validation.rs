//! Evaluation of a network on the validation set: loss, the metric that chooses the best epoch, and for images the
//! operating point and the calibration that are stored with the model.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use mammo_eval::patches::confusion::ConfusionMatrix;
use mammo_eval::roc::operating_point::{OperatingPoint, OperatingRule};
use mammo_eval::roc::ranked::roc_auc;
use mammo_eval::{BootstrapConfig, Patients, Sample};

use crate::Result;
use crate::model_file::{Calibration, CalibrationMethod, ModelCard};
use crate::networks::Classifier;
use crate::networks::precision::Precision;
use crate::training::batches::{Examples, evaluation_batches};
use crate::training::features::Features;

/// Metric that chooses the best epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Mean recall over classes, for patches.
    BalancedAccuracy,
    /// Area under the ROC curve of the second class, for images.
    Auc,
}

/// Class probabilities of all examples and their mean loss.
pub struct Assessment {
    /// `n * n_classes`, row-major.
    pub probabilities: Vec<f64>,
    /// Class of each example.
    pub truth: Vec<usize>,
    /// Mean cross-entropy.
    pub loss: f64,
}

/// Probabilities and loss over all examples, without augmentation or dropout.
///
/// # Errors
/// When an input cannot be read.
pub fn assess<C: Classifier>(
    model: &C,
    examples: &dyn Examples,
    batch_size: usize,
    device: &Device,
    precision: Precision,
) -> Result<Assessment> {
    let mut probabilities = Vec::with_capacity(examples.len() * examples.n_classes());
    let mut truth = Vec::with_capacity(examples.len());
    let features = Features::of_frozen(model.trunk(), examples.shape()[0], precision, device);
    std::thread::scope(|scope| -> Result<()> {
        for batch in evaluation_batches(scope, examples, batch_size).iter() {
            let batch = batch?;
            truth.extend_from_slice(&batch.classes);
            let views = batch.views.clone();
            let map = features.of(model.trunk(), batch, device);
            let probability: Tensor<2> = softmax(model.logits_of_features(map, &views, None), 1);
            probabilities.extend(probability.into_data().iter::<f64>());
        }
        Ok(())
    })?;
    let k = examples.n_classes();
    // The smallest positive probability of an f32 softmax bounds the loss.
    let log_loss = |(row, &class): (&[f64], &usize)| -row[class].max(f64::from(f32::MIN_POSITIVE)).ln();
    let loss = probabilities.chunks_exact(k).zip(&truth).map(log_loss).sum::<f64>() / truth.len() as f64;
    Ok(Assessment { probabilities, truth, loss })
}

/// The metric that chooses the best epoch.
///
/// # Errors
/// When it is undefined because there is only one class.
pub fn metric(metric: Metric, assessment: &Assessment, n_classes: usize) -> Result<f64> {
    match metric {
        Metric::Auc => Ok(roc_auc(&malignant_scores(assessment), &malignant(assessment))?),
        Metric::BalancedAccuracy => {
            let names: Vec<String> = (0..n_classes).map(|i| i.to_string()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let matrix =
                ConfusionMatrix::from_probabilities(&names, &assessment.truth, &assessment.probabilities)?;
            Ok(matrix.balanced_accuracy())
        }
    }
}

/// Stores operating point, calibration and AUC interval, fitted on the validation set, in the card. The operating
/// point maximises sensitivity + specificity.
///
/// # Errors
/// When the operating point is undefined because there is only one class.
pub fn calibrate_on_validation(card: &mut ModelCard, side: &Sample, method: CalibrationMethod) -> Result<()> {
    let point = OperatingPoint::choose(OperatingRule::MaxYouden, &side.scores, &side.malignant)?;
    card.operating_point = Some(point);
    (card.calibration, card.no_calibration) = match Calibration::fit(method, side) {
        Ok(calibration) => (calibration, None),
        Err(mammo_core::Error::Undefined { reason, .. }) => (None, Some(reason)),
        Err(other) => return Err(other.into()),
    };
    // For a few patients the AUC may be defined, but not its interval.
    let area = side.auc(&BootstrapConfig::default()).ok();
    card.training.validation_interval = area.map(|area| [area.low, area.high]);
    Ok(())
}

/// The validation set as a sample for statistics.
pub fn sample(assessment: &Assessment, examples: &dyn Examples) -> Sample {
    let unnamed: Vec<String> = (0..examples.len()).map(|i| format!("{i:08}")).collect();
    let patients = (0..examples.len()).map(|i| examples.patient(i).unwrap_or(&unnamed[i]));
    Sample {
        scores: malignant_scores(assessment),
        malignant: malignant(assessment),
        patients: Patients::from_ids(patients),
    }
}

/// Probabilities of the second of two classes.
fn malignant_scores(assessment: &Assessment) -> Vec<f64> {
    assessment.probabilities.chunks_exact(2).map(|p| p[1]).collect()
}

fn malignant(assessment: &Assessment) -> Vec<bool> {
    assessment.truth.iter().map(|&class| class == 1).collect()
}
