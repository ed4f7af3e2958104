//! What stands on the trunk of a whole-image classifier (paper 1.7).
//!
//! The paper's winners are convolutional: residual or VGG blocks, then global average.
//! Its also-rans squeeze the trunk's features through a heatmap of patch-class
//! probabilities first, which it explains as an information bottleneck; they are here
//! because the comparison is part of the paper.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::layers::{ConvShape, conv2d, max_over_space, max_pool, mean_over_space};
use crate::resnet::ResidualBlock;
use crate::vgg::VggBlock;
use crate::{Error, Result};

/// A top as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TopConfig {
    /// Global average of the trunk's features, nothing in between.
    Average,
    /// Bottleneck blocks, the paper's `[512-512-1024]x2`: each entry of `blocks` is a group
    /// that begins with stride 2 and holds `repeats` blocks.
    Residual {
        /// Channels of each group: 1x1, 3x3, 1x1.
        blocks: Vec<[usize; 3]>,
        /// Blocks in each group.
        repeats: usize,
    },
    /// VGG blocks with batch norm, the paper's `512x1`.
    Vgg {
        /// Channels of each block.
        channels: Vec<usize>,
        /// Convolutions in each block.
        depth: usize,
    },
    /// Heatmap, then bottleneck blocks.
    HeatmapResidual {
        /// As in `Residual`.
        blocks: Vec<[usize; 3]>,
        /// As in `Residual`.
        repeats: usize,
    },
    /// Heatmap, max pool, fully connected layers (`5x5`, `64-32` in the paper).
    HeatmapFc {
        /// Side and stride of the max pool.
        pool: usize,
        /// Units of each hidden layer.
        fc: Vec<usize>,
    },
    /// YaroslavNet's top: as `HeatmapFc` (`16-8`), and a shortcut that hands the largest
    /// value of each heatmap channel straight to the last layer.
    Yaroslav {
        /// Side and stride of the max pool.
        pool: usize,
        /// Units of each hidden layer.
        fc: Vec<usize>,
    },
}

impl TopConfig {
    /// Whether the patch classifier's head becomes a heatmap layer under this top.
    pub fn has_heatmap(&self) -> bool {
        matches!(self, Self::HeatmapResidual { .. } | Self::HeatmapFc { .. } | Self::Yaroslav { .. })
    }
}

/// What a top is built on.
#[derive(Clone, Copy, Debug)]
pub struct TopInput {
    /// Channels of the trunk's features.
    pub c_in: usize,
    /// Classes of the patch classifier, the channels of a heatmap.
    pub n_patch_classes: usize,
    /// Rows and columns of the trunk's feature map for the configured image size.
    pub grid: [usize; 2],
}

/// The head of a patch classifier as a 1x1 convolution with softmax: one probability per
/// patch class and cell.
#[derive(Module, Debug)]
pub struct Heatmap {
    /// The linear head's weights, as a 1x1 kernel.
    pub conv: Conv2d,
}

impl Heatmap {
    fn new(input: TopInput, device: &Device) -> Self {
        let shape = ConvShape { c_in: input.c_in, c_out: input.n_patch_classes, kernel: 1, stride: 1 };
        Self { conv: conv2d(shape, true, device) }
    }

    /// # Shapes
    /// `[n, c_in, rows, cols]` to `[n, n_patch_classes, rows, cols]`, each cell summing to one.
    pub fn forward(&self, features: Tensor<4>) -> Tensor<4> {
        softmax(self.conv.forward(features), 1)
    }
}

/// Convolutional blocks, then global average.
#[derive(Module, Debug)]
pub struct ConvTop {
    residual: Vec<ResidualBlock>,
    vgg: Vec<VggBlock>,
}

impl ConvTop {
    fn residual(mut c_in: usize, groups: &[[usize; 3]], repeats: usize, device: &Device) -> Self {
        let mut residual = Vec::new();
        for &channels in groups {
            for block in 0..repeats {
                residual.push(ResidualBlock::bottleneck(
                    c_in,
                    channels,
                    if block == 0 { 2 } else { 1 },
                    device,
                ));
                c_in = channels[2];
            }
        }
        Self { residual, vgg: Vec::new() }
    }

    fn vgg(mut c_in: usize, channels: &[usize], depth: usize, device: &Device) -> Self {
        let mut vgg = Vec::new();
        for &c in channels {
            vgg.push(VggBlock::new(c_in, c, depth, true, device));
            c_in = c;
        }
        Self { residual: Vec::new(), vgg }
    }

    /// `[n, c_in, rows, cols]` to `[n, c_out, rows', cols']`.
    fn last_map(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.residual.iter().fold(x, |x, block| block.forward(x));
        self.vgg.iter().fold(x, |x, block| block.forward(x))
    }
}

