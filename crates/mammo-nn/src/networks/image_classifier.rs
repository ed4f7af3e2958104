//! The whole-image classifier: a patch classifier's trunk applied to the whole mammogram, convolutional top blocks,
//! global pooling and two classes (the paper's figure 1 and section "Converting a classifier from recognizing patches
//! to whole images").

use burn::module::{Module, Param, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use mammo_core::seed::Rng;
use serde::{Deserialize, Serialize};

use crate::inference::plan::Plan;
use crate::networks::conventions::Conventions;
use crate::networks::exam::{ExamHeads, ExamHeadsConfig, Margins, Views, combine};
use crate::networks::layers::dropout;
use crate::networks::patch_classifier::PatchClassifier;
use crate::networks::precision::Precision;
use crate::networks::top::{BuiltTop, Heatmap, MapPooling, Top, TopConfig, TopInput};
use crate::networks::trunk::{Trunk, TrunkConfig};
use crate::networks::{Classifier, Scope};
use crate::{Error, Result};

/// A whole-image classifier as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageClassifierConfig {
    /// The trunk; equal to the patch classifier's.
    pub trunk: TrunkConfig,
    /// The top.
    pub top: TopConfig,
    /// Pooling of the last map of a convolutional top.
    #[serde(default, skip_serializing_if = "MapPooling::is_average")]
    pub pooling: MapPooling,
    /// Strides, padding and norms of the top; torchvision's by default.
    #[serde(default)]
    pub top_conventions: Conventions,
    /// Classes of the patch classifier, the channels of a heatmap layer.
    pub n_patch_classes: usize,
    /// Rows and columns of the image in pixels; multiples of the trunk's stride.
    pub input_px: [usize; 2],
    /// Dropout rate of the pooled features in training.
    #[serde(default)]
    pub dropout: f64,
    /// Heads that combine the views of an exam, if it was trained on exams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exam: Option<ExamHeadsConfig>,
}

impl ImageClassifierConfig {
    /// Pooling of the last map; `None` for tops that read a max-pooled heatmap.
    pub fn map_pooling(&self) -> Option<MapPooling> {
        self.top.fc_layout().is_none().then_some(self.pooling)
    }
}

/// Benign (or normal), malignant.
pub const N_CLASSES: usize = 2;

/// A feature map of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapLayer {
    /// The output of the trunk.
    Trunk,
    /// The last map of the top, before pooling.
    Top,
}

/// Trunk, top, last linear layer.
#[derive(Module, Debug)]
pub struct ImageClassifier {
    /// The trunk, initialised from the patch classifier.
    pub trunk: Trunk,
    heatmap: Option<Heatmap>,
    top: Top,
    head: Linear,
    exam: Option<ExamHeads>,
    dropout: f64,
}

impl ImageClassifier {
    /// Builds the network; weights are filled by [`init`](crate::networks::init).
    ///
    /// # Errors
    /// [`Error::Network`] when the image size is no multiple of the stride, or the top does
    /// not fit.
    pub fn new(config: &ImageClassifierConfig, device: &Device) -> Result<Self> {
        let trunk = Trunk::new(&config.trunk, device)?;
        let (stride, [rows, cols]) = (config.trunk.stride(), config.input_px);
        if rows == 0 || cols == 0 || rows % stride != 0 || cols % stride != 0 {
            let found = format!("{rows}x{cols}");
            let expected = format!("height and width that are multiples of {stride}, the trunk's stride");
            return Err(Error::network("image size", found, expected));
        }
        let input = TopInput {
            c_in: trunk.c_out(),
            n_patch_classes: config.n_patch_classes,
            grid: config.trunk.grid(config.input_px),
        };
        config.top_conventions.check()?;
        let conventions = &config.top_conventions;
        let BuiltTop { heatmap, top, d_out } =
            Top::build(&config.top, config.pooling, input, conventions, device)?;
        let head = LinearConfig::new(d_out, N_CLASSES).init(device);
        let exam = match config.exam {
            Some(heads) => {
                heads.check()?;
                Some(ExamHeads::new(heads, d_out, device))
            }
            None => None,
        };
        Ok(Self { trunk, heatmap, top, head, exam, dropout: config.dropout })
    }

    /// Replaces the trunk by that of a patch classifier and, under a heatmap, the heatmap layer by its head as a 1x1
    /// convolution. The other layers keep their weights.
    pub fn with_patch_classifier(mut self, patch: PatchClassifier) -> Self {
        if let Some(heatmap) = &mut self.heatmap {
            let [d_in, n_classes] = patch.head.weight.dims();
            let kernel = patch.head.weight.val().transpose().reshape([n_classes, d_in, 1, 1]);
            heatmap.conv.weight = Param::from_tensor(kernel.detach());
            heatmap.conv.bias = patch.head.bias.map(|bias| Param::from_tensor(bias.val().detach()));
        }
        self.trunk = patch.trunk;
        self
    }

