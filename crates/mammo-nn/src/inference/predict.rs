//! Prediction: the probability of cancer from a model file and a network input.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use mammo_core::record::Laterality;
use mammo_image::preprocess::Preprocessing;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::cpu;
use crate::inference::plan::Plan;
use crate::model_file::{self, ModelCard, ModelFile};
use crate::networks::exam::Views;
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
        let precision = file.card.precision.of(Precision::fastest());
        let plan = cpu::supports(device).then(|| network.plan(channels, precision));
        Ok(Self { network, plan, card: file.card, digest: file.digest, device: device.clone() })
    }

    /// The same model with another precision, unless its card requires one; only the CPU has a choice.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        let channels = self.card.network.channels();
        let precision = self.card.precision.of(precision);
        self.plan = self.plan.map(|_| self.network.plan(channels, precision));
        self
    }

    /// Probability of cancer in one prepared image, raw and calibrated.
    ///
    /// # Inputs
    /// `pixels`: `height_px * width_px` values, as returned by the card's preprocessing.
    pub fn score(&self, pixels: &[u16], tta: Tta) -> Score {
        self.score_of(&self.read(pixels, tta))
    }

    /// What the network makes of one prepared image, from which the scores of image, breast and exam follow.
    ///
    /// # Inputs
    /// As for [`score`](Self::score).
    pub fn read(&self, pixels: &[u16], tta: Tta) -> Reading {
        let preprocessing = &self.card.preprocessing;
        let (h, w) = (preprocessing.height_px, preprocessing.width_px);
        let plane = normalised(pixels, preprocessing);
        let flips: &[[bool; 2]] = match tta {
            Tta::None => &[[false, false]],
            Tta::Flips => &[[false, false], [true, false], [false, true], [true, true]],
        };
        // One at a time: a batch of four takes as long and needs four times the memory.
        Reading(flips.iter().map(|&flip| self.read_plane(flipped(&plane, w, flip), h, w)).collect())
    }

    /// The score of one image.
    pub fn score_of(&self, reading: &Reading) -> Score {
        let each: Vec<Score> = reading
            .0
            .iter()
            .map(|flip| {
                let logits = Tensor::<2>::from_data([flip.logits], &self.device);
                self.calibrated(f64::from(softmax(logits, 1).slice([0..1, 1..2]).into_scalar::<f32>()))
            })
            .collect();
        Score::mean(&each)
    }

    /// The scores of an exam and its breasts, from the readings of all its images; each flip is combined by itself.
    ///
    /// Without heads for exams the largest image counts. The calibration was fitted to what the model was trained on,
    /// images or exams, and is applied at every level.
    ///
    /// # Inputs
    /// `images`: at least one, all with the same mirror images, each with its laterality.
    pub fn score_exam(&self, images: &[(&Reading, Option<Laterality>)]) -> ExamScore {
        let lateralities: Vec<Option<Laterality>> =
            images.iter().map(|(_, laterality)| *laterality).collect();
        let mut views = Views::default();
        views.add(&lateralities);
        let n_flips = images.iter().map(|(reading, _)| reading.0.len()).min().unwrap_or(0);
        let of_flip = |flip: usize| {
            let each: Vec<&FlipReading> = images.iter().map(|(reading, _)| &reading.0[flip]).collect();
            let (n, d) = (each.len(), each[0].pooled.len());
            let pooled: Vec<f32> = each.iter().flat_map(|flip| flip.pooled.iter().copied()).collect();
            let logits: Vec<f32> = each.iter().flat_map(|flip| flip.logits).collect();
            let pooled = Tensor::from_data(TensorData::new(pooled, [n, d]), &self.device);
            let logits = Tensor::from_data(TensorData::new(logits, [n, 2]), &self.device);
            let margins = self.network.margins(pooled, logits, &views);
            let margins = Tensor::cat(vec![margins.breasts, margins.exams], 0);
            let margins = margins.into_data().iter::<f64>().collect::<Vec<_>>();
            margins.into_iter().map(|margin| self.calibrated(1.0 / (1.0 + (-margin).exp()))).collect()
        };
        // The scores of the breasts and, last, that of the exam.
        let flips: Vec<Vec<Score>> = (0..n_flips).map(of_flip).collect();
        let mean = |i: usize| Score::mean(&flips.iter().map(|flip| flip[i]).collect::<Vec<_>>());
        let breasts = views.lateralities(&lateralities);
        let exam = mean(breasts.len());
        let breasts = breasts.into_iter().enumerate().map(|(i, laterality)| (laterality, mean(i))).collect();
        ExamScore { breasts, exam }
    }

    fn calibrated(&self, probability: f64) -> Score {
        let calibrated = self.card.calibration.as_ref().map(|c| c.calibrator.apply(probability));
        Score { probability, calibrated }
    }

    fn read_plane(&self, plane: Vec<f32>, h: usize, w: usize) -> FlipReading {
        let (layer, map) = match &self.plan {
            Some((plan, layer)) => (*layer, plan.feature_map(&plane, [1, h, w], &self.device)),
            None => {
                let images = as_channels(plane, self.card.network.channels(), h, w, &self.device);
                (MapLayer::Trunk, self.network.feature_map(MapLayer::Trunk, images))
            }
        };
        let (pooled, logits) = self.network.pooled_and_logits(layer, map);
        let [benign, malignant] = [0, 1].map(|i| logits.clone().slice([0..1, i..i + 1]).into_scalar::<f32>());
        FlipReading { pooled: pooled.into_data().iter::<f32>().collect(), logits: [benign, malignant] }
    }
}

/// What a network makes of an image and its mirror images: pooled features and logits.
#[derive(Clone, Debug)]
pub struct Reading(Vec<FlipReading>);

#[derive(Clone, Debug)]
struct FlipReading {
    pooled: Vec<f32>,
    logits: [f32; 2],
}

/// The scores of an exam.
#[derive(Clone, Debug, PartialEq)]
pub struct ExamScore {
    /// The score of each breast, in the order of their first images.
    pub breasts: Vec<(Option<Laterality>, Score)>,
    /// The score of the exam.
    pub exam: Score,
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
