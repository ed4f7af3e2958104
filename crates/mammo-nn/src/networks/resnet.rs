//! Residual trunks: ResNet18 and ResNet50 (He et al. 2016, arXiv 1512.03385, table 1).
//!
//! Only the convolutional part: [`ResNet::forward`] returns the last feature map. By default the stride of 2 of a
//! bottleneck is in its 3x3 convolution, as in torchvision; the original paper and Keras have it in the first 1x1
//! convolution, which skips three quarters of the input. [`Conventions`] has both.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mammo_kernels::Activation;

use crate::cpu::ResidualGradSlot;
use crate::inference::plan::{Map, Planner};
use crate::networks::conventions::KernelGeometry;
use crate::networks::conventions::{ChannelNorm, Conventions, StrideOn};
use crate::networks::layers::{ConvGeometry, ConvNorm, trunk_input};
use crate::networks::maps::Maps;
use crate::networks::precision::Precision;

const RELU: Activation = Activation::Relu;

/// Kind of residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Two 3x3 convolutions (ResNet18).
    Basic,
    /// 1x1, 3x3, 1x1 with four times the channels out (ResNet50).
    Bottleneck,
}

/// `relu(branch(x) + shortcut(x))`.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    branch: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
}

impl ResidualBlock {
    /// Two 3x3 convolutions with `channels` out.
    pub fn basic(
        c_in: usize,
        channels: usize,
        stride: usize,
        conventions: &Conventions,
        device: &Device,
    ) -> Self {
        let branch = [(c_in, stride), (channels, 1)].map(|(c_in, stride)| {
            let padding = conventions.padding;
            let shape = ConvGeometry { c_in, c_out: channels, kernel: 3, stride, padding, depthwise: false };
            ConvNorm::new(shape, conventions, device)
        });
        let shortcut = Self::projection(c_in, channels, stride, conventions, device);
        Self { branch: branch.into(), shortcut }
    }

    /// 1x1 to `channels[0]`, 3x3 to `channels[1]`, 1x1 to `channels[2]`, the paper's `[512-512-1024]` notation; the
    /// conventions say which of the first two has the stride.
    pub fn bottleneck(
        c_in: usize,
        channels: [usize; 3],
        stride: usize,
        conventions: &Conventions,
        device: &Device,
    ) -> Self {
        let [a, b, c] = channels;
        let [first, middle] = match conventions.stride_on {
            StrideOn::First => [stride, 1],
            StrideOn::Middle => [1, stride],
        };
        let branch = [(c_in, a, 1, first), (a, b, 3, middle), (b, c, 1, 1)];
        let branch = branch.map(|(c_in, c_out, kernel, stride)| {
            let padding = conventions.padding;
            let shape = ConvGeometry { c_in, c_out, kernel, stride, padding, depthwise: false };
            ConvNorm::new(shape, conventions, device)
        });
        let shortcut = Self::projection(c_in, c, stride, conventions, device);
        Self { branch: branch.into(), shortcut }
    }

    /// A projection shortcut: a 1x1 convolution, if input and output shapes differ.
    fn projection(
        c_in: usize,
        c_out: usize,
        stride: usize,
        conventions: &Conventions,
        device: &Device,
    ) -> Option<ConvNorm> {
        let padding = conventions.padding;
        let shape = ConvGeometry { c_in, c_out, kernel: 1, stride, padding, depthwise: false };
        (c_in != c_out || stride != 1).then(|| ConvNorm::new(shape, conventions, device))
    }

    /// # Shapes
    /// `c_in` channels to `c_out`, each side divided by the stride and rounded up.
    pub fn forward(&self, x: Maps) -> Maps {
        let [first, middle @ .., last] = &self.branch[..] else { return x };
        let through = |x: Maps| middle.iter().fold(x, |x, conv| conv.forward(x, RELU));
        match &self.shortcut {
            Some(projection) => {
                let slot = ResidualGradSlot::of_convolutions();
                let shortcut = projection.forward_shared(x.clone(), &slot, Activation::None);
                last.forward_add(through(first.forward_shared(x, &slot, RELU)), shortcut, RELU)
            }
            None => {
                let slot = ResidualGradSlot::default();
                let branch = through(first.forward_shared(x.clone(), &slot, RELU));
                last.forward_add_shared(branch, x, &slot, RELU)
            }
        }
    }

