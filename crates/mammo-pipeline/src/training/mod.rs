//! Training: the patch classifier, the whole-image classifier on images and on exams, transfer to another hospital.

mod exam;
mod few_patients;
mod image;
mod patch;
mod run_folder;
mod transfer;

use std::collections::HashSet;
use std::path::PathBuf;

use mammo_core::record::Mammogram;
use mammo_data::split::Side;
use mammo_image::augment::Augmentation;
use mammo_image::preprocess::Preprocessing;
use mammo_nn::device;
use mammo_nn::device::Device;
use mammo_nn::model_file::{CalibrationMethod, ModelCard, ModelFile, Network, TrainingRecord};
use mammo_nn::networks::image_classifier::ImageClassifier;
use mammo_nn::networks::precision::RequiredPrecision;
use mammo_nn::training::batches::Examples;
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::resume;
use mammo_nn::training::run::{MODEL_FILE, Outcome, TrainingRun};
use mammo_nn::training::schedule::TrainingConfig;
use mammo_nn::training::step_memory::check_memory;
use mammo_nn::training::train::train;
use mammo_nn::training::validation::Metric;

use crate::config::RunConfig;
use crate::data::Data;
use crate::error::{Place, refuse};
use crate::inputs::prepare;
use crate::{Observer, Result};
use few_patients::few_patients;
use run_folder::{Machine, RunRecord, digest};

pub use exam::{TrainExam, train_exam};
pub use image::{ImageStart, TrainImage, train_image};
pub use patch::{TrainPatch, start_lines, train_patch};
pub use transfer::{Transfer, transfer};

/// The folder, device and command of a training.
#[derive(Clone, Debug)]
pub struct RunPlace {
    /// Run folder: the best model, the resume state, the epochs, the run record.
    pub out: PathBuf,
    /// Device name, `cpu` or what this build was compiled with.
    pub device: String,
    /// Continue a stopped run.
    pub resume: bool,
    /// The command as typed, for the run record.
    pub command: Vec<String>,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Finished, with the best metric, or interrupted with its state saved.
    pub outcome: Outcome,
    /// The metric that selects the best epoch.
    pub metric: &'static str,
    /// Images of both sides that could not be prepared.
    pub n_failed: usize,
    /// The model file of the best epoch.
    pub model: PathBuf,
}

/// Everything about a run that is not pixels or weights.
struct RunSetup<'a> {
    /// Resolved configuration.
    pub config: &'a RunConfig,
    /// How its images are prepared.
    pub preprocessing: &'a Preprocessing,
    /// The part of it that drives this training, for the model card.
    pub training: serde_json::Value,
    /// Data set and split.
    pub data: &'a Data,
    /// The model that training starts from.
    pub start: Option<&'a ModelFile>,
    /// Folder, device, resume.
    pub place: &'a RunPlace,
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
            self.started_from().unwrap_or("random start"),
        ]))
    }

    /// Card of the model to be trained; it requires the precision that the starting model requires.
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
            started_from: self.started_from().map(str::to_string),
            config: self.training.clone(),
            patch_px: None,
            best_epoch: None,
            validation_metric: None,
            validation_interval: None,
        };
        let precision = self.start.map_or(RequiredPrecision::Auto, |file| file.card.precision);
        // The heatmap layer comes from the starting model.
        let heatmap_start = self.start.filter(|_| network.has_heatmap());
        let patch_classes = heatmap_start.map_or(Vec::new(), |file| file.card.map_classes().to_vec());
        ModelCard {
            precision,
            patch_classes,
            ..ModelCard::new(network, classes, self.preprocessing.clone(), record)
        }
    }

    /// Digest of the model that training starts from.
    fn started_from(&self) -> Option<&str> {
        self.start.map(|file| file.digest.as_str())
    }

    /// Writes the run record.
    pub fn begin(&self) -> Result<()> {
        RunRecord {
            command: self.place.command.clone(),
            mammo_version: env!("CARGO_PKG_VERSION"),
            burn_version: mammo_nn::BURN_VERSION,
            config: self.config,
            manifest_digest: self.data.manifest.digest(),
            split_digest: self.data.split.digest(),
            started_from: self.started_from().map(str::to_string),
            device: self.place.device.clone(),
            machine: Machine::this(),
        }
        .write(&self.place.out)
    }

    /// The requested device.
    pub fn burn_device(&self) -> Result<Device> {
        Ok(device::by_name(&self.place.device)?)
    }
}

