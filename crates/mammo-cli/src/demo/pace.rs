//! Measures the speed of this machine: a few training steps of the demo's networks on a few phantoms.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mammo_core::record::Mammogram;
use mammo_data::import::{Verify, import_tables};
use mammo_data::manifest::Manifest;
use mammo_image::cache::InputCache;
use mammo_image::patch_sampling::{PatchClass, sample_patches};
use mammo_nn::device::{self, Device};
use mammo_nn::model_file::{CalibrationMethod, ModelCard, Network, TrainingRecord};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::training::batches::Examples;
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::run::{EpochRow, StepReport, TrainingObserver, TrainingRun};
use mammo_nn::training::schedule::{StageConfig, TrainingConfig};
use mammo_nn::training::train::train;
use mammo_nn::training::validation::Metric;
use mammo_phantom::{PhantomConfig, Site, write_dataset};
use mammo_pipeline::config::RunConfig;
use serde::{Deserialize, Serialize};

use super::steps::phantoms;
use crate::progress;

/// Patients of the phantoms for the measurement: the fewest that use all cores and contain every class.
const PATIENTS: usize = 8;
/// Number of measurements of each part, at different times. The fastest is used, because other processes
/// may use the machine temporarily.
const ROUNDS: usize = 4;
/// Time after which no further round is started, on a slow machine.
const LONG: Duration = Duration::from_secs(12);
/// Timed steps of a network per round; the first step is slower and not counted.
const STEPS: usize = 3;

/// Seconds per unit of work of the demo's parts on this machine, with all threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// To draw, import and prepare the images of a patient of the first site.
    pub patient_s: f64,
    /// To train the patch classifier on a patch.
    pub patch_s: f64,
    /// To train all of a whole-image classifier on an image.
    pub image_s: f64,
}

impl Pace {
    /// Measures this machine: the minimum of several rounds, which takes some seconds.
    ///
    /// # Errors
    /// When phantoms cannot be written to the system's temporary folder, and for unknown devices.
    pub fn measure(config: &RunConfig, device: &str) -> Result<Self> {
        let device = device::by_name(device)?;
        let folder = tempfile::tempdir().context("a temporary folder to measure speed in")?;
        let mut best = Self { patient_s: f64::INFINITY, patch_s: f64::INFINITY, image_s: f64::INFINITY };
        let begun = Instant::now();
        for round in 0..ROUNDS {
            if begun.elapsed() > LONG {
                break;
            }
            let probe = Probe { dir: &folder.path().join(round.to_string()), config, device: &device };
            let (cache, manifest, patient_s) = probe.prepare()?;
            best.patient_s = best.patient_s.min(patient_s);
            best.patch_s = best.patch_s.min(probe.patch_s(&cache, &manifest)?);
            best.image_s = best.image_s.min(probe.image_s(&cache, &manifest)?);
        }
        Ok(best)
    }
}

/// One round of measuring.
struct Probe<'a> {
    dir: &'a Path,
    config: &'a RunConfig,
    device: &'a Device,
}

