//! A recognised chain as a network of this project, and where each tensor goes.

use serde_json::Value;

use super::file::{Part, TensorNames};
use super::graph::Graph;
use super::recognise::{Activation, Conv, Dense, Layer};
use crate::conventions::{Conventions, Padding, StrideOn};
use crate::image_classifier::ImageClassifierConfig;
use crate::layers::ConvShape;
use crate::model_file::Network;
use crate::outline::{ConvStep, LinearStep, Outline};
use crate::patch_classifier::PatchClassifierConfig;
use crate::top::{HeatmapActivation, HeatmapRule, TopConfig};
use crate::trunk::{Family, TrunkConfig};
use crate::weights::place::{Layout, Placement};
use crate::weights::torch_names::vgg_config;

/// A network and the way to its tensors.
pub struct Assembled {
    /// The network.
    pub network: Network,
    /// Where each tensor comes from.
    pub placements: Vec<Placement>,
    /// For the card.
    pub notes: Vec<String>,
}

/// Size of the paper's images, for models whose input has no fixed size.
const PAPER_PX: [usize; 2] = [1152, 896];

/// Turns a chain into a network.
///
/// # Errors
/// A sentence naming the layer that does not fit.
pub fn assemble(graph: &Graph, layers: &[(Layer, bool)], names: &TensorNames) -> Result<Assembled, String> {
    let mut notes = Vec::new();
    let (channels, input_px) = input(graph)?;
    let (trunk, n_trunk) = trunk(graph, layers, channels)?;
    let rest: Vec<&Layer> = layers[n_trunk..].iter().map(|(layer, _)| layer).collect();
    let top = top(graph, &rest, &mut notes)?;
    let mut convs: Vec<&Conv> = layers[..n_trunk].iter().flat_map(|(layer, _)| convs(layer)).collect();
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
                notes.push(format!("its input has no fixed size; taken as {rows}x{cols}"));
                PAPER_PX
            });
            let config = ImageClassifierConfig {
                trunk,
                top: config,
                top_conventions: conventions,
                n_patch_classes,
                input_px,
                dropout: 0.0,
            };
            (Network::Image(config), hidden, Some(head), shortcut)
        }
    };
    let outline = network.outline().map_err(|e| e.to_string())?;
    let places = Places { graph, names };
    let mut placements = places.convs(&outline, &convs)?;
    let steps = outline.linears();
    // Hidden layers stand on a flattened heatmap, whose channels Keras has last.
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

fn convs(layer: &Layer) -> Vec<&Conv> {
    match layer {
        Layer::Conv(conv) => vec![conv],
        Layer::Residual { branch, shortcut } => branch.iter().chain(shortcut).collect(),
        _ => Vec::new(),
    }
}

/// Channels, and rows and columns where they are fixed.
fn input(graph: &Graph) -> Result<(usize, Option<[usize; 2]>), String> {
    let config = graph.nodes.first().map(|node| &node.config).unwrap_or(&Value::Null);
    let shape = ["batch_input_shape", "batch_shape"].iter().find_map(|key| config.get(*key)?.as_array());
    let shape = shape.ok_or("no input shape in the first layer")?;
    let side = |i: usize| shape.get(i).and_then(Value::as_u64).map(|n| n as usize);
    match (shape.len(), side(3)) {
        (4, Some(channels)) if channels <= 3 => {
            Ok((channels, side(1).zip(side(2)).map(|(rows, cols)| [rows, cols])))
        }
        _ => Err(format!("input of shape {shape:?}, expected [batch, rows, columns, 1 or 3 channels]")),
    }
}

/// The trunk, and how many layers it takes.
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
    let convs: Vec<&Conv> = layers[..2 + n_blocks].iter().flat_map(|(layer, _)| convs(layer)).collect();
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
    let convs: Vec<&Conv> = layers[..n].iter().flat_map(|(layer, _)| convs(layer)).collect();
    let conventions = conventions(graph, &convs, &[])?;
    Ok((vgg_config(blocks, first.norm.is_some(), channels, conventions), n))
}

/// What stands on the trunk.
enum Top<'a> {
    /// Nothing that this program has.
    None,
    /// A patch head.
    Patch { head: &'a Dense },
    /// A whole-image top.
    Image {
        config: TopConfig,
        n_patch_classes: usize,
        top_convs: Vec<&'a Conv>,
        hidden: Vec<&'a Dense>,
        head: &'a Dense,
        shortcut: Option<&'a Dense>,
    },
}

