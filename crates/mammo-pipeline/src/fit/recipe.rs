//! Recipes: networks, rates and numbers of examples that worked on real mammograms (docs/experiments.md).
//!
//! A recipe has a size of its own; [`Counts`] scale it by an amount, where 1 is the size that was tried.

use mammo_image::augment::Augmentation;
use mammo_nn::model_file::CalibrationMethod;
use mammo_nn::networks::Scope;
use mammo_nn::networks::precision::PrecisionChoice;
use mammo_nn::networks::top::{HeatmapActivation, HeatmapRule, MapPooling, TopConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use mammo_nn::training::optimizer::OptimizerKind;
use mammo_nn::training::schedule::{RateSchedule, StageConfig, TrainingConfig};

use super::fingerprint::Fingerprint;
use super::start::{Start, Weights};
use crate::config::{ImageSection, PatchSection};

/// Patches of a step, and images.
pub const PATCH_BATCH: usize = 32;
pub const IMAGE_BATCH: usize = 8;

/// Exponents of grey values, and sharpening or blurring: what differs between scanners, and betters films, too (2026-12-01).
const GAMMA: [f64; 2] = [0.7, 1.5];
const SHARPNESS: [f64; 2] = [-0.6, 1.0];

/// Fewer lesions and images than these are shown more often: a network needs some hundred steps.
const LEAST_LESIONS: usize = 100;
const LEAST_IMAGES: usize = 200;

/// One of the two trainings of a recipe: passes over its examples and epochs, at an amount of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Epochs in which the trunk is frozen.
    pub frozen_epochs: f64,
    /// Epochs in which all layers are trained.
    pub epochs: f64,
    /// Examples in each of them.
    pub per_epoch: f64,
    /// Learning rate while the trunk is frozen.
    pub frozen_rate: f64,
    /// Learning rate of all layers.
    pub rate: f64,
    /// Weight decay of all layers.
    pub decay: f64,
}

/// A recipe for a data set and a start.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The network.
    pub trunk: TrunkConfig,
    /// Patch classifier; `None` without lesions.
    pub patch: Option<Part>,
    /// Whole-image classifier.
    pub image: Part,
    /// Share of pooled features that the patch classifier drops in training.
    pub patch_dropout: f64,
    /// Whether the whole-image classifier reads the heatmap of the patch classifier.
    pub heatmap: bool,
    /// Share of the benign examples that show only normal tissue.
    pub lesion_free_share: f64,
}

/// Epochs and examples of one part at an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Epochs with a frozen trunk.
    pub frozen_epochs: usize,
    /// Epochs of all layers.
    pub epochs: usize,
    /// Examples in each.
    pub per_epoch: usize,
}

impl Part {
    /// The part with `amount` times as many examples: half of the change is in the number of epochs, half in their size.
    pub fn counts(&self, amount: f64, batch: usize) -> Counts {
        let scaled = |epochs: f64, least: f64| (epochs * amount.sqrt()).round().max(least);
        let epochs = scaled(self.epochs, self.epochs.min(2.0));
        let frozen = scaled(self.frozen_epochs, self.frozen_epochs.min(1.0));
        let share = if epochs > 0.0 { self.epochs / epochs } else { self.frozen_epochs / frozen };
        let steps = amount * share * self.per_epoch / batch as f64;
        Counts {
            frozen_epochs: frozen as usize,
            epochs: epochs as usize,
            per_epoch: (steps.round() as usize).max(2) * batch,
        }
    }

    /// Settings of the training.
    fn training(&self, counts: Counts, batch: usize, scopes: [Scope; 2], keep_norms: bool) -> TrainingConfig {
        let frozen = StageConfig {
            train: scopes[0],
            epochs: counts.frozen_epochs,
            learning_rate: self.frozen_rate,
            weight_decay: 1e-3,
            keep_norm_statistics: false,
        };
        let all = StageConfig {
            train: scopes[1],
            epochs: counts.epochs,
            learning_rate: self.rate,
            weight_decay: self.decay,
            keep_norm_statistics: keep_norms,
        };
        TrainingConfig {
            batch_size: batch,
            optimizer: OptimizerKind::AdamW,
            schedule: RateSchedule::Cosine,
            early_stopping: None,
            balanced: true,
            examples_per_epoch: Some(counts.per_epoch),
            label_smoothing: 0.05,
            precision: PrecisionChoice::Auto,
            stages: [frozen, all].into_iter().filter(|stage| stage.epochs > 0).collect(),
        }
    }
}

/// Rates of all layers that keep what a network has learned: of the patch classifier from imported weights, and of the
/// whole-image classifier. 3e-4 destroys an EfficientNet-Lite0 after its patches, 1e-4 and 5e-5 are equal (2026-12-01);
/// a VGG16 without batch norm needs a sixth and a tenth of that (2026-11-28). Those of a ResNet lie between, untried.
fn rates(trunk: &TrunkConfig) -> [f64; 2] {
    match trunk.family {
        Family::EfficientNetLite0 | Family::EfficientNetLite1 | Family::EfficientNetLite2 => [3e-4, 1e-4],
        Family::Resnet18 | Family::Resnet50 | Family::Yaroslav => [1e-4, 5e-5],
        Family::Vgg16 | Family::Vgg19 => [5e-5, 1e-5],
    }
}

