//! Trains the whole-image classifier (paper, whole-image classification).

use mammo_image::preprocess::Preprocessing;
use mammo_nn::model_file::{ModelFile, Network};
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::PatchClassifierConfig;
use mammo_nn::networks::trunk::TrunkConfig;

use super::{Examined, ImageRun, RunPlace, RunSetup, Trained, check_out, train_images};
use crate::config::RunConfig;
use crate::data::Data;
use crate::difference::differences;
use crate::error::refuse;
use crate::{Observer, Result};

/// Inputs of the training of a whole-image classifier.
pub struct TrainImage<'a> {
    /// Settings: `[preprocessing]`, `[patch] trunk` and `[image]`.
    pub config: &'a RunConfig,
    /// Data set and split.
    pub data: &'a Data,
    /// Patch classifier whose trunk and, for a heat map layer, head are taken; random weights without one.
    pub from_patch: Option<&'a ModelFile>,
    /// Folder, device, resume.
    pub place: &'a RunPlace,
}

/// Trains a whole-image classifier from image labels alone, in the stages of the settings; the best epoch on the
/// validation side is kept, with its threshold and calibration.
///
/// # Errors
/// Settings that do not fit each other, the machine or the patch classifier; data that cannot be read; a loss that
/// is no number.
pub fn train_image(request: &TrainImage, observer: &dyn Observer) -> Result<Trained> {
    let TrainImage { config, data, place, .. } = *request;
    let (preprocessing, section, trunk) = (config.preprocessing()?, config.image()?, &config.patch()?.trunk);
    check_out(place, observer)?;
    let start = match request.from_patch {
        Some(file) => Some((file, patch_network(file, trunk, preprocessing)?)),
        None => None,
    };
    let setup = RunSetup {
        config,
        preprocessing,
        training: serde_json::json!({ "image": section }),
        data,
        start: request.from_patch,
        place,
    };
    let device = setup.burn_device()?;
    let network = ImageClassifierConfig {
        trunk: trunk.clone(),
        top: section.top.clone(),
        pooling: section.pooling,
        top_conventions: trunk.conventions,
        n_patch_classes: start.as_ref().map_or(5, |(_, patch)| patch.n_classes),
        input_px: [preprocessing.height_px, preprocessing.width_px],
        dropout: section.dropout,
        exam: None,
    };
    let model = initialise(ImageClassifier::new(&network, &device.clone().autodiff())?, config.seed);
    let model = match &start {
        Some((file, _)) => model.with_patch_classifier(file.patch_classifier(&device.clone().autodiff())?),
        None => model,
    };
    let run = ImageRun {
        setup: &setup,
        section: "image",
        network: Network::Image(network),
        model,
        augmentation: &section.augmentation,
        training: &section.training,
        calibration: section.calibration,
        start_share: 0.0,
        lesion_free_share: section.lesion_free_share,
        channels: trunk.channels,
        n_patients: None,
        examined: Examined::Images,
    };
    train_images(&run, observer)
}

/// The patch network of a model file, which must fit the configuration and its pixels.
fn patch_network(
    file: &ModelFile,
    trunk: &TrunkConfig,
    preprocessing: &Preprocessing,
) -> Result<PatchClassifierConfig> {
    let path = &file.path;
    let Network::Patch(patch) = &file.card.network else {
        refuse!("{}: a whole-image model; --from-patch needs one from `mammo train patch`", path.display());
    };
    if patch.trunk != *trunk {
        refuse!(
            "{}: its trunk differs from [patch] in the configuration ({}); they must be equal",
            path.display(),
            differences(&patch.trunk, trunk)
        );
    }
    if file.card.preprocessing_digest != preprocessing.digest() {
        refuse!(
            "{}: trained with preprocessing {}, the configuration gives {}; they must be equal",
            path.display(),
            file.card.preprocessing_digest,
            preprocessing.digest()
        );
    }
    Ok(patch.clone())
}
