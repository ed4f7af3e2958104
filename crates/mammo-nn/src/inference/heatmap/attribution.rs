//! Attribution maps: which pixels the output of a whole-image classifier depends on.
//!
//! Both maps explain the log odds of cancer, the malignant logit minus the benign one, which alone determine the
//! probability.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mammo_core::geometry::Affine;
use mammo_image::preprocess::Preprocessing;

use super::grid::{HeatMap, MapGrid};
use super::receptive::{top_cells, trunk_cells};
use crate::inference::predict::input_tensor;
use crate::model_file::{ModelFile, Network};
use crate::networks::Classifier;
use crate::networks::image_classifier::{ImageClassifier, ImageClassifierConfig, MapLayer};
use crate::{Error, Result};

/// A whole-image model with gradients, for attribution maps.
pub struct ImageExplainer {
    network: ImageClassifier,
    config: ImageClassifierConfig,
    preprocessing: Preprocessing,
    device: Device,
}

impl ImageExplainer {
    /// Builds the network of a whole-image model file with autodiff. Its weights are frozen and batch norm uses its
    /// running statistics: the explained network is the one that predicts.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a patch model or tensors that do not fit.
    pub fn load(file: &ModelFile, device: &Device) -> Result<Self> {
        let device = device.clone().autodiff();
        let network = file.image_classifier(&device)?.freeze();
        let Network::Image(config) = &file.card.network else {
            return Err(Error::model_file(&file.path, "a patch model", "a whole-image model"));
        };
        let preprocessing = file.card.preprocessing.clone();
        Ok(Self { network, config: config.clone(), preprocessing, device })
    }

    /// [`saliency`] of one prepared image: `height_px * width_px` pixels, as returned by the preprocessing.
    pub fn saliency(&self, pixels: &[u16]) -> HeatMap {
        saliency(&self.network, self.input(pixels))
    }

    /// [`grad_cam`] of one prepared image.
    ///
    /// # Errors
    /// As [`grad_cam`].
    pub fn grad_cam(&self, layer: MapLayer, pixels: &[u16]) -> Result<HeatMap> {
        grad_cam(&self.network, &self.config, layer, self.input(pixels))
    }

    fn input(&self, pixels: &[u16]) -> Tensor<4> {
        input_tensor(pixels, &self.preprocessing, self.config.trunk.channels, &self.device)
    }
}

/// Gradient saliency (Simonyan et al. 2014, arXiv 1312.6034, section 3; the paper's saliency maps): the absolute
/// gradient of the log odds of cancer with respect to each pixel, its maximum over channels.
///
/// # Shapes
/// `image` `[1, channels, h, w]` on an autodiff device, as is the frozen `model`; the map has
/// one cell per pixel. Zero everywhere when no gradient reaches the input.
pub fn saliency(model: &ImageClassifier, image: Tensor<4>) -> HeatMap {
    let [_, channels, rows, cols] = image.dims();
    let image = image.detach().require_grad();
    let gradients = log_odds(model.logits(image.clone(), None)).backward();
    let grid = MapGrid::on_input(rows, cols, Affine::IDENTITY);
    let mut values = vec![0.0_f32; rows * cols];
    if let Some(gradient) = image.grad(&gradients) {
        let gradient: Vec<f32> = gradient.into_data().iter::<f32>().collect();
        for plane in gradient.chunks_exact(rows * cols).take(channels) {
            values.iter_mut().zip(plane).for_each(|(most, g)| *most = most.max(g.abs()));
        }
    }
    HeatMap { grid, values }
}

/// Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, section 3): the sum of a layer's feature maps, each weighted by
/// the mean gradient of the log odds with respect to it, with negative sums set to zero.
///
/// # Shapes
/// `image` `[1, channels, h, w]` on an autodiff device, as is the frozen `model`; the map has
/// the layer's rows and columns.
///
/// # Errors
/// [`Error::Network`] when `config` is not that of `model`.
pub fn grad_cam(
    model: &ImageClassifier,
    config: &ImageClassifierConfig,
    layer: MapLayer,
    image: Tensor<4>,
) -> Result<HeatMap> {
    let [_, _, height, width] = image.dims();
    let cells = match layer {
        MapLayer::Trunk => trunk_cells(&config.trunk, [height, width])?,
        MapLayer::Top => top_cells(config, [height, width])?,
    };
    let features = model.feature_map(layer, image).detach().require_grad(); // [1, c, rows, cols]
    let gradients = log_odds(model.logits_of_map(layer, features.clone())).backward();
    let [_, channels, rows, cols] = features.dims();
    let grid = MapGrid::on_input(rows, cols, cells.input_from_cell());
    let mut values = vec![0.0_f32; rows * cols];
    if let Some(gradient) = features.grad(&gradients) {
        let gradient: Vec<f32> = gradient.into_data().iter::<f32>().collect();
        let maps: Vec<f32> = features.into_data().iter::<f32>().collect();
        let n = rows * cols;
        for (map, gradient) in maps.chunks_exact(n).zip(gradient.chunks_exact(n)).take(channels) {
            let weight = gradient.iter().sum::<f32>() / n as f32;
            values.iter_mut().zip(map).for_each(|(sum, a)| *sum += weight * a);
        }
        values.iter_mut().for_each(|v| *v = v.max(0.0));
    }
    Ok(HeatMap { grid, values })
}

/// Log odds of the malignant class from logits `[1, 2]`.
fn log_odds(logits: Tensor<2>) -> Tensor<1> {
    let malignant = logits.clone().slice([0..1, 1..2]);
    (malignant - logits.slice([0..1, 0..1])).reshape([1])
}
