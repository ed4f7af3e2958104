//! Translates the steps of a network to ONNX operations.

use super::proto::{
    AttributeProto, Dimension, DimensionValue, FLOAT, NodeProto, TensorProto, TensorShapeProto, TensorType,
    TypeProto, ValueInfoProto,
};
use mammo_kernels::Activation;

use super::{Input, Norms};
use crate::model_file::{ModelCard, Network};
use crate::networks::conventions::Padding;
use crate::networks::outline::{ConvStep, LinearStep, Step};
use crate::networks::state::{NamedTensor, StateDict};
use crate::networks::top::SMALLEST_REST;
use crate::{Error, Result};

/// An ONNX graph under construction.
pub struct Builder<'a> {
    tensors: &'a StateDict,
    norms: Norms,
    /// Operations, in order.
    pub nodes: Vec<NodeProto>,
    /// Weights.
    pub initializers: Vec<TensorProto>,
    /// Inputs.
    pub inputs: Vec<ValueInfoProto>,
    /// Outputs.
    pub outputs: Vec<ValueInfoProto>,
}

/// A fixed length, or a name for a free one.
enum Axis {
    Fixed(usize),
    Free(&'static str),
}

impl<'a> Builder<'a> {
    /// An empty graph over a model's tensors.
    pub fn new(tensors: &'a StateDict, norms: Norms) -> Self {
        let (nodes, initializers) = (Vec::new(), Vec::new());
        Self { tensors, norms, nodes, initializers, inputs: Vec::new(), outputs: Vec::new() }
    }

    /// Declares the input and returns the name of the normalised images.
    pub fn input(&mut self, card: &ModelCard, input: Input, fixed_px: Option<[usize; 2]>) -> String {
        let channels = card.network.channels();
        let [rows, cols] = match fixed_px {
            Some(px) => px.map(Axis::Fixed),
            None => [Axis::Free("height"), Axis::Free("width")],
        };
        let mut shape = vec![Axis::Free("batch"), Axis::Fixed(channels), rows, cols];
        let p = &card.preprocessing;
        if input == Input::Normalised {
            let doc = format!(
                "grey levels of 0 to 255 minus {}, divided by {}; see metadata 'preprocessing' for the steps before",
                p.mean, p.std
            );
            self.inputs.push(value_info("images", &shape, doc));
            return "images".into();
        }
        shape[1] = Axis::Fixed(1);
        let doc = "grey values of 0 to 65535 after the geometric steps of metadata 'preprocessing'";
        self.inputs.push(value_info("pixels", &shape, doc.into()));
        let normalise = p.normaliser();
        let scale = self.constant("normalise.scale", &[], vec![normalise.scale]);
        let offset = self.constant("normalise.offset", &[], vec![normalise.offset]);
        let scaled = self.node("Mul", "normalise.mul", &["pixels", &scale], vec![]);
        let grey = self.node("Add", "normalise.add", &[&scaled, &offset], vec![]);
        match channels {
            1 => grey,
            n => self.concat(&vec![grey.as_str(); n], "normalise.channels"),
        }
    }

    /// Adds all steps and returns the name of the output.
    pub fn steps(&mut self, input: &str, steps: &[Step]) -> Result<String> {
        let mut x = input.to_string();
        for (i, step) in steps.iter().enumerate() {
            x = self.step(&x, i, step)?;
        }
        Ok(x)
    }

    fn step(&mut self, x: &str, i: usize, step: &Step) -> Result<String> {
        Ok(match step {
            Step::ChannelNorm(norm) => {
                let plane = |v: [f64; 3]| v.iter().map(|&v| v as f32).collect();
                let mean = self.constant("channel_norm.mean", &[1, 3, 1, 1], plane(norm.mean));
                let std = self.constant("channel_norm.std", &[1, 3, 1, 1], plane(norm.std));
                let centred = self.node("Sub", "channel_norm.sub", &[x, &mean], vec![]);
                self.node("Div", "channel_norm.div", &[&centred, &std], vec![])
            }
            Step::Conv(conv) => self.conv(x, conv)?,
            Step::MaxPool { kernel, stride, padding } => {
                let window = window(*kernel, *stride, *padding);
                self.node("MaxPool", &format!("step{i}.max_pool"), &[x], window)
            }
            Step::AveragePool { window: kernel } => {
                let window = window(*kernel, 1, Padding::Valid);
                self.node("AveragePool", &format!("step{i}.average_pool"), &[x], window)
            }
            Step::Residual { branch, shortcut, activation } => {
                let mut long = x.to_string();
                for conv in branch {
                    long = self.conv(&long, conv)?;
                }
                let short = match shortcut {
                    Some(conv) => self.conv(x, conv)?,
                    None => x.to_string(),
                };
                let sum = self.node("Add", &format!("step{i}.add"), &[&long, &short], vec![]);
                self.activate(sum, &format!("step{i}"), *activation)
            }
            Step::Softmax => {
                self.node("Softmax", &format!("step{i}.softmax"), &[x], vec![AttributeProto::int("axis", 1)])
            }
            Step::LogOdds => self.log_odds(x, &format!("step{i}")),
            Step::GlobalPool(pooling) => {
                let pooled = self.pooled(x, &format!("step{i}"), *pooling)?;
                self.flatten(&pooled, i)
            }
            Step::FullyConnected { layers, shortcut } => {
                let flat = self.flatten(x, i);
                let mut y = flat.clone();
                for layer in layers {
                    y = self.linear(&y, layer, None)?;
                }
                match shortcut {
                    true => self.concat(&[&y, &flat], &format!("step{i}.concat")),
                    false => y,
                }
            }
            Step::Head(head) => self.linear(x, head, Some("logits"))?,
        })
    }

