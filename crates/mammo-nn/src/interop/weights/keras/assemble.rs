//! Builds a network of this project from a recognised chain, with the source of each tensor.

use serde_json::Value;

use super::chain::{Conv, Layer};
use super::file::TensorNames;
use super::graph::Graph;
use super::places::{TensorFinder, conventions};
use super::tops::{Top, top};
use crate::interop::weights::place::{Layout, Placement};
use crate::interop::weights::torch_names::vgg_config;
use crate::model_file::Network;
use crate::networks::conventions::{Conventions, Padding};
use crate::networks::image_classifier::ImageClassifierConfig;
use crate::networks::patch_classifier::PatchClassifierConfig;
use crate::networks::top::MapPooling;
use crate::networks::trunk::{Family, TrunkConfig};

/// A network and the sources of its tensors.
pub struct Assembled {
    /// The network.
    pub network: Network,
    /// Source of each tensor.
    pub placements: Vec<Placement>,
    /// Notes for the model card.
    pub notes: Vec<String>,
}

/// Image size of the paper, for models whose input size is free.
const PAPER_PX: [usize; 2] = [1152, 896];

/// Maximum side of an input in pixels.
const MAX_PX: usize = 8192;

/// Builds a network from a chain.
///
/// # Errors
/// A message with the layer that does not fit.
pub fn assemble(graph: &Graph, layers: &[(Layer, bool)], names: &TensorNames) -> Result<Assembled, String> {
    let mut notes = Vec::new();
    let (channels, input_px) = input(graph)?;
    let (trunk, n_trunk) = trunk(graph, layers, channels)?;
    let rest: Vec<&Layer> = layers[n_trunk..].iter().map(|(layer, _)| layer).collect();
    let top = top(graph, &rest, &mut notes)?;
    let mut convs: Vec<&Conv> = layers[..n_trunk].iter().flat_map(|(layer, _)| layer.convs()).collect();
    let (network, hidden, head, shortcut) = match top {
        Top::None => (Network::Trunk(trunk), Vec::new(), None, None),
        Top::Patch { head } => {
            let config = PatchClassifierConfig { trunk, n_classes: head.d_out, dropout: 0.0 };
            (Network::Patch(config), Vec::new(), Some(head), None)
        }
        Top::Image { config, n_patch_classes, top_convs, hidden, head, shortcut } => {
            let conventions = conventions(graph, &top_convs, &hidden)?;
            convs.extend(top_convs);
            let input_px = input_px.unwrap_or_else(|| {
                let [rows, cols] = PAPER_PX;
                notes.push(format!("its input has no fixed size; assumed to be {rows}x{cols}"));
                PAPER_PX
            });
            let config = ImageClassifierConfig {
                trunk,
                top: config,
                pooling: MapPooling::Average,
                top_conventions: conventions,
                n_patch_classes,
                input_px,
                dropout: 0.0,
                exam: None,
            };
            (Network::Image(config), hidden, Some(head), shortcut)
        }
    };
    let outline = network.outline().map_err(|e| e.to_string())?;
    let places = TensorFinder { graph, names };
    let mut placements = places.convs(&outline, &convs)?;
    let steps = outline.linears();
    // Hidden layers read a flattened heatmap, whose channels are last in Keras.
    let n_flat = match &network {
        Network::Image(config) if !hidden.is_empty() => Some(config.n_patch_classes),
        _ => None,
    };
    for (i, (step, dense)) in steps.iter().zip(hidden.iter().copied().chain(head)).enumerate() {
        let is_head = i + 1 == steps.len();
        let layout = match n_flat {
            Some(channels) if i == 0 => Layout::FlattenedHwc { channels },
            _ => Layout::Same,
        };
        placements.extend(places.dense(step, dense, layout)?);
        if is_head && let (Some(shortcut), Some(channels)) = (shortcut, n_flat) {
            places.join_shortcut(&mut placements, shortcut, channels)?;
        }
    }
    Ok(Assembled { network, placements, notes })
}

/// Channels, and rows and columns where they are fixed.
fn input(graph: &Graph) -> Result<(usize, Option<[usize; 2]>), String> {
    let config = graph.nodes.first().map(|node| &node.config).unwrap_or(&Value::Null);
    let shape = ["batch_input_shape", "batch_shape"].iter().find_map(|key| config.get(*key)?.as_array());
    let shape = shape.ok_or("no input shape in the first layer")?;
    let side = |i: usize| shape.get(i).and_then(Value::as_u64).map(|n| n as usize);
    if let Some(long) = (1..=2).filter_map(side).find(|n| *n > MAX_PX) {
        return Err(format!("an input of {long} pixels a side, expected at most {MAX_PX}"));
    }
    match (shape.len(), side(3)) {
        (4, Some(channels)) if channels <= 3 => {
            Ok((channels, side(1).zip(side(2)).map(|(rows, cols)| [rows, cols])))
        }
        _ => Err(format!("input of shape {shape:?}, expected [batch, rows, columns, 1 or 3 channels]")),
    }
}

