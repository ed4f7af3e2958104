//! Blocks of layers as steps, with the tensor names of the built networks.

use mammo_kernels::Activation;

use super::{ConvStep, LinearStep, Step};
use crate::networks::conventions::{Conventions, Padding, StrideOn};
use crate::networks::efficientnet::EfficientNetShape;
use crate::networks::exam::ExamHeadsConfig;
use crate::networks::layers::ConvGeometry;
use crate::networks::resnet::{BlockKind, ResNetShape};
use crate::networks::vgg::VggShape;

pub(super) fn head(d_in: usize, d_out: usize) -> LinearStep {
    LinearStep { path: "head".into(), d_in, d_out, norm: None, relu: false }
}

/// The linear layers of [`ExamHeads`](crate::networks::exam::ExamHeads) on `d` features.
pub(super) fn exam_heads(d: usize, config: ExamHeadsConfig) -> Vec<LinearStep> {
    let layer = |path: String, d_in, d_out| LinearStep { path, d_in, d_out, norm: None, relu: false };
    let of_head = |head: &str| {
        [
            layer(format!("exam.{head}.hidden"), 2 * d, config.units),
            layer(format!("exam.{head}.out"), config.units, 1),
        ]
    };
    ["breast", "exam"].iter().flat_map(|head| of_head(head)).collect()
}

pub(super) fn conv_shape(
    c_in: usize,
    c_out: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> ConvGeometry {
    ConvGeometry { c_in, c_out, kernel, stride, padding, depthwise: false }
}

pub(super) fn normed(
    path: String,
    shape: ConvGeometry,
    conventions: &Conventions,
    activation: Activation,
) -> ConvStep {
    let (bias, norm) = (conventions.bias_before_norm, Some(conventions.norm_epsilon));
    ConvStep { path, shape, bias, norm, activation }
}

pub(super) fn resnet(shape: &ResNetShape, steps: &mut Vec<Step>) {
    let conventions = &shape.conventions;
    steps.extend(shape.channel_norm.map(Step::ChannelNorm));
    let stem = conv_shape(shape.c_in, shape.base, 7, 2, conventions.stem_padding);
    steps.push(Step::Conv(normed("trunk.ResNet.stem".into(), stem, conventions, Activation::Relu)));
    steps.push(Step::MaxPool { kernel: 3, stride: 2, padding: conventions.stem_pool_padding });
    let (mut c, mut i) = (shape.base, 0);
    for (stage, &depth) in shape.depths.iter().enumerate().take(shape.stages) {
        let channels = shape.base << stage;
        for block in 0..depth {
            let path = format!("trunk.ResNet.blocks.{i}");
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let step = match shape.kind {
                BlockKind::Basic => basic(&path, c, channels, stride, conventions),
                BlockKind::Bottleneck => {
                    bottleneck(&path, c, [channels, channels, 4 * channels], stride, conventions)
                }
            };
            steps.push(step);
            c = if shape.kind == BlockKind::Basic { channels } else { 4 * channels };
            i += 1;
        }
    }
}

fn basic(path: &str, c_in: usize, c: usize, stride: usize, conventions: &Conventions) -> Step {
    residual(path, c_in, &[(c, 3, stride), (c, 3, 1)], stride, conventions)
}

pub(super) fn bottleneck(
    path: &str,
    c_in: usize,
    [a, b, c]: [usize; 3],
    stride: usize,
    conventions: &Conventions,
) -> Step {
    let [first, middle] = match conventions.stride_on {
        StrideOn::First => [stride, 1],
        StrideOn::Middle => [1, stride],
    };
    residual(path, c_in, &[(a, 1, first), (b, 3, middle), (c, 1, 1)], stride, conventions)
}

/// A block of `(channels out, kernel, stride)` convolutions.
fn residual(
    path: &str,
    c_in: usize,
    convs: &[(usize, usize, usize)],
    stride: usize,
    conventions: &Conventions,
) -> Step {
    let mut c = c_in;
    let mut branch = Vec::with_capacity(convs.len());
    for (i, &(c_out, kernel, stride)) in convs.iter().enumerate() {
        let shape = conv_shape(c, c_out, kernel, stride, conventions.padding);
        let activation = if i + 1 < convs.len() { Activation::Relu } else { Activation::None };
        branch.push(normed(format!("{path}.branch.{i}"), shape, conventions, activation));
        c = c_out;
    }
    let shape = conv_shape(c_in, c, 1, stride, conventions.padding);
    let shortcut = (c_in != c || stride != 1)
        .then(|| normed(format!("{path}.shortcut"), shape, conventions, Activation::None));
    Step::Residual { branch, shortcut, activation: Activation::Relu }
}

pub(super) fn efficientnet(shape: &EfficientNetShape, steps: &mut Vec<Step>) {
    let conventions = &shape.conventions;
    steps.extend(shape.channel_norm.map(Step::ChannelNorm));
    let alone = |name: &str, conv| {
        Step::Conv(normed(format!("trunk.EfficientNet.{name}"), conv, conventions, Activation::Relu6))
    };
    steps.push(alone("stem", shape.stem_conv()));
    for (i, block) in shape.blocks().enumerate() {
        let convs = block.convs(conventions).into_iter().enumerate().map(|(j, (conv, activation))| {
            normed(format!("trunk.EfficientNet.blocks.{i}.convs.{j}"), conv, conventions, activation)
        });
        if block.adds_input() {
            let branch = convs.collect();
            steps.push(Step::Residual { branch, shortcut: None, activation: Activation::None });
        } else {
            steps.extend(convs.map(Step::Conv));
        }
    }
    steps.extend(shape.last_conv().map(|conv| alone("last", conv)));
}

pub(super) fn vgg(shape: &VggShape, steps: &mut Vec<Step>) {
    steps.extend(shape.channel_norm.map(Step::ChannelNorm));
    let mut c = shape.c_in;
    for (i, &(channels, depth)) in shape.blocks.iter().enumerate() {
        vgg_block(&format!("trunk.Vgg.blocks.{i}"), c, channels, depth, shape.norm.as_ref(), steps);
        c = channels;
    }
}

pub(super) fn vgg_block(
    path: &str,
    c_in: usize,
    channels: usize,
    depth: usize,
    norm: Option<&Conventions>,
    steps: &mut Vec<Step>,
) {
    for i in 0..depth {
        let shape = conv_shape(if i == 0 { c_in } else { channels }, channels, 3, 1, Padding::Half);
        let path = format!("{path}.convs.{i}");
        steps.push(Step::Conv(match norm {
            Some(conventions) => normed(path, shape, conventions, Activation::Relu),
            None => ConvStep { path, shape, bias: true, norm: None, activation: Activation::Relu },
        }));
    }
    steps.push(Step::MaxPool { kernel: 2, stride: 2, padding: Padding::Valid });
}
