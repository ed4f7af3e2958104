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
    /// all other parameters, among them the kernels of depthwise convolutions: an orthonormal matrix of filters that
    /// belong to different channels has no meaning. Learning rates are those of AdamW, or several times higher.
    Muon,
    /// Gradient descent with Nesterov momentum 0.9.
    Sgd,
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// A new optimizer for one stage: `weight_decay` on convolution and linear kernels, none on biases, batch-norm scales
/// and shifts. `depthwise` names the kernels of depthwise convolutions
/// ([`Trunk::depthwise_kernels`](crate::networks::trunk::Trunk::depthwise_kernels)).
///
/// # Errors
/// Never for the built-in path pattern; kept because pattern building is fallible.
pub fn optimizer(kind: OptimizerKind, weight_decay: f64, depthwise: ParamGroup) -> Result<ModuleOptimizer> {
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
            optimizer(OptimizerKind::AdamW, weight_decay, depthwise.clone())?.with_group(
                convolutions.exclude(depthwise),
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

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Tensor, TensorData};
    use mammo_core::seed::stream;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::networks::Classifier;
    use crate::networks::init::initialise;
    use crate::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
    use crate::networks::state::{StateDict, state_dict};
    use crate::networks::trunk::{Family, TrunkConfig};

    /// The weights after one step from the same weights with the same gradients.
    fn after_a_step(kind: OptimizerKind, family: Family) -> StateDict {
        let trunk = TrunkConfig { width: 0.125, stages: Some(3), channels: 1, ..TrunkConfig::new(family) };
        let config = PatchClassifierConfig { trunk, n_classes: 3, dropout: 0.0 };
        let device = Device::flex().autodiff();
        let model = initialise(PatchClassifier::new(&config, &device).unwrap(), 3);
        // Constant images leave some kernels without a gradient.
        let pixels: Vec<f32> =
            StandardNormal.sample_iter(stream(1, "optimizer", 0)).take(2 * 64 * 64).collect();
        let images = Tensor::<4>::from_data(TensorData::new(pixels, [2, 1, 64, 64]), &device);
        let gradients =
            GradientsParams::from_grads(model.logits(images, None).square().mean().backward(), &model);
        let depthwise = model.trunk().depthwise_kernels();
        state_dict(&optimizer(kind, 1e-2, depthwise).unwrap().step(1e-3, model, gradients))
    }

    #[test]
    fn muon_steps_kernels_between_channels_and_adamw_all_else() {
        for family in [Family::EfficientNetLite0, Family::Resnet18] {
            let [muon, adamw] =
                [OptimizerKind::Muon, OptimizerKind::AdamW].map(|kind| after_a_step(kind, family));
            let mut n_depthwise = 0;
            for (name, tensor) in &muon {
                // The first convolution also reads one channel, but is no depthwise one.
                let is_depthwise =
                    name.contains(".convs.") && tensor.shape.len() == 4 && tensor.shape[1] == 1;
                n_depthwise += usize::from(is_depthwise);
                let by_muon = tensor.shape.len() == 4 && !is_depthwise;
                assert_eq!(*tensor != adamw[name], by_muon, "{name} {:?}", tensor.shape);
            }
            assert_eq!(n_depthwise > 0, family == Family::EfficientNetLite0, "{family:?}");
        }
    }
}