    /// `ln(p / (1 - p))` of the softmax over channels.
    fn log_odds(&mut self, x: &str, name: &str) -> String {
        let axis = vec![AttributeProto::int("axis", 1)];
        let log_p = self.node("LogSoftmax", &format!("{name}.log_softmax"), &[x], axis);
        let p = self.node("Exp", &format!("{name}.probability"), &[&log_p], vec![]);
        let one = self.constant(&format!("{name}.one"), &[], vec![1.0]);
        let rest = self.node("Sub", &format!("{name}.rest"), &[&one, &p], vec![]);
        let least = self.constant(&format!("{name}.smallest_rest"), &[], vec![SMALLEST_REST]);
        let rest = self.node("Max", &format!("{name}.max"), &[&rest, &least], vec![]);
        let log_rest = self.node("Log", &format!("{name}.log"), &[&rest], vec![]);
        self.node("Sub", &format!("{name}.log_odds"), &[&log_p, &log_rest], vec![])
    }

    /// Concatenates along the channels.
    pub(super) fn concat(&mut self, parts: &[&str], name: &str) -> String {
        self.node("Concat", name, parts, vec![AttributeProto::int("axis", 1)])
    }

    fn flatten(&mut self, x: &str, i: usize) -> String {
        self.node("Flatten", &format!("step{i}.flatten"), &[x], vec![AttributeProto::int("axis", 1)])
    }