/// The trunk, and the number of layers that it takes.
fn trunk(graph: &Graph, layers: &[(Layer, bool)], channels: usize) -> Result<(TrunkConfig, usize), String> {
    let n_nested = layers.iter().rposition(|(_, nested)| *nested).map(|last| last + 1);
    let within = &layers[..n_nested.unwrap_or(layers.len())];
    let (trunk, n) = match within.first() {
        Some((Layer::Conv(stem), _)) if stem.kernel == 7 => resnet(graph, within, channels)?,
        Some((Layer::Conv(first), _)) if first.kernel == 3 => vgg(graph, within, channels)?,
        _ => return Err("the first layer is no convolution of 7x7 (ResNet) or 3x3 (VGG)".into()),
    };
    match n_nested {
        Some(nested) if nested != n => {
            Err(format!("the nested model has {nested} steps, of which {n} are a trunk of this program"))
        }
        _ => Ok((trunk, n)),
    }
}

fn resnet(graph: &Graph, layers: &[(Layer, bool)], channels: usize) -> Result<(TrunkConfig, usize), String> {
    let [(Layer::Conv(stem), _), (Layer::MaxPool { kernel: 3, stride: 2, padding, .. }, _), blocks @ ..] =
        layers
    else {
        return Err("after the first 7x7 convolution: expected a max pool of 3x3 and step 2".into());
    };
    let blocks: Vec<&Vec<Conv>> = blocks
        .iter()
        .map_while(|(layer, _)| match layer {
            Layer::Residual { branch, .. } => Some(branch),
            _ => None,
        })
        .collect();
    let bottleneck = blocks.first().is_some_and(|branch| branch.len() == 3);
    let (family, depths) = match bottleneck {
        true => (Family::Resnet50, [3, 4, 6, 3]),
        false => (Family::Resnet18, [2, 2, 2, 2]),
    };
    let last = |branch: &[Conv]| branch.last().map_or(0, |conv| conv.c_out);
    let strided = |branch: &[Conv]| branch.iter().any(|conv| conv.stride == 2);
    let (mut n_blocks, mut stages) = (0, 0);
    for (stage, depth) in depths.into_iter().enumerate() {
        let c_out = (stem.c_out << stage) * if bottleneck { 4 } else { 1 };
        let fits = |i: usize| {
            let branch = blocks.get(n_blocks + i);
            branch.is_some_and(|b| last(b) == c_out && strided(b) == (stage > 0 && i == 0))
        };
        if !(0..depth).all(fits) {
            break;
        }
        n_blocks += depth;
        stages += 1;
    }
    if stages == 0 {
        return Err(format!("residual blocks other than those of {family:?}"));
    }
    let convs: Vec<&Conv> = layers[..2 + n_blocks].iter().flat_map(|(layer, _)| layer.convs()).collect();
    let conventions = Conventions {
        stem_padding: stem.padding,
        stem_pool_padding: *padding,
        ..conventions(graph, &convs, &[])?
    };
    let width = stem.c_out as f64 / 64.0;
    let stages = (stages < 4).then_some(stages);
    Ok((TrunkConfig { width, channels, stages, conventions, ..TrunkConfig::new(family) }, 2 + n_blocks))
}

fn vgg(graph: &Graph, layers: &[(Layer, bool)], channels: usize) -> Result<(TrunkConfig, usize), String> {
    let Some((Layer::Conv(first), _)) = layers.first() else { return Err("no convolution".into()) };
    let (mut blocks, mut n, mut open) = (Vec::new(), 0, None::<[usize; 2]>);
    for (i, (layer, _)) in layers.iter().enumerate() {
        match layer {
            Layer::Conv(conv) if conv.kernel == 3 && conv.norm.is_some() == first.norm.is_some() => {
                open = match open {
                    None => Some([conv.c_out, 1]),
                    Some([c, depth]) if c == conv.c_out => Some([c, depth + 1]),
                    Some(_) => break,
                };
            }
            Layer::MaxPool { kernel: 2, stride: 2, padding: Padding::Valid, .. } => match open.take() {
                Some(block) => {
                    blocks.push(block);
                    n = i + 1;
                }
                None => break,
            },
            _ => break,
        }
    }
    if blocks.is_empty() {
        return Err("no block of 3x3 convolutions of equal channels before a 2x2 max pool".into());
    }
    let convs: Vec<&Conv> = layers[..n].iter().flat_map(|(layer, _)| layer.convs()).collect();
    let conventions = conventions(graph, &convs, &[])?;
    Ok((vgg_config(blocks, first.norm.is_some(), channels, conventions), n))
}
