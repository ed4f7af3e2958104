//! A network as a list of steps with the names and shapes of their tensors, without building it.
//!
//! The loader of model files reads from it which tensors must exist, the importers where to put them, the ONNX export
//! what to write, and the table in `docs/models.md` the size and receptive field of a network. A test compares it
//! with the built networks.

mod blocks;
mod reach;
pub mod table;

use std::collections::BTreeMap;

use mammo_kernels::Activation;
pub use reach::Summary;

use self::blocks::{bottleneck, conv_shape, efficientnet, exam_heads, head, resnet, vgg, vgg_block};
use crate::Result;
use crate::networks::conventions::{ChannelNorm, Padding};
use crate::networks::image_classifier::{ImageClassifierConfig, N_CLASSES};
use crate::networks::layers::ConvGeometry;
use crate::networks::patch_classifier::PatchClassifierConfig;
use crate::networks::top::{HeatmapActivation, MapPooling, TopConfig, heatmap_grid};
use crate::networks::trunk::{TrunkConfig, TrunkShape};

/// A convolution with norm and activation.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvStep {
    /// Tensors are `{path}.conv.weight`, `{path}.norm.gamma` and so on.
    pub path: String,
    /// Channels, kernel, stride, padding.
    pub shape: ConvGeometry,
    /// Whether it has a bias.
    pub bias: bool,
    /// Epsilon of the batch norm, if there is one.
    pub norm: Option<f64>,
    /// What follows.
    pub activation: Activation,
}

/// A linear layer with norm and activation.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearStep {
    /// Tensors are `{path}.weight` (`[d_in, d_out]`) and `{path}.bias`.
    pub path: String,
    /// Features in.
    pub d_in: usize,
    /// Features out.
    pub d_out: usize,
    /// Path and epsilon of the batch norm, if there is one.
    pub norm: Option<(String, f64)>,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// One step from image to logits.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Mean and deviation of each channel.
    ChannelNorm(ChannelNorm),
    /// Convolution.
    Conv(ConvStep),
    /// Max pool.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Step between windows.
        stride: usize,
        /// Padding.
        padding: Padding,
    },
    /// Average pool with stride 1 and no padding.
    AveragePool {
        /// Side of the window.
        window: usize,
    },
    /// `activation(branch + shortcut)`.
    Residual {
        /// Convolutions of the branch.
        branch: Vec<ConvStep>,
        /// Convolution of the shortcut; `None` is the input itself.
        shortcut: Option<ConvStep>,
        /// Applied to the sum.
        activation: Activation,
    },
    /// Softmax over channels.
    Softmax,
    /// Log odds of the softmax over channels.
    LogOdds,
    /// Global average or max pooling, or both.
    GlobalPool(MapPooling),
    /// Flattening followed by linear layers; with `shortcut` the flattened input is concatenated with their output.
    FullyConnected {
        /// Hidden layers.
        layers: Vec<LinearStep>,
        /// Whether the input is concatenated with the output.
        shortcut: bool,
    },
    /// The last layer.
    Head(LinearStep),
}

impl Step {
    fn convs(&self) -> Vec<&ConvStep> {
        match self {
            Self::Conv(conv) => vec![conv],
            Self::Residual { branch, shortcut, .. } => branch.iter().chain(shortcut).collect(),
            _ => Vec::new(),
        }
    }

    fn linears(&self) -> Vec<&LinearStep> {
        match self {
            Self::FullyConnected { layers, .. } => layers.iter().collect(),
            Self::Head(head) => vec![head],
            _ => Vec::new(),
        }
    }
}

/// The tensor of [`MapPooling::LogSumExp`].
pub const LOG_SHARPNESS: &str = "top.Conv.pooling.log_sharpness";

/// A network as a list of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Channels of the image.
    pub channels: usize,
    /// From image to logits, or to features for a trunk alone.
    pub steps: Vec<Step>,
    /// Linear layers of the heads that combine the views of an exam, beside the way from image to logits.
    pub exam: Vec<LinearStep>,
}

impl Outline {
    /// A trunk alone.
    ///
    /// # Errors
    /// [`TrunkConfig::check`].
    pub fn trunk(config: &TrunkConfig) -> Result<Self> {
        let mut steps = Vec::new();
        match config.build_shape()? {
            TrunkShape::ResNet(shape) => resnet(&shape, &mut steps),
            TrunkShape::Vgg(shape) => vgg(&shape, &mut steps),
            TrunkShape::EfficientNet(shape) => efficientnet(&shape, &mut steps),
        }
        Ok(Self { channels: config.channels, steps, exam: Vec::new() })
    }

    /// A patch classifier.
    ///
    /// # Errors
    /// [`TrunkConfig::check`].
    pub fn patch(config: &PatchClassifierConfig) -> Result<Self> {
        let mut outline = Self::trunk(&config.trunk)?;
        let d_in = outline.c_out();
        outline.steps.push(Step::GlobalPool(MapPooling::Average));
        outline.steps.push(Step::Head(head(d_in, config.n_classes)));
        Ok(outline)
    }

