//! The patch classifier as a sliding window over a whole image, computed in one pass.
//!
//! A patch's probabilities are a linear layer on the mean of its trunk features. The trunk is fully convolutional, so
//! the features of all patches are computed at once, followed by a moving average over the patch's window of cells
//! and the linear layer. The authors' implementation (`heatmap_score.py`) applies the patch network to each window
//! and recomputes the features of every pixel for every window that contains it.
//!
//! The result equals such a sweep in every cell if the sweep includes, around each window, as much of the image as
//! the trunk's receptive field reaches (the border of the image is padded alike in both). A sweep of bare patches
//! differs, because it is padded with zeros where the image continues; features whose receptive field lies inside the
//! patch are still equal. `docs/heatmaps.md` gives the differences in probability.

use burn::tensor::activation::softmax;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{DType, Device, Tensor};
use mammo_core::geometry::Affine;
use mammo_image::patch_sampling::PatchClass;
use mammo_image::preprocess::Preprocessing;

use super::grid::{HeatMap, MapGrid};
use crate::inference::predict::input_tensor;
use crate::model_file::ModelFile;
use crate::networks::patch_classifier::PatchClassifier;
use crate::networks::trunk::TrunkConfig;
use crate::{Error, Result};

/// Size and step of the sliding window, in input pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchWindow {
    /// Side of the window: that of the patch that the classifier was trained on, in whole cells of the trunk.
    pub patch_px: usize,
    /// Distance between windows.
    pub step_px: usize,
    /// Side of the patch in cells of the trunk.
    side: usize,
    /// Distance between windows in cells of the trunk.
    step: usize,
}

impl PatchWindow {
    /// A window of as many cells as the trunk makes of a patch, which moves by `step_px`, by default one cell. The
    /// window of a patch whose side is no multiple of the trunk's stride is larger or smaller than the patch: 160
    /// pixels for a patch of 144 under a stride of 32 with "same" padding.
    ///
    /// # Errors
    /// [`Error::Network`] when the patch has no cell or the step is not a multiple of the trunk's stride.
    pub fn new(patch_px: usize, step_px: Option<usize>, trunk: &TrunkConfig) -> Result<Self> {
        let stride_px = trunk.stride();
        let step_px = step_px.unwrap_or(stride_px);
        if step_px == 0 || !step_px.is_multiple_of(stride_px) {
            let expected = format!("a multiple of {stride_px} pixels, the trunk's stride");
            return Err(Error::network("heatmap stride", step_px.to_string(), expected));
        }
        let [side, _] = trunk.grid([patch_px; 2]);
        if side == 0 {
            let expected = format!("at least {stride_px} pixels, one cell of the trunk");
            return Err(Error::network("patch size", patch_px.to_string(), expected));
        }
        Ok(Self { patch_px: side * stride_px, step_px, side, step: step_px / stride_px })
    }

    /// The grid of a `height x width` image.
    ///
    /// A cell is placed at the centre of its patch, because the classifier was trained on patches with lesions near
    /// the centre. In a ResNet this is up to half a stride right of and below the centre of the window's receptive
    /// field; on real lesions the output peaks at the centre of the patch (`docs/heatmaps.md`).
    ///
    /// # Errors
    /// [`Error::Network`] when the image is smaller than the patch.
    pub fn grid(&self, trunk: &TrunkConfig, height: usize, width: usize) -> Result<MapGrid> {
        if height < self.patch_px || width < self.patch_px {
            let expected = format!("at least {0}x{0} pixels, the patch size", self.patch_px);
            return Err(Error::network("image size", format!("{height}x{width}"), expected));
        }
        let [rows, cols] = trunk.grid([height, width]).map(|n| (n - self.side) / self.step + 1);
        let (step, patch) = (self.step_px as f64, self.patch_px as f64);
        // A cell is drawn as a square with the side of a step around its window's centre.
        let offset = (patch - step) / 2.0;
        let input_from_cell = Affine::scale(step, step).then(&Affine::translate(offset, offset));
        Ok(MapGrid::on_input(rows, cols, input_from_cell))
    }

    /// Stride of the trunk: the distance between cells.
    pub fn stride_px(&self) -> usize {
        self.step_px / self.step
    }

    /// The window of a single cell of the trunk.
    fn of_cell(&self) -> Self {
        let stride_px = self.stride_px();
        Self { patch_px: stride_px, step_px: stride_px, side: 1, step: 1 }
    }
}

/// Class probabilities of every window of a batch of images.
///
/// # Shapes
/// `images` `[n, channels, h, w]`, normalised, to `[n, classes, rows, cols]`; cell `(i, j)` is
/// the window whose upper left corner is at `(i, j) * step_px`.
pub fn class_probabilities(model: &PatchClassifier, window: PatchWindow, images: Tensor<4>) -> Tensor<4> {
    of_features(model, window, model.trunk.forward(images))
}

