//! A toy problem that needs convolutions: stripes along rows against stripes along columns,
//! at a random phase and with noise, so that no single pixel tells the class.

use std::path::Path;

use burn::tensor::Device;
use mammo_core::seed::{Rng, stream};
use mammo_image::preprocess::Preprocessing;
use mammo_nn::Result;
use mammo_nn::model_file::{CalibrationMethod, ModelCard, Network, TrainingRecord};
use mammo_nn::networks::Scope;
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::precision::PrecisionChoice;
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use mammo_nn::training::batches::Examples;
use mammo_nn::training::optimizer::OptimizerKind;
use mammo_nn::training::run::{EpochRow, StepReport, TrainingObserver, TrainingRun};
use mammo_nn::training::schedule::{RateSchedule, StageConfig, TrainingConfig};
use mammo_nn::training::validation::Metric;
use rand::RngExt;

pub const SIDE: usize = 32;

pub struct Stripes {
    pub n: usize,
    pub seed: u64,
}

impl Examples for Stripes {
    fn len(&self) -> usize {
        self.n
    }
    fn n_classes(&self) -> usize {
        2
    }
    fn class(&self, index: usize) -> usize {
        index % 2
    }
    fn shape(&self) -> [usize; 3] {
        [1, SIDE, SIDE]
    }
    fn write(&self, index: usize, augment: Option<&mut Rng>, out: &mut [f32]) -> Result<()> {
        let mut rng = stream(self.seed, "stripes", index as u64);
        let shift = augment.map_or(0, |rng| rng.random_range(0..8));
        let phase = rng.random_range(0..8) + shift;
        for y in 0..SIDE {
            for x in 0..SIDE {
                let along = if self.class(index) == 0 { y } else { x };
                let stripe = if (along + phase) % 8 < 4 { 1.0 } else { -1.0 };
                out[y * SIDE + x] = stripe + rng.random_range(-1.0..1.0);
            }
        }
        Ok(())
    }
}

pub fn patch_config(family: Family) -> PatchClassifierConfig {
    let stages = match family {
        Family::Resnet18 | Family::Resnet50 => 2,
        Family::Vgg16 | Family::Vgg19 | Family::Yaroslav => 3,
        Family::EfficientNetLite0 | Family::EfficientNetLite1 | Family::EfficientNetLite2 => 3,
    };
    let trunk = TrunkConfig { width: 0.125, stages: Some(stages), ..TrunkConfig::new(family) };
    PatchClassifierConfig { trunk, n_classes: 2, dropout: 0.25 }
}

pub fn network(family: Family, seed: u64) -> PatchClassifier {
    initialise(PatchClassifier::new(&patch_config(family), &Device::flex().autodiff()).unwrap(), seed)
}

pub fn card(family: Family) -> ModelCard {
    let network = Network::Patch(patch_config(family));
    let classes = vec!["rows".to_string(), "columns".to_string()];
    ModelCard::new(network, classes, Preprocessing::default(), TrainingRecord::default())
}

pub fn training(stages: Vec<StageConfig>) -> TrainingConfig {
    TrainingConfig {
        batch_size: 8,
        optimizer: OptimizerKind::Adam,
        schedule: RateSchedule::Constant,
        early_stopping: None,
        balanced: true,
        examples_per_epoch: None,
        label_smoothing: 0.0,
        precision: PrecisionChoice::F32,
        stages,
    }
}

pub fn stage(train: Scope, epochs: usize, learning_rate: f64) -> StageConfig {
    StageConfig { train, epochs, learning_rate, weight_decay: 1e-4, keep_norm_statistics: false }
}

pub fn run<'a>(
    family: Family,
    config: &'a TrainingConfig,
    device: &'a Device,
    dir: &'a Path,
) -> TrainingRun<'a> {
    TrainingRun {
        config,
        seed: 5,
        device,
        dir,
        metric: Metric::BalancedAccuracy,
        calibration: CalibrationMethod::Platt,
        start_share: 0.0,
        card: card(family),
        digest: "toy".into(),
        resume: true,
    }
}

/// Records everything and asks for a stop after a number of steps.
#[derive(Default)]
pub struct Recorder {
    pub losses: Vec<f64>,
    pub rows: Vec<EpochRow>,
    pub stop_after: Option<usize>,
}

impl TrainingObserver for Recorder {
    fn step(&mut self, report: &StepReport) {
        self.losses.push(report.loss);
    }
    fn epoch(&mut self, row: &EpochRow) {
        self.rows.push(row.clone());
    }
    fn stop_requested(&self) -> bool {
        self.stop_after.is_some_and(|n| self.losses.len() >= n)
    }
}
