//! Measures the speed of this machine: a few training steps of the networks of a configuration, on a few images.

use std::path::Path;
use std::time::Instant;

use mammo_core::record::Mammogram;
use mammo_data::split::Side;
use mammo_image::cache::InputCache;
use mammo_image::patch_sampling::{Patch, PatchClass, sample_patches};
use mammo_nn::device::Device;
use mammo_nn::model_file::{CalibrationMethod, ModelCard, Network, TrainingRecord};
use mammo_nn::networks::image_classifier::ImageClassifier;
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::{Classifier, Scope};
use mammo_nn::training::batches::Examples;
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::run::{EpochRow, StepReport, TrainingObserver, TrainingRun};
use mammo_nn::training::schedule::{StageConfig, TrainingConfig};
use mammo_nn::training::train::train;
use mammo_nn::training::validation::Metric;
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::data::Data;
use crate::error::refuse;
use crate::{Observer, Result};

/// Timed steps of a network in a measurement; the first step is slower and not counted.
const STEPS: usize = 3;

/// Images of each class that are prepared for a measurement.
const OF_EACH_CLASS: usize = 4;

/// Seconds to train on one example, with all threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkPace {
    /// The patch classifier, all layers, on a patch; 0 without patches.
    pub patch_s: f64,
    /// The whole-image classifier on an image, its trunk frozen; prediction takes about as long.
    pub top_s: f64,
    /// The whole-image classifier on an image, all layers.
    pub image_s: f64,
}

impl NetworkPace {
    /// The smaller seconds of each part of two measurements: other programs may have used the machine meanwhile.
    pub fn faster(self, other: Self) -> Self {
        Self {
            patch_s: self.patch_s.min(other.patch_s),
            top_s: self.top_s.min(other.top_s),
            image_s: self.image_s.min(other.image_s),
        }
    }

    /// The pace on images and patches with other numbers of pixels: that of convolutions is proportional to them.
    pub fn scaled(self, image_pixels: f64, patch_pixels: f64) -> Self {
        Self {
            patch_s: self.patch_s * patch_pixels,
            top_s: self.top_s * image_pixels,
            image_s: self.image_s * image_pixels,
        }
    }
}

/// Prepared images on which networks are timed.
pub struct Probe<'a> {
    /// Settings of the networks.
    pub config: &'a RunConfig,
    /// The device to measure.
    pub device: &'a Device,
    /// A folder for temporary files.
    pub dir: &'a Path,
    /// Requests a stop.
    pub observer: &'a dyn Observer,
}

impl Probe<'_> {
    /// Measures with a few images of the training side, prepared for the configuration.
    ///
    /// # Errors
    /// Images that cannot be prepared; a network that cannot be built or trained.
    pub fn measure_on(&self, data: &Data) -> Result<NetworkPace> {
        let train = data.side(Side::Train);
        let of_class = |malignant| {
            let with_lesions_first = |has: bool| {
                train.iter().filter(move |image| {
                    image.malignant() == Some(malignant) && image.lesions.is_empty() != has
                })
            };
            with_lesions_first(true).chain(with_lesions_first(false)).take(OF_EACH_CLASS)
        };
        let images: Vec<Mammogram> = of_class(true).chain(of_class(false)).map(|&i| i.clone()).collect();
        let cache = InputCache::open(&self.dir.join("cache"), self.config.preprocessing()?)?;
        if let Some((_, error)) = cache.build(&data.manifest.root, &images, &|_, _| ()).into_iter().next() {
            return Err(error.into());
        }
        self.measure(&cache, &images, &data.manifest.root)
    }

    /// Measures with prepared images of a data set below `root`.
    ///
    /// # Errors
    /// A network that cannot be built or trained.
    pub fn measure(&self, cache: &InputCache, images: &[Mammogram], root: &Path) -> Result<NetworkPace> {
        let patches = match self.config.sampling() {
            Ok(sampling) => sample_patches(images, root, cache, sampling)?.patches,
            Err(_) => Vec::new(),
        };
        Ok(NetworkPace {
            patch_s: if patches.is_empty() { 0.0 } else { self.patch_s(cache, &patches)? },
            top_s: self.image_s(cache, images, Scope::Top)?,
            image_s: self.image_s(cache, images, Scope::All)?,
        })
    }

    /// Seconds to train on a patch.
    fn patch_s(&self, cache: &InputCache, patches: &[Patch]) -> Result<f64> {
        let section = self.config.patch()?;
        let (px, channels) = (self.config.sampling()?.patch_px, section.trunk.channels);
        let augmentation = section.augmentation.clone();
        let examples = WindowExamples::patches(cache, patches, &PatchClass::ALL, px, channels, augmentation);
        let n_classes = PatchClass::ALL.len();
        let network =
            PatchClassifierConfig { trunk: section.trunk.clone(), n_classes, dropout: section.dropout };
        let model = PatchClassifier::new(&network, &self.device.clone().autodiff())?;
        self.example_s(model, Network::Patch(network), &examples, one_stage(&section.training, Scope::All)?)
    }

    /// Seconds to train some layers on an image.
    fn image_s(&self, cache: &InputCache, images: &[Mammogram], scope: Scope) -> Result<f64> {
        let section = self.config.image()?;
        let images: Vec<&Mammogram> = images.iter().collect();
        let channels = self.config.patch()?.trunk.channels;
        let examples = WindowExamples::images(cache, &images, channels, section.augmentation.clone());
        let network = self.config.image_network(PatchClass::ALL.len())?;
        let model = ImageClassifier::new(&network, &self.device.clone().autodiff())?;
        self.example_s(model, Network::Image(network), &examples, one_stage(&section.training, scope)?)
    }

    /// Seconds per example of the fastest of a few steps.
    fn example_s<C: Classifier>(
        &self,
        model: C,
        network: Network,
        examples: &dyn Examples,
        training: TrainingConfig,
    ) -> Result<f64> {
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
        let mut timer = StepTimer { ends: Vec::new(), observer: self.observer };
        train(initialise(model, self.config.seed), examples, examples, &run, &mut timer)?;
        if self.observer.stop_requested() {
            return Err(crate::Error::Stopped);
        }
        let steps = timer.ends.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
        Ok(steps.fold(f64::INFINITY, f64::min) / training.batch_size as f64)
    }
}

/// The training with one stage of these layers, long enough to be timed.
fn one_stage(training: &TrainingConfig, train: Scope) -> Result<TrainingConfig> {
    let Some(last) = training.stages.last() else { refuse!("training.stages: none; expected at least one") };
    let stage = StageConfig { train, epochs: 1, ..*last };
    // More steps than are timed, so that the epoch does not end with a validation.
    let examples_per_epoch = Some((STEPS + 2) * training.batch_size);
    Ok(TrainingConfig { stages: vec![stage], examples_per_epoch, ..training.clone() })
}

/// Records the times of steps and stops the training after a few.
struct StepTimer<'a> {
    ends: Vec<Instant>,
    observer: &'a dyn Observer,
}

impl TrainingObserver for StepTimer<'_> {
    fn step(&mut self, _: &StepReport) {
        self.ends.push(Instant::now());
    }

    fn epoch(&mut self, _: &EpochRow) {}

    fn stop_requested(&self) -> bool {
        self.ends.len() > STEPS || self.observer.stop_requested()
    }
}
