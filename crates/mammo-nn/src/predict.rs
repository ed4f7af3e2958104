//! From a model file and a network input to a probability of cancer.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::image_classifier::ImageClassifier;
use crate::model_file::{self, ModelCard, ModelFile, Network};
use crate::patch_classifier::PatchClassifier;
use crate::schedule::Classifier;
use crate::state::load_state_dict;
use crate::trunk::Trunk;
use crate::{Error, Result};

/// Test-time augmentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tta {
    /// The image as it is.
    #[default]
    None,
    /// Mean probability of the image, its mirror images about both axes, and both at once
    /// (paper notes 1.3).
    Flips,
}

/// A whole-image model ready to score.
pub struct ImageModel {
    network: ImageClassifier,
    /// What the model is; its preprocessing is the one to apply.
    pub card: ModelCard,
    /// The model's name in score tables.
    pub digest: String,
    device: Device,
}

impl ImageModel {
    /// Reads a model file and builds its network on a device.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when it is damaged, or a patch model.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let file = model_file::load(path)?;
        let network = image_classifier(path, &file, device)?.valid();
        Ok(Self { network, card: file.card, digest: file.digest, device: device.clone() })
    }

    /// Probability of the malignant class.
    ///
    /// # Shapes
    /// `images`: `[n, channels, h, w]`, normalised by the card's preprocessing. The result has
    /// one entry per image.
    pub fn probabilities(&self, images: Tensor<4>, tta: Tta) -> Vec<f64> {
        let flips: &[[bool; 2]] = match tta {
            Tta::None => &[[false, false]],
            Tta::Flips => &[[false, false], [true, false], [false, true], [true, true]],
        };
        let mut sums = vec![0.0; images.dims()[0]];
        for &[left_right, up_down] in flips {
            let flipped = if left_right { images.clone().flip([3]) } else { images.clone() };
            let flipped = if up_down { flipped.flip([2]) } else { flipped };
            let probabilities = softmax(self.network.logits(flipped, None), 1).into_data();
            let malignant = probabilities.iter::<f64>().skip(1).step_by(2);
            sums.iter_mut().zip(malignant).for_each(|(sum, p)| *sum += p);
        }
        sums.iter().map(|sum| sum / flips.len() as f64).collect()
    }

    /// Probability of cancer in one prepared image.
    ///
    /// # Inputs
    /// `pixels`: `height_px * width_px` values, as the card's preprocessing leaves them.
    pub fn probability(&self, pixels: &[u16], tta: Tta) -> f64 {
        let preprocessing = &self.card.preprocessing;
        let normalise = preprocessing.normaliser();
        let plane: Vec<f32> = pixels.iter().map(|&pixel| normalise.apply(f32::from(pixel))).collect();
        let channels = self.card.network.channels();
        let shape = [1, channels, preprocessing.height_px, preprocessing.width_px];
        let images = Tensor::from_data(TensorData::new(plane.repeat(channels), shape), &self.device);
        self.probabilities(images, tta)[0]
    }
}

/// Rebuilds the whole-image network of a model file, with its weights.
///
/// # Errors
/// [`Error::ModelFile`] when the file holds a patch model, or tensors that do not fit.
pub fn image_classifier(path: &Path, file: &ModelFile, device: &Device) -> Result<ImageClassifier> {
    match &file.card.network {
        Network::Image(config) => {
            load_state_dict(ImageClassifier::new(config, device)?, file.tensors.clone())
                .map_err(|e| Error::model_file(path, e, "the tensors of the architecture on its card"))
        }
        other => Err(Error::model_file(
            path,
            other.kind(),
            "a whole-image model; make one with `mammo train image --from-patch`",
        )),
    }
}

/// Rebuilds the trunk of any model file, with its weights: something to start a training from.
///
/// # Errors
/// [`Error::ModelFile`] when the tensors do not fit.
pub fn trunk(path: &Path, file: &ModelFile, device: &Device) -> Result<Trunk> {
    let tensors = file
        .tensors
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("trunk.")?.to_string(), tensor.clone())))
        .collect();
    load_state_dict(Trunk::new(file.card.network.trunk(), device)?, tensors)
        .map_err(|e| Error::model_file(path, e, "the tensors of the architecture on its card"))
}

/// Rebuilds the patch network of a model file, with its weights.
///
/// # Errors
/// [`Error::ModelFile`] when the file holds a whole-image model, or tensors that do not fit.
pub fn patch_classifier(path: &Path, file: &ModelFile, device: &Device) -> Result<PatchClassifier> {
    match &file.card.network {
        Network::Patch(config) => {
            load_state_dict(PatchClassifier::new(config, device)?, file.tensors.clone())
                .map_err(|e| Error::model_file(path, e, "the tensors of the architecture on its card"))
        }
        other => Err(Error::model_file(path, other.kind(), "a patch model from `mammo train patch`")),
    }
}
