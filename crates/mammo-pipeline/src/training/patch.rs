//! Trains the patch classifier (paper, patch classification).

use std::path::Path;

use mammo_data::split::Side;
use mammo_image::augment::Augmentation;
use mammo_image::patch_sampling::PatchClass;
use mammo_image::preprocess::Preprocessing;
use mammo_nn::model_file::{self, CalibrationMethod, ModelCard, Network};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::trunk::TrunkConfig;
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::run::{MODEL_FILE, TrainingRun};
use mammo_nn::training::step_memory::check_memory;
use mammo_nn::training::train::train;
use mammo_nn::training::validation::Metric;

use super::{RunPlace, RunSetup, Trained, check_out};
use crate::config::RunConfig;
use crate::data::Data;
use crate::error::{Place, refuse};
use crate::inputs::{classes_present, draw_patches, prepare, stored_patches};
use crate::{Observer, Result};

/// Inputs of the training of a patch classifier.
pub struct TrainPatch<'a> {
    /// Settings: `[preprocessing]`, `[sampling]` and `[patch]`.
    pub config: &'a RunConfig,
    /// Data set and split.
    pub data: &'a Data,
    /// Folder of patches drawn before; without one the training draws them.
    pub patches: Option<&'a Path>,
    /// Folder, device, resume.
    pub place: &'a RunPlace,
}

/// Trains a patch classifier on patches of the training side, in the stages of the settings; the best epoch on the
/// validation side is kept.
///
/// # Errors
/// Settings that do not fit each other, the machine or the model to start from; data that cannot be read; a
/// training side without lesions; a loss that is no number.
pub fn train_patch(request: &TrainPatch, observer: &dyn Observer) -> Result<Trained> {
    let TrainPatch { config, data, place, .. } = *request;
    let (preprocessing, sampling, section) = (config.preprocessing()?, config.sampling()?, config.patch()?);
    check_out(place, observer)?;
    let start = match &section.start {
        Some(path) => {
            let file = model_file::load(path).at(|| "cannot start from this model")?;
            check_start(path, &file.card, &section.trunk, preprocessing)?;
            Some(file)
        }
        None => None,
    };
    let setup = RunSetup {
        config,
        preprocessing,
        training: serde_json::json!({ "patch": section, "sampling": sampling }),
        data,
        start: start.as_ref(),
        place,
    };
    let device = setup.burn_device()?;
    let network = |n_classes| PatchClassifierConfig {
        trunk: section.trunk.clone(),
        n_classes,
        dropout: section.dropout,
    };
    // The classes of this data set are known only after the patches are drawn; all classes need hardly more memory.
    let of_all_classes = Network::Patch(network(PatchClass::ALL.len()));
    let patch_shape = [section.trunk.channels, sampling.patch_px, sampling.patch_px];
    check_memory(&of_all_classes, patch_shape, 1.0, &section.training, &device)
        .map_err(|e| e.within("patch"))?;
    setup.begin()?;

    let prepare_side = |side| prepare(data, preprocessing, data.side(side), observer);
    let (train_side, validation_side) = (prepare_side(Side::Train)?, prepare_side(Side::Validation)?);
    let patches = |side, prepared| match request.patches {
        Some(folder) => stored_patches(&folder.join(Side::to_string(&side)), prepared, data, config),
        None => draw_patches(prepared, data, config, observer),
    };
    let train_patches = patches(Side::Train, &train_side)?.patches;
    let validation_patches = patches(Side::Validation, &validation_side)?.patches;
    let classes = classes_present(&train_patches);
    if classes.len() < 2 {
        refuse!(
            "{}: the training side yields patches of {} class(es); lesions are needed",
            data.path.display(),
            classes.len()
        );
    }

    let examples = |side, patches, augmentation: &Augmentation| {
        let (px, channels) = (sampling.patch_px, section.trunk.channels);
        WindowExamples::patches(side, patches, &classes, px, channels, augmentation.clone())
    };
    let training = examples(&train_side.cache, &train_patches, &section.augmentation);
    let validation = examples(&validation_side.cache, &validation_patches, &Augmentation::none());
    let network = network(classes.len());
    let device_autodiff = device.clone().autodiff();
    let mut model = initialise(PatchClassifier::new(&network, &device_autodiff)?, config.seed);
    if let Some(file) = &start {
        model.trunk = file.trunk(&device_autodiff)?;
    }
    let network = Network::Patch(network);
    let names = classes.iter().map(ToString::to_string).collect();
    let mut card = setup.card(network.clone(), names, &train_side.images, train_patches.len());
    card.training.patch_px = Some(sampling.patch_px);
    let run = TrainingRun {
        config: &section.training,
        seed: config.seed,
        device: &device,
        dir: &place.out,
        metric: Metric::BalancedAccuracy,
        calibration: CalibrationMethod::None,
        start_share: 0.0,
        digest: setup.digest(&network)?,
        card,
        resume: place.resume,
    };
    let metric = "balanced accuracy";
    let mut watch = observer.training("training on patches", metric);
    let outcome = train(model, &training, &validation, &run, &mut *watch)?;
    let n_failed = train_side.n_failed + validation_side.n_failed;
    Ok(Trained { outcome, metric, n_failed, model: place.out.join(MODEL_FILE) })
}

/// Refuses a start whose network or pixel numbers are not the configuration's.
pub(super) fn check_start(
    path: &Path,
    card: &ModelCard,
    trunk: &TrunkConfig,
    preprocessing: &Preprocessing,
) -> Result<()> {
    let lines = || start_lines(path, card.network.trunk(), &card.preprocessing);
    if card.network.trunk() != trunk {
        refuse!(
            "{}: its trunk is another than [patch] trunk in the configuration, which should read\n\n{}",
            path.display(),
            lines()?
        );
    }
    let (theirs, ours) = (&card.preprocessing, preprocessing);
    if (theirs.mean, theirs.std) != (ours.mean, ours.std) {
        refuse!(
            "{}: trained with mean {} and standard deviation {} of grey levels, the configuration has {} and {}; \
             it should read\n\n{}",
            path.display(),
            theirs.mean,
            theirs.std,
            ours.mean,
            ours.std,
            lines()?
        );
    }
    Ok(())
}

/// Lines of a configuration under which training can start from a model.
///
/// # Errors
/// A trunk that TOML cannot hold.
pub fn start_lines(path: &Path, trunk: &TrunkConfig, preprocessing: &Preprocessing) -> Result<String> {
    #[derive(serde::Serialize)]
    struct Patch<'a> {
        start: String,
        trunk: &'a TrunkConfig,
    }
    #[derive(serde::Serialize)]
    struct Lines<'a> {
        preprocessing: Numbers,
        patch: Patch<'a>,
    }
    #[derive(serde::Serialize)]
    struct Numbers {
        mean: f32,
        std: f32,
    }
    let preprocessing = Numbers { mean: preprocessing.mean, std: preprocessing.std };
    let patch = Patch { start: path.display().to_string(), trunk };
    Ok(toml::to_string(&Lines { preprocessing, patch })?)
}
