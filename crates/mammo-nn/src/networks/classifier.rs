//! What training and prediction ask of a network, whatever it classifies.

use burn::module::{Module, ParamGroup};
use burn::tensor::Tensor;
use mammo_core::seed::Rng;
use serde::{Deserialize, Serialize};

use super::trunk::Trunk;

/// A network that turns images into class logits and knows its own layers' roles.
pub trait Classifier: Module {
    /// The part that makes features of images.
    fn trunk(&self) -> &Trunk;

    /// # Shapes
    /// The trunk's `[n, c_out, rows, cols]` to `[n, n_classes]`.
    ///
    /// # Randomness
    /// Dropout draws from `rng`; without one nothing is dropped, as in prediction.
    fn logits_of_features(&self, features: Tensor<4>, rng: Option<&mut Rng>) -> Tensor<2>;

    /// # Shapes
    /// `[n, channels, h, w]` to `[n, n_classes]`.
    ///
    /// # Randomness
    /// As [`logits_of_features`](Self::logits_of_features).
    fn logits(&self, images: Tensor<4>, rng: Option<&mut Rng>) -> Tensor<2> {
        self.logits_of_features(self.trunk().forward(images), rng)
    }

    /// The parameters that learn under a scope; the others keep their bytes, and their batch
    /// norms their statistics.
    fn trained_parameters(&self, scope: Scope) -> ParamGroup;

    /// Whether no parameter of the trunk is trained under a scope.
    fn trunk_is_frozen(&self, scope: Scope) -> bool;
}

/// Which layers learn in a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The last linear layer.
    Head,
    /// Patch classifier: last trunk block and head. Image classifier: top blocks and head; a
    /// heatmap layer comes from the patch classifier and waits with the trunk.
    Top,
    /// Everything.
    All,
}