fn top<'a>(graph: &Graph, rest: &[&'a Layer], notes: &mut Vec<String>) -> Result<Top<'a>, String> {
    let (heatmap, rest) = heatmap(graph, rest)?;
    let mut top_convs: Vec<&Conv> = heatmap.iter().map(|(conv, _)| *conv).collect();
    let rule = heatmap.as_ref().map(|(_, rule)| *rule).unwrap_or_default();
    let n_patch_classes = heatmap.as_ref().map_or(5, |(conv, _)| conv.c_out);
    let image = |config, top_convs, hidden, head, shortcut| {
        Ok(Top::Image { config, n_patch_classes, top_convs, hidden, head, shortcut })
    };
    match rest {
        [] | [Layer::GlobalAverage] => Ok(Top::None),
        [Layer::GlobalAverage, Layer::Dense(head)] if heatmap.is_none() => Ok(Top::Patch { head }),
        [Layer::AveragePool { kernel, .. }, Layer::GlobalAverage | Layer::Flatten, rest @ ..]
            if heatmap.is_none() =>
        {
            notes.push(format!(
                "an average pool of {kernel}x{kernel} before the head is taken as the mean over all cells, \
                 which it is on patches of 224 px"
            ));
            match rest {
                [] => Ok(Top::None),
                [Layer::Dense(head)] => Ok(Top::Patch { head }),
                _ => Err("more than one dense layer after the average pool".into()),
            }
        }
        [Layer::Flatten, Layer::Dense(_), ..] if heatmap.is_none() => {
            notes.push("dense layers on the flattened map left out; the trunk alone came in".into());
            Ok(Top::None)
        }
        [Layer::MaxPool { kernel, stride, padding: Padding::Valid, .. }, Layer::Flatten, dense @ ..]
            if heatmap.is_some() && kernel == stride =>
        {
            let (hidden, head, shortcut) = fully_connected(dense)?;
            let (pool, heatmap) = (*kernel, rule);
            let fc = hidden.iter().map(|d| d.d_out).collect();
            let batch_norm = hidden.first().is_some_and(|d| d.norm.is_some());
            let config = match shortcut {
                Some(_) => TopConfig::Yaroslav { pool, fc, batch_norm, heatmap },
                None => TopConfig::HeatmapFc { pool, fc, batch_norm, heatmap },
            };
            image(config, top_convs, hidden, head, shortcut)
        }
        [body @ .., Layer::GlobalAverage, Layer::Dense(head)] => {
            let config = match body {
                [] => return Err("a heatmap averaged as a whole: this program has no such top".into()),
                [Layer::Residual { .. }, ..] => residual_top(body, heatmap.as_ref().map(|(_, rule)| *rule))?,
                _ if heatmap.is_none() => vgg_top(body)?,
                _ => return Err("a heatmap under layers other than residual blocks or a max pool".into()),
            };
            top_convs.extend(body.iter().flat_map(|layer| convs(layer)));
            image(config, top_convs, Vec::new(), head, None)
        }
        _ => Err(format!("after the trunk: {} layers that are no top of this program", rest.len())),
    }
}

