//! One self-describing file per model: weights, architecture, pixels, record.
//!
//! A `.safetensors` file whose metadata holds a [`ModelCard`] as JSON. What a network was
//! trained on travels with it, so it cannot be fed with other pixels by accident, the
//! field's commonest failure.

use std::collections::HashMap;
use std::path::Path;

use mammo::eval::operating_point::OperatingPoint;
use mammo::preprocess::Preprocessing;
use mammo::write::write_atomically;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::image_classifier::ImageClassifierConfig;
use crate::patch_classifier::PatchClassifierConfig;
use crate::state::{NamedTensor, StateDict};
use crate::{Error, Result};

/// Version of the card; a reader refuses others.
pub const FORMAT_VERSION: u32 = 1;

/// Key of the card in the file's metadata.
const CARD: &str = "mammo.card";

/// Said in every card.
pub const INTENDED_USE: &str = "Research on mammography data. Not a medical device; not for clinical use.";

/// The network as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Trunk and linear head on patches.
    Patch(PatchClassifierConfig),
    /// Trunk and top on whole images.
    Image(ImageClassifierConfig),
}

impl Network {
    /// Channels that the network reads.
    pub fn channels(&self) -> usize {
        match self {
            Self::Patch(config) => config.trunk.channels,
            Self::Image(config) => config.trunk.channels,
        }
    }
}

/// How the weights came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Version of the program.
    pub mammo_version: String,
    /// Seed of the run.
    pub seed: u64,
    /// Digest of the manifest trained on.
    pub manifest_digest: String,
    /// Patients on the training side.
    pub n_patients: usize,
    /// Pictures on the training side.
    pub n_pictures: usize,
    /// Digest of the model that the run started from; `None` for a random start.
    pub started_from: Option<String>,
    /// The training configuration, as resolved.
    pub config: serde_json::Value,
    /// Stage and epoch of the stored weights, from one.
    pub best_epoch: Option<[usize; 2]>,
    /// AUC (images) or balanced accuracy (patches) on the validation side.
    pub validation_metric: Option<f64>,
}

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The network as data.
    pub network: Network,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// From stored pixels to network input.
    pub preprocessing: Preprocessing,
    /// Digest of `preprocessing`, checked on reading.
    pub preprocessing_digest: String,
    /// How the weights came to be.
    pub training: TrainingRecord,
    /// Threshold chosen on the validation side, for image models.
    pub operating_point: Option<OperatingPoint>,
    /// [`INTENDED_USE`].
    pub intended_use: String,
}

impl ModelCard {
    /// A card for a network that is about to be trained.
    pub fn new(
        network: Network,
        classes: Vec<String>,
        preprocessing: Preprocessing,
        training: TrainingRecord,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            network,
            classes,
            preprocessing_digest: preprocessing.digest(),
            preprocessing,
            training,
            operating_point: None,
            intended_use: INTENDED_USE.to_string(),
        }
    }
}

/// A model file read into memory.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// What the model is.
    pub card: ModelCard,
    /// Its weights and running statistics.
    pub tensors: StateDict,
    /// First 16 hexadecimal digits of the file's SHA-256: the model's name in score tables.
    pub digest: String,
}

/// Writes a model file under a temporary name, then renames it.
///
/// # Errors
/// When the disk refuses, or a weight is not finite.
pub fn save(path: &Path, card: &ModelCard, tensors: &StateDict) -> Result<()> {
    let unusable = |e: String| Error::model_file(path, e, "finite weights");
    let bytes: Vec<(&String, &NamedTensor, Vec<u8>)> = tensors
        .iter()
        .map(|(name, t)| (name, t, t.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    if let Some((name, ..)) = bytes.iter().find(|(_, t, _)| t.values.iter().any(|v| !v.is_finite())) {
        return Err(unusable(format!("tensor '{name}' holds a value that is not finite")));
    }
    let views = bytes
        .iter()
        .map(|(name, t, bytes)| TensorView::new(Dtype::F32, t.shape.clone(), bytes).map(|view| (name, view)))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| unusable(e.to_string()))?;
    let card = serde_json::to_string(card).map_err(|e| unusable(e.to_string()))?;
    let metadata = HashMap::from([(CARD.to_string(), card)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| unusable(e.to_string()))?;
    Ok(write_atomically(path, &bytes)?)
}

/// Reads a model file.
///
/// # Errors
/// [`Error::ModelFile`] when it is cut short, has no card, another format version, a
/// preprocessing that does not match its digest, a tensor that is not `f32`, or a value that
/// is not finite.
pub fn load(path: &Path) -> Result<ModelFile> {
    let bytes = std::fs::read(path).map_err(|e| mammo::Error::io(path, "read the model", e))?;
    let complete = "a complete model file written by `mammo train` or `mammo transfer`";
    let damaged = |e: String| Error::model_file(path, format!("damaged ({e})"), complete);
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let card = header
        .metadata()
        .as_ref()
        .and_then(|m| m.get(CARD))
        .ok_or_else(|| Error::model_file(path, "a safetensors file without a model card", complete))?;
    let card = read_card(path, card)?;
    let mut tensors = StateDict::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("tensor '{name}' is {:?}, not F32", view.dtype())));
        }
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(damaged(format!("tensor '{name}' holds a value that is not finite")));
        }
        tensors.insert(name.to_string(), NamedTensor { shape: view.shape().to_vec(), values });
    }
    let digest = Sha256::digest(&bytes).iter().take(8).map(|b| format!("{b:02x}")).collect();
    Ok(ModelFile { card, tensors, digest })
}

/// Checks version and preprocessing digest, so that a wrong card never reaches the pixels.
fn read_card(path: &Path, json: &str) -> Result<ModelCard> {
    let value: serde_json::Value = serde_json::from_str(json).map_err(|e| {
        Error::model_file(path, format!("a card that is no JSON ({e})"), "an unedited model file")
    })?;
    let version = value.get("format_version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(FORMAT_VERSION)) {
        let found = version.map_or("no format version".to_string(), |v| format!("format version {v}"));
        return Err(Error::model_file(
            path,
            found,
            format!("format version {FORMAT_VERSION}; use the program version that wrote it"),
        ));
    }
    let card: ModelCard = serde_json::from_value(value).map_err(|e| {
        Error::model_file(path, format!("an unreadable card ({e})"), "an unedited model file")
    })?;
    let digest = card.preprocessing.digest();
    if digest != card.preprocessing_digest {
        return Err(Error::model_file(
            path,
            format!("preprocessing with digest {digest}, recorded {}", card.preprocessing_digest),
            "equal digests; the card was edited or comes from another program version",
        ));
    }
    Ok(card)
}
