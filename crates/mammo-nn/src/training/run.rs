//! Inputs, progress reports and outcome of a training run.

use std::path::Path;

use burn::tensor::Device;
use mammo_core::write::write_atomically;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::model_file::{CalibrationMethod, ModelCard};
use crate::training::schedule::TrainingConfig;
use crate::training::validation::Metric;

/// Name of the best model in a run folder.
pub const MODEL_FILE: &str = "model.safetensors";

/// Name of the table of epochs in a run folder.
pub const METRICS_FILE: &str = "metrics.csv";

/// The settings of a run, except its data.
pub struct TrainingRun<'a> {
    /// Stages, rates, batches.
    pub config: &'a TrainingConfig,
    /// Seed of the run.
    pub seed: u64,
    /// Device, without autodiff.
    pub device: &'a Device,
    /// Folder for the best model, the resume state and the metrics.
    pub dir: &'a Path,
    /// Metric that chooses the best epoch.
    pub metric: Metric,
    /// Calibration method, for images.
    pub calibration: CalibrationMethod,
    /// Share of the initial weights in the models that are validated and saved; the rest are the trained weights.
    /// Zero saves the trained weights.
    ///
    /// Fine-tuning on few patients overfits; interpolating with the starting weights is more stable (WiSE-FT:
    /// Wortsman et al. 2022, arXiv 2109.01903, section 3).
    pub start_share: f64,
    /// Card of the model to be written.
    pub card: ModelCard,
    /// Digest of everything that determines the run.
    pub digest: String,
    /// Resume from the checkpoint, if there is one.
    pub resume: bool,
}

/// Results of one epoch: a row of `metrics.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Stage, from one.
    pub stage: usize,
    /// Epoch within the stage, from one.
    pub epoch: usize,
    /// Learning rate at the last step.
    pub learning_rate: f64,
    /// Mean loss over the epoch's training batches.
    pub train_loss: f64,
    /// Loss on the validation set.
    pub validation_loss: f64,
    /// AUC (images) or balanced accuracy (patches) on the validation set.
    pub validation_metric: f64,
    /// Training images per second.
    pub pictures_per_s: f64,
    /// Whether this epoch's model is the best so far.
    pub best: bool,
}

/// Progress after a step.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Stage, from one, and how many there are.
    pub stage: [usize; 2],
    /// Epoch within the stage, from one, and how many there are.
    pub epoch: [usize; 2],
    /// Step within the epoch, from one, and how many there are.
    pub step: [usize; 2],
    /// Mean loss of the epoch so far.
    pub loss: f64,
}

/// Receives the progress of a run and can stop it.
pub trait TrainingObserver {
    /// A step has ended.
    fn step(&mut self, report: &StepReport);
    /// An epoch has ended.
    fn epoch(&mut self, row: &EpochRow);
    /// Whether to stop after the current step and save a checkpoint.
    fn stop_requested(&self) -> bool;
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All stages done; the best model is in [`MODEL_FILE`].
    Finished {
        /// Its validation metric.
        best_metric: f64,
    },
    /// Stopped on request; [`crate::training::resume::FILE`] holds the checkpoint.
    Interrupted,
}

/// Writes the table of finished epochs into the folder of a run. Numbers have fixed decimals, which the crate csv does
/// not write, so that two runs compare line by line.
pub(crate) fn write_metrics(dir: &Path, history: &[EpochRow]) -> Result<()> {
    let mut table = String::from(
        "stage,epoch,learning_rate,train_loss,validation_loss,validation_metric,pictures_per_s,best\n",
    );
    for row in history {
        table.push_str(&format!(
            "{},{},{:e},{:.6},{:.6},{:.6},{:.1},{}\n",
            row.stage,
            row.epoch,
            row.learning_rate,
            row.train_loss,
            row.validation_loss,
            row.validation_metric,
            row.pictures_per_s,
            row.best
        ));
    }
    Ok(write_atomically(&dir.join(METRICS_FILE), table.as_bytes())?)
}