    /// A whole-image classifier.
    ///
    /// # Errors
    /// As [`ImageClassifier::new`](crate::networks::image_classifier::ImageClassifier::new).
    pub fn image(config: &ImageClassifierConfig) -> Result<Self> {
        config.top.check(config.pooling)?;
        config.top_conventions.check()?;
        let mut outline = Self::trunk(&config.trunk)?;
        let conventions = &config.top_conventions;
        let (mut c, mut grid) = (outline.c_out(), config.trunk.grid(config.input_px));
        let steps = &mut outline.steps;
        if let Some(rule) = config.top.heatmap() {
            grid = heatmap_grid(Some(rule), grid)?;
            if rule.window > 1 {
                steps.push(Step::AveragePool { window: rule.window });
            }
            let activation = match rule.activation {
                HeatmapActivation::Relu => Activation::Relu,
                HeatmapActivation::Softmax | HeatmapActivation::LogOdds => Activation::None,
            };
            let shape = conv_shape(c, config.n_patch_classes, 1, 1, Padding::Valid);
            steps.push(Step::Conv(ConvStep {
                path: "heatmap".into(),
                shape,
                bias: true,
                norm: None,
                activation,
            }));
            match rule.activation {
                HeatmapActivation::Softmax => steps.push(Step::Softmax),
                HeatmapActivation::LogOdds => steps.push(Step::LogOdds),
                HeatmapActivation::Relu => {}
            }
            c = config.n_patch_classes;
        }
        match &config.top {
            TopConfig::Average | TopConfig::Heatmap { .. } => {}
            TopConfig::Residual { blocks, repeats } | TopConfig::HeatmapResidual { blocks, repeats, .. } => {
                for (i, &channels) in blocks.iter().enumerate() {
                    for repeat in 0..*repeats {
                        let path = format!("top.Conv.residual.{}", i * repeats + repeat);
                        let stride = if repeat == 0 { 2 } else { 1 };
                        steps.push(bottleneck(&path, c, channels, stride, conventions));
                        c = channels[2];
                    }
                }
            }
            TopConfig::Vgg { channels, depth } => {
                for (i, &c_out) in channels.iter().enumerate() {
                    vgg_block(&format!("top.Conv.vgg.{i}"), c, c_out, *depth, Some(conventions), steps);
                    c = c_out;
                }
            }
            TopConfig::HeatmapFc { .. } | TopConfig::Yaroslav { .. } => {}
        }
        let d_in = match config.top.fc_layout() {
            None => {
                steps.push(Step::GlobalPool(config.pooling));
                c * config.pooling.per_channel()
            }
            Some(layout) => {
                steps.push(Step::MaxPool {
                    kernel: layout.pool,
                    stride: layout.pool,
                    padding: Padding::Valid,
                });
                let d_pooled = layout.d_pooled(c, grid)?;
                let mut d_in = d_pooled;
                let mut layers = Vec::new();
                for (i, &d_out) in layout.fc.iter().enumerate() {
                    let norm = (format!("top.Fc.fc.{i}.norm"), conventions.norm_epsilon);
                    layers.push(LinearStep {
                        path: format!("top.Fc.fc.{i}.linear"),
                        d_in,
                        d_out,
                        norm: layout.batch_norm.then_some(norm),
                        relu: true,
                    });
                    d_in = d_out;
                }
                steps.push(Step::FullyConnected { layers, shortcut: layout.shortcut });
                d_in + if layout.shortcut { d_pooled } else { 0 }
            }
        };
        steps.push(Step::Head(head(d_in, N_CLASSES)));
        if let Some(heads) = config.exam {
            heads.check()?;
            outline.exam = exam_heads(d_in, heads);
        }
        Ok(outline)
    }

    /// Channels of the last feature map.
    pub fn c_out(&self) -> usize {
        let c_out = |step: &Step| match step {
            Step::Conv(conv) => Some(conv.shape.c_out),
            Step::Residual { branch, .. } => branch.last().map(|conv| conv.shape.c_out),
            _ => None,
        };
        self.steps.iter().rev().find_map(c_out).unwrap_or(self.channels)
    }

    /// All convolutions in the order of the forward pass; a block's shortcut comes after its branch.
    pub fn convs(&self) -> Vec<&ConvStep> {
        self.steps.iter().flat_map(Step::convs).collect()
    }

    /// All linear layers, the head last.
    pub fn linears(&self) -> Vec<&LinearStep> {
        self.steps.iter().flat_map(Step::linears).collect()
    }

    /// Names and shapes of all tensors.
    pub fn tensors(&self) -> BTreeMap<String, Vec<usize>> {
        let mut tensors = BTreeMap::new();
        let mut norm = |path: &str, n: usize| {
            for part in ["gamma", "beta", "running_mean", "running_var"] {
                tensors.insert(format!("{path}.{part}"), vec![n]);
            }
        };
        for conv in self.convs() {
            if conv.norm.is_some() {
                norm(&format!("{}.norm", conv.path), conv.shape.c_out);
            }
        }
        for linear in self.linears() {
            if let Some((path, _)) = &linear.norm {
                norm(path, linear.d_out);
            }
        }
        for ConvStep { path, shape, bias, .. } in self.convs() {
            let kernel = vec![shape.c_out, shape.depth(), shape.kernel, shape.kernel];
            tensors.insert(format!("{path}.conv.weight"), kernel);
            if *bias {
                tensors.insert(format!("{path}.conv.bias"), vec![shape.c_out]);
            }
        }
        if self.steps.contains(&Step::GlobalPool(MapPooling::LogSumExp)) {
            tensors.insert(LOG_SHARPNESS.into(), vec![self.c_out()]);
        }
        for LinearStep { path, d_in, d_out, .. } in self.linears().into_iter().chain(&self.exam) {
            tensors.insert(format!("{path}.weight"), vec![*d_in, *d_out]);
            tensors.insert(format!("{path}.bias"), vec![*d_out]);
        }
        tensors
    }
}

#[cfg(test)]
mod tests;
