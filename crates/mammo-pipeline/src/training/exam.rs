//! Trains a whole-image classifier on exams: all views of a patient together, from the same labels.

use mammo_nn::model_file::{ModelFile, Network};
use mammo_nn::networks::exam::ExamHeadsConfig;
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::state::{load_state_dict, state_dict};

use super::{Examined, ImageRun, RunPlace, RunSetup, Trained, check_out, train_images};
use crate::config::RunConfig;
use crate::data::Data;
use crate::error::refuse;
use crate::{Observer, Result};

/// Inputs of a training on exams.
pub struct TrainExam<'a> {
    /// Settings: `[exam]`; images are prepared with the model's preprocessing.
    pub config: RunConfig,
    /// Data set and split.
    pub data: &'a Data,
    /// The whole-image model to start from.
    pub model: &'a ModelFile,
    /// Folder, device, resume.
    pub place: &'a RunPlace,
}

/// Adds heads that combine the views of an exam to a whole-image model and trains it on exams, in the stages of the
/// settings; the best epoch on the validation side is kept, with its threshold and calibration for exams.
///
/// # Errors
/// Settings that do not fit the machine; a model that is not a whole-image model, or has heads of another size; data that
/// cannot be read; a loss that is no number.
pub fn train_exam(request: TrainExam, observer: &dyn Observer) -> Result<Trained> {
    let TrainExam { config, data, model: file, place } = request;
    config.exam()?;
    check_out(place, observer)?;
    let config = config.with_preprocessing(file.card.preprocessing.clone());
    let section = config.exam()?;
    let setup = RunSetup {
        config: &config,
        preprocessing: &file.card.preprocessing,
        training: serde_json::json!({ "exam": section }),
        data,
        start: Some(file),
        place,
    };
    let network = with_heads(file, ExamHeadsConfig { units: section.units })?;
    let device = setup.burn_device()?;
    let model = initialise(ImageClassifier::new(&network, &device.autodiff())?, config.seed);
    // The heads keep their first weights unless the file has some.
    let mut tensors = state_dict(&model);
    tensors.extend(file.tensors.clone());
    let model =
        load_state_dict(model, tensors).map_err(|e| mammo_nn::Error::network("model", e, "its network"))?;
    let channels = network.trunk.channels;
    let run = ImageRun {
        setup: &setup,
        section: "exam",
        network: Network::Image(network),
        model,
        augmentation: &section.augmentation,
        training: &section.training,
        calibration: section.calibration,
        start_share: 0.0,
        lesion_free_share: 0.0,
        channels,
        n_patients: None,
        examined: Examined::Exams,
    };
    train_images(&run, observer)
}

/// The network of a whole-image model with heads for exams.
fn with_heads(file: &ModelFile, heads: ExamHeadsConfig) -> Result<ImageClassifierConfig> {
    let path = &file.path;
    let Network::Image(network) = &file.card.network else {
        refuse!(
            "{}: {}; --model needs one from `mammo train image`",
            path.display(),
            file.card.network.kind()
        );
    };
    if let Some(found) = network.exam.filter(|found| *found != heads) {
        let (found, asked) = (found.units, heads.units);
        refuse!(
            "{}: its exam heads have {found} units, [exam] asks for {asked}; they must be equal",
            path.display()
        );
    }
    Ok(ImageClassifierConfig { exam: Some(heads), ..network.clone() })
}
