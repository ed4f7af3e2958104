//! The run configuration: one TOML file, one section per stage, no unknown keys.
//!
//! A command reads the sections that it needs; a file may leave the others out.

mod check;
#[cfg(test)]
mod every_stage;
mod overrides;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use mammo_image::augment::Augmentation;
use mammo_image::patch_sampling::SamplingConfig;
use mammo_image::preprocess::Preprocessing;
use mammo_nn::model_file::CalibrationMethod;
use mammo_nn::networks::image_classifier::ImageClassifierConfig;
use mammo_nn::networks::top::{MapPooling, TopConfig};
use mammo_nn::networks::trunk::TrunkConfig;
use mammo_nn::training::schedule::TrainingConfig;
use serde::{Deserialize, Serialize};

use crate::error::Place;
use crate::{Error, Result};

use self::overrides::override_key;
pub use self::overrides::{with_nearest_key, with_settings};

/// All settings of a run, except the paths of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Seed of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// From stored pixels to network input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preprocessing: Option<Preprocessing>,
    /// Which patches to draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sampling: Option<SamplingConfig>,
    /// The patch classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patch: Option<PatchSection>,
    /// The whole-image classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<ImageSection>,
    /// Fine-tuning of a whole-image classifier on another data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transfer: Option<TransferSection>,
    /// Training of a whole-image classifier on exams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exam: Option<ExamSection>,
    /// The file that it was read from, for messages.
    #[serde(skip)]
    file: PathBuf,
}

/// `[patch]`: the patch classifier and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchSection {
    /// Model file whose trunk training starts from, such as imported ImageNet weights; random
    /// weights by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// The trunk, shared with the whole-image classifier.
    pub trunk: TrunkConfig,
    /// Share of pooled features dropped while training.
    #[serde(default)]
    pub dropout: f64,
    /// Random changes of each training patch.
    pub augmentation: Augmentation,
    /// Stages, rates, batches.
    pub training: TrainingConfig,
}

/// `[image]`: the whole-image classifier and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSection {
    /// Model file whose trunk training starts from if no patch classifier is given, such as imported ImageNet weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// Top layers, after the trunk.
    pub top: TopConfig,
    /// Pooling of the last map of a convolutional top; the mean by default.
    #[serde(default)]
    pub pooling: MapPooling,
    /// Share of pooled features dropped while training.
    #[serde(default)]
    pub dropout: f64,
    /// Calibration of probabilities that is fitted to the validation side.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Share of the benign examples that show only normal tissue: the rows above or below the lesions of an image. For
    /// sets without normal breasts; 0 by default, as in the paper.
    #[serde(default)]
    pub lesion_free_share: f64,
    /// Random changes of each training image.
    pub augmentation: Augmentation,
    /// Stages, rates, batches.
    pub training: TrainingConfig,
}

/// `[transfer]`: fine-tuning on another data set from image labels alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferSection {
    /// Weight of the initial model in the interpolation of its parameters with the fine-tuned ones. With few patients
    /// 0.5 is more stable than 0, which is the default and the paper's.
    #[serde(default)]
    pub start_share: f64,
    /// Calibration of probabilities that is fitted to the validation side.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Random changes of each training image.
    pub augmentation: Augmentation,
    /// Stages, rates, batches.
    pub training: TrainingConfig,
}

/// `[exam]`: training of a whole-image classifier on all views of a patient together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExamSection {
    /// Units of the hidden layer of the networks that compare views and breasts.
    #[serde(default = "exam_units")]
    pub units: usize,
    /// Calibration of exams' probabilities that is fitted to the validation side.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Random changes of each training image.
    pub augmentation: Augmentation,
    /// Stages, rates, batches; a batch is a number of exams. Stage `head` trains the comparing networks and the last
    /// layer, `top` the top blocks too.
    pub training: TrainingConfig,
}

fn exam_units() -> usize {
    16
}

/// Keys that the sections must have, for messages.
const PATCH_KEYS: &str = "`trunk`, `augmentation` and `[patch.training]`";
const IMAGE_KEYS: &str = "`top`, `augmentation` and `[image.training]`";
const EXAM_KEYS: &str = "`augmentation` and `[exam.training]`";
const TRANSFER_KEYS: &str = "`augmentation` and `[transfer.training]`";

/// A section that a command needs, borrowed mutably or not.
fn required<S>(file: &Path, section: Option<S>, name: &str, keys: &str) -> Result<S> {
    section.ok_or_else(|| {
        Error::Refused(format!(
            "{}: no section [{name}], which this command needs; add one with {keys}, as in configs/demo.toml",
            file.display()
        ))
    })
}

impl RunConfig {
    /// A configuration of a patch classifier and a whole-image classifier, in place of a file.
    ///
    /// # Errors
    /// Values that cannot be run, by their full key path.
    pub fn new(
        seed: u64,
        preprocessing: Preprocessing,
        sampling: Option<SamplingConfig>,
        patch: PatchSection,
        image: ImageSection,
    ) -> Result<Self> {
        let config = Self {
            seed,
            preprocessing: Some(preprocessing),
            sampling,
            patch: Some(patch),
            image: Some(image),
            transfer: None,
            exam: None,
            file: PathBuf::new(),
        };
        config.check()?;
        Ok(config)
    }

