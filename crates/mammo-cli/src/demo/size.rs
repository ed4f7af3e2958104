//! Size of the demo: one number, the amount of training, and the counts that follow from it.

use mammo_nn::networks::Scope;
use mammo_pipeline::config::RunConfig;
use serde::{Deserialize, Serialize};

/// Sizes that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Named {
    /// The smallest useful demo: 29 % of the training of the full demo.
    Small,
    /// The demo of configs/demo.toml: nine minutes on two cores with bf16 multiplication.
    Full,
    /// The largest that the demo chooses by itself: twice the training of the full demo.
    Large,
}

impl Named {
    /// The amount of training that the name stands for.
    pub fn amount(self) -> f64 {
        match self {
            Self::Small => LEAST_AMOUNT,
            Self::Full => 1.0,
            Self::Large => MOST_AMOUNT,
        }
    }
}

/// Smallest useful amount. With less training the demo no longer shows that patches help: at 0.2 the AUC of (b)
/// is 0.569, near that of (a) from scratch, at 0.29 it is 0.78 to 0.82 (docs/demo.md). With 28,800 patches in
/// place of the 36,400 of 0.29 it was 0.06 lower (docs/experiments.md, 2026-11-28).
pub const LEAST_AMOUNT: f64 = 0.29;
/// Largest useful amount: three more epochs of patches changed nothing on film (2026-11-29), and the
/// phantoms and inputs of an amount of 2 take 2 GB on disk.
pub const MOST_AMOUNT: f64 = 2.0;

/// The counts of a demo. Networks, images, rates and batches are the same in all sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Patients of the first site, whose lesions are annotated.
    pub film_patients: usize,
    /// Epochs of the patch classifier.
    pub patch_epochs: usize,
    /// Patches in each of them.
    pub patches_per_epoch: usize,
    /// Epochs of the whole-image classifiers' top; one epoch of the whole network follows.
    pub top_epochs: usize,
    /// Images in each of them.
    pub images_per_epoch: usize,
    /// Images in each epoch of the transfer.
    pub transfer_per_epoch: usize,
}

/// Patches and images per step in configs/demo.toml; counts are multiples of these.
pub const PATCH_BATCH: usize = 64;
pub const IMAGE_BATCH: usize = 8;

impl Size {
    /// The demo that trains on `amount` times the patches of the full one.
    ///
    /// The other counts are powers of the amount, through two demos that were tuned by hand
    /// (docs/experiments.md, 2026-11-29): the full one (1,400 patients, 13 epochs of 9,600 patches, 6 + 1
    /// epochs of 640 images, 80 in transfer) and, at an amount of 0.29, a small one (640 patients, 7 epochs of
    /// 5,200 patches, 3 + 1 epochs of 192 images, 32 in transfer).
    pub fn of(amount: f64) -> Self {
        let power = |full: f64, exponent: f64| full * amount.powf(exponent);
        let steps = |examples: f64, batch: usize| (examples / batch as f64).round().max(1.0) as usize * batch;
        // Epochs are rounded first, so that totals grow evenly with the amount.
        let patch_epochs = power(13.0, 0.5).round().max(4.0);
        let image_epochs = power(7.0, 0.45).round().max(3.0);
        Self {
            film_patients: power(1400.0, 0.64).round() as usize,
            patch_epochs: patch_epochs as usize,
            patches_per_epoch: steps(power(13.0 * 9600.0, 1.0) / patch_epochs, PATCH_BATCH),
            top_epochs: image_epochs as usize - 1,
            images_per_epoch: steps(power(7.0 * 640.0, 1.43) / image_epochs, IMAGE_BATCH),
            transfer_per_epoch: steps(power(80.0, 0.74), IMAGE_BATCH),
        }
    }

    /// Patches that the patch classifier trains on, counted each time.
    pub fn patches(&self) -> usize {
        self.patch_epochs * self.patches_per_epoch
    }

    /// The embedded configuration with these counts.
    ///
    /// # Errors
    /// A configuration without `[patch]`, `[image]` or `[transfer]`.
    pub fn apply(&self, mut config: RunConfig) -> mammo_pipeline::Result<RunConfig> {
        let patch = &mut config.patch_mut()?.training;
        patch.examples_per_epoch = Some(self.patches_per_epoch);
        patch.stages.iter_mut().for_each(|stage| stage.epochs = self.patch_epochs);
        let image = &mut config.image_mut()?.training;
        image.examples_per_epoch = Some(self.images_per_epoch);
        let top = image.stages.iter_mut().filter(|stage| stage.train == Scope::Top);
        top.for_each(|stage| stage.epochs = self.top_epochs);
        config.transfer_mut()?.training.examples_per_epoch = Some(self.transfer_per_epoch);
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = include_str!("../../configs/demo.toml");

    #[test]
    fn an_amount_of_one_is_the_configuration_in_the_repository() {
        let full = RunConfig::parse(CONFIG, &[]).unwrap();
        assert_eq!(Size::of(1.0).apply(full.clone()).unwrap(), full);
        assert_eq!(Size::of(1.0).film_patients, 1400);
        let batch_sizes =
            [full.patch().unwrap().training.batch_size, full.image().unwrap().training.batch_size];
        assert_eq!(batch_sizes, [PATCH_BATCH, IMAGE_BATCH]);
    }

    #[test]
    fn the_small_demo_that_was_tuned_by_hand_lies_on_the_curve() {
        let small = Size::of(36_400.0 / 124_800.0);
        assert!(small.film_patients.abs_diff(640) <= 10, "{small:?}");
        assert!(small.patches().abs_diff(36_400) < 7 * 64, "{small:?}");
        assert!(small.images_per_epoch.abs_diff(192) <= 8, "{small:?}");
        assert_eq!([small.patch_epochs, small.top_epochs, small.transfer_per_epoch], [7, 3, 32]);
    }

    #[test]
    fn counts_grow_with_the_amount_and_settings_exist() {
        let mut before = Size::of(LEAST_AMOUNT);
        for percent in 30..=200 {
            let size = Size::of(f64::from(percent) / 100.0);
            assert!(size.film_patients >= before.film_patients, "{size:?}");
            // A step in an epoch is the finest that a total can change by.
            assert!(size.patches() + size.patch_epochs * PATCH_BATCH > before.patches(), "{size:?}");
            let config = size.apply(RunConfig::parse(CONFIG, &[]).unwrap()).unwrap();
            assert_eq!(config.patch().unwrap().training.stages[0].epochs, size.patch_epochs);
            assert_eq!(config.image().unwrap().training.stages.len(), 2);
            before = size;
        }
    }
}