    /// Adds the block to a plan.
    pub fn plan(&self, planner: &mut Planner, x: Map) -> Map {
        let shortcut = match &self.shortcut {
            Some(projection) => projection.plan(planner, x, None, Activation::None),
            None => x,
        };
        let (last, first) = (&self.branch[self.branch.len() - 1], &self.branch[..self.branch.len() - 1]);
        let branch = first.iter().fold(x, |x, conv| conv.plan(planner, x, None, RELU));
        last.plan(planner, branch, Some(shortcut), RELU)
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        self.branch[self.branch.len() - 1].c_out()
    }
}

/// Shape of a residual trunk.
#[derive(Clone, Copy, Debug)]
pub struct ResNetShape {
    /// Which block.
    pub kind: BlockKind,
    /// Blocks in each of the four stages (conv2_x to conv5_x).
    pub depths: [usize; 4],
    /// How many of the four stages to build.
    pub stages: usize,
    /// Channels of the input image.
    pub c_in: usize,
    /// Channels of the first stage; each later stage doubles them. 64 in the paper.
    pub base: usize,
    /// Strides, padding and norms.
    pub conventions: Conventions,
    /// Normalisation of the image.
    pub channel_norm: Option<ChannelNorm>,
}

/// Stem (7x7 stride 2, max pool stride 2), then stages of residual blocks.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<ResidualBlock>,
    #[module(skip)]
    conventions: Conventions,
    #[module(skip)]
    channel_norm: Option<ChannelNorm>,
}

impl ResNet {
    /// Builds the trunk; weights are filled by [`init`](crate::networks::init).
    pub fn new(shape: ResNetShape, device: &Device) -> Self {
        let conventions = shape.conventions;
        let stem = ConvGeometry {
            c_in: shape.c_in,
            c_out: shape.base,
            kernel: 7,
            stride: 2,
            padding: conventions.stem_padding,
            depthwise: false,
        };
        let stem = ConvNorm::new(stem, &conventions, device);
        let mut blocks: Vec<ResidualBlock> = Vec::new();
        for (stage, &depth) in shape.depths.iter().enumerate().take(shape.stages) {
            let channels = shape.base << stage;
            for block in 0..depth {
                let c_in = blocks.last().map_or(shape.base, ResidualBlock::c_out);
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(match shape.kind {
                    BlockKind::Basic => ResidualBlock::basic(c_in, channels, stride, &conventions, device),
                    BlockKind::Bottleneck => {
                        let channels = [channels, channels, 4 * channels];
                        ResidualBlock::bottleneck(c_in, channels, stride, &conventions, device)
                    }
                });
            }
        }
        Self { stem, blocks, conventions, channel_norm: shape.channel_norm }
    }

    /// # Shapes
    /// `[n, c_in, h, w]` to `[n, c_out, h / stride, w / stride]`, rounded as the conventions say.
    pub fn forward(&self, images: Tensor<4>, precision: Precision) -> Tensor<4> {
        let x = trunk_input(images, self.channel_norm.as_ref(), precision);
        let x = self.stem.forward(x, RELU); // [n, base, h / 2, w / 2]
        let x = x.max_pool(3, 2, self.conventions.stem_pool_padding); // [n, base, h / 4, w / 4]
        self.blocks.iter().fold(x, |x, block| block.forward(x)).into_nchw()
    }

    /// A planner with the layers of the trunk, and its last map.
    pub fn plan(&self, channels: usize) -> (Planner, Map) {
        let mut planner = Planner::new(channels, self.channel_norm);
        let input = planner.input();
        let x = self.stem.plan(&mut planner, input, None, RELU);
        planner.max_pool(KernelGeometry {
            kernel: 3,
            stride: 2,
            padding: self.conventions.stem_pool_padding,
        });
        let x = self.blocks.iter().fold(x, |x, block| block.plan(&mut planner, x));
        (planner, x)
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        self.blocks.last().map_or(self.stem.c_out(), ResidualBlock::c_out)
    }

    /// The last block, which the second training stage unfreezes (the paper's section "Network training"; layer 162
    /// of the Keras ResNet50 in `get_dl_model` of the authors' `dm_keras_ext.py` is where its last block begins).
    pub fn last_block(&self) -> Option<&ResidualBlock> {
        self.blocks.last()
    }
}
