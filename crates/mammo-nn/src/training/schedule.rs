//! Training stages: which layers are trained, at which learning rate, and early stopping.

use serde::{Deserialize, Serialize};

use crate::networks::Scope;
use crate::networks::precision::PrecisionChoice;
use crate::training::optimizer::OptimizerKind;
use crate::{Error, Result};

/// One training stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// The layers that are trained; the others are frozen.
    pub train: Scope,
    /// Passes over the (balanced) training examples.
    pub epochs: usize,
    /// Learning rate at the start of the stage.
    pub learning_rate: f64,
    /// L2 penalty on kernels (Adam, SGD) or decoupled decay (AdamW, Muon).
    #[serde(default)]
    pub weight_decay: f64,
    /// Normalise with the running statistics instead of the batch's, and freeze them; scales and shifts are trained.
    /// Default: false.
    ///
    /// The paper's networks always train on batch statistics. But a batch of a few whole images, mostly background,
    /// has other statistics than the patches that the trunk was trained on, and switching to them degrades what the
    /// trunk has learned.
    #[serde(default)]
    pub keep_norm_statistics: bool,
}

/// Learning rate within a stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum RateSchedule {
    /// Constant.
    Constant,
    /// Multiplied by `factor` after `patience` epochs without a lower validation loss.
    Plateau {
        /// Epochs to wait.
        patience: usize,
        /// Factor, above 0 and below 1.
        factor: f64,
    },
    /// Half a cosine from the stage's learning rate to a hundredth of it, per step.
    Cosine,
}

/// Training settings, the same for patches and images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Examples per step.
    pub batch_size: usize,
    /// Update rule.
    #[serde(default)]
    pub optimizer: OptimizerKind,
    /// Learning rate within a stage.
    #[serde(default = "constant")]
    pub schedule: RateSchedule,
    /// Early stopping: a stage ends after this many epochs without a lower validation loss; never by default.
    #[serde(default)]
    pub early_stopping: Option<usize>,
    /// Draw every class equally often, whatever its frequency in the data (default).
    #[serde(default = "yes")]
    pub balanced: bool,
    /// Examples per epoch; the size of the training set by default.
    #[serde(default)]
    pub examples_per_epoch: Option<usize>,
    /// Label smoothing: share of the target probability that is spread over all classes.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Number type of feature maps and of their gradients.
    #[serde(default)]
    pub precision: PrecisionChoice,
    /// The stages, in order.
    pub stages: Vec<StageConfig>,
}

fn constant() -> RateSchedule {
    RateSchedule::Constant
}

fn yes() -> bool {
    true
}

/// Largest batch size, number of examples and of epochs: more than any machine can process, and small enough that
/// their products do not overflow.
const MAX_BATCH: usize = 1_000_000;
const MAX_EXAMPLES: usize = 1_000_000_000;
const MAX_EPOCHS: usize = 1_000_000;

