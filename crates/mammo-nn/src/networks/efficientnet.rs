//! EfficientNet-Lite trunks (Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite"): the networks of Tan &
//! Le 2019 (arXiv 1905.11946, table 1) without squeeze-excitation and with ReLU6. Not in the paper; they give small
//! machines a start from ImageNet.
//!
//! An inverted residual block (Sandler et al. 2018, arXiv 1801.04381) widens its input by a 1x1 convolution, filters each
//! channel by a depthwise convolution, and narrows it again by a 1x1 convolution without activation. Where the shape
//! stays, the input is added.

use burn::module::{Module, ParamId};
use burn::tensor::{Device, Tensor};
use mammo_kernels::Activation;

use crate::cpu::ResidualGradSlot;
use crate::inference::plan::{Map, Planner};
use crate::networks::conventions::{ChannelNorm, Conventions};
use crate::networks::layers::{ConvGeometry, ConvNorm, trunk_input};
use crate::networks::maps::Maps;
use crate::networks::precision::Precision;

const RELU6: Activation = Activation::Relu6;

/// Stages of a whole trunk: seven of blocks, and the 1x1 convolution at the end.
pub const STAGES: usize = 8;

/// One stage of blocks: factor of the widening, kernel, stride of the first block, channels, blocks.
type StageTable = (usize, usize, usize, usize, usize);

/// Table 1 of the paper by Tan & Le (EfficientNet-B0).
const B0: [StageTable; 7] = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
];

/// Channels of the first and of the last convolution, which the Lite networks do not scale.
const ENDS: [usize; 2] = [32, 1280];

/// Which of the published networks: factors on the channels and on the number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteSize {
    /// 1.0 and 1.0.
    Lite0,
    /// 1.0 and 1.1.
    Lite1,
    /// 1.1 and 1.2.
    Lite2,
}

impl LiteSize {
    fn factors(self) -> (f64, f64) {
        match self {
            Self::Lite0 => (1.0, 1.0),
            Self::Lite1 => (1.0, 1.1),
            Self::Lite2 => (1.1, 1.2),
        }
    }
}

/// Shape of one inverted residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockShape {
    /// Channels in.
    pub c_in: usize,
    /// Channels between the 1x1 convolutions; equal to `c_in` for a block without the first.
    pub c_middle: usize,
    /// Channels out.
    pub c_out: usize,
    /// Side of the depthwise kernel.
    pub kernel: usize,
    /// Stride of the depthwise convolution.
    pub stride: usize,
}

impl BlockShape {
    /// Whether the block begins with a 1x1 convolution.
    pub fn expands(&self) -> bool {
        self.c_middle != self.c_in
    }

    /// Whether the input is added to the output.
    pub fn adds_input(&self) -> bool {
        self.c_in == self.c_out && self.stride == 1
    }

    /// The convolutions of the block, each with its activation.
    pub fn convs(&self, conventions: &Conventions) -> Vec<(ConvGeometry, Activation)> {
        let Self { c_in, c_middle, c_out, kernel, stride } = *self;
        let padding = conventions.padding;
        let point =
            |c_in, c_out| ConvGeometry { c_in, c_out, kernel: 1, stride: 1, padding, depthwise: false };
        let depthwise =
            ConvGeometry { c_in: c_middle, c_out: c_middle, kernel, stride, padding, depthwise: true };
        let mut convs = Vec::with_capacity(3);
        if self.expands() {
            convs.push((point(c_in, c_middle), RELU6));
        }
        convs.push((depthwise, RELU6));
        convs.push((point(c_middle, c_out), Activation::None));
        convs
    }
}

/// A trunk's shape.
#[derive(Clone, Debug)]
pub struct EfficientNetShape {
    /// Channels of the input image.
    pub c_in: usize,
    /// Channels of the first convolution.
    pub stem: usize,
    /// The blocks, by stage.
    pub stages: Vec<Vec<BlockShape>>,
    /// Channels of the last convolution, if it is built.
    pub last: Option<usize>,
    /// Padding and norms.
    pub conventions: Conventions,
    /// Normalisation of the image.
    pub channel_norm: Option<ChannelNorm>,
}

