//! Finds each tensor of a network in a Keras file, and compares the layers.

use super::chain::{Activation, Conv, Dense};
use super::file::{Part, TensorNames};
use super::graph::Graph;
use crate::interop::weights::place::{Layout, Placement};
use crate::networks::conventions::{Conventions, Padding, StrideOn};
use crate::networks::layers::ConvGeometry;
use crate::networks::outline::{ConvStep, LinearStep, Outline};

/// The conventions of the layers; that all layers share them is checked when they are placed.
///
/// # Errors
/// A message, for a norm without epsilon or momentum.
pub fn conventions(graph: &Graph, convs: &[&Conv], dense: &[&Dense]) -> Result<Conventions, String> {
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

/// Epsilon and momentum as the share of a new batch, which is 1 minus Keras' momentum, without its rounding error.
fn norm_numbers(graph: &Graph, node: usize) -> Result<(f64, f64), String> {
    let (name, config) = (&graph.nodes[node].name, &graph.nodes[node].config);
    let number = |key: &str| config[key].as_f64().ok_or_else(|| format!("layer '{name}' has no {key}"));
    Ok((number("epsilon")?, ((1.0 - number("momentum")?) * 1e9).round() / 1e9))
}

/// Finds the tensors of a graph's layers.
pub struct TensorFinder<'a> {
    /// The layers.
    pub graph: &'a Graph,
    /// The file's tensors.
    pub names: &'a TensorNames<'a>,
}

impl TensorFinder<'_> {
    fn find(&self, node: usize, part: Part) -> Result<String, String> {
        let node = &self.graph.nodes[node];
        self.names.find(&node.group, &node.name, part)
    }

    /// All convolutions, each compared with the corresponding step.
    ///
    /// # Errors
    /// A message with the layer that differs or whose tensor is missing.
    pub fn convs(&self, outline: &Outline, convs: &[&Conv]) -> Result<Vec<Placement>, String> {
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
        let ConvGeometry { c_out, kernel, stride, padding, .. } = step.shape;
        let padding = padding.simplest(kernel, stride);
        let epsilon = conv.norm.map(|norm| norm_numbers(self.graph, norm)).transpose()?.map(|(e, _)| e);
        let found = (conv.c_out, conv.kernel, conv.stride, conv.padding, conv.bias, epsilon);
        let needed = (c_out, kernel, stride, padding, step.bias, step.norm);
        let relu = conv.activation == Activation::Relu;
        let softmax = conv.activation == Activation::Softmax && step.path == "heatmap";
        if found != needed || (relu != (step.activation != mammo_kernels::Activation::None) && !softmax) {
            return Err(format!(
                "layer '{name}' has (channels, kernel, step, padding, bias, epsilon) {found:?} and ReLU {relu}; \
                 the network that it resembles has {needed:?} and ReLU {} there",
                step.activation == mammo_kernels::Activation::Relu
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

    /// A dense layer, compared with the corresponding step.
    ///
    /// # Errors
    /// A message with the layer that differs or whose tensor is missing.
    pub fn dense(&self, step: &LinearStep, dense: &Dense, layout: Layout) -> Result<Vec<Placement>, String> {
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

    /// Two last layers whose outputs are added equal one layer on both inputs, with the sum of the biases.
    ///
    /// # Errors
    /// A message with the missing tensor.
    pub fn join_shortcut(
        &self,
        head: &mut [Placement],
        shortcut: &Dense,
        channels: usize,
    ) -> Result<(), String> {
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