impl Recipe {
    /// The recipe for a data set and a start; without a start a small network begins at random.
    pub fn of(fingerprint: &Fingerprint, start: Option<&Start>) -> Self {
        let lesions = fingerprint.train.lesions.max(LEAST_LESIONS) as f64;
        let images = fingerprint.train.images.max(LEAST_IMAGES) as f64;
        let with_patches = fingerprint.patch_lesions().is_some();
        let Some(start) = start else {
            // configs/cbis_mass_cpu.toml: 14 epochs of 8,192 patches of 770 lesions.
            let trunk = TrunkConfig { width: 0.25, stages: Some(4), ..TrunkConfig::new(Family::Resnet18) };
            let patch = Part {
                frozen_epochs: 0.0,
                epochs: 14.0,
                per_epoch: 150.0 * lesions / 14.0,
                frozen_rate: 2e-3,
                rate: 2e-3,
                decay: 5e-3,
            };
            let image = Part {
                frozen_epochs: 8.0,
                epochs: 1.0,
                per_epoch: images,
                frozen_rate: 1e-3,
                rate: 5e-5,
                decay: 2e-2,
            };
            return Self {
                trunk,
                patch: Some(patch),
                image,
                patch_dropout: 0.2,
                heatmap: false,
                lesion_free_share: 0.0,
            };
        };
        // configs/cbis_mass_lite.toml: 6 epochs of 6,144 patches of 770 lesions, and one of 740 images. Without
        // patches, 4 and 6 epochs of images.
        let [patch_rate, image_rate] = rates(&start.trunk);
        let part = Part {
            frozen_epochs: 1.0,
            epochs: 6.0,
            per_epoch: 8.0 * lesions,
            frozen_rate: 1e-3,
            rate: patch_rate,
            decay: 5e-3,
        };
        let image = Part {
            frozen_epochs: 4.0,
            epochs: 6.0,
            per_epoch: images,
            frozen_rate: 1e-3,
            rate: image_rate,
            decay: 1e-3,
        };
        let image = match (with_patches, start.weights) {
            // A few weights on the heatmap of the patch classifier; training all layers did not better it.
            (true, _) => Part { frozen_epochs: 1.0, epochs: 0.0, frozen_rate: 2e-2, ..image },
            // Nothing has adapted the trunk to mammograms before: twice as many epochs of all layers.
            (false, Weights::Imported) => Part { frozen_epochs: 2.0, epochs: 12.0, ..image },
            (false, Weights::Mammograms) => image,
        };
        // Where nearly every image shows a lesion, nothing else teaches what a breast without one looks like.
        let train = &fingerprint.train;
        let all_with_lesion = train.images_with_lesion as f64 > 0.9 * train.images as f64;
        Self {
            trunk: start.trunk.clone(),
            patch: with_patches.then_some(part),
            image,
            patch_dropout: 0.3,
            heatmap: with_patches,
            lesion_free_share: if with_patches && all_with_lesion { 0.25 } else { 0.0 },
        }
    }

    /// The section `[patch]`. Without patches only its trunk is used.
    pub fn patch_section(&self, start: Option<&Start>, counts: Option<Counts>) -> PatchSection {
        let part = self.patch.unwrap_or(self.image);
        let counts = counts.unwrap_or(Counts { frozen_epochs: 1, epochs: 1, per_epoch: PATCH_BATCH });
        PatchSection {
            start: start.filter(|_| self.patch.is_some()).map(|start| start.path.clone()),
            trunk: self.trunk.clone(),
            dropout: self.patch_dropout,
            augmentation: Augmentation { gamma: GAMMA, sharpness: SHARPNESS, ..Augmentation::default() },
            training: part.training(counts, PATCH_BATCH, [Scope::Head, Scope::All], false),
        }
    }

    /// The top, and its dropout.
    fn top(&self, patch_px: Option<usize>) -> (TopConfig, f64) {
        match patch_px.filter(|_| self.heatmap) {
            Some(patch_px) => {
                let [window, _] = self.trunk.grid([patch_px; 2]);
                let heatmap = HeatmapRule { window, activation: HeatmapActivation::LogOdds };
                (TopConfig::Heatmap { heatmap }, 0.0)
            }
            None => (TopConfig::Residual { blocks: vec![[64, 64, 256]], repeats: 1 }, 0.4),
        }
    }

    /// The section `[image]`. `patch_px`: side of the patches that its patch classifier is trained on.
    pub fn image_section(
        &self,
        start: Option<&Start>,
        counts: Counts,
        batch: usize,
        patch_px: Option<usize>,
    ) -> ImageSection {
        let (top, dropout) = self.top(patch_px);
        ImageSection {
            start: start.filter(|_| self.patch.is_none()).map(|start| start.path.clone()),
            top,
            pooling: MapPooling::Max,
            dropout,
            lesion_free_share: self.lesion_free_share,
            calibration: CalibrationMethod::Platt,
            augmentation: Augmentation {
                rotation_deg: 15.0,
                zoom: [0.9, 1.1],
                shear_rad: 0.1,
                gamma: GAMMA,
                sharpness: SHARPNESS,
                ..Augmentation::default()
            },
            training: self.image.training(counts, batch, [Scope::Top, Scope::All], true),
        }
    }
}
