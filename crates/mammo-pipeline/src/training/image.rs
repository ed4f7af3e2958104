//! Trains the whole-image classifier (paper, whole-image classification).

use mammo_image::patch_sampling::PatchClass;
use mammo_image::preprocess::Preprocessing;
use mammo_nn::model_file::{ModelFile, Network};
use mammo_nn::networks::image_classifier::ImageClassifier;
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::PatchClassifierConfig;
use mammo_nn::networks::trunk::TrunkConfig;

use super::patch::check_start;
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
    /// Starting weights.
    pub start: ImageStart<'a>,
    /// Folder, device, resume.
    pub place: &'a RunPlace,
}

/// Starting weights of a whole-image classifier.
#[derive(Clone, Copy, Debug)]
pub enum ImageStart<'a> {
    /// Random ones.
    Random,
    /// Those of a patch classifier: its trunk and, for a heat map layer, its head.
    Patch(&'a ModelFile),
    /// The trunk of any model, such as imported ImageNet weights; all else is random.
    Trunk(&'a ModelFile),
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
    let start = fitting_start(request.start, config)?;
    let setup = RunSetup {
        config,
        preprocessing,
        training: serde_json::json!({ "image": section }),
        data,
        start: start.as_ref().map(|start| start.file),
        place,
    };
    let device = setup.burn_device()?;
    let patch = start.as_ref().and_then(|start| start.patch.as_ref());
    let network = config.image_network(patch.map_or(PatchClass::ALL.len(), |patch| patch.n_classes))?;
    let autodiff = device.clone().autodiff();
    let mut model = initialise(ImageClassifier::new(&network, &autodiff)?, config.seed);
    match &start {
        Some(Start { file, patch: Some(_) }) => {
            model = model.with_patch_classifier(file.patch_classifier(&autodiff)?);
        }
        Some(Start { file, patch: None }) => model.trunk = file.trunk(&autodiff)?,
        None => {}
    }
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

/// A model that training starts from.
struct Start<'a> {
    file: &'a ModelFile,
    /// Its network, if it is a patch classifier of which more than the trunk is taken.
    patch: Option<PatchClassifierConfig>,
}

/// The model that training starts from, which must fit the configuration.
fn fitting_start<'a>(start: ImageStart<'a>, config: &RunConfig) -> Result<Option<Start<'a>>> {
    let (preprocessing, trunk) = (config.preprocessing()?, &config.patch()?.trunk);
    Ok(match start {
        ImageStart::Random => None,
        ImageStart::Patch(file) => {
            let patch = Some(patch_network(file, trunk, preprocessing)?);
            Some(Start { file, patch })
        }
        ImageStart::Trunk(file) => {
            if config.image()?.top.heatmap().is_some() {
                refuse!(
                    "{}: a top with a heat map needs the head of a patch classifier, not only a trunk; \
                     expected --from-patch, or another [image] top",
                    file.path.display()
                );
            }
            check_start(&file.path, &file.card, trunk, preprocessing)?;
            Some(Start { file, patch: None })
        }
    })
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