/// A heatmap layer at the head of the top, and what follows it.
#[allow(clippy::type_complexity)]
fn heatmap<'a, 'b>(
    graph: &Graph,
    rest: &'b [&'a Layer],
) -> Result<(Option<(&'a Conv, HeatmapRule)>, &'b [&'a Layer]), String> {
    let (window, conv, after) = match rest {
        [Layer::AveragePool { kernel, stride, node }, Layer::Conv(conv), after @ ..] if conv.kernel == 1 => {
            if *stride != 1 {
                let name = &graph.nodes[*node].name;
                return Err(format!("layer '{name}': average pool with step {stride}, expected 1"));
            }
            (*kernel, conv, after)
        }
        [Layer::Conv(conv), after @ ..] if conv.kernel == 1 && conv.norm.is_none() => (1, conv, after),
        _ => return Ok((None, rest)),
    };
    let activation = match conv.activation {
        Activation::Relu => HeatmapActivation::Relu,
        Activation::Softmax => HeatmapActivation::Softmax,
        Activation::None => {
            let name = &graph.nodes[conv.node].name;
            return Err(format!("layer '{name}': a heatmap without activation, expected relu or softmax"));
        }
    };
    Ok((Some((conv, HeatmapRule { window, activation })), after))
}

/// Hidden layers, last layer, and the last layer of a shortcut.
#[allow(clippy::type_complexity)]
fn fully_connected<'a>(
    layers: &[&'a Layer],
) -> Result<(Vec<&'a Dense>, &'a Dense, Option<&'a Dense>), String> {
    let (all, shortcut): (Vec<&Dense>, _) = match layers {
        [Layer::DenseShortcut { layers, shortcut }] => (layers.iter().collect(), Some(shortcut)),
        _ => {
            let dense = |layer: &&'a Layer| match layer {
                Layer::Dense(dense) => Ok(dense),
                _ => Err("dense layers expected to the end".to_string()),
            };
            (layers.iter().map(dense).collect::<Result<_, _>>()?, None)
        }
    };
    match all.split_last() {
        Some((head, hidden)) if !hidden.is_empty() => Ok((hidden.to_vec(), head, shortcut)),
        _ => Err("a heatmap with fewer than two dense layers".into()),
    }
}

fn residual_top(body: &[&Layer], heatmap: Option<HeatmapRule>) -> Result<TopConfig, String> {
    let (mut blocks, mut repeats): (Vec<[usize; 3]>, Vec<usize>) = (Vec::new(), Vec::new());
    for layer in body {
        let Layer::Residual { branch, .. } = layer else {
            return Err("a top of residual blocks and other layers".into());
        };
        let [a, b, c] = &branch[..] else { return Err("a top of blocks other than bottlenecks".into()) };
        let channels = [a.c_out, b.c_out, c.c_out];
        match (branch.iter().any(|conv| conv.stride == 2), blocks.last(), repeats.last_mut()) {
            (true, ..) => {
                blocks.push(channels);
                repeats.push(1);
            }
            (false, Some(last), Some(repeats)) if *last == channels => *repeats += 1,
            _ => return Err("a top whose block does not begin with a step of two".into()),
        }
    }
    let first = repeats.first().copied().unwrap_or(0);
    if repeats.iter().any(|&n| n != first) {
        return Err(format!("top blocks repeated {repeats:?} times, expected equally often"));
    }
    Ok(match heatmap {
        Some(heatmap) => TopConfig::HeatmapResidual { blocks, repeats: first, heatmap },
        None => TopConfig::Residual { blocks, repeats: first },
    })
}

fn vgg_top(body: &[&Layer]) -> Result<TopConfig, String> {
    let (mut channels, mut depths, mut open) = (Vec::new(), Vec::new(), 0);
    for layer in body {
        match layer {
            Layer::Conv(conv) if conv.kernel == 3 => {
                if open == 0 {
                    channels.push(conv.c_out);
                }
                open += 1;
            }
            Layer::MaxPool { kernel: 2, stride: 2, padding: Padding::Valid, .. } if open > 0 => {
                depths.push(std::mem::take(&mut open));
            }
            _ => return Err("a top of layers other than 3x3 convolutions and 2x2 max pools".into()),
        }
    }
    match depths.first() {
        Some(&depth) if open == 0 && depths.iter().all(|&d| d == depth) => {
            Ok(TopConfig::Vgg { channels, depth })
        }
        _ => Err(format!("top blocks of {depths:?} convolutions, expected equally many and a pool last")),
    }
}

/// The conventions that layers follow; that all follow the same is checked when they are placed.
fn conventions(graph: &Graph, convs: &[&Conv], dense: &[&Dense]) -> Result<Conventions, String> {
    let strided = convs.iter().find(|conv| conv.stride == 2 && conv.kernel != 7);
    let strided_3x3 = convs.iter().find(|conv| conv.stride == 2 && conv.kernel == 3);
    let (stride_on, padding) = match (strided, strided_3x3) {
        (Some(_), Some(conv)) => (StrideOn::Middle, conv.padding),
        (Some(_), None) => (StrideOn::First, Padding::Same),
        (None, _) => (StrideOn::Middle, Padding::Half),
    };
    let mut conventions = Conventions { stride_on, padding, ..Conventions::default() };
    if let Some(conv) = convs.iter().find(|conv| conv.norm.is_some()) {
        conventions.bias_before_norm = conv.bias;
    }
    let norms = convs.iter().map(|conv| conv.norm).chain(dense.iter().map(|d| d.norm));
    if let Some(node) = norms.flatten().next() {
        let (epsilon, momentum) = norm_numbers(graph, node)?;
        conventions.norm_epsilon = epsilon;
        conventions.norm_momentum = momentum;
    }
    Ok(conventions)
}

/// Epsilon, and the share of a new batch: one less Keras' momentum, without its rounding error.
fn norm_numbers(graph: &Graph, node: usize) -> Result<(f64, f64), String> {
    let (name, config) = (&graph.nodes[node].name, &graph.nodes[node].config);
    let number = |key: &str| config[key].as_f64().ok_or_else(|| format!("layer '{name}' has no {key}"));
    Ok((number("epsilon")?, ((1.0 - number("momentum")?) * 1e9).round() / 1e9))
}

struct Places<'a> {
    graph: &'a Graph,
    names: &'a TensorNames<'a>,
}

