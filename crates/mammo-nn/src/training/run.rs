//! What a training run is given, what it says on its way, and how it ends.

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

/// What a run is about, besides its data.
pub struct Run<'a> {
    /// Stages, rates, batches.
    pub config: &'a TrainingConfig,
    /// Seed of the run.
    pub seed: u64,
    /// Where to compute, without autodiff.
    pub device: &'a Device,
    /// Folder for the best model, the resume state and the metrics.
    pub dir: &'a Path,
    /// What the best checkpoint is chosen by.
    pub metric: Metric,
    /// What is fitted to the validation side of the best epoch, for images.
    pub calibration: CalibrationMethod,
    /// Share of the weights that the run started with in the models that are validated and kept; the rest is
    /// what training has come to. Zero is training alone.
    ///
    /// Few patients pull a model further than they can vouch for; halfway back is steadier (Wortsman et al.,
    /// "Robust fine-tuning of zero-shot models", arXiv 2109.01903, section 3).
    pub start_share: f64,
    /// Card of the model to be written.
    pub card: ModelCard,
    /// Digest of all that determines the run.
    pub digest: String,
    /// Continue from the resume state when there is one.
    pub resume: bool,
}

/// Figures of one finished epoch: a row of `metrics.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Stage, from one.
    pub stage: usize,
    /// Epoch within the stage, from one.
    pub epoch: usize,
    /// Rate at the last step.
    pub learning_rate: f64,
    /// Mean loss over the epoch's training batches.
    pub train_loss: f64,
    /// Loss on the validation side.
    pub validation_loss: f64,
    /// AUC (images) or balanced accuracy (patches) on the validation side.
    pub validation_metric: f64,
    /// Training pictures per second.
    pub pictures_per_s: f64,
    /// Whether this epoch's model is the best so far.
    pub best: bool,
}

/// What a watcher sees after each step.
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

/// Whoever shows progress and can ask for a stop.
pub trait TrainingObserver {
    /// A step has ended.
    fn step(&mut self, report: &StepReport);
    /// An epoch has ended.
    fn epoch(&mut self, row: &EpochRow);
    /// Whether to stop after the current step, saving the state.
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
    /// Stopped on request; [`crate::training::resume::FILE`] holds the state.
    Interrupted,
}

/// Writes the table of finished epochs, whole, into the folder of a run.
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
