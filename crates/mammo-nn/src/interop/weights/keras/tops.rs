//! Recognises the layers on top of a Keras trunk: a patch head, or the top of a whole-image model.

use super::chain::{Activation, Conv, Dense, Layer};
use super::graph::Graph;
use crate::networks::conventions::Padding;
use crate::networks::top::{HeatmapActivation, HeatmapRule, TopConfig};

/// The layers on top of the trunk.
pub enum Top<'a> {
    /// None that this program has.
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

/// Recognises the layers after a trunk.
///
/// # Errors
/// A message with the unsupported layers.
pub fn top<'a>(graph: &Graph, rest: &[&'a Layer], notes: &mut Vec<String>) -> Result<Top<'a>, String> {
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
            top_convs.extend(body.iter().flat_map(|layer| layer.convs()));
            image(config, top_convs, Vec::new(), head, None)
        }
        _ => Err(format!("after the trunk: {} layers that are no top of this program", rest.len())),
    }
}

/// A heatmap layer at the start of the top, and the layers after it.
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