impl Places<'_> {
    fn find(&self, node: usize, part: Part) -> Result<String, String> {
        let node = &self.graph.nodes[node];
        self.names.find(&node.group, &node.name, part)
    }

    /// All convolutions, each compared with the step that it becomes.
    fn convs(&self, outline: &Outline, convs: &[&Conv]) -> Result<Vec<Placement>, String> {
        let steps = outline.convs();
        if steps.len() != convs.len() {
            return Err(format!(
                "{} convolutions, the network that it resembles has {}",
                convs.len(),
                steps.len()
            ));
        }
        let mut placements = Vec::new();
        for (step, conv) in steps.into_iter().zip(convs) {
            self.compare(step, conv)?;
            let layout = if conv.dense { Layout::DenseAsConv } else { Layout::Hwio };
            let kernel = self.find(conv.node, Part::Kernel)?;
            placements.push(Placement::one(format!("{}.conv.weight", step.path), kernel, layout));
            if step.bias {
                let bias = self.find(conv.node, Part::Bias)?;
                placements.push(Placement::one(format!("{}.conv.bias", step.path), bias, Layout::Same));
            }
            if let Some(norm) = conv.norm {
                placements.extend(self.norm(&format!("{}.norm", step.path), norm)?);
            }
        }
        Ok(placements)
    }

    fn compare(&self, step: &ConvStep, conv: &Conv) -> Result<(), String> {
        let name = &self.graph.nodes[conv.node].name;
        let ConvShape { c_out, kernel, stride, padding, .. } = step.shape;
        let padding = match padding {
            _ if kernel == 1 => Padding::Half,
            Padding::Same if stride == 1 => Padding::Half,
            other => other,
        };
        let epsilon = conv.norm.map(|norm| norm_numbers(self.graph, norm)).transpose()?.map(|(e, _)| e);
        let found = (conv.c_out, conv.kernel, conv.stride, conv.padding, conv.bias, epsilon);
        let needed = (c_out, kernel, stride, padding, step.bias, step.norm);
        let relu = conv.activation == Activation::Relu;
        let softmax = conv.activation == Activation::Softmax && step.path == "heatmap";
        if found != needed || (relu != step.relu && !softmax) {
            return Err(format!(
                "layer '{name}' has (channels, kernel, step, padding, bias, epsilon) {found:?} and ReLU {relu}; \
                 the network that it resembles has {needed:?} and ReLU {} there",
                step.relu
            ));
        }
        Ok(())
    }

    fn norm(&self, path: &str, node: usize) -> Result<Vec<Placement>, String> {
        let config = &self.graph.nodes[node].config;
        let part = |to: &str, part: Part, switch: &str, constant: f32| {
            let to = format!("{path}.{to}");
            match config[switch] == false {
                true => Ok(Placement::constant(to, constant)),
                false => Ok::<_, String>(Placement::one(to, self.find(node, part)?, Layout::Same)),
            }
        };
        Ok(vec![
            part("gamma", Part::Gamma, "scale", 1.0)?,
            part("beta", Part::Beta, "center", 0.0)?,
            part("running_mean", Part::Mean, "", 0.0)?,
            part("running_var", Part::Variance, "", 0.0)?,
        ])
    }

    fn dense(&self, step: &LinearStep, dense: &Dense, layout: Layout) -> Result<Vec<Placement>, String> {
        let name = &self.graph.nodes[dense.node].name;
        let epsilon = dense.norm.map(|norm| norm_numbers(self.graph, norm)).transpose()?.map(|(e, _)| e);
        let needed = step.norm.as_ref().map(|(_, e)| *e);
        let relu = dense.activation == Activation::Relu;
        if dense.d_out != step.d_out || epsilon != needed || relu != step.relu {
            return Err(format!(
                "layer '{name}' gives {} features with epsilon {epsilon:?} and ReLU {relu}; expected {} with \
                 {needed:?} and ReLU {}",
                dense.d_out, step.d_out, step.relu
            ));
        }
        let kernel = self.find(dense.node, Part::Kernel)?;
        let bias = self.find(dense.node, Part::Bias)?;
        let mut placements = vec![
            Placement::one(format!("{}.weight", step.path), kernel, layout),
            Placement::one(format!("{}.bias", step.path), bias, Layout::Same),
        ];
        if let (Some(node), Some((path, _))) = (dense.norm, &step.norm) {
            placements.extend(self.norm(path, node)?);
        }
        Ok(placements)
    }

    /// Two last layers whose results are added are one on both inputs, with the sum of biases.
    fn join_shortcut(&self, head: &mut [Placement], shortcut: &Dense, channels: usize) -> Result<(), String> {
        let (kernel, bias) = (self.find(shortcut.node, Part::Kernel)?, self.find(shortcut.node, Part::Bias)?);
        for placement in head.iter_mut() {
            match placement.to.as_str() {
                "head.weight" => placement.from.push((kernel.clone(), Layout::FlattenedHwc { channels })),
                "head.bias" => {
                    placement.from.push((bias.clone(), Layout::Same));
                    placement.sum = true;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