impl RunPlace {
    /// Refuses to overwrite an existing run unless it is resumed.
    ///
    /// # Errors
    /// A folder that holds a run, without `resume`.
    pub fn check(&self) -> Result<()> {
        if self.holds_a_run() && !self.resume {
            let out = self.out.display();
            refuse!("{out}: holds a run already; add --resume to continue it, or give another --out");
        }
        Ok(())
    }

    fn holds_a_run(&self) -> bool {
        self.out.join(resume::FILE).exists() || self.out.join(MODEL_FILE).exists()
    }
}

/// Checks the run folder and reports that there is nothing to resume.
///
/// # Errors
/// As [`RunPlace::check`].
fn check_out(place: &RunPlace, observer: &dyn Observer) -> Result<()> {
    place.check()?;
    if place.resume && !place.holds_a_run() {
        observer.note(&format!("{}: nothing to resume, training from the start", place.out.display()));
    }
    Ok(())
}

/// A whole-image training: from patches, from scratch, or from another data set's model.
struct ImageRun<'a> {
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
    /// Share of the benign examples that show only normal tissue.
    pub lesion_free_share: f64,
    /// Channels that the network reads.
    pub channels: usize,
    /// Number of patients to train on; all by default.
    pub n_patients: Option<usize>,
    /// What an example is.
    pub examined: Examined,
}

/// What an example of a whole-image training is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Examined {
    /// One image.
    Images,
    /// All images of a patient.
    Exams,
}

impl Examined {
    fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Exams => "exams",
        }
    }

    /// Mean number of images of an example.
    fn images_per_example(self, images: &[&Mammogram]) -> f64 {
        let patients: HashSet<&str> = images.iter().map(|image| image.patient_id.as_str()).collect();
        match self {
            Self::Images => 1.0,
            Self::Exams => images.len() as f64 / patients.len().max(1) as f64,
        }
    }
}

/// Trains a whole-image classifier on the training side, choosing on the validation side.
fn train_images(image_run: &ImageRun, observer: &dyn Observer) -> Result<Trained> {
    let setup = image_run.setup;
    let (data, config) = (setup.data, setup.config);
    let device = setup.burn_device()?;
    let shape = [image_run.channels, setup.preprocessing.height_px, setup.preprocessing.width_px];
    let per_example = image_run.examined.images_per_example(&data.side(Side::Train));
    check_memory(&image_run.network, shape, per_example, image_run.training, &device)
        .map_err(|e| e.within(image_run.section))?;
    setup.begin()?;
    let prepare_side = |images| prepare(data, setup.preprocessing, images, observer);
    let mut images = data.side(Side::Train);
    if let Some(n) = image_run.n_patients {
        images = few_patients(images, n, config.seed)?;
    }
    let train_side = prepare_side(images)?;
    let validation_side = prepare_side(data.side(Side::Validation))?;
    let examples = match image_run.examined {
        Examined::Images => WindowExamples::images,
        Examined::Exams => WindowExamples::exams,
    };
    let (channels, augmentation) = (image_run.channels, image_run.augmentation.clone());
    let training = examples(&train_side.cache, &train_side.images, channels, augmentation)
        .with_lesion_free(image_run.lesion_free_share, &train_side.images)
        .at(|| image_run.section)?;
    let (side, augmentation) = (&validation_side, Augmentation::none());
    let validation = examples(&side.cache, &side.images, channels, augmentation);
    let [benign, malignant] = training.class_counts()[..] else { refuse!("two classes expected") };
    observer.note(&format!(
        "{benign} benign and {malignant} malignant {} to train on",
        image_run.examined.name()
    ));
    let classes = vec!["benign".to_string(), "malignant".to_string()];
    let run = TrainingRun {
        config: image_run.training,
        seed: config.seed,
        device: &device,
        dir: &setup.place.out,
        metric: Metric::Auc,
        calibration: image_run.calibration,
        start_share: image_run.start_share,
        digest: setup.digest(&image_run.network)?,
        card: setup.card(image_run.network.clone(), classes, &train_side.images, training.len()),
        resume: setup.place.resume,
    };
    let title = match image_run.examined {
        Examined::Images => "training on whole images",
        Examined::Exams => "training on exams",
    };
    let mut watch = observer.training(title, "AUC");
    let outcome = train(image_run.model.clone(), &training, &validation, &run, &mut *watch)?;
    let n_failed = train_side.n_failed + validation_side.n_failed;
    Ok(Trained { outcome, metric: "AUC", n_failed, model: setup.place.out.join(MODEL_FILE) })
}
