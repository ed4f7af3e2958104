//! The networks of a model file, built with its weights.

use burn::tensor::Device;

use super::{ModelFile, Network};
use crate::networks::image_classifier::ImageClassifier;
use crate::networks::patch_classifier::PatchClassifier;
use crate::networks::state::load_state_dict;
use crate::networks::trunk::Trunk;
use crate::{Error, Result};

impl ModelFile {
    /// The trunk of any model file, with its weights: a starting point for training.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the tensors do not fit.
    pub fn trunk(&self, device: &Device) -> Result<Trunk> {
        let tensors = self
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix("trunk.")?.to_string(), tensor.clone())))
            .collect();
        load_state_dict(Trunk::new(self.card.network.trunk(), device)?, tensors).map_err(|e| self.misfit(e))
    }

    /// The patch classifier of a model file, with its weights: a patch model, or trunk and heatmap of a whole-image
    /// model.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file holds another kind of network, or tensors that do not fit.
    pub fn patch_classifier(&self, device: &Device) -> Result<PatchClassifier> {
        let expected = "a patch model from `mammo train patch`, or a whole-image model with a heatmap";
        match &self.card.network {
            Network::Patch(config) => {
                load_state_dict(PatchClassifier::new(config, device)?, self.tensors.clone())
                    .map_err(|e| self.misfit(e))
            }
            Network::Image(_) => self
                .image_classifier(device)?
                .into_patch_classifier()
                .ok_or_else(|| self.wrong_kind(expected)),
            Network::Trunk(_) => Err(self.wrong_kind(expected)),
        }
    }

    /// The whole-image classifier of a model file, with its weights.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file holds another kind of network, or tensors that do not fit.
    pub fn image_classifier(&self, device: &Device) -> Result<ImageClassifier> {
        let Network::Image(config) = &self.card.network else {
            return Err(
                self.wrong_kind("a whole-image model; make one with `mammo train image --from-patch`")
            );
        };
        load_state_dict(ImageClassifier::new(config, device)?, self.tensors.clone())
            .map_err(|e| self.misfit(e))
    }

    fn wrong_kind(&self, expected: &str) -> Error {
        Error::model_file(&self.path, self.card.network.kind(), expected)
    }

    fn misfit(&self, problem: String) -> Error {
        Error::model_file(&self.path, problem, "the tensors of the architecture on its card")
    }
}
