//! Names of torchvision, which timm shares for ResNet and VGG, and the choice among PyTorch's networks.

use super::efficientnet_names::{self, Style};
use super::place::ConvNames;
use crate::Result;
use crate::model_file::Network;
use crate::networks::conventions::Conventions;
use crate::networks::outline::Outline;
use crate::networks::patch_classifier::PatchClassifierConfig;
use crate::networks::resnet::BlockKind;
use crate::networks::state::StateDict;
use crate::networks::trunk::{Family, TrunkConfig, TrunkShape};

/// Layer names of a trunk's convolutions and norms, in the order of [`Outline::convs`]; `style` names those of an
/// EfficientNet.
///
/// # Errors
/// [`TrunkConfig::check`].
pub fn conv_names(config: &TrunkConfig, style: Style) -> Result<Vec<ConvNames>> {
    let mut names = Vec::new();
    let mut push = |conv: String, norm: Option<String>| names.push(ConvNames { conv, norm });
    match config.build_shape()? {
        TrunkShape::ResNet(shape) => {
            push("conv1".into(), Some("bn1".into()));
            let outline = Outline::trunk(config)?;
            let shortcuts: Vec<bool> = outline
                .steps
                .iter()
                .filter_map(|step| match step {
                    crate::networks::outline::Step::Residual { shortcut, .. } => Some(shortcut.is_some()),
                    _ => None,
                })
                .collect();
            let n_convs = if shape.kind == BlockKind::Basic { 2 } else { 3 };
            let blocks = (1..).zip(shape.depths).take(shape.stages);
            let blocks = blocks.flat_map(|(stage, depth)| (0..depth).map(move |block| (stage, block)));
            for ((stage, block), has_shortcut) in blocks.zip(shortcuts) {
                let layer = format!("layer{stage}.{block}");
                for i in 1..=n_convs {
                    push(format!("{layer}.conv{i}"), Some(format!("{layer}.bn{i}")));
                }
                if has_shortcut {
                    push(format!("{layer}.downsample.0"), Some(format!("{layer}.downsample.1")));
                }
            }
        }
        TrunkShape::Vgg(shape) => {
            let mut index = 0;
            for &(_, depth) in &shape.blocks {
                for _ in 0..depth {
                    let norm = shape.norm.map(|_| format!("features.{}", index + 1));
                    index += if norm.is_some() { 3 } else { 2 }; // convolution, norm, ReLU
                    push(format!("features.{}", index - if norm.is_some() { 3 } else { 2 }), norm);
                }
                index += 1; // pool
            }
        }
        TrunkShape::EfficientNet(shape) => return Ok(efficientnet_names::conv_names(&shape, style)),
    }
    Ok(names)
}

/// Identifies the network from PyTorch tensor names and shapes.
///
/// # Errors
/// A message with what was found instead.
pub fn network(tensors: &StateDict) -> std::result::Result<Network, String> {
    let shape = |name: &str| tensors.get(name).map(|t| t.shape.as_slice());
    let style = Style::of(tensors);
    let trunk = match (shape("conv1.weight"), shape("features.0.weight"), style) {
        (Some(&[base, channels, 7, 7]), ..) => resnet(tensors, base, channels)?,
        (_, Some(&[_, channels, 3, 3]), _) => vgg(tensors, channels)?,
        (.., Some(style)) => efficientnet_names::network(tensors, style)?,
        _ => {
            let first: Vec<&str> = tensors.keys().take(4).map(String::as_str).collect();
            return Err(format!(
                "tensors named {} and others, neither 'conv1.weight' of 7x7 (ResNet), \
                 'features.0.weight' of 3x3 (VGG) nor 'conv_stem.weight' (EfficientNet)",
                first.join(", ")
            ));
        }
    };
    Ok(match shape(&format!("{}.weight", head_name(style))) {
        Some(&[n_classes, _]) => Network::Patch(PatchClassifierConfig { trunk, n_classes, dropout: 0.0 }),
        _ => Network::Trunk(trunk),
    })
}

/// Layer of the linear head of a patch classifier.
pub fn head_name(style: Option<Style>) -> &'static str {
    match style {
        None => "fc",
        Some(Style::Timm) => "classifier",
        Some(Style::Package) => "_fc",
    }
}