impl Probe<'_> {
    /// Phantoms, imported and prepared, and the seconds for each patient.
    fn prepare(&self) -> Result<(InputCache, Manifest, f64)> {
        let started = Instant::now();
        let phantoms = PhantomConfig { n_patients: PATIENTS, ..phantoms(Site::Film, self.config)? };
        write_dataset(self.dir, &phantoms, &|_, _| ())?;
        let manifest = import_tables(self.dir, Verify::Pixels, &|_, _| ())?.manifest;
        let cache = InputCache::open(&self.dir.join("cache"), self.config.preprocessing()?)?;
        if let Some((_, error)) = cache.build(&manifest.root, &manifest.images, &|_, _| ()).into_iter().next()
        {
            return Err(error).context("a phantom to measure speed on");
        }
        Ok((cache, manifest, started.elapsed().as_secs_f64() / PATIENTS as f64))
    }

    /// Seconds to train on a patch.
    fn patch_s(&self, cache: &InputCache, manifest: &Manifest) -> Result<f64> {
        let (section, sampling) = (self.config.patch()?, self.config.sampling()?);
        let patches = sample_patches(&manifest.images, &manifest.root, cache, sampling)?.patches;
        let (px, channels) = (sampling.patch_px, section.trunk.channels);
        let augmentation = section.augmentation.clone();
        let examples = WindowExamples::patches(cache, &patches, &PatchClass::ALL, px, channels, augmentation);
        let n_classes = PatchClass::ALL.len();
        let network =
            PatchClassifierConfig { trunk: section.trunk.clone(), n_classes, dropout: section.dropout };
        let model = PatchClassifier::new(&network, &self.device.clone().autodiff())?;
        self.example_s(model, Network::Patch(network), &examples, &section.training)
    }

    /// Seconds to train all layers on an image.
    fn image_s(&self, cache: &InputCache, manifest: &Manifest) -> Result<f64> {
        let (section, patch) = (self.config.image()?, self.config.patch()?);
        let preprocessing = self.config.preprocessing()?;
        let images: Vec<&Mammogram> = manifest.images.iter().collect();
        let channels = patch.trunk.channels;
        let examples = WindowExamples::images(cache, &images, channels, section.augmentation.clone());
        let network = ImageClassifierConfig {
            trunk: patch.trunk.clone(),
            top: section.top.clone(),
            pooling: section.pooling,
            top_conventions: patch.trunk.conventions,
            n_patch_classes: PatchClass::ALL.len(),
            input_px: [preprocessing.height_px, preprocessing.width_px],
            dropout: section.dropout,
            exam: None,
        };
        let model = ImageClassifier::new(&network, &self.device.clone().autodiff())?;
        self.example_s(model, Network::Image(network), &examples, &section.training)
    }

    /// Seconds per example of the fastest of a few steps of the last stage, which trains all layers.
    fn example_s<C: Classifier>(
        &self,
        model: C,
        network: Network,
        examples: &dyn Examples,
        training: &TrainingConfig,
    ) -> Result<f64> {
        let Some(&last) = training.stages.last() else { bail!("a training without stages") };
        // Enough steps that the timer stops the training before the end of the epoch.
        let n_steps = STEPS + 2;
        let training = TrainingConfig {
            stages: vec![StageConfig { epochs: 1, ..last }],
            examples_per_epoch: Some(n_steps * training.batch_size),
            ..training.clone()
        };
        let preprocessing = self.config.preprocessing()?.clone();
        let run = TrainingRun {
            config: &training,
            seed: self.config.seed,
            device: self.device,
            dir: &self.dir.join("run"),
            metric: Metric::BalancedAccuracy,
            calibration: CalibrationMethod::None,
            start_share: 0.0,
            card: ModelCard::new(network, Vec::new(), preprocessing, TrainingRecord::default()),
            digest: String::new(),
            resume: false,
        };
        let mut timer = StepTimer::default();
        train(initialise(model, self.config.seed), examples, examples, &run, &mut timer)?;
        let steps = timer.ends.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
        Ok(steps.fold(f64::INFINITY, f64::min) / training.batch_size as f64)
    }
}

/// Records the times of steps and stops the training after a few.
#[derive(Default)]
struct StepTimer {
    ends: Vec<Instant>,
}

impl TrainingObserver for StepTimer {
    fn step(&mut self, _: &StepReport) {
        self.ends.push(Instant::now());
    }

    fn epoch(&mut self, _: &EpochRow) {}

    fn stop_requested(&self) -> bool {
        self.ends.len() > STEPS || progress::stop_requested()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_demo_on_smaller_images_are_measured() {
        let changes = ["preprocessing.height_px=128", "preprocessing.width_px=96", "patch.trunk.width=0.25"];
        let changes = changes.map(String::from);
        let config = RunConfig::parse(include_str!("../../configs/demo.toml"), &changes).unwrap();
        let pace = Pace::measure(&config, "cpu").unwrap();
        for seconds in [pace.patient_s, pace.patch_s, pace.image_s] {
            assert!(seconds.is_finite() && seconds > 0.0, "{pace:?}");
        }
        assert!(Pace::measure(&config, "abacus").unwrap_err().to_string().contains("abacus"));
    }
}
