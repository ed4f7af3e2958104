//! Blocks of layers as steps, with the tensor names of the built networks.

use super::{ConvStep, LinearStep, Step};
use crate::networks::conventions::{Conventions, Padding, StrideOn};
use crate::networks::layers::ConvGeometry;
use crate::networks::resnet::{BlockKind, ResNetShape};
use crate::networks::vgg::VggShape;

pub(super) fn head(d_in: usize, d_out: usize) -> LinearStep {
    LinearStep { path: "head".into(), d_in, d_out, norm: None, relu: false }
}

pub(super) fn conv_shape(
    c_in: usize,
    c_out: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> ConvGeometry {
    ConvGeometry { c_in, c_out, kernel, stride, padding }
}

pub(super) fn normed(path: String, shape: ConvGeometry, conventions: &Conventions, relu: bool) -> ConvStep {
    let (bias, norm) = (conventions.bias_before_norm, Some(conventions.norm_epsilon));
    ConvStep { path, shape, bias, norm, relu }
}

pub(super) fn resnet(shape: &ResNetShape, steps: &mut Vec<Step>) {
    let conventions = &shape.conventions;
    steps.extend(shape.channel_norm.map(Step::ChannelNorm));
    let stem = conv_shape(shape.c_in, shape.base, 7, 2, conventions.stem_padding);
    steps.push(Step::Conv(normed("trunk.ResNet.stem".into(), stem, conventions, true)));
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
        branch.push(normed(format!("{path}.branch.{i}"), shape, conventions, i + 1 < convs.len()));
        c = c_out;
    }
    let shape = conv_shape(c_in, c, 1, stride, conventions.padding);
    let shortcut =
        (c_in != c || stride != 1).then(|| normed(format!("{path}.shortcut"), shape, conventions, false));
    Step::Residual { branch, shortcut }
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
            Some(conventions) => normed(path, shape, conventions, true),
            None => ConvStep { path, shape, bias: true, norm: None, relu: true },
        }));
    }
    steps.push(Step::MaxPool { kernel: 2, stride: 2, padding: Padding::Valid });
}
