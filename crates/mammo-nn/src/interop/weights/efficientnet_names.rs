//! Names of EfficientNet-Lite in PyTorch: those of timm, and those of the package `efficientnet_lite_pytorch`.

use super::place::ConvNames;
use crate::networks::conventions::Conventions;
use crate::networks::efficientnet::{EfficientNetShape, STAGES};
use crate::networks::state::StateDict;
use crate::networks::trunk::{Family, TrunkConfig, TrunkShape};

/// Whose names a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `conv_stem`, `blocks.1.0.conv_pw`, `conv_head`.
    Timm,
    /// `_conv_stem`, `_blocks.1._expand_conv`, `_conv_head`. Only Google's weights have these names.
    Package,
}

impl Style {
    /// The style of a file with these tensors, if it holds an EfficientNet.
    pub fn of(tensors: &StateDict) -> Option<Self> {
        let found = |name: &str| tensors.contains_key(name);
        match (found("conv_stem.weight"), found("_conv_stem.weight")) {
            (true, _) => Some(Self::Timm),
            (_, true) => Some(Self::Package),
            _ => None,
        }
    }

    /// The first and the last convolution.
    fn ends(self) -> [ConvNames; 2] {
        let named = |conv: &str, norm: &str| ConvNames { conv: conv.into(), norm: Some(norm.into()) };
        match self {
            Self::Timm => [named("conv_stem", "bn1"), named("conv_head", "bn2")],
            Self::Package => [named("_conv_stem", "_bn0"), named("_conv_head", "_bn1")],
        }
    }

    /// The layer of block `block` of stage `stage`, the `n`-th of all.
    fn block(self, stage: usize, block: usize, n: usize) -> String {
        match self {
            Self::Timm => format!("blocks.{stage}.{block}"),
            Self::Package => format!("_blocks.{n}"),
        }
    }

    /// The convolutions of a block, with their norms.
    fn convs(self, expands: bool) -> &'static [[&'static str; 2]] {
        match (self, expands) {
            (Self::Timm, true) => &[["conv_pw", "bn1"], ["conv_dw", "bn2"], ["conv_pwl", "bn3"]],
            (Self::Timm, false) => &[["conv_dw", "bn1"], ["conv_pw", "bn2"]],
            (Self::Package, true) => {
                &[["_expand_conv", "_bn0"], ["_depthwise_conv", "_bn1"], ["_project_conv", "_bn2"]]
            }
            (Self::Package, false) => &[["_depthwise_conv", "_bn1"], ["_project_conv", "_bn2"]],
        }
    }
}

/// Layer names in the order of the outline's convolutions.
pub fn conv_names(shape: &EfficientNetShape, style: Style) -> Vec<ConvNames> {
    let [stem, last] = style.ends();
    let mut names = vec![stem];
    let mut n = 0;
    for (stage, blocks) in shape.stages.iter().enumerate() {
        for (block, block_shape) in blocks.iter().enumerate() {
            let layer = style.block(stage, block, n);
            names.extend(style.convs(block_shape.expands()).iter().map(|[conv, norm]| ConvNames {
                conv: format!("{layer}.{conv}"),
                norm: Some(format!("{layer}.{norm}")),
            }));
            n += 1;
        }
    }
    names.extend(shape.last.map(|_| last));
    names
}

/// Identifies the network: the published one whose tensors are all there, cut to the stages that are.
///
/// The conventions are those of Google's weights. timm's names also serve weights that timm trained itself, with
/// those of PyTorch: the caller must choose.
///
/// # Errors
/// A message with what was found instead.
pub fn network(tensors: &StateDict, style: Style) -> Result<TrunkConfig, String> {
    let shape = |name: &str| tensors.get(name).map(|t| t.shape.as_slice());
    let [stem, _] = style.ends();
    let Some(&[base, channels, 3, 3]) = shape(&format!("{}.weight", stem.conv)) else {
        return Err(format!("no 3x3 kernel '{}.weight'", stem.conv));
    };
    for family in [Family::EfficientNetLite2, Family::EfficientNetLite1, Family::EfficientNetLite0] {
        for stages in (1..=STAGES).rev() {
            let config = TrunkConfig {
                width: base as f64 / 32.0,
                stages: (stages < STAGES).then_some(stages),
                channels,
                conventions: Conventions::efficientnet_lite(),
                ..TrunkConfig::new(family)
            };
            let Ok(TrunkShape::EfficientNet(built)) = config.build_shape() else { continue };
            let names = conv_names(&built, style);
            let found = tensors.iter().filter(|(_, tensor)| tensor.shape.len() == 4).count();
            if found == names.len() && names.iter().all(|n| shape(&format!("{}.weight", n.conv)).is_some()) {
                let widths = built.blocks().last().map(|block| block.c_out);
                let n = names.len() - 1 - usize::from(built.last.is_some());
                if shape(&format!("{}.weight", names[n].conv)).map(|s| s[0]) == widths {
                    return Ok(config);
                }
            }
        }
    }
    Err("an EfficientNet with other blocks than Lite0, Lite1 and Lite2 (squeeze-excitation is not supported)"
        .into())
}
