//! The patch classifier slid over a whole image, in one pass.
//!
//! A patch's probabilities are a linear layer on the mean of its trunk features. The trunk is
//! convolutional, so the features of all patches are computed at once; a mean over the patch's
//! window of cells, moved cell by cell, and the linear layer do the rest. The original sweeps
//! the patch network over the image and computes each pixel's features again for every window
//! that holds it (the authors' `heatmap_score.py`).
//!
//! What agrees with such a sweep: every cell, when the sweep sees around each window as much of
//! the image as the trunk's receptive field reaches (the image's own border is padded alike in
//! both). A sweep of bare patches differs, because it sees zero padding where the image goes on;
//! the features whose receptive field lies inside the patch are still equal. `docs/heatmaps.md`
//! has by how much the probabilities move.

use burn::tensor::activation::softmax;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{DType, Device, Tensor};
use mammo_core::geometry::Affine;
use mammo_image::patch_sampling::PatchClass;
use mammo_image::preprocess::Preprocessing;

use super::grid::{HeatMap, MapGrid};
use crate::inference::predict::input_tensor;
use crate::model_file::{ModelFile, Network};
use crate::networks::patch_classifier::PatchClassifier;
use crate::networks::trunk::TrunkConfig;
use crate::{Error, Result};

/// The window that is slid, in input pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchWindow {
    /// Side of the patch that the classifier was trained on.
    pub patch_px: usize,
    /// From one window to the next.
    pub step_px: usize,
    /// Side of the patch in cells of the trunk.
    side: usize,
    /// From one window to the next in cells of the trunk.
    step: usize,
}

impl PatchWindow {
    /// A window that moves by `step_px`, by default by one cell of the trunk.
    ///
    /// # Errors
    /// [`Error::Network`] when patch or step are no multiples of the trunk's stride: then no
    /// window of cells is a patch.
    pub fn new(patch_px: usize, step_px: Option<usize>, trunk: &TrunkConfig) -> Result<Self> {
        let stride_px = trunk.stride();
        let step_px = step_px.unwrap_or(stride_px);
        for (what, px) in [("patch size", patch_px), ("heatmap stride", step_px)] {
            if px == 0 || px % stride_px != 0 {
                let expected = format!("a multiple of {stride_px} pixels, the trunk's stride");
                return Err(Error::network(what, px.to_string(), expected));
            }
        }
        let [side, _] = trunk.grid([patch_px; 2]);
        Ok(Self { patch_px, step_px, side, step: step_px / stride_px })
    }

    /// The map of a `height x width` image: its rows and columns, and where they lie.
    ///
    /// A cell stands for the centre of its patch, which is what the classifier was taught: its
    /// lesions lay around there. Under a ResNet that is up to half a stride right and below of the
    /// centre of the pixels that the window's features see; on real lesions the answer peaks at the
    /// patch's centre (`docs/heatmaps.md`).
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
        // A cell is drawn as a square of the step's side around its window's centre.
        let offset = (patch - step) / 2.0;
        let input_from_cell = Affine::scale(step, step).then(&Affine::translate(offset, offset));
        Ok(MapGrid::on_input(rows, cols, input_from_cell))
    }

    /// Stride of the trunk: from one cell to the next.
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
    // The head's weights are `f32`, as the features of `f32` images are.
    let features = features.cast(DType::F32);
    let pooled = avg_pool2d(features, AvgPoolOptions::new([window.side; 2]).with_stride([window.step; 2]));
    let [n, channels, rows, cols] = pooled.dims();
    let cells = pooled.permute([0, 2, 3, 1]).reshape([n * rows * cols, channels]);
    let probabilities = softmax(model.head.forward(cells), 1);
    let n_classes = probabilities.dims()[1];
    probabilities.reshape([n, rows, cols, n_classes]).permute([0, 3, 1, 2])
}

/// Class probabilities of every window of one image, with their places.
#[derive(Clone, Debug)]
pub struct ClassMap {
    /// Where the windows' centres lie.
    pub grid: MapGrid,
    /// Classes in the order of `probabilities`.
    pub classes: Vec<PatchClass>,
    /// `classes * rows * cols` values: one map after the other, each row-major.
    pub probabilities: Vec<f32>,
}

/// The map of one image at both scales.
#[derive(Clone, Debug)]
pub struct PatchMap {
    /// How likely: every window of a patch's size.
    pub windows: ClassMap,
    /// Where inside of it: the same linear layer on each single cell of the trunk. The log odds of
    /// two classes in a window are the mean of those in its cells.
    pub cells: ClassMap,
    /// Cells along a window's side.
    pub side: usize,
    /// Cells from one window to the next.
    pub step: usize,
}

impl ClassMap {
    /// The map of one class; all zero when the model does not know it.
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

/// A patch model ready to be slid over prepared images.
pub struct PatchMapper {
    /// The network.
    pub network: PatchClassifier,
    /// Classes in the order of its outputs.
    pub classes: Vec<PatchClass>,
    /// How it is slid.
    pub window: PatchWindow,
    /// How its inputs are prepared.
    pub preprocessing: Preprocessing,
    /// Its trunk.
    pub trunk: TrunkConfig,
    /// Where to compute.
    pub device: Device,
}

impl PatchMapper {
    /// Builds the network of a patch model file; the patch size is the one it was trained on.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a whole-image model, or a card without classes or patch size;
    /// [`PatchWindow::new`].
    pub fn load(file: &ModelFile, step_px: Option<usize>, device: &Device) -> Result<Self> {
        let network = file.patch_classifier(device)?;
        let card = &file.card;
        let missing =
            |found: &str| Error::model_file(&file.path, found, "a patch model from `mammo train patch`");
        let classes = card.classes.iter().map(|name| name.parse()).collect::<std::result::Result<_, _>>();
        let (Network::Patch(config), Ok(classes), Some(patch_px)) = (&card.network, classes, card.patch_px())
        else {
            return Err(missing("a card without patch classes or patch_px"));
        };
        Ok(Self {
            network,
            classes,
            window: PatchWindow::new(patch_px, step_px, &config.trunk)?,
            preprocessing: card.preprocessing.clone(),
            trunk: config.trunk.clone(),
            device: device.clone(),
        })
    }

    /// The map of one prepared image.
    ///
    /// # Inputs
    /// `pixels`: `height_px * width_px` values, as the preprocessing leaves them.
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
