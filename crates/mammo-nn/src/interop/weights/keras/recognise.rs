//! Recognises a chain of convolutions, pools, residual blocks and dense layers in a layer graph.

use serde_json::Value;

use super::chain::{Activation, Conv, Dense, Layer};
use super::graph::{Graph, Node};
use super::settings::{self, count, square, square_padding};
use crate::networks::conventions::Padding;

/// The chain from input to output; each step with a flag that is true in a nested model.
///
/// # Errors
/// A message with the layer that the networks of this project do not have.
pub fn recognise(graph: &Graph) -> Result<Vec<(Layer, bool)>, String> {
    let inputs: Vec<usize> = (0..graph.nodes.len()).filter(|&i| graph.nodes[i].inputs.is_empty()).collect();
    let [start] = inputs[..] else { return Err(format!("{} inputs, expected one image", inputs.len())) };
    let mut walk = Walk { graph, flat: false, pad: 0 };
    let mut layers = Vec::new();
    let mut at = start;
    // A Sequential model without an input layer begins with its first convolution.
    if graph.nodes[start].class != "InputLayer" {
        let (layer, end) = walk.layer(start)?;
        layers.extend(layer.map(|layer| (layer, graph.nodes[start].nested)));
        at = end;
    }
    loop {
        let consumers = graph.consumers(at);
        match consumers[..] {
            [] => return Ok(layers),
            [next] => {
                let nested = graph.nodes[next].nested;
                let (layer, end) = walk.layer(next)?;
                layers.extend(layer.map(|layer| (layer, nested)));
                at = end;
            }
            [a, b] => {
                let nested = graph.nodes[a].nested;
                let (layer, end) = walk.residual_block(a, b)?;
                layers.push((layer, nested));
                at = end;
            }
            _ => return Err(format!("layer '{}' feeds {} others", graph.nodes[at].name, consumers.len())),
        }
    }
}

struct Walk<'a> {
    graph: &'a Graph,
    /// Whether the map has been flattened to a vector.
    flat: bool,
    /// Zeros added on each side by a padding layer, for the next window.
    pad: usize,
}

