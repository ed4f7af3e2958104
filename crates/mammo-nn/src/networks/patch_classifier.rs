//! The patch classifier, trained on lesion patches: trunk, global average pooling, linear layer.

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use mammo_core::seed::Rng;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::networks::exam::Views;
use crate::networks::layers::dropout;
use crate::networks::maps::Maps;
use crate::networks::trunk::{Trunk, TrunkConfig};
use crate::networks::{Classifier, Scope};

/// A patch classifier as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchClassifierConfig {
    /// The trunk.
    pub trunk: TrunkConfig,
    /// Number of classes; the model file lists them in this order.
    pub n_classes: usize,
    /// Dropout rate of the pooled features in training.
    #[serde(default)]
    pub dropout: f64,
}

/// Trunk, global average, linear layer.
#[derive(Module, Debug)]
pub struct PatchClassifier {
    /// The trunk, which initialises that of the whole-image classifier.
    pub trunk: Trunk,
    /// Pooled features to class logits.
    pub head: Linear,
    pub(super) dropout: f64,
}

impl PatchClassifier {
    /// Builds the network; weights are filled by [`init`](crate::networks::init).
    ///
    /// # Errors
    /// [`TrunkConfig::check`].
    pub fn new(config: &PatchClassifierConfig, device: &Device) -> Result<Self> {
        let trunk = Trunk::new(&config.trunk, device)?;
        let head = LinearConfig::new(trunk.c_out(), config.n_classes).init(device);
        Ok(Self { trunk, head, dropout: config.dropout })
    }
}

impl Classifier for PatchClassifier {
    fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    fn logits_of_features(&self, features: Tensor<4>, _: &Views, rng: Option<&mut Rng>) -> Tensor<2> {
        let pooled = Maps::from_nchw(features).mean_over_space(); // [n, c_out]
        let pooled = match rng {
            Some(rng) => dropout(pooled, self.dropout, rng),
            None => pooled,
        };
        self.head.forward(pooled) // [n, n_classes]
    }

    fn trained_parameters(&self, scope: Scope) -> ParamGroup {
        let head = ParamGroup::ids_from_module(self.head.clone());
        match scope {
            Scope::Head => head,
            Scope::Top => head.fuse(&self.trunk.last_block()),
            Scope::All => ParamGroup::all(),
        }
    }

    fn trunk_is_frozen(&self, scope: Scope) -> bool {
        scope == Scope::Head
    }
}