impl TrainingConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Network`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str, found: String, expected: &str| Err(Error::network(what, found, expected));
        if !(1..=MAX_BATCH).contains(&self.batch_size) {
            return wrong("batch_size", self.batch_size.to_string(), &format!("1 to {MAX_BATCH}"));
        }
        if self.stages.is_empty() {
            let expected = "at least one entry such as { train = \"all\", epochs = 1, learning_rate = 1e-3 }";
            return wrong("stages", "none".into(), expected);
        }
        if let Some(examples) = self.examples_per_epoch
            && !(1..=MAX_EXAMPLES).contains(&examples)
        {
            let expected = format!("1 to {MAX_EXAMPLES}, or leave it out");
            return wrong("examples_per_epoch", examples.to_string(), &expected);
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return wrong("label_smoothing", self.label_smoothing.to_string(), "at least 0 and below 1");
        }
        if let RateSchedule::Plateau { factor, .. } = self.schedule
            && !(factor > 0.0 && factor < 1.0)
        {
            return wrong("schedule.factor", factor.to_string(), "above 0 and below 1");
        }
        for (i, stage) in self.stages.iter().enumerate() {
            let setting = |key: &str| format!("stages.{key} (stage {})", i + 1);
            if !(1..=MAX_EPOCHS).contains(&stage.epochs) {
                let expected = format!("1 to {MAX_EPOCHS}");
                return wrong(&setting("epochs"), stage.epochs.to_string(), &expected);
            }
            if !(stage.learning_rate.is_finite() && stage.learning_rate > 0.0) {
                return wrong(&setting("learning_rate"), stage.learning_rate.to_string(), "above 0");
            }
            if !(stage.weight_decay.is_finite() && stage.weight_decay >= 0.0) {
                return wrong(&setting("weight_decay"), stage.weight_decay.to_string(), "0 or above");
            }
        }
        Ok(())
    }

    /// Learning rate at a step of a stage. `progress` is the share of the stage's steps done, `factor` the product of
    /// all plateau factors so far.
    pub fn learning_rate(&self, stage: usize, progress: f64, factor: f64) -> f64 {
        let start = self.stages[stage].learning_rate;
        match self.schedule {
            RateSchedule::Constant => start,
            RateSchedule::Plateau { .. } => start * factor,
            RateSchedule::Cosine => {
                let cosine = (1.0 + (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos()) / 2.0;
                start * (0.01 + 0.99 * cosine)
            }
        }
    }
}

/// Progress of a stage; decides plateaus and early stopping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageProgress {
    best_loss: Option<f64>,
    epochs_without_better: usize,
    epochs_since_drop: usize,
    /// Product of all plateau factors so far.
    pub rate_factor: f64,
}

impl Default for StageProgress {
    fn default() -> Self {
        Self { best_loss: None, epochs_without_better: 0, epochs_since_drop: 0, rate_factor: 1.0 }
    }
}

impl StageProgress {
    /// Records one epoch's validation loss; true if the stage should stop early.
    pub fn epoch_ended(&mut self, validation_loss: f64, config: &TrainingConfig) -> bool {
        if self.best_loss.is_none_or(|best| validation_loss < best) {
            self.best_loss = Some(validation_loss);
            self.epochs_without_better = 0;
            self.epochs_since_drop = 0;
            return false;
        }
        self.epochs_without_better += 1;
        self.epochs_since_drop += 1;
        if let RateSchedule::Plateau { patience, factor } = config.schedule
            && self.epochs_since_drop >= patience.max(1)
        {
            self.rate_factor *= factor;
            self.epochs_since_drop = 0;
        }
        config.early_stopping.is_some_and(|patience| self.epochs_without_better >= patience.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(schedule: RateSchedule, early_stopping: Option<usize>) -> TrainingConfig {
        let stage = StageConfig {
            train: Scope::All,
            epochs: 10,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            keep_norm_statistics: false,
        };
        TrainingConfig {
            batch_size: 4,
            optimizer: OptimizerKind::Adam,
            schedule,
            early_stopping,
            balanced: true,
            examples_per_epoch: None,
            label_smoothing: 0.0,
            precision: PrecisionChoice::F32,
            stages: vec![stage],
        }
    }

    #[test]
    fn a_plateau_halves_the_rate_and_the_stage_ends_after_its_patience() {
        let config = config(RateSchedule::Plateau { patience: 2, factor: 0.5 }, Some(4));
        let mut progress = StageProgress::default();
        let ends: Vec<bool> =
            [1.0, 0.9, 0.95, 0.93, 0.92, 0.91].iter().map(|&l| progress.epoch_ended(l, &config)).collect();
        assert_eq!(ends, [false, false, false, false, false, true]);
        assert_eq!(progress.rate_factor, 0.25);
        assert_eq!(config.learning_rate(0, 0.0, progress.rate_factor), 2.5e-4);
    }

    #[test]
    fn the_cosine_falls_from_the_whole_rate_to_a_hundredth() {
        let config = config(RateSchedule::Cosine, None);
        assert!((config.learning_rate(0, 0.0, 1.0) - 1e-3).abs() < 1e-12);
        assert!((config.learning_rate(0, 1.0, 1.0) - 1e-5).abs() < 1e-12);
        assert!(config.learning_rate(0, 0.3, 1.0) > config.learning_rate(0, 0.6, 1.0));
    }

    #[test]
    fn what_cannot_be_trained_is_refused_by_name_and_stage() {
        type Change = fn(&mut TrainingConfig);
        let cases: [(Change, &str); 8] = [
            (|c| c.batch_size = 0, "batch_size: 0;"),
            (|c| c.batch_size = usize::MAX, "batch_size: 18446744073709551615;"),
            (|c| c.stages.clear(), "stages: none;"),
            (|c| c.examples_per_epoch = Some(usize::MAX), "examples_per_epoch: 18446744073709551615;"),
            (|c| c.stages[0].epochs = 0, "stages.epochs (stage 1): 0;"),
            (|c| c.stages[0].learning_rate = 0.0, "stages.learning_rate (stage 1): 0;"),
            (|c| c.stages[0].learning_rate = f64::NAN, "stages.learning_rate (stage 1): NaN;"),
            (|c| c.stages[0].weight_decay = -1.0, "stages.weight_decay (stage 1): -1;"),
        ];
        for (change, wanted) in cases {
            let mut config = config(RateSchedule::Constant, None);
            assert!(config.check().is_ok());
            change(&mut config);
            let message = config.check().unwrap_err().to_string();
            assert!(message.starts_with(wanted), "{message}");
        }
    }
}