    fn conv(&mut self, x: &str, conv: &ConvStep) -> Result<String> {
        let path = &conv.path;
        let mut kernel = self.tensor(&format!("{path}.conv.weight"))?;
        let mut bias = if conv.bias { Some(self.tensor(&format!("{path}.conv.bias"))?.values) } else { None };
        let norm_path = format!("{path}.norm");
        if let (Some(epsilon), Norms::Folded) = (conv.norm, self.norms) {
            let (scale, shift) = self.scale_and_shift(&norm_path, epsilon, bias.as_deref())?;
            let per_output = kernel.values.len() / scale.len().max(1);
            for (weights, scale) in kernel.values.chunks_mut(per_output.max(1)).zip(&scale) {
                weights.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            }
            bias = Some(shift);
        }
        let kernel = self.constant(&format!("{path}.conv.weight"), &kernel.shape, kernel.values);
        let mut inputs = vec![x.to_string(), kernel];
        if let Some(bias) = bias {
            inputs.push(self.constant(&format!("{path}.conv.bias"), &[bias.len()], bias));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let shape = conv.shape;
        let mut attributes = window(shape.kernel, shape.stride, shape.padding);
        if shape.depthwise {
            attributes.push(AttributeProto::int("group", shape.c_in as i64));
        }
        let mut y = self.node("Conv", path, &inputs, attributes);
        if let (Some(epsilon), Norms::Separate) = (conv.norm, self.norms) {
            y = self.norm(&y, &norm_path, epsilon)?;
        }
        Ok(self.activate(y, path, conv.activation))
    }

    fn activate(&mut self, x: String, path: &str, activation: Activation) -> String {
        match activation {
            Activation::None => x,
            Activation::Relu => self.node("Relu", &format!("{path}.relu"), &[&x], vec![]),
            Activation::Relu6 => {
                let bounds = [("low", 0.0), ("high", 6.0)]
                    .map(|(end, bound)| self.constant(&format!("{path}.relu6.{end}"), &[], vec![bound]));
                self.node("Clip", &format!("{path}.relu6"), &[&x, &bounds[0], &bounds[1]], vec![])
            }
        }
    }

    fn linear(&mut self, x: &str, layer: &LinearStep, name: Option<&str>) -> Result<String> {
        let path = &layer.path;
        let mut weight = self.tensor(&format!("{path}.weight"))?;
        let mut bias = self.tensor(&format!("{path}.bias"))?.values;
        if let (Some((norm, epsilon)), Norms::Folded) = (&layer.norm, self.norms) {
            let (scale, shift) = self.scale_and_shift(norm, *epsilon, Some(&bias))?;
            for row in weight.values.chunks_mut(layer.d_out.max(1)) {
                row.iter_mut().zip(&scale).for_each(|(w, s)| *w = (f64::from(*w) * s) as f32);
            }
            bias = shift;
        }
        let weight = self.constant(&format!("{path}.weight"), &weight.shape, weight.values);
        let bias = self.constant(&format!("{path}.bias"), &[bias.len()], bias);
        let mut y = self.node("Gemm", name.unwrap_or(path), &[x, &weight, &bias], vec![]);
        if let (Some((norm, epsilon)), Norms::Separate) = (&layer.norm, self.norms) {
            y = self.norm(&y, norm, *epsilon)?;
        }
        Ok(if layer.relu { self.node("Relu", &format!("{path}.relu"), &[&y], vec![]) } else { y })
    }

    fn norm(&mut self, x: &str, path: &str, epsilon: f64) -> Result<String> {
        let mut inputs = vec![x.to_string()];
        for part in ["gamma", "beta", "running_mean", "running_var"] {
            let name = format!("{path}.{part}");
            let tensor = self.tensor(&name)?;
            inputs.push(self.constant(&name, &tensor.shape, tensor.values));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let epsilon = vec![AttributeProto::float("epsilon", epsilon as f32)];
        Ok(self.node("BatchNormalization", path, &inputs, epsilon))
    }

    /// A norm as one multiplication and one addition per channel, after a layer with this bias.
    fn scale_and_shift(
        &self,
        path: &str,
        epsilon: f64,
        bias: Option<&[f32]>,
    ) -> Result<(Vec<f64>, Vec<f32>)> {
        let part = |part: &str| self.tensor(&format!("{path}.{part}")).map(|t| t.values);
        let (gamma, beta) = (part("gamma")?, part("beta")?);
        let (mean, var) = (part("running_mean")?, part("running_var")?);
        let scale: Vec<f64> =
            gamma.iter().zip(&var).map(|(&g, &v)| f64::from(g) / (f64::from(v) + epsilon).sqrt()).collect();
        let bias = |i: usize| bias.map_or(0.0, |bias| f64::from(bias[i]));
        let shift = (0..scale.len())
            .map(|i| ((bias(i) - f64::from(mean[i])) * scale[i] + f64::from(beta[i])) as f32)
            .collect();
        Ok((scale, shift))
    }

    /// Declares the outputs: logits and probabilities, or features.
    pub fn outputs(&mut self, last: &str, network: &Network, c_out: usize) {
        if let Network::Trunk(_) = network {
            let features = self.node("Identity", "features", &[last], vec![]);
            let shape = [Axis::Free("batch"), Axis::Fixed(c_out), Axis::Free("rows"), Axis::Free("columns")];
            self.outputs.push(value_info(&features, &shape, "the trunk's last feature map".into()));
            return;
        }
        let axis = vec![AttributeProto::int("axis", 1)];
        let probabilities = self.node("Softmax", "probabilities", &[last], axis);
        for (name, doc) in
            [(last, "one per class"), (&probabilities, "softmax of the logits, not calibrated")]
        {
            let shape = [Axis::Free("batch"), Axis::Fixed(network.n_classes())];
            self.outputs.push(value_info(name, &shape, doc.into()));
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Result<NamedTensor> {
        let missing = || Error::network("model", format!("no tensor '{name}'"), "a whole model");
        self.tensors.get(name).cloned().ok_or_else(missing)
    }

    pub(super) fn constant(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> String {
        self.initializers.push(TensorProto {
            dims: shape.iter().map(|&n| n as i64).collect(),
            data_type: FLOAT,
            name: name.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
        name.into()
    }

    /// Adds an operation whose output has its name.
    pub(super) fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: op.into(),
            attribute,
        });
        name.into()
    }
}

fn window(kernel: usize, stride: usize, padding: Padding) -> Vec<AttributeProto> {
    let mut attributes = vec![
        AttributeProto::ints("kernel_shape", &[kernel; 2]),
        AttributeProto::ints("strides", &[stride; 2]),
    ];
    attributes.push(match padding {
        Padding::Half => AttributeProto::ints("pads", &[kernel / 2; 4]),
        Padding::Same => AttributeProto::string("auto_pad", "SAME_UPPER"),
        Padding::Valid => AttributeProto::ints("pads", &[0; 4]),
    });
    attributes
}

fn value_info(name: &str, shape: &[Axis], doc_string: String) -> ValueInfoProto {
    let dim = shape.iter().map(|axis| match axis {
        Axis::Fixed(n) => DimensionValue::DimValue(*n as i64),
        Axis::Free(name) => DimensionValue::DimParam((*name).into()),
    });
    let shape = TensorShapeProto { dim: dim.map(|value| Dimension { value: Some(value) }).collect() };
    let tensor_type = Some(TensorType { elem_type: FLOAT, shape: Some(shape) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }), doc_string }
}
