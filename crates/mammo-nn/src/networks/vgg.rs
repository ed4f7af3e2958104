//! VGG trunks: VGG16 and VGG19 (Simonyan & Zisserman 2015, arXiv 1409.1556, columns D and E),
//! and the six-block VGG-like network with batch norm that the paper calls YaroslavNet, after
//! the winner of the DREAM challenge.
//!
//! A block is a sequence of 3x3 convolutions with ReLU followed by a 2x2 max pool.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mammo_kernels::Activation;

use crate::inference::plan::{Map, Planner};
use crate::networks::conventions::KernelGeometry;
use crate::networks::conventions::{ChannelNorm, Conventions, Padding};
use crate::networks::layers::{ConvGeometry, ConvNorm, trunk_input};
use crate::networks::maps::Maps;
use crate::networks::precision::Precision;

/// Convolutions with ReLU, then a 2x2 max pool.
#[derive(Module, Debug)]
pub struct VggBlock {
    convs: Vec<ConvNorm>,
}

impl VggBlock {
    /// `depth` 3x3 convolutions of `channels`, the paper's `512x1` notation; with batch norm
    /// when conventions for it are given.
    pub fn new(
        c_in: usize,
        channels: usize,
        depth: usize,
        norm: Option<&Conventions>,
        device: &Device,
    ) -> Self {
        let convs = (0..depth)
            .map(|i| {
                let c_in = if i == 0 { c_in } else { channels };
                let padding = Padding::Half;
                let shape =
                    ConvGeometry { c_in, c_out: channels, kernel: 3, stride: 1, padding, depthwise: false };
                match norm {
                    Some(conventions) => ConvNorm::new(shape, conventions, device),
                    None => ConvNorm::without_norm(shape, device),
                }
            })
            .collect();
        Self { convs }
    }

    /// # Shapes
    /// `c_in` channels to `channels`, half the size.
    pub fn forward(&self, x: Maps) -> Maps {
        self.convs.iter().fold(x, |x, conv| conv.forward(x, Activation::Relu)).max_pool(2, 2, Padding::Valid)
    }

    /// Adds the block to a plan.
    pub fn plan(&self, planner: &mut Planner, x: Map) -> Map {
        let x = self.convs.iter().fold(x, |x, conv| conv.plan(planner, x, None, Activation::Relu));
        planner.max_pool(KernelGeometry { kernel: 2, stride: 2, padding: Padding::Valid });
        x
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        self.convs.last().map_or(0, ConvNorm::c_out)
    }
}

/// Channels and depth of each block of a VGG-like trunk.
#[derive(Clone, Debug)]
pub struct VggShape {
    /// `(channels, convolutions)` of each block.
    pub blocks: Vec<(usize, usize)>,
    /// Channels of the input image.
    pub c_in: usize,
    /// Conventions of the batch norm after each convolution; `None` for no norm.
    pub norm: Option<Conventions>,
    /// Normalisation of the image.
    pub channel_norm: Option<ChannelNorm>,
}

/// A sequence of [`VggBlock`]s; each halves the size.
#[derive(Module, Debug)]
pub struct Vgg {
    blocks: Vec<VggBlock>,
    #[module(skip)]
    channel_norm: Option<ChannelNorm>,
}

impl Vgg {
    /// Builds the trunk; weights are filled by [`init`](crate::networks::init).
    pub fn new(shape: &VggShape, device: &Device) -> Self {
        let mut c_in = shape.c_in;
        let blocks = shape
            .blocks
            .iter()
            .map(|&(channels, depth)| {
                let block = VggBlock::new(c_in, channels, depth, shape.norm.as_ref(), device);
                c_in = channels;
                block
            })
            .collect();
        Self { blocks, channel_norm: shape.channel_norm }
    }

    /// # Shapes
    /// `[n, c_in, h, w]` to `[n, c_out, h / 2^blocks, w / 2^blocks]`.
    pub fn forward(&self, images: Tensor<4>, precision: Precision) -> Tensor<4> {
        let x = trunk_input(images, self.channel_norm.as_ref(), precision);
        self.blocks.iter().fold(x, |x, block| block.forward(x)).into_nchw()
    }

    /// A planner with the layers of the trunk, and its last map.
    pub fn plan(&self, channels: usize) -> (Planner, Map) {
        let mut planner = Planner::new(channels, self.channel_norm);
        let x = self.blocks.iter().fold(planner.input(), |x, block| block.plan(&mut planner, x));
        (planner, x)
    }

    /// Channels out.
    pub fn c_out(&self) -> usize {
        self.blocks.last().map_or(0, VggBlock::c_out)
    }

    /// The last block, which the second training stage unfreezes (the paper's section "Network training"; layers 15
    /// of VGG16 and 17 of VGG19 in `get_dl_model` of the authors' `dm_keras_ext.py` are where block 5 begins).
    pub fn last_block(&self) -> Option<&VggBlock> {
        self.blocks.last()
    }
}
