//! Prediction: the probability of cancer from a model file and a network input.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use mammo_image::preprocess::Preprocessing;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::cpu;
use crate::inference::plan::Plan;
use crate::model_file::{self, ModelCard, ModelFile};
use crate::networks::Classifier;
use crate::networks::image_classifier::{ImageClassifier, MapLayer};
use crate::networks::precision::Precision;

/// Test-time augmentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tta {
    /// The image only.
    #[default]
    None,
    /// Mean probability over the image, its mirror images about both axes, and both at once (the authors' test-time
    /// augmentation, `calc_test_auc` in their `dm_keras_ext.py`).
    Flips,
}

/// The scores of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Probability of cancer as output by the network, the mean over flips.
    pub probability: f64,
    /// The calibrated probability; `None` for a model without calibration.
    ///
    /// The calibration was fitted to single images, so it is applied to the image and to each mirror image, and the
    /// calibrated probabilities are averaged.
    pub calibrated: Option<f64>,
}

impl Score {
    /// The mean of several models' scores; calibrated if all are.
    pub fn mean(scores: &[Self]) -> Self {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let raw: Vec<f64> = scores.iter().map(|score| score.probability).collect();
        let calibrated: Option<Vec<f64>> = scores.iter().map(|score| score.calibrated).collect();
        Self { probability: mean(&raw), calibrated: calibrated.map(|each| mean(&each)) }
    }
}

/// A whole-image model for prediction.
pub struct ImageModel {
    network: ImageClassifier,
    /// On the CPU: the compiled network and the layer that it ends with.
    plan: Option<(Plan, MapLayer)>,
    /// The model card; images must be prepared with its preprocessing.
    pub card: ModelCard,
    /// The model's digest, its name in score tables.
    pub digest: String,
    device: Device,
}

impl ImageModel {
    /// Reads a model file and builds its network on a device.
    ///
    /// # Errors
    /// [`Error::ModelFile`](crate::Error::ModelFile) when it is damaged, or a patch model.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        Self::of(model_file::load(path)?, device)
    }

    /// Builds the network of a model file in memory on a device.
    ///
    /// # Errors
    /// [`Error::ModelFile`](crate::Error::ModelFile) for a patch model.
    pub fn of(file: ModelFile, device: &Device) -> Result<Self> {
        let network = file.image_classifier(device)?.valid();
        let channels = file.card.network.channels();
        let plan = cpu::supports(device).then(|| network.plan(channels, Precision::fastest()));
        Ok(Self { network, plan, card: file.card, digest: file.digest, device: device.clone() })
    }

    /// The same model with another precision; only the CPU has a choice.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        let channels = self.card.network.channels();
        self.plan = self.plan.map(|_| self.network.plan(channels, precision));
        self
    }

    /// Probability of cancer in one prepared image, raw and calibrated.
    ///
    /// # Inputs
    /// `pixels`: `height_px * width_px` values, as returned by the card's preprocessing.
    pub fn score(&self, pixels: &[u16], tta: Tta) -> Score {
        let preprocessing = &self.card.preprocessing;
        let (h, w) = (preprocessing.height_px, preprocessing.width_px);
        let plane = normalised(pixels, preprocessing);
        let flips: &[[bool; 2]] = match tta {
            Tta::None => &[[false, false]],
            Tta::Flips => &[[false, false], [true, false], [false, true], [true, true]],
        };
        // One at a time: a batch of four takes as long and needs four times the memory.
        let each: Vec<Score> = flips
            .iter()
            .map(|&flip| self.probability_of_plane(flipped(&plane, w, flip), h, w))
            .map(|probability| Score {
                probability,
                calibrated: self.card.calibration.as_ref().map(|c| c.calibrator.apply(probability)),
            })
            .collect();
        Score::mean(&each)
    }

    fn probability_of_plane(&self, plane: Vec<f32>, h: usize, w: usize) -> f64 {
        let logits = match &self.plan {
            Some((plan, layer)) => {
                self.network.logits_of_map(*layer, plan.feature_map(&plane, [1, h, w], &self.device))
            }
            None => self
                .network
                .logits(as_channels(plane, self.card.network.channels(), h, w, &self.device), None),
        };
        f64::from(softmax(logits, 1).slice([0..1, 1..2]).into_scalar::<f32>())
    }
}

fn normalised(pixels: &[u16], preprocessing: &Preprocessing) -> Vec<f32> {
    let normalise = preprocessing.normaliser();
    pixels.iter().map(|&pixel| normalise.apply(f32::from(pixel))).collect()
}

/// The image mirrored about the vertical axis, the horizontal one, or both.
fn flipped(plane: &[f32], w: usize, [left_right, up_down]: [bool; 2]) -> Vec<f32> {
    let mut flipped = plane.to_vec();
    if up_down {
        // Reverses the order of rows and each row.
        flipped.reverse();
    }
    if left_right != up_down {
        flipped.chunks_exact_mut(w).for_each(<[f32]>::reverse);
    }
    flipped
}

fn as_channels(plane: Vec<f32>, channels: usize, h: usize, w: usize, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(plane.repeat(channels), [1, channels, h, w]), device)
}

/// One prepared image as a batch of one, normalised.
///
/// # Shapes
/// `height_px * width_px` pixels to `[1, channels, height_px, width_px]`, each channel the same.
pub fn input_tensor(
    pixels: &[u16],
    preprocessing: &Preprocessing,
    channels: usize,
    device: &Device,
) -> Tensor<4> {
    let (h, w) = (preprocessing.height_px, preprocessing.width_px);
    as_channels(normalised(pixels, preprocessing), channels, h, w, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_mirror_images() {
        let plane = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(flipped(&plane, 3, [false, false]), plane);
        assert_eq!(flipped(&plane, 3, [true, false]), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        assert_eq!(flipped(&plane, 3, [false, true]), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
        assert_eq!(flipped(&plane, 3, [true, true]), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    }
}
