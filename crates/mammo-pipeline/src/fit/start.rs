//! The model that a training starts from.

use std::path::{Path, PathBuf};

use mammo_image::preprocess::Preprocessing;
use mammo_nn::model_file::{self, ModelFile, Network};
use mammo_nn::networks::trunk::TrunkConfig;

use crate::error::Place;
use crate::{Error, Result};

/// What the weights of a start were trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Imported ones, usually of ImageNet's photographs.
    Imported,
    /// Mammograms.
    Mammograms,
}

/// A model to start from, as far as a plan depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Its file.
    pub path: PathBuf,
    /// Its trunk.
    pub trunk: TrunkConfig,
    /// What it was trained on.
    pub weights: Weights,
    /// Its preparation of images. Of imported weights only mean and standard deviation count.
    pub preprocessing: Preprocessing,
    /// Whether it is a model of whole images, whose size is then kept.
    pub of_images: bool,
}

impl Start {
    /// Reads a model file.
    ///
    /// # Errors
    /// A file that is not a model of this program.
    pub fn read(path: &Path) -> Result<Self> {
        let path = path.canonicalize().map_err(|e| mammo_core::Error::io(path, "read the model", e))?;
        let file = model_file::load(&path).at(|| "--start")?;
        Ok(Self::of(&file))
    }

    /// A model file that was read.
    pub fn of(file: &ModelFile) -> Self {
        let network = &file.card.network;
        Self {
            path: file.path.clone(),
            trunk: network.trunk().clone(),
            weights: match network {
                Network::Image(_) => Weights::Mammograms,
                // Imported classifiers of photographs were not trained on pictures of a manifest.
                _ if file.card.training.n_pictures > 0 => Weights::Mammograms,
                _ => Weights::Imported,
            },
            preprocessing: file.card.preprocessing.clone(),
            of_images: matches!(network, Network::Image(_)),
        }
    }
}

/// The error of a data set without lesions and without a start.
pub(super) fn start_needed() -> Error {
    Error::Refused(
        "no lesion of this set has an outline, so no patches can be drawn, and a network from random weights learns \
         nothing from image labels alone; expected --start MODEL: a mammogram model, or ImageNet weights from \
         `mammo model import` (docs/models.md, Weights in)"
            .to_string(),
    )
}
