//! The model card: everything about a model but its weights.

use mammo_eval::Unit;
use mammo_eval::roc::operating_point::OperatingPoint;
use mammo_image::preprocess::Preprocessing;
use serde::{Deserialize, Serialize};

use super::{Calibration, Evidence, FORMAT_VERSION, Figure};
use crate::networks::image_classifier::{ImageClassifierConfig, N_CLASSES};
use crate::networks::outline::Outline;
use crate::networks::patch_classifier::PatchClassifierConfig;
use crate::networks::precision::RequiredPrecision;
use crate::networks::trunk::TrunkConfig;
use crate::{Error, Result};

/// Intended use, the same in every card.
pub const INTENDED_USE: &str = "Research on mammography data. Not a medical device; not for clinical use.";

/// Licence in the cards of models without a stated one.
pub const NO_LICENCE: &str = "not stated";

/// Maximum number of classes: ImageNet's 21 thousand and some more.
const MAX_CLASSES: usize = 30_000;

/// The network as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A trunk: a starting point for training.
    Trunk(TrunkConfig),
    /// Trunk and linear head on patches.
    Patch(PatchClassifierConfig),
    /// Trunk and top on whole images.
    Image(ImageClassifierConfig),
}

impl Network {
    /// The trunk.
    pub fn trunk(&self) -> &TrunkConfig {
        match self {
            Self::Trunk(trunk) => trunk,
            Self::Patch(config) => &config.trunk,
            Self::Image(config) => &config.trunk,
        }
    }

    /// Input channels of the network.
    pub fn channels(&self) -> usize {
        self.trunk().channels
    }

    /// Number of classes; zero for a trunk.
    pub fn n_classes(&self) -> usize {
        match self {
            Self::Trunk(_) => 0,
            Self::Patch(config) => config.n_classes,
            Self::Image(_) => N_CLASSES,
        }
    }

    /// The network as a list of steps.
    ///
    /// # Errors
    /// [`Error::Network`] for a network that cannot be built.
    pub fn outline(&self) -> Result<Outline> {
        if let Self::Patch(config) = self
            && !(1..=MAX_CLASSES).contains(&config.n_classes)
        {
            return Err(Error::network("n_classes", config.n_classes.to_string(), "1 to 30000"));
        }
        match self {
            Self::Trunk(config) => Outline::trunk(config),
            Self::Patch(config) => Outline::patch(config),
            Self::Image(config) => Outline::image(config),
        }
    }

    /// Whether it is a whole-image network with a heatmap.
    pub fn has_heatmap(&self) -> bool {
        matches!(self, Self::Image(config) if config.top.heatmap().is_some())
    }

    /// The kind of network, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trunk(_) => "a trunk alone",
            Self::Patch(_) => "a patch model",
            Self::Image(_) => "a whole-image model",
        }
    }
}

/// The training record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Version of the program.
    pub mammo_version: String,
    /// Seed of the run.
    pub seed: u64,
    /// Digest of the manifest trained on.
    pub manifest_digest: String,
    /// Digest of the patient split; `None` for imported models.
    #[serde(default)]
    pub split_digest: Option<String>,
    /// Patients on the training side.
    pub n_patients: usize,
    /// Images on the training side.
    pub n_pictures: usize,
    /// Digest of the starting model; `None` for a random start.
    pub started_from: Option<String>,
    /// The training configuration, as resolved.
    pub config: serde_json::Value,
    /// Side in pixels of the patches that a patch model was trained on; [`ModelCard::patch_px`] reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_px: Option<usize>,
    /// Stage and epoch of the stored weights, from one.
    pub best_epoch: Option<[usize; 2]>,
    /// AUC (images) or balanced accuracy (patches) on the validation side.
    pub validation_metric: Option<f64>,
    /// 95 % interval of an AUC from resampling patients. It does not include the optimism of choosing the epoch by
    /// the same AUC. In files of format version 2 it is DeLong's interval with images counted as independent: too
    /// narrow if patients have several images.
    #[serde(default)]
    pub validation_interval: Option<[f64; 2]>,
}

