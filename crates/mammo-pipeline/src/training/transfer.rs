//! Fine-tunes a whole-image classifier on another hospital's images (paper, transfer to INbreast).

use mammo_nn::model_file::ModelFile;

use super::{Examined, ImageRun, RunPlace, RunSetup, Trained, check_out, train_images};
use crate::config::RunConfig;
use crate::data::Data;
use crate::{Observer, Result};

/// Inputs of a transfer.
pub struct Transfer<'a> {
    /// Settings: `[transfer]`; images are prepared with the model's preprocessing.
    pub config: RunConfig,
    /// Data set and split of the other hospital.
    pub data: &'a Data,
    /// The whole-image model to start from.
    pub model: &'a ModelFile,
    /// Number of patients to train on, half of them with cancer; all by default.
    pub n_patients: Option<usize>,
    /// Folder, device, resume.
    pub place: &'a RunPlace,
}

/// Fine-tunes a whole-image classifier from image labels alone.
///
/// # Errors
/// Settings that do not fit the machine; a model that is not a whole-image model; fewer patients than requested; data
/// that cannot be read; a loss that is no number.
pub fn transfer(request: Transfer, observer: &dyn Observer) -> Result<Trained> {
    let Transfer { config, data, model: file, n_patients, place } = request;
    config.transfer()?;
    check_out(place, observer)?;
    let config = config.with_preprocessing(file.card.preprocessing.clone());
    let section = config.transfer()?;
    let setup = RunSetup {
        config: &config,
        preprocessing: &file.card.preprocessing,
        training: serde_json::json!({ "transfer": section, "patients": n_patients }),
        data,
        start: Some(file),
        place,
    };
    let device = setup.burn_device()?;
    let model = file.image_classifier(&device.autodiff())?;
    let run = ImageRun {
        setup: &setup,
        section: "transfer",
        network: file.card.network.clone(),
        model,
        augmentation: &section.augmentation,
        training: &section.training,
        calibration: section.calibration,
        start_share: section.start_share,
        lesion_free_share: 0.0,
        channels: file.card.network.channels(),
        n_patients,
        examined: Examined::Images,
    };
    train_images(&run, observer)
}
