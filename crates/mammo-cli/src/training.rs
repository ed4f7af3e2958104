//! What `train patch`, `train image` and `transfer` share: data in, run record, loop, result.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mammo_core::record::Mammogram;
use mammo_data::manifest::Manifest;
use mammo_data::split::{Side, Split};
use mammo_image::augment::Augmentation;
use mammo_image::preprocess::Preprocessing;
use mammo_nn::device;
use mammo_nn::device::Device;
use mammo_nn::model_file::{CalibrationMethod, ModelCard, Network, TrainingRecord};
use mammo_nn::networks::image_classifier::ImageClassifier;
use mammo_nn::training::batches::Examples;
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::resume;
use mammo_nn::training::run::{MODEL_FILE, Outcome, TrainingRun};
use mammo_nn::training::schedule::TrainingConfig;
use mammo_nn::training::step_memory::check_memory;
use mammo_nn::training::train::train;
use mammo_nn::training::validation::Metric;
use rand::seq::SliceRandom;

use crate::config::RunConfig;
use crate::inputs::prepare;
use crate::progress::TrainingProgress;
use crate::run_folder::{Machine, RunRecord, digest};
use crate::{Done, output, progress};

/// A data set with its split, checked against each other.
pub struct Data {
    /// The images.
    pub manifest: Manifest,
    /// Which patient is on which side.
    pub split: Split,
    /// Folder for cached network inputs.
    pub cache_dir: PathBuf,
}

impl Data {
    /// Reads a manifest and its split, `split.json` beside it unless named; refuses a split of
    /// another manifest or with a leak.
    pub fn read(manifest_path: &Path, split_path: Option<&Path>) -> Result<Self> {
        let manifest = Manifest::read(manifest_path)?;
        let split_path =
            split_path.map_or_else(|| manifest_path.with_file_name("split.json"), Path::to_path_buf);
        let split = Split::read(&split_path)?;
        split.verify(&manifest).with_context(|| format!("{}", split_path.display()))?;
        Ok(Self { manifest, split, cache_dir: manifest_path.with_file_name("cache") })
    }

    /// The images of one side.
    pub fn side(&self, side: Side) -> Vec<&Mammogram> {
        self.split.images(&self.manifest, side)
    }
}

/// Everything about a run that is not pixels or weights.
pub struct RunSetup<'a> {
    /// Resolved configuration.
    pub config: &'a RunConfig,
    /// How its images are prepared.
    pub preprocessing: &'a Preprocessing,
    /// The part of it that drives this training, for the model card.
    pub training: serde_json::Value,
    /// Data set and split.
    pub data: &'a Data,
    /// Digest of the model that training starts from.
    pub started_from: Option<String>,
    /// Device name.
    pub device: &'a str,
    /// Run folder.
    pub out: &'a Path,
}

impl RunSetup<'_> {
    /// Digest of all that determines the run; a resume under another one is refused.
    pub fn digest(&self, network: &Network) -> Result<String> {
        Ok(digest(&[
            &serde_json::to_string(network)?,
            &serde_json::to_string(&self.training)?,
            &self.config.seed.to_string(),
            &self.preprocessing.digest(),
            &self.data.manifest.digest(),
            &self.data.split.digest(),
            self.started_from.as_deref().unwrap_or("random start"),
        ]))
    }

    /// Card of the model to be trained.
    pub fn card(
        &self,
        network: Network,
        classes: Vec<String>,
        images: &[&Mammogram],
        n_pictures: usize,
    ) -> ModelCard {
        let patients: HashSet<&str> = images.iter().map(|image| image.patient_id.as_str()).collect();
        let record = TrainingRecord {
            mammo_version: env!("CARGO_PKG_VERSION").to_string(),
            seed: self.config.seed,
            manifest_digest: self.data.manifest.digest(),
            split_digest: Some(self.data.split.digest()),
            n_patients: patients.len(),
            n_pictures,
            started_from: self.started_from.clone(),
            config: self.training.clone(),
            patch_px: None,
            best_epoch: None,
            validation_metric: None,
            validation_interval: None,
        };
        ModelCard::new(network, classes, self.preprocessing.clone(), record)
    }

    /// Writes the run record and gets ready for Ctrl-C.
    pub fn begin(&self) -> Result<()> {
        progress::catch_ctrl_c();
        RunRecord {
            command: std::env::args().collect(),
            mammo_version: env!("CARGO_PKG_VERSION"),
            burn_version: mammo_nn::BURN_VERSION,
            config: self.config,
            manifest_digest: self.data.manifest.digest(),
            split_digest: self.data.split.digest(),
            started_from: self.started_from.clone(),
            device: self.device.to_string(),
            machine: Machine::this(),
        }
        .write(self.out)
    }

    /// The device asked for.
    pub fn burn_device(&self) -> Result<Device> {
        Ok(device::by_name(self.device)?)
    }
}

/// Refuses to overwrite a finished or begun run unless it is to be resumed.
pub fn check_out(out: &Path, resume: bool) -> Result<()> {
    let begun = out.join(resume::FILE).exists() || out.join(MODEL_FILE).exists();
    if begun && !resume {
        anyhow::bail!(
            "{}: holds a run already; add --resume to continue it, or give another --out",
            out.display()
        );
    }
    if resume && !begun {
        eprintln!("note: {}: nothing to resume, training from the start", out.display());
    }
    Ok(())
}

