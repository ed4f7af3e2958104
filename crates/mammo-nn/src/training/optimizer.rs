//! Optimizers, with a weight decay that is set per stage and applies to kernels only.
//!
//! The authors' code sets the decay of a stage (`kernel_regularizer.l2`) after the layers were built, most likely
//! without effect in Keras 2.0.

use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
use serde::{Deserialize, Serialize};

use crate::training::muon::Muon;
use crate::{Error, Result};

/// Update rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam (beta 0.9 and 0.999, epsilon 1e-8) with the decay added to the gradient (the paper's section "Network
    /// training").
    #[default]
    Adam,
    /// Adam with decay decoupled from the gradient (Loshchilov & Hutter, arXiv 1711.05101).
    AdamW,
    /// Muon (Jordan and others 2024, kellerjordan.github.io/posts/muon) for the kernels of convolutions, AdamW for
    /// all other parameters. Learning rates are those of AdamW, or several times higher.
    Muon,
    /// Gradient descent with Nesterov momentum 0.9.
    Sgd,
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// A new optimizer for one stage: `weight_decay` on convolution and linear kernels, none on biases, batch-norm scales
/// and shifts.
///
/// # Errors
/// Never for the built-in path pattern; kept because pattern building is fallible.
pub fn optimizer(kind: OptimizerKind, weight_decay: f64) -> Result<ModuleOptimizer> {
    let wrong_pattern = |e| Error::network("optimizer", format!("{e:?}"), "a valid path pattern");
    let kernels = ParamGroup::from_regex(r"\.weight$").map_err(wrong_pattern)?;
    let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
    Ok(match kind {
        OptimizerKind::Adam => {
            let plain = AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON);
            plain.init().with_group(kernels, plain.with_weight_decay(decay).build(), None)
        }
        OptimizerKind::AdamW => {
            let config = AdamWConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON);
            let plain = config.clone().with_weight_decay(0.0);
            plain.init().with_group(kernels, config.with_weight_decay(weight_decay as f32).build(), None)
        }
        OptimizerKind::Muon => {
            let convolutions = ParamGroup::from_regex(r"\bconv\.weight$").map_err(wrong_pattern)?;
            optimizer(OptimizerKind::AdamW, weight_decay)?.with_group(
                convolutions,
                Muon::new(weight_decay),
                None,
            )
        }
        OptimizerKind::Sgd => {
            let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0).with_nesterov(true);
            let plain = SgdConfig::new().with_momentum(Some(momentum));
            plain.init().with_group(kernels, plain.with_weight_decay(decay).build(), None)
        }
    })
}