/// [`class_probabilities`] from the trunk's features, `[n, c, h / stride, w / stride]`.
fn of_features(model: &PatchClassifier, window: PatchWindow, features: Tensor<4>) -> Tensor<4> {
    // The head's weights are `f32`, so bf16 features are converted.
    let features = features.cast(DType::F32);
    let pooled = avg_pool2d(features, AvgPoolOptions::new([window.side; 2]).with_stride([window.step; 2]));
    let [n, channels, rows, cols] = pooled.dims();
    let cells = pooled.permute([0, 2, 3, 1]).reshape([n * rows * cols, channels]);
    let probabilities = softmax(model.head.forward(cells), 1);
    let n_classes = probabilities.dims()[1];
    probabilities.reshape([n, rows, cols, n_classes]).permute([0, 3, 1, 2])
}

/// Class probabilities of every window of one image, with the positions of the windows.
#[derive(Clone, Debug)]
pub struct ClassMap {
    /// Positions of the windows' centres.
    pub grid: MapGrid,
    /// Classes in the order of `probabilities`.
    pub classes: Vec<PatchClass>,
    /// `classes * rows * cols` values: one map after the other, each row-major.
    pub probabilities: Vec<f32>,
}

/// The map of one image at both scales.
#[derive(Clone, Debug)]
pub struct PatchMap {
    /// Probability of a lesion: every window of the size of a patch.
    pub windows: ClassMap,
    /// Position within a window: the same linear layer on each single cell of the trunk. The log odds of two classes
    /// in a window are the mean of those in its cells.
    pub cells: ClassMap,
    /// Cells along a window's side.
    pub side: usize,
    /// Cells between windows.
    pub step: usize,
}

impl ClassMap {
    /// The map of one class; all zero if the model does not have it.
    pub fn of(&self, class: PatchClass) -> HeatMap {
        self.sum(|c| c == class)
    }

    /// Probability that a window shows a malignant lesion of either kind.
    pub fn malignant(&self) -> HeatMap {
        self.sum(|class| matches!(class, PatchClass::MassMalignant | PatchClass::CalcMalignant))
    }

    fn sum(&self, wanted: impl Fn(PatchClass) -> bool) -> HeatMap {
        let n = self.grid.rows * self.grid.cols;
        let mut values = vec![0.0; n];
        for (map, _) in
            self.probabilities.chunks_exact(n).zip(&self.classes).filter(|(_, class)| wanted(**class))
        {
            values.iter_mut().zip(map).for_each(|(sum, p)| *sum += p);
        }
        HeatMap { grid: self.grid, values }
    }
}

/// A patch model for sliding-window maps of prepared images.
pub struct PatchMapper {
    /// The network.
    pub network: PatchClassifier,
    /// Classes in the order of its outputs.
    pub classes: Vec<PatchClass>,
    /// The sliding window.
    pub window: PatchWindow,
    /// Preprocessing of its inputs.
    pub preprocessing: Preprocessing,
    /// Its trunk.
    pub trunk: TrunkConfig,
    /// Device.
    pub device: Device,
}

impl PatchMapper {
    /// Builds the network of a patch model, with the patch size that it was trained on, or of the heatmap of a
    /// whole-image model, with its window.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a whole-image model without a heatmap, or a card without classes or patch size;
    /// [`PatchWindow::new`].
    pub fn load(file: &ModelFile, step_px: Option<usize>, device: &Device) -> Result<Self> {
        let network = file.patch_classifier(device)?;
        let card = &file.card;
        let missing =
            |found: &str| Error::model_file(&file.path, found, "a patch model from `mammo train patch`");
        let names = card.map_classes();
        let classes = names.iter().map(|name| name.parse()).collect::<std::result::Result<Vec<_>, _>>();
        let (Ok(classes), Some(patch_px), false) = (classes, card.patch_px(), names.is_empty()) else {
            return Err(missing("a card without patch classes or patch_px"));
        };
        let trunk = card.network.trunk();
        Ok(Self {
            network,
            classes,
            window: PatchWindow::new(patch_px, step_px, trunk)?,
            preprocessing: card.preprocessing.clone(),
            trunk: trunk.clone(),
            device: device.clone(),
        })
    }

    /// The map of one prepared image.
    ///
    /// # Inputs
    /// `pixels`: `height_px * width_px` values, as returned by the preprocessing.
    ///
    /// # Errors
    /// As [`PatchWindow::grid`].
    pub fn map(&self, pixels: &[u16]) -> Result<PatchMap> {
        let images = input_tensor(pixels, &self.preprocessing, self.trunk.channels, &self.device);
        let features = self.network.trunk.forward(images);
        let map = |window: PatchWindow| -> Result<ClassMap> {
            let Preprocessing { height_px, width_px, .. } = self.preprocessing;
            let grid = window.grid(&self.trunk, height_px, width_px)?;
            let probabilities = of_features(&self.network, window, features.clone()).into_data();
            let probabilities = probabilities.iter::<f32>().collect();
            Ok(ClassMap { grid, classes: self.classes.clone(), probabilities })
        };
        let window = self.window;
        let (windows, cells) = (map(window)?, map(window.of_cell())?);
        Ok(PatchMap { windows, cells, side: window.side, step: window.step })
    }
}