/// Says how a run ended, on stdout, and turns it into an exit code.
pub fn report(outcome: &Outcome, out: &Path, metric: &str, n_failed: usize) -> Result<Done> {
    match outcome {
        Outcome::Finished { best_metric } => {
            let model = out.join(MODEL_FILE);
            output::results(&format!(
                "{}: the best epoch, {metric} {best_metric:.3} on the validation side\n",
                model.display()
            ));
            Ok(if n_failed == 0 { Done::All } else { Done::WithRejections })
        }
        Outcome::Interrupted => {
            output::results(&format!(
                "{}: stopped; the same command with --resume continues\n",
                out.display()
            ));
            Ok(Done::Interrupted)
        }
    }
}

/// Reads a model file that training is to start from.
pub fn read_model(path: &Path) -> Result<mammo_nn::model_file::ModelFile> {
    mammo_nn::model_file::load(path).with_context(|| "cannot start from this model")
}

/// A whole-image training: from patches, from scratch, or from another data set's model.
pub struct ImageRun<'a> {
    /// Data, configuration, folder.
    pub setup: &'a RunSetup<'a>,
    /// Name of the configuration's section, for messages.
    pub section: &'static str,
    /// The network as data.
    pub network: Network,
    /// The network with its starting weights.
    pub model: ImageClassifier,
    /// Random changes of each training image.
    pub augmentation: &'a Augmentation,
    /// Stages, rates, batches.
    pub training: &'a TrainingConfig,
    /// Which map to calibrated probabilities is fitted to the validation side.
    pub calibration: CalibrationMethod,
    /// Share of the starting weights in the model that is kept.
    pub start_share: f64,
    /// Channels that the network reads.
    pub channels: usize,
    /// Train on so many patients only.
    pub n_patients: Option<usize>,
    /// Continue a stopped run.
    pub resume: bool,
}

/// Trains a whole-image classifier on the training side, choosing on the validation side.
pub fn train_images(image_run: &ImageRun) -> Result<Done> {
    let setup = image_run.setup;
    let (data, config) = (setup.data, setup.config);
    let device = setup.burn_device()?;
    let shape = [image_run.channels, setup.preprocessing.height_px, setup.preprocessing.width_px];
    check_memory(&image_run.network, shape, image_run.training, &device)
        .map_err(|e| e.within(image_run.section))?;
    setup.begin()?;
    let prepare_side = |images| prepare(&data.cache_dir, setup.preprocessing, &data.manifest.root, images);
    let mut images = data.side(Side::Train);
    if let Some(n) = image_run.n_patients {
        images = few_patients(images, n, config.seed)?;
    }
    let train_side = prepare_side(images)?;
    let validation_side = prepare_side(data.side(Side::Validation))?;
    let training = WindowExamples::images(
        &train_side.cache,
        &train_side.images,
        image_run.channels,
        image_run.augmentation.clone(),
    );
    let validation = WindowExamples::images(
        &validation_side.cache,
        &validation_side.images,
        image_run.channels,
        Augmentation::none(),
    );
    let [benign, malignant] = training.class_counts()[..] else { anyhow::bail!("two classes expected") };
    eprintln!("{benign} benign and {malignant} malignant images to train on");
    let classes = vec!["benign".to_string(), "malignant".to_string()];
    let run = TrainingRun {
        config: image_run.training,
        seed: config.seed,
        device: &device,
        dir: setup.out,
        metric: Metric::Auc,
        calibration: image_run.calibration,
        start_share: image_run.start_share,
        digest: setup.digest(&image_run.network)?,
        card: setup.card(image_run.network.clone(), classes, &train_side.images, training.len()),
        resume: image_run.resume,
    };
    let mut progress = TrainingProgress::new("training on whole images", "AUC");
    let outcome = train(image_run.model.clone(), &training, &validation, &run, &mut progress)?;
    drop(progress);
    let n_failed = train_side.n_failed + validation_side.n_failed;
    report(&outcome, setup.out, "AUC", n_failed)
}

/// The images of `n` patients drawn at random, half of them (at least one) with cancer.
fn few_patients(images: Vec<&Mammogram>, n: usize, seed: u64) -> Result<Vec<&Mammogram>> {
    let mut patients: BTreeMap<&str, bool> = BTreeMap::new();
    for image in &images {
        *patients.entry(&image.patient_id).or_default() |= image.malignant() == Some(true);
    }
    let mut pools: [Vec<&str>; 2] = Default::default();
    patients.iter().for_each(|(patient, &malignant)| pools[usize::from(malignant)].push(patient));
    let n_malignant = (n / 2).max(1).min(pools[1].len());
    let n_benign = n.saturating_sub(n_malignant).min(pools[0].len());
    if n_benign == 0 || n_malignant == 0 || n_benign + n_malignant < n {
        anyhow::bail!(
            "--patients {n}: the training side has {} patients with and {} without cancer; \
             expected at least 2 patients, one of each, and no more than there are",
            pools[1].len(),
            pools[0].len()
        );
    }
    let mut rng = mammo_core::seed::stream(seed, "few patients", 0);
    pools.iter_mut().for_each(|pool| pool.shuffle(&mut rng));
    let chosen: HashSet<&str> =
        pools[0][..n_benign].iter().chain(&pools[1][..n_malignant]).copied().collect();
    Ok(images.into_iter().filter(|image| chosen.contains(image.patient_id.as_str())).collect())
}
