//! The interface of a network to training and prediction, whatever it classifies.

use burn::module::{Module, ParamGroup};
use burn::tensor::Tensor;
use mammo_core::seed::Rng;
use serde::{Deserialize, Serialize};

use super::exam::Views;
use super::trunk::Trunk;

/// A network from images to class logits.
pub trait Classifier: Module {
    /// The feature extractor.
    fn trunk(&self) -> &Trunk;

    /// # Shapes
    /// The trunk's `[images, c_out, rows, cols]` to `[exams, n_classes]`; `views` says which images are of one exam.
    /// Patches, and images that are trained one by one, are exams of one image.
    ///
    /// # Randomness
    /// Dropout draws from `rng`; `None` disables dropout, as in prediction.
    fn logits_of_features(&self, features: Tensor<4>, views: &Views, rng: Option<&mut Rng>) -> Tensor<2>;

    /// # Shapes
    /// `[n, channels, h, w]` to `[n, n_classes]`.
    ///
    /// # Randomness
    /// As [`logits_of_features`](Self::logits_of_features).
    fn logits(&self, images: Tensor<4>, rng: Option<&mut Rng>) -> Tensor<2> {
        let views = Views::single(images.dims()[0]);
        self.logits_of_features(self.trunk().forward(images), &views, rng)
    }

    /// The parameters trained in a scope; all others are frozen: their values do not change, nor do the statistics of
    /// their batch norms.
    fn trained_parameters(&self, scope: Scope) -> ParamGroup;

    /// True if no parameter of the trunk is trained in a scope.
    fn trunk_is_frozen(&self, scope: Scope) -> bool;
}

/// The layers trained in a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The last linear layer.
    Head,
    /// Patch classifier: last trunk block and head. Image classifier: top blocks and head; a heatmap layer comes from
    /// the patch classifier and is frozen with the trunk.
    Top,
    /// All layers.
    All,
}