    /// Reads a configuration file and applies `section.key=value` overrides.
    ///
    /// # Errors
    /// A file that cannot be read, and as [`parse`](Self::parse), naming the file.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| mammo_core::Error::io(path, "read the configuration", e))?;
        let config = Self::parse(&text, overrides).at(|| path.display())?;
        Ok(Self { file: path.to_path_buf(), ..config })
    }

    /// Reads a configuration from text and applies overrides.
    ///
    /// # Errors
    /// Unknown keys, values of another type and values that cannot be run, by their full key path.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        let not_toml = |e: toml::de::Error| Error::Refused(format!("not TOML: {e}"));
        let mut table: toml::Table = text.parse().map_err(not_toml)?;
        for setting in overrides {
            override_key(&mut table, setting)?;
        }
        // Without overrides the text itself is parsed, so that errors show the line.
        let text = match overrides {
            [] => text.to_string(),
            _ => toml::to_string(&table)?,
        };
        let mut config: Self = serde_path_to_error::deserialize(
            toml::Deserializer::parse(&text).map_err(not_toml)?,
        )
        .map_err(|e: serde_path_to_error::Error<toml::de::Error>| {
            // The message quotes a line, which is in the file only if no setting was overridden.
            let message = match overrides {
                [] => e.inner().to_string(),
                _ => e.inner().message().to_string(),
            };
            Error::Refused(format!("{}: {}", e.path(), with_nearest_key(&message)))
        })?;
        let sampling = table.get("sampling").and_then(toml::Value::as_table);
        if let Some(settings) = &mut config.sampling
            && !sampling.is_some_and(|sampling| sampling.contains_key("seed"))
        {
            settings.seed = config.seed;
        }
        config.check()?;
        Ok(config)
    }

    /// `[preprocessing]`.
    ///
    /// # Errors
    /// When the file has no such section, as for all sections below.
    pub fn preprocessing(&self) -> Result<&Preprocessing> {
        required(&self.file, self.preprocessing.as_ref(), "preprocessing", "`height_px` and `width_px`")
    }

    /// `[sampling]`.
    pub fn sampling(&self) -> Result<&SamplingConfig> {
        let keys = "`patch_px`, `per_lesion` and `background_per_image`";
        required(&self.file, self.sampling.as_ref(), "sampling", keys)
    }

    /// `[patch]`.
    pub fn patch(&self) -> Result<&PatchSection> {
        required(&self.file, self.patch.as_ref(), "patch", PATCH_KEYS)
    }

    /// `[patch]`, to be changed.
    pub fn patch_mut(&mut self) -> Result<&mut PatchSection> {
        required(&self.file, self.patch.as_mut(), "patch", PATCH_KEYS)
    }

    /// `[image]`.
    pub fn image(&self) -> Result<&ImageSection> {
        required(&self.file, self.image.as_ref(), "image", IMAGE_KEYS)
    }

    /// `[image]`, to be changed.
    pub fn image_mut(&mut self) -> Result<&mut ImageSection> {
        required(&self.file, self.image.as_mut(), "image", IMAGE_KEYS)
    }

    /// `[exam]`.
    pub fn exam(&self) -> Result<&ExamSection> {
        required(&self.file, self.exam.as_ref(), "exam", EXAM_KEYS)
    }

    /// `[transfer]`.
    pub fn transfer(&self) -> Result<&TransferSection> {
        required(&self.file, self.transfer.as_ref(), "transfer", TRANSFER_KEYS)
    }

    /// `[transfer]`, to be changed.
    pub fn transfer_mut(&mut self) -> Result<&mut TransferSection> {
        required(&self.file, self.transfer.as_mut(), "transfer", TRANSFER_KEYS)
    }

    /// The whole-image network of `[preprocessing]`, `[patch] trunk` and `[image]`.
    ///
    /// # Errors
    /// When the file lacks one of these sections.
    pub fn image_network(&self, n_patch_classes: usize) -> Result<ImageClassifierConfig> {
        let (preprocessing, section, trunk) = (self.preprocessing()?, self.image()?, &self.patch()?.trunk);
        Ok(ImageClassifierConfig {
            trunk: trunk.clone(),
            top: section.top.clone(),
            pooling: section.pooling,
            top_conventions: trunk.conventions,
            n_patch_classes,
            input_px: [preprocessing.height_px, preprocessing.width_px],
            dropout: section.dropout,
            exam: None,
        })
    }

    /// The same configuration with another preparation of images.
    pub fn with_preprocessing(self, preprocessing: Preprocessing) -> Self {
        Self { preprocessing: Some(preprocessing), ..self }
    }

    /// Takes the counts of a patch set named as in the paper (`S1`, `S10`, ...).
    ///
    /// # Errors
    /// A name of another form; a file without `[sampling]`.
    pub fn use_patch_set(&mut self, name: Option<&str>) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        let named: SamplingConfig = name.parse().at(|| "--patch-set")?;
        let sampling = SamplingConfig {
            placement: named.placement,
            per_lesion: named.per_lesion,
            background_per_image: named.background_per_image,
            ..self.sampling()?.clone()
        };
        self.sampling = Some(sampling);
        Ok(())
    }
}