/// Max pool of a heatmap, then fully connected layers, with an optional shortcut.
#[derive(Module, Debug)]
pub struct FcTop {
    pool: usize,
    fc: Vec<Linear>,
    shortcut: bool,
}

impl FcTop {
    fn new(input: TopInput, pool: usize, units: &[usize], shortcut: bool, device: &Device) -> Result<Self> {
        let [rows, cols] = input.grid;
        if pool == 0 || rows < pool || cols < pool {
            let expected = format!("1 to {}, the smaller side of the heatmap", rows.min(cols));
            return Err(Error::network("top.pool", pool.to_string(), expected));
        }
        let mut d_in = input.n_patch_classes * (rows / pool) * (cols / pool);
        let fc = units
            .iter()
            .map(|&d_out| {
                let layer = LinearConfig::new(d_in, d_out).init(device);
                d_in = d_out;
                layer
            })
            .collect();
        Ok(Self { pool, fc, shortcut })
    }

    /// `[n, n_patch_classes, rows, cols]` to `[n, units (+ n_patch_classes)]`.
    fn forward(&self, heatmap: Tensor<4>) -> Tensor<2> {
        let pooled: Tensor<2> = max_pool(heatmap.clone(), self.pool, self.pool, 0).flatten(1, 3);
        let x = self.fc.iter().fold(pooled, |x, layer| relu(layer.forward(x)));
        match self.shortcut {
            true => Tensor::cat(vec![x, max_over_space(heatmap)], 1),
            false => x,
        }
    }
}

/// The layers between the trunk (or its heatmap) and the last linear layer.
#[derive(Module, Debug)]
pub enum Top {
    /// Convolutions and global average.
    Conv(ConvTop),
    /// Max pool and fully connected layers.
    Fc(FcTop),
}

/// A built top with what the image classifier needs to know about it.
pub struct BuiltTop {
    /// The heatmap layer under the top, if it has one.
    pub heatmap: Option<Heatmap>,
    /// The top.
    pub top: Top,
    /// Features handed to the last linear layer.
    pub d_out: usize,
}

impl Top {
    /// Builds a top; weights are filled by [`init`](crate::init).
    ///
    /// # Errors
    /// [`Error::Network`] for empty channel lists or a pool larger than the heatmap.
    pub fn build(config: &TopConfig, input: TopInput, device: &Device) -> Result<BuiltTop> {
        let heatmap = config.has_heatmap().then(|| Heatmap::new(input, device));
        let c_in = if heatmap.is_some() { input.n_patch_classes } else { input.c_in };
        let empty = |what: &str| Error::network(what, "nothing", "at least one entry above zero");
        let (top, d_out) = match config {
            TopConfig::Average => (Self::Conv(ConvTop { residual: Vec::new(), vgg: Vec::new() }), c_in),
            TopConfig::Residual { blocks, repeats } | TopConfig::HeatmapResidual { blocks, repeats } => {
                let last = blocks.last().filter(|_| *repeats > 0 && blocks.iter().flatten().all(|&c| c > 0));
                let d_out = last.ok_or_else(|| empty("top.blocks"))?[2];
                (Self::Conv(ConvTop::residual(c_in, blocks, *repeats, device)), d_out)
            }
            TopConfig::Vgg { channels, depth } => {
                let last = channels.last().filter(|_| *depth > 0 && channels.iter().all(|&c| c > 0));
                let d_out = *last.ok_or_else(|| empty("top.channels"))?;
                (Self::Conv(ConvTop::vgg(c_in, channels, *depth, device)), d_out)
            }
            TopConfig::HeatmapFc { pool, fc } | TopConfig::Yaroslav { pool, fc } => {
                let units =
                    *fc.last().filter(|_| fc.iter().all(|&u| u > 0)).ok_or_else(|| empty("top.fc"))?;
                let shortcut = matches!(config, TopConfig::Yaroslav { .. });
                let top = FcTop::new(input, *pool, fc, shortcut, device)?;
                (Self::Fc(top), units + if shortcut { input.n_patch_classes } else { 0 })
            }
        };
        Ok(BuiltTop { heatmap, top, d_out })
    }

    /// # Shapes
    /// `[n, c, rows, cols]` (features, or heatmap) to `[n, d_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.pool(self.last_map(x))
    }

    /// The last feature map, which [`pool`](Self::pool) reads: that of the convolutional blocks,
    /// or what a fully connected top was given.
    pub fn last_map(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(top) => top.last_map(x),
            Self::Fc(_) => x,
        }
    }

    /// [`last_map`](Self::last_map) to `[n, d_out]`.
    pub fn pool(&self, map: Tensor<4>) -> Tensor<2> {
        match self {
            Self::Conv(_) => mean_over_space(map),
            Self::Fc(top) => top.forward(map),
        }
    }
}