impl Walk<'_> {
    fn node(&self, node: usize) -> &Node {
        &self.graph.nodes[node]
    }

    /// The only consumer of a node, if its class is one of these.
    fn next_of(&self, node: usize, classes: &[&str]) -> Option<usize> {
        match self.graph.consumers(node)[..] {
            [next] if classes.contains(&self.node(next).class.as_str()) => Some(next),
            _ => None,
        }
    }

    /// The layer at a node with its norm and activation, and the last node of these.
    fn layer(&mut self, node: usize) -> Result<(Option<Layer>, usize), String> {
        let Node { class, name, config, .. } = self.node(node).clone();
        let refuse = |what: String| Err(format!("layer '{name}' ({class}): {what}"));
        let pad = std::mem::take(&mut self.pad);
        if pad > 0 && !["Conv2D", "MaxPooling2D"].contains(&class.as_str()) {
            return refuse("stands after padding; expected a convolution or max pool".into());
        }
        let layer = match class.as_str() {
            "Dropout" | "SpatialDropout2D" | "GaussianNoise" | "ActivityRegularization" => None,
            "ZeroPadding2D" => {
                self.pad = square_padding(&config["padding"])
                    .ok_or_else(|| format!("layer '{name}': uneven padding {}", config["padding"]))?;
                None
            }
            "Conv2D" | "Convolution2D" => {
                let (conv, end) = self.conv(node, pad)?;
                return Ok((Some(Layer::Conv(conv)), end));
            }
            "Dense" if !self.flat => {
                let (conv, end) = self.cell_dense(node)?;
                return Ok((Some(Layer::Conv(conv)), end));
            }
            "Dense" => {
                let (dense, end) = self.dense(node)?;
                return Ok((Some(Layer::Dense(dense)), end));
            }
            "MaxPooling2D" => {
                let (kernel, stride) = (square(&config, "pool_size")?, square(&config, "strides")?);
                let padding = self.padding(&config, kernel, pad, &name)?;
                Some(Layer::MaxPool { kernel, stride, padding })
            }
            "AveragePooling2D" => {
                let (kernel, stride) = (square(&config, "pool_size")?, square(&config, "strides")?);
                if self.padding(&config, kernel, 0, &name)? != Padding::Valid {
                    return refuse("average pool with padding".into());
                }
                Some(Layer::AveragePool { node, kernel, stride })
            }
            "GlobalAveragePooling2D" => {
                self.flat = true;
                Some(Layer::GlobalAverage)
            }
            "Flatten" => {
                self.flat = true;
                Some(Layer::Flatten)
            }
            "Activation" if config["activation"] == "softmax" && self.flat => None,
            _ => return refuse("not part of a network that this program has".into()),
        };
        Ok((layer, node))
    }

    fn conv(&mut self, node: usize, pad: usize) -> Result<(Conv, usize), String> {
        let Node { name, config, .. } = self.node(node).clone();
        let (kernel, stride) = (square(&config, "kernel_size")?, square(&config, "strides")?);
        for (key, allowed) in [("dilation_rate", 1), ("groups", 1)] {
            let value = config.get(key).and_then(|v| v.as_u64().or_else(|| v.get(0)?.as_u64()));
            if value.is_some_and(|v| v != allowed) {
                return Err(format!("layer '{name}': {key} {}, expected {allowed}", config[key]));
            }
        }
        if config["data_format"] == "channels_first" {
            return Err(format!(
                "layer '{name}': channels first, expected TensorFlow's order, channels last"
            ));
        }
        let padding = self.padding(&config, kernel, pad, &name)?.simplest(kernel, stride);
        let (norm, activation, end) = self.norm_and_activation(node)?;
        let conv = Conv {
            node,
            norm,
            c_out: count(&config, "filters")?,
            kernel,
            stride,
            padding,
            bias: config["use_bias"] != false,
            activation,
            dense: false,
        };
        Ok((conv, end))
    }

    fn cell_dense(&mut self, node: usize) -> Result<(Conv, usize), String> {
        let config = self.node(node).config.clone();
        let (norm, activation, end) = self.norm_and_activation(node)?;
        let c_out = count(&config, "units")?;
        let bias = config["use_bias"] != false;
        let padding = Padding::Half;
        Ok((Conv { node, norm, c_out, kernel: 1, stride: 1, padding, bias, activation, dense: true }, end))
    }

    fn dense(&mut self, node: usize) -> Result<(Dense, usize), String> {
        let config = self.node(node).config.clone();
        if config["use_bias"] == false {
            return Err(format!("layer '{}': a dense layer without bias", self.node(node).name));
        }
        let (norm, activation, end) = self.norm_and_activation(node)?;
        Ok((Dense { node, norm, d_out: count(&config, "units")?, activation }, end))
    }

    /// Norm and activation after a layer, and the last node of these.
    fn norm_and_activation(&self, node: usize) -> Result<(Option<usize>, Activation, usize), String> {
        let name = &self.node(node).name;
        let mut activation = settings::activation(&self.node(node).config, name)?;
        let mut end = node;
        let norm = self.next_of(node, &["BatchNormalization"]);
        if let Some(norm) = norm {
            if activation != Activation::None {
                return Err(format!("layer '{name}': batch norm after the activation, expected before it"));
            }
            let axis = &self.node(norm).config["axis"];
            let axis = axis.as_i64().or_else(|| axis.get(0).and_then(Value::as_i64));
            let last = if self.flat { 1 } else { 3 };
            if axis.is_some_and(|axis| axis != last && axis != -1) {
                return Err(format!(
                    "layer '{}': norm over axis {axis:?}, expected the last",
                    self.node(norm).name
                ));
            }
            end = norm;
        }
        if activation == Activation::None
            && let Some(next) = self.next_of(end, &["Activation", "ReLU", "Softmax"])
        {
            let node = self.node(next);
            activation = match node.class.as_str() {
                "ReLU" => Activation::Relu,
                "Softmax" => Activation::Softmax,
                _ => settings::activation(&node.config, &node.name)?,
            };
            end = next;
        }
        Ok((norm, activation, end))
    }

    fn padding(&self, config: &Value, kernel: usize, pad: usize, name: &str) -> Result<Padding, String> {
        match (config["padding"].as_str(), pad) {
            (Some("same"), 0) => Ok(Padding::Same),
            (Some("valid"), 0) => Ok(Padding::Valid),
            // Zero padding of values after ReLU never wins a max pool.
            (Some("valid"), pad) if pad == kernel / 2 => Ok(Padding::Half),
            (padding, pad) => {
                let padding = padding.unwrap_or("unknown");
                Err(format!(
                    "layer '{name}': padding '{padding}' after {pad} zeros, for a window of {kernel}"
                ))
            }
        }
    }

    /// The residual block from a node with two consumers to the `Add` that joins them.
    fn residual_block(&mut self, a: usize, b: usize) -> Result<(Layer, usize), String> {
        let (a, meet_a) = self.branch(a)?;
        let (b, meet_b) = self.branch(b)?;
        if meet_a != meet_b {
            return Err(format!("'{}' and '{}' do not join", self.node(meet_a).name, self.node(meet_b).name));
        }
        let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
        let name = self.node(meet_a).name.clone();
        if self.flat {
            let dense = |layers: Vec<Layer>| -> Result<Vec<Dense>, String> {
                let keep = |layer| match layer {
                    Layer::Dense(dense) => Ok(dense),
                    _ => Err(format!("branches that join in '{name}' have other layers than dense ones")),
                };
                layers.into_iter().map(keep).collect()
            };
            let (layers, mut short) = (dense(long)?, dense(short)?);
            let (Some(shortcut), true) = (short.pop(), short.is_empty()) else {
                return Err(format!("branches that join in '{name}': expected one of a single dense layer"));
            };
            return Ok((Layer::DenseShortcut { layers, shortcut }, meet_a));
        }
        let convs = |layers: Vec<Layer>| -> Result<Vec<Conv>, String> {
            let keep = |layer| match layer {
                Layer::Conv(conv) => Ok(conv),
                _ => Err(format!("branches that join in '{name}' have other layers than convolutions")),
            };
            layers.into_iter().map(keep).collect()
        };
        let relu = self.next_of(meet_a, &["Activation", "ReLU"]).ok_or_else(|| {
            format!("no ReLU after '{name}': residual blocks that normalise first (ResNet v2) are not read")
        })?;
        Ok((Layer::Residual { branch: convs(long)?, shortcut: convs(short)? }, relu))
    }

    /// Layers from a node to the next `Add`.
    fn branch(&mut self, first: usize) -> Result<(Vec<Layer>, usize), String> {
        let (mut layers, mut at) = (Vec::new(), first);
        loop {
            let node = self.node(at);
            if ["Add", "Merge"].contains(&node.class.as_str()) {
                return Ok((layers, at));
            }
            let (layer, end) = self.layer(at)?;
            layers.extend(layer);
            let [next] = self.graph.consumers(end)[..] else {
                return Err(format!("after '{}': expected one consumer", self.node(end).name));
            };
            at = next;
        }
    }
}