/// Where imported weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the file.
    pub file: String,
    /// First 16 hexadecimal digits of its SHA-256.
    pub digest: String,
    /// Kind of file, and whose tensor names it has.
    pub format: String,
    /// What was left out or assumed in the import.
    pub notes: Vec<String>,
}

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Version of the file that the card was read from; [`FORMAT_VERSION`] is written.
    pub format_version: u32,
    /// Name of the model; `None` for models without one. This field and the next three are absent before version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Sentences about what the model cannot do, the most important one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Kinds of images on which the model was evaluated. Other images are outside its evidence; without any entry,
    /// nothing is known about the kind of any image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Figures about the model, the main one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
    /// The network as data.
    pub network: Network,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// Patch classes in the order of the channels of a whole-image network's heatmap; empty for networks without one,
    /// and in files from before the field existed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patch_classes: Vec<String>,
    /// From stored pixels to network input.
    pub preprocessing: Preprocessing,
    /// Digest of `preprocessing`, checked on reading.
    pub preprocessing_digest: String,
    /// Precision of prediction; `auto` in files without the field. Models trained from this one keep it.
    #[serde(default, skip_serializing_if = "RequiredPrecision::is_auto")]
    pub precision: RequiredPrecision,
    /// The training record.
    pub training: TrainingRecord,
    /// Source of imported weights.
    #[serde(default)]
    pub source: Option<Source>,
    /// Threshold chosen on the validation side, for image models.
    pub operating_point: Option<OperatingPoint>,
    /// Calibration of the probability, for image models.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// The reason, if a calibration was requested but could not be fitted.
    #[serde(default)]
    pub no_calibration: Option<String>,
    /// [`INTENDED_USE`].
    pub intended_use: String,
    /// Licence of the weights; [`NO_LICENCE`] if not stated.
    pub licence: String,
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
            name: None,
            limits: Vec::new(),
            evidence: Vec::new(),
            figures: Vec::new(),
            network,
            classes,
            patch_classes: Vec::new(),
            preprocessing_digest: preprocessing.digest(),
            preprocessing,
            precision: RequiredPrecision::Auto,
            training,
            source: None,
            operating_point: None,
            calibration: None,
            no_calibration: None,
            intended_use: INTENDED_USE.to_string(),
            licence: NO_LICENCE.to_string(),
        }
    }

    /// Side in pixels of the patches that a patch model was trained on, or of the windows of a whole-image model's
    /// heatmap; `None` for other models.
    pub fn patch_px(&self) -> Option<usize> {
        match &self.network {
            Network::Image(config) => {
                let rule = config.top.heatmap()?;
                Some(rule.window * config.trunk.stride())
            }
            _ => self.training.patch_px.or_else(|| patch_px_of_old_card(&self.training.config)),
        }
    }

    /// Names of the patch classes that its heat maps show: those of a patch model, or of a whole-image model's
    /// heatmap. Empty for other models.
    pub fn map_classes(&self) -> &[String] {
        match &self.network {
            Network::Patch(_) => &self.classes,
            Network::Image(_) | Network::Trunk(_) => &self.patch_classes,
        }
    }

    /// The stored threshold, if it was chosen on what the rows of a score table stand for: `train exam` chooses it on
    /// patients, the other trainings on images.
    pub fn point_for(&self, unit: Unit) -> Option<&OperatingPoint> {
        let chosen_on = match self.training.config.get("exam") {
            Some(_) => Unit::Patient,
            None => Unit::Image,
        };
        self.operating_point.as_ref().filter(|_| unit == chosen_on)
    }

    /// Checks the card for contradictions, and returns the network's outline.
    ///
    /// # Errors
    /// [`Error::Network`] naming the part.
    pub fn check(&self) -> Result<Outline> {
        self.check_description()?;
        self.preprocessing.check()?;
        let digest = self.preprocessing.digest();
        if digest != self.preprocessing_digest {
            return Err(Error::network(
                "preprocessing",
                format!("digest {digest}, recorded {}", self.preprocessing_digest),
                "equal digests; the card was edited or comes from another program version",
            ));
        }
        if let Some(calibration) = &self.calibration {
            calibration.calibrator.check()?;
        }
        let n_classes = self.network.n_classes();
        if self.classes.len() != n_classes {
            let found = format!("{} names", self.classes.len());
            return Err(Error::network("classes", found, format!("{n_classes}, one per logit")));
        }
        if let Network::Image(config) = &self.network {
            let n_named = self.patch_classes.len();
            if n_named != 0 && (!self.network.has_heatmap() || n_named != config.n_patch_classes) {
                let expected = format!("{}, one per channel of a heatmap", config.n_patch_classes);
                return Err(Error::network("patch_classes", format!("{n_named} names"), expected));
            }
            let [rows, cols] = config.input_px;
            let (height, width) = (self.preprocessing.height_px, self.preprocessing.width_px);
            if [rows, cols] != [height, width] {
                let found = format!("{rows}x{cols} in the network, {height}x{width} in the preprocessing");
                return Err(Error::network("image size", found, "the same size"));
            }
        }
        self.network.outline()
    }
}

/// The patch size of cards from before the field existed: in the training configuration.
fn patch_px_of_old_card(config: &serde_json::Value) -> Option<usize> {
    config.get("sampling")?.get("patch_px")?.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::trunk::Family;

    #[test]
    fn the_patch_size_is_a_field_of_the_card_and_old_cards_have_it_in_their_configuration() {
        let card = |patch_px, config| {
            let record = TrainingRecord { patch_px, config, ..TrainingRecord::default() };
            let network = Network::Trunk(TrunkConfig::new(Family::Resnet18));
            let card = ModelCard::new(network, Vec::new(), Preprocessing::default(), record);
            let stored = serde_json::to_string(&card).unwrap();
            assert_eq!(serde_json::from_str::<ModelCard>(&stored).unwrap(), card);
            card.patch_px()
        };
        let old = serde_json::json!({ "sampling": { "patch_px": 64 } });
        assert_eq!(card(Some(96), old.clone()), Some(96));
        assert_eq!(card(None, old), Some(64));
        assert_eq!(card(None, serde_json::json!({ "sampling": { "patch_px": "64" } })), None);
        assert_eq!(card(None, serde_json::Value::Null), None);
    }
}