    /// The patch classifier whose head is the heatmap layer: the inverse of
    /// [`with_patch_classifier`](Self::with_patch_classifier). `None` for tops without a heatmap.
    pub fn into_patch_classifier(self) -> Option<PatchClassifier> {
        let conv = self.heatmap?.conv;
        let [n_classes, d_in, ..] = conv.weight.dims();
        let weight = conv.weight.val().reshape([n_classes, d_in]).transpose();
        let head = Linear {
            weight: Param::from_tensor(weight.detach()),
            bias: conv.bias.map(|bias| Param::from_tensor(bias.val().detach())),
        };
        Some(PatchClassifier { trunk: self.trunk, head, dropout: self.dropout })
    }

    /// The feature map of a layer.
    ///
    /// # Shapes
    /// `[n, channels, h, w]` to `[n, c, rows, cols]` of that layer.
    pub fn feature_map(&self, layer: MapLayer, images: Tensor<4>) -> Tensor<4> {
        let features = self.trunk.forward(images); // [n, c_out, rows, cols]
        match layer {
            MapLayer::Trunk => features,
            MapLayer::Top => self.top.last_map(self.under_top(features)),
        }
    }

    /// The logits that follow from a feature map, without dropout.
    ///
    /// # Shapes
    /// As [`feature_map`](Self::feature_map) returns it, to `[n, 2]`.
    pub fn logits_of_map(&self, layer: MapLayer, map: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.pooled(layer, map))
    }

    /// The input of the last linear layer that follows from a feature map, and its logits.
    ///
    /// # Shapes
    /// As [`feature_map`](Self::feature_map) returns it, to `[n, d]` and `[n, 2]`.
    pub fn pooled_and_logits(&self, layer: MapLayer, map: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let pooled = self.pooled(layer, map);
        (pooled.clone(), self.head.forward(pooled))
    }

    /// The margins of images, breasts and exams that follow from the pooled features and logits of all images.
    pub fn margins(&self, pooled: Tensor<2>, logits: Tensor<2>, views: &Views) -> Margins {
        combine(self.exam.as_ref(), pooled, logits, views)
    }

    /// The input of the last linear layer.
    fn pooled(&self, layer: MapLayer, map: Tensor<4>) -> Tensor<2> {
        match layer {
            MapLayer::Trunk => self.top.forward(self.under_top(map)),
            MapLayer::Top => self.top.pool(map),
        }
    }

    /// Compiles the network for prediction on the CPU, up to a layer whose map [`logits_of_map`](Self::logits_of_map)
    /// accepts: the last of the top, or, under a heatmap, the trunk's.
    pub fn plan(&self, channels: usize, precision: Precision) -> (Plan, MapLayer) {
        let (mut planner, features) = self.trunk.plan(channels);
        let layer = match self.heatmap {
            Some(_) => MapLayer::Trunk,
            None => {
                self.top.plan(&mut planner, features);
                MapLayer::Top
            }
        };
        (planner.build(precision), layer)
    }

    /// The input of the top: the trunk's features, or the heatmap computed from them.
    fn under_top(&self, features: Tensor<4>) -> Tensor<4> {
        match &self.heatmap {
            Some(heatmap) => heatmap.forward(features), // [n, n_patch_classes, rows, cols]
            None => features,
        }
    }
}

impl Classifier for ImageClassifier {
    fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    fn logits_of_features(&self, features: Tensor<4>, views: &Views, rng: Option<&mut Rng>) -> Tensor<2> {
        let pooled = self.top.forward(self.under_top(features)); // [n, d_out]
        let pooled = match rng {
            Some(rng) => dropout(pooled, self.dropout, rng),
            None => pooled,
        };
        let logits = self.head.forward(pooled.clone()); // [images, 2]
        match views.is_single() {
            true => logits,
            false => combine(self.exam.as_ref(), pooled, logits, views).exam_logits(), // [exams, 2]
        }
    }

    fn trained_parameters(&self, scope: Scope) -> ParamGroup {
        let head = ParamGroup::ids_from_module(self.head.clone());
        let exam =
            self.exam.clone().map_or_else(|| ParamGroup::from_ids(Vec::new()), ParamGroup::ids_from_module);
        let head = head.fuse(&exam);
        match scope {
            Scope::Head => head,
            Scope::Top => head.fuse(&ParamGroup::ids_from_module(self.top.clone())),
            Scope::All => ParamGroup::all(),
        }
    }

    fn trunk_is_frozen(&self, scope: Scope) -> bool {
        scope != Scope::All
    }
}