impl EfficientNetShape {
    /// The first `stages` stages of a published network, with `width` as a further factor on every channel count.
    pub fn new(size: LiteSize, width: f64, stages: usize, c_in: usize, conventions: Conventions) -> Self {
        let (wider, deeper) = size.factors();
        let [stem, last] = ENDS.map(|c| multiple_of_8(c as f64 * width));
        let mut c = stem;
        let mut table = Vec::new();
        for (i, &(expansion, kernel, stride, channels, blocks)) in B0.iter().enumerate().take(stages) {
            let c_out = multiple_of_8(channels as f64 * wider * width);
            let ends = i == 0 || i + 1 == B0.len();
            let blocks = if ends { blocks } else { (blocks as f64 * deeper).ceil() as usize };
            let shapes = (0..blocks).map(|block| {
                let c_in = std::mem::replace(&mut c, c_out);
                let stride = if block == 0 { stride } else { 1 };
                BlockShape { c_in, c_middle: c_in * expansion, c_out, kernel, stride }
            });
            table.push(shapes.collect());
        }
        let last = (stages == STAGES).then_some(last);
        Self { c_in, stem, stages: table, last, conventions, channel_norm: None }
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = &BlockShape> {
        self.stages.iter().flatten()
    }

    /// The first convolution.
    pub fn stem_conv(&self) -> ConvGeometry {
        let Self { c_in, stem, conventions, .. } = self;
        let padding = conventions.stem_padding;
        ConvGeometry { c_in: *c_in, c_out: *stem, kernel: 3, stride: 2, padding, depthwise: false }
    }

    /// The last convolution.
    pub fn last_conv(&self) -> Option<ConvGeometry> {
        let c_in = self.blocks().last().map_or(self.stem, |block| block.c_out);
        let padding = self.conventions.padding;
        self.last.map(|c_out| ConvGeometry { c_in, c_out, kernel: 1, stride: 1, padding, depthwise: false })
    }
}

/// The multiple of 8 nearest to `channels`, and at least nine tenths of it (`round_filters` of Tan & Le's code, as their
/// models need it).
fn multiple_of_8(channels: f64) -> usize {
    let nearest = ((channels + 4.0) as usize / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * channels { nearest + 8 } else { nearest }
}

/// An inverted residual block.
#[derive(Module, Debug)]
pub struct InvertedResidual {
    convs: Vec<ConvNorm>,
    #[module(skip)]
    expands: bool,
    #[module(skip)]
    adds_input: bool,
}

impl InvertedResidual {
    fn new(shape: &BlockShape, conventions: &Conventions, device: &Device) -> Self {
        let convs = shape.convs(conventions).into_iter();
        Self {
            convs: convs.map(|(conv, _)| ConvNorm::new(conv, conventions, device)).collect(),
            expands: shape.expands(),
            adds_input: shape.adds_input(),
        }
    }

    /// The last convolution, and the ones before it.
    fn split(&self) -> (&ConvNorm, &[ConvNorm]) {
        (&self.convs[self.convs.len() - 1], &self.convs[..self.convs.len() - 1])
    }

    fn forward(&self, x: Maps) -> Maps {
        let (last, before) = self.split();
        let through = |x: Maps, convs: &[ConvNorm]| convs.iter().fold(x, |x, conv| conv.forward(x, RELU6));
        match (self.adds_input, self.expands) {
            (false, _) => last.forward(through(x, before), Activation::None),
            // The slot joins the gradients of `x` in the first convolution, which must then be one of tiles.
            (true, true) => {
                let slot = ResidualGradSlot::default();
                let first = before[0].forward_shared(x.clone(), &slot, RELU6);
                last.forward_add_shared(through(first, &before[1..]), x, &slot, Activation::None)
            }
            (true, false) => last.forward_add(through(x.clone(), before), x, Activation::None),
        }
    }

    fn plan(&self, planner: &mut Planner, x: Map) -> Map {
        let (last, before) = self.split();
        let branch = before.iter().fold(x, |x, conv| conv.plan(planner, x, None, RELU6));
        last.plan(planner, branch, self.adds_input.then_some(x), Activation::None)
    }
}

/// First convolution, inverted residual blocks, and a 1x1 convolution.
#[derive(Module, Debug)]
pub struct EfficientNet {
    stem: ConvNorm,
    blocks: Vec<InvertedResidual>,
    last: Option<ConvNorm>,
    #[module(skip)]
    channel_norm: Option<ChannelNorm>,
}

impl EfficientNet {
    /// Builds the trunk; weights are filled by [`init`](crate::networks::init).
    pub fn new(shape: &EfficientNetShape, device: &Device) -> Self {
        let conventions = &shape.conventions;
        let conv = |geometry| ConvNorm::new(geometry, conventions, device);
        Self {
            stem: conv(shape.stem_conv()),
            blocks: shape.blocks().map(|block| InvertedResidual::new(block, conventions, device)).collect(),
            last: shape.last_conv().map(conv),
            channel_norm: shape.channel_norm,
        }
    }

    /// # Shapes
    /// `[n, c_in, h, w]` to `[n, c_out, h / stride, w / stride]`, rounded as the conventions say.
    pub fn forward(&self, images: Tensor<4>, precision: Precision) -> Tensor<4> {
        let x = trunk_input(images, self.channel_norm.as_ref(), precision);
        let x = self.stem.forward(x, RELU6); // [n, stem, h / 2, w / 2]
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        match &self.last {
            Some(last) => last.forward(x, RELU6),
            None => x,
        }
        .into_nchw()
    }

    /// A planner with the layers of the trunk, and its last map.
    pub fn plan(&self, channels: usize) -> (Planner, Map) {
        let mut planner = Planner::new(channels, self.channel_norm);
        let input = planner.input();
        let x = self.stem.plan(&mut planner, input, None, RELU6);
        let x = self.blocks.iter().fold(x, |x, block| block.plan(&mut planner, x));
        let x = self.last.iter().fold(x, |x, last| last.plan(&mut planner, x, None, RELU6));
        (planner, x)
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        let last_block = self.blocks.last().map(|block| block.split().0);
        self.last.as_ref().or(last_block).unwrap_or(&self.stem).c_out()
    }

    /// The kernels of the depthwise convolutions.
    pub(crate) fn depthwise_kernels(&self) -> Vec<ParamId> {
        let convs = self.blocks.iter().flat_map(|block| &block.convs);
        convs.filter_map(ConvNorm::depthwise_kernels).collect()
    }

    /// The last block and the convolution after it, which the second training stage unfreezes.
    pub fn last_block(&self) -> (Option<&InvertedResidual>, Option<&ConvNorm>) {
        (self.blocks.last(), self.last.as_ref())
    }
}