fn resnet(tensors: &StateDict, base: usize, channels: usize) -> std::result::Result<TrunkConfig, String> {
    let has = |name: String| tensors.contains_key(&name);
    let depth = |stage: usize| (0..).take_while(|b| has(format!("layer{stage}.{b}.conv1.weight"))).count();
    let depths: Vec<usize> = (1..).map(depth).take_while(|&d| d > 0).take(8).collect();
    let bottleneck = has("layer1.0.conv3.weight".into());
    let family = if bottleneck { Family::Resnet50 } else { Family::Resnet18 };
    let published: &[usize] = if bottleneck { &[3, 4, 6, 3] } else { &[2, 2, 2, 2] };
    if depths.is_empty() || !published.starts_with(&depths) {
        let blocks = if bottleneck { "bottleneck" } else { "basic" };
        return Err(format!(
            "a ResNet of {blocks} blocks {depths:?}; ResNet18 has basic [2, 2, 2, 2], ResNet50 bottleneck [3, 4, 6, 3]"
        ));
    }
    let stages = (depths.len() < 4).then_some(depths.len());
    Ok(TrunkConfig { width: base as f64 / 64.0, stages, channels, ..TrunkConfig::new(family) })
}

fn vgg(tensors: &StateDict, channels: usize) -> std::result::Result<TrunkConfig, String> {
    let mut convs: Vec<(usize, usize)> = tensors
        .iter()
        .filter(|(_, t)| t.shape.len() == 4)
        .filter_map(|(name, t)| {
            let index: u16 = name.strip_prefix("features.")?.strip_suffix(".weight")?.parse().ok()?;
            Some((usize::from(index), t.shape[0]))
        })
        .collect();
    convs.sort_unstable();
    let norm = tensors.contains_key("features.1.running_mean");
    let step = if norm { 3 } else { 2 };
    let mut blocks: Vec<[usize; 2]> = Vec::new();
    let mut last = None;
    for (index, c_out) in convs {
        match (last, blocks.last_mut()) {
            (Some(last), Some(block)) if index == last + step && block[0] == c_out => block[1] += 1,
            (Some(last), _) if index != last + step + 1 => {
                return Err(format!("a convolution at features.{index}, after one at features.{last}"));
            }
            _ => blocks.push([c_out, 1]),
        }
        last = Some(index);
    }
    // torchvision's VGG with batch norm keeps the biases that its ResNets do without.
    let bias_before_norm = norm && tensors.contains_key("features.0.bias");
    let conventions = Conventions { bias_before_norm, ..Conventions::default() };
    Ok(vgg_config(blocks, norm, channels, conventions))
}

/// A plain trunk, under the name of its family if it has one.
pub fn vgg_config(
    blocks: Vec<[usize; 2]>,
    norm: bool,
    channels: usize,
    conventions: Conventions,
) -> TrunkConfig {
    for family in [Family::Vgg16, Family::Vgg19, Family::Yaroslav] {
        let first = if family == Family::Yaroslav { 32.0 } else { 64.0 };
        let width = blocks.first().map_or(1.0, |b| b[0] as f64 / first);
        let batch_norm = (norm != (family == Family::Yaroslav)).then_some(norm);
        let config = TrunkConfig { width, channels, batch_norm, conventions, ..TrunkConfig::new(family) };
        let Ok(TrunkShape::Vgg(shape)) = config.build_shape() else { continue };
        let table: Vec<[usize; 2]> = shape.blocks.iter().map(|&(c, depth)| [c, depth]).collect();
        let yaroslav_without_norm = family == Family::Yaroslav && !norm;
        if table.starts_with(&blocks) && !yaroslav_without_norm {
            let stages = (blocks.len() < table.len()).then_some(blocks.len());
            return TrunkConfig { stages, ..config };
        }
    }
    let batch_norm = (!norm).then_some(false);
    TrunkConfig {
        channels,
        blocks: Some(blocks),
        batch_norm,
        conventions,
        ..TrunkConfig::new(Family::Yaroslav)
    }
}
