//! What stands on the trunk of a whole-image classifier (paper 1.7).
//!
//! The paper's winners are convolutional: residual or VGG blocks, then global average. The
//! average of a map hides a small lesion in a large breast: [`MapPooling`] can keep the largest value
//! beside it, which the paper does not.
//! Its also-rans squeeze the trunk's features through a heatmap of patch-class
//! probabilities first, which it explains as an information bottleneck; they are here
//! because the comparison is part of the paper.

use std::fmt;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::conventions::{Conventions, Padding};
use crate::layers::{ConvShape, LinearNorm, average_pool, conv2d};
use crate::maps::Maps;
use crate::plan::{Map, Planner};
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
        /// How the heatmap is made.
        #[serde(default)]
        heatmap: HeatmapRule,
    },
    /// Heatmap, max pool, fully connected layers (`5x5`, `64-32` in the paper).
    HeatmapFc {
        /// Side and stride of the max pool.
        pool: usize,
        /// Units of each hidden layer.
        fc: Vec<usize>,
        /// Whether hidden layers have batch norm, as in the original code.
        #[serde(default)]
        batch_norm: bool,
        /// How the heatmap is made.
        #[serde(default)]
        heatmap: HeatmapRule,
    },
    /// YaroslavNet's top: as `HeatmapFc` (`16-8`), and a shortcut that hands the pooled
    /// heatmap straight to the last layer.
    Yaroslav {
        /// Side and stride of the max pool.
        pool: usize,
        /// Units of each hidden layer.
        fc: Vec<usize>,
        /// As in `HeatmapFc`.
        #[serde(default)]
        batch_norm: bool,
        /// How the heatmap is made.
        #[serde(default)]
        heatmap: HeatmapRule,
    },
}

/// What is kept of the last map of a convolutional top, per channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapPooling {
    /// The mean over all cells, as in the paper.
    #[default]
    Average,
    /// The largest value of any cell: one finding is enough for a cancer.
    Max,
    /// Both, means first: twice as many features.
    AverageMax,
}

impl MapPooling {
    /// Whether it is the paper's.
    pub fn is_average(&self) -> bool {
        *self == Self::Average
    }

    /// Features per channel of the map.
    pub fn per_channel(self) -> usize {
        if self == Self::AverageMax { 2 } else { 1 }
    }

    /// # Shapes
    /// `[n, c, rows, cols]` to `[n, c * per_channel]`.
    fn forward(self, map: Tensor<4>) -> Tensor<2> {
        let map = Maps::enter(map);
        match self {
            Self::Average => map.mean_over_space(),
            Self::Max => map.max_over_space(),
            Self::AverageMax => Tensor::cat(vec![map.clone().mean_over_space(), map.max_over_space()], 1),
        }
    }
}

impl fmt::Display for MapPooling {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Average => "mean over all cells",
            Self::Max => "largest value of any cell",
            Self::AverageMax => "mean over all cells and largest value of any",
        })
    }
}

/// How a heatmap is made of the trunk's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeatmapRule {
    /// Side, in cells, of the window whose mean features the patch head reads, one cell apart;
    /// 1 reads each cell. The original code takes the grid of one patch (7 for ResNet50).
    pub window: usize,
    /// What follows the patch head.
    pub activation: HeatmapActivation,
}

impl Default for HeatmapRule {
    fn default() -> Self {
        Self { window: 1, activation: HeatmapActivation::Softmax }
    }
}

/// What turns a patch head's outputs into heat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatmapActivation {
    /// Probabilities over patch classes.
    Softmax,
    /// Logits above zero, as in the original code.
    Relu,
}

/// Entries that a configuration's lists may have, so that a damaged model file cannot ask for
/// a network larger than memory.
const MAX_ENTRIES: usize = 64;

impl TopConfig {
    /// Whether the patch classifier's head becomes a heatmap layer under this top.
    pub fn has_heatmap(&self) -> bool {
        self.heatmap().is_some()
    }

    /// How its heatmap is made, if it has one.
    pub fn heatmap(&self) -> Option<HeatmapRule> {
        match self {
            Self::HeatmapResidual { heatmap, .. }
            | Self::HeatmapFc { heatmap, .. }
            | Self::Yaroslav { heatmap, .. } => Some(*heatmap),
            Self::Average | Self::Residual { .. } | Self::Vgg { .. } => None,
        }
    }

    /// Refuses empty, zero and absurd entries, and a pooling that this top does not have.
    ///
    /// # Errors
    /// [`Error::Network`] naming the setting.
    pub fn check(&self, pooling: MapPooling) -> Result<()> {
        if self.fc_layout().is_some() && pooling != MapPooling::Average {
            let found = format!("{pooling:?} under fully connected layers");
            return Err(Error::network(
                "pooling",
                found,
                "average: these tops read a pooled heatmap as it is",
            ));
        }
        let list = |what: &str, entries: &[usize], repeats: usize| {
            let fits =
                !entries.is_empty() && entries.len() <= MAX_ENTRIES && (1..=MAX_ENTRIES).contains(&repeats);
            if fits && entries.iter().all(|c| (1..=8192).contains(c)) {
                return Ok(());
            }
            let found = format!("{entries:?} times {repeats}");
            Err(Error::network(what, found, "1 to 64 entries of 1 to 8192, repeated 1 to 64 times"))
        };
        match self {
            Self::Average => Ok(()),
            Self::Residual { blocks, repeats } | Self::HeatmapResidual { blocks, repeats, .. } => {
                list("top.blocks", blocks.as_flattened(), *repeats)
            }
            Self::Vgg { channels, depth } => list("top.channels", channels, *depth),
            Self::HeatmapFc { fc, .. } | Self::Yaroslav { fc, .. } => list("top.fc", fc, 1),
        }
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

/// The head of a patch classifier as a 1x1 convolution: by default with softmax, one
/// probability per patch class and cell.
#[derive(Module, Debug)]
pub struct Heatmap {
    /// The linear head's weights, as a 1x1 kernel.
    pub conv: Conv2d,
    #[module(skip)]
    rule: HeatmapRule,
}

impl Heatmap {
    fn new(input: TopInput, rule: HeatmapRule, device: &Device) -> Self {
        let shape = ConvShape {
            c_in: input.c_in,
            c_out: input.n_patch_classes,
            kernel: 1,
            stride: 1,
            padding: Padding::Valid,
        };
        Self { conv: conv2d(shape, true, device), rule }
    }

    /// # Shapes
    /// `[n, c_in, rows, cols]` to `[n, n_patch_classes, rows, cols]`, less the window's side
    /// and one; under softmax each cell sums to one.
    pub fn forward(&self, features: Tensor<4>) -> Tensor<4> {
        let features = features.cast(DType::F32);
        let features = match self.rule.window {
            1 => features,
            window => average_pool(features, window),
        };
        let heat = self.conv.forward(features);
        match self.rule.activation {
            HeatmapActivation::Softmax => softmax(heat, 1),
            HeatmapActivation::Relu => relu(heat),
        }
    }
}

/// Convolutional blocks, then pooling over all cells.
#[derive(Module, Debug)]
pub struct ConvTop {
    residual: Vec<ResidualBlock>,
    vgg: Vec<VggBlock>,
    #[module(skip)]
    pooling: MapPooling,
}

impl ConvTop {
    fn residual(
        mut c_in: usize,
        groups: &[[usize; 3]],
        repeats: usize,
        conventions: &Conventions,
        device: &Device,
    ) -> Vec<ResidualBlock> {
        let mut residual = Vec::new();
        for &channels in groups {
            for block in 0..repeats {
                let stride = if block == 0 { 2 } else { 1 };
                residual.push(ResidualBlock::bottleneck(c_in, channels, stride, conventions, device));
                c_in = channels[2];
            }
        }
        residual
    }

    fn vgg(
        mut c_in: usize,
        channels: &[usize],
        depth: usize,
        conventions: &Conventions,
        device: &Device,
    ) -> Vec<VggBlock> {
        let mut vgg = Vec::new();
        for &c in channels {
            vgg.push(VggBlock::new(c_in, c, depth, Some(conventions), device));
            c_in = c;
        }
        vgg
    }

    /// `[n, c_in, rows, cols]` to `[n, c_out, rows', cols']`.
    fn last_map(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.residual.iter().fold(Maps::enter(x), |x, block| block.forward(x));
        self.vgg.iter().fold(x, |x, block| block.forward(x)).leave()
    }
}

/// Max pool of a heatmap, then fully connected layers, with an optional shortcut.
#[derive(Module, Debug)]
pub struct FcTop {
    pool: usize,
    fc: Vec<LinearNorm>,
    shortcut: bool,
}

impl FcTop {
    /// `grid`: rows and columns of the heatmap. Also returns the features that come out.
    fn new(
        n_classes: usize,
        grid: [usize; 2],
        layout: FcLayout,
        conventions: &Conventions,
        device: &Device,
    ) -> Result<(Self, usize)> {
        let d_pooled = layout.d_pooled(n_classes, grid)?;
        let norm = layout.batch_norm.then_some(conventions);
        let mut d_in = d_pooled;
        let mut fc = Vec::with_capacity(layout.fc.len());
        for &d_out in layout.fc {
            fc.push(LinearNorm::new(d_in, d_out, norm, device));
            d_in = d_out;
        }
        let d_out = d_in + if layout.shortcut { d_pooled } else { 0 };
        Ok((Self { pool: layout.pool, fc, shortcut: layout.shortcut }, d_out))
    }

    /// `[n, n_patch_classes, rows, cols]` to `[n, units (+ pooled heatmap)]`.
    fn forward(&self, heatmap: Tensor<4>) -> Tensor<2> {
        let pooled: Tensor<2> =
            Maps::enter(heatmap).max_pool(self.pool, self.pool, Padding::Valid).leave().flatten(1, 3);
        let x = self.fc.iter().fold(pooled.clone(), |x, layer| layer.forward(x));
        match self.shortcut {
            true => Tensor::cat(vec![x, pooled], 1),
            false => x,
        }
    }
}

/// The fully connected part of a top, whichever kind it is.
#[derive(Clone, Copy, Debug)]
pub struct FcLayout<'a> {
    /// Side and stride of the max pool.
    pub pool: usize,
    /// Units of each hidden layer.
    pub fc: &'a [usize],
    /// Whether hidden layers have batch norm.
    pub batch_norm: bool,
    /// Whether the pooled heatmap goes to the last layer as well.
    pub shortcut: bool,
}

impl FcLayout<'_> {
    /// Features of a pooled heatmap of `n_classes` channels.
    ///
    /// # Errors
    /// [`Error::Network`] when the pool is larger than the heatmap.
    pub fn d_pooled(&self, n_classes: usize, grid: [usize; 2]) -> Result<usize> {
        let [rows, cols] = grid;
        if self.pool == 0 || rows < self.pool || cols < self.pool {
            let expected = format!("1 to {}, the smaller side of the heatmap", rows.min(cols));
            return Err(Error::network("top.pool", self.pool.to_string(), expected));
        }
        Ok(n_classes * (rows / self.pool) * (cols / self.pool))
    }
}

impl TopConfig {
    /// The fully connected part, for the tops that end in one.
    pub fn fc_layout(&self) -> Option<FcLayout<'_>> {
        match self {
            Self::HeatmapFc { pool, fc, batch_norm, .. } => {
                Some(FcLayout { pool: *pool, fc, batch_norm: *batch_norm, shortcut: false })
            }
            Self::Yaroslav { pool, fc, batch_norm, .. } => {
                Some(FcLayout { pool: *pool, fc, batch_norm: *batch_norm, shortcut: true })
            }
            _ => None,
        }
    }
}

/// Rows and columns of a heatmap over a feature map of `grid` cells.
///
/// # Errors
/// [`Error::Network`] when its window is larger than the map.
pub fn heatmap_grid(rule: Option<HeatmapRule>, grid: [usize; 2]) -> Result<[usize; 2]> {
    let window = rule.map_or(1, |rule| rule.window);
    if window == 0 || grid.iter().any(|&n| n < window) {
        let expected = format!("1 to {}, the smaller side of the feature map", grid[0].min(grid[1]));
        return Err(Error::network("top.heatmap.window", window.to_string(), expected));
    }
    Ok(grid.map(|n| n + 1 - window))
}

/// The layers between the trunk (or its heatmap) and the last linear layer.
#[derive(Module, Debug)]
pub enum Top {
    /// Convolutions and pooling over all cells.
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
    /// [`TopConfig::check`], or [`Error::Network`] for a window or pool larger than the heatmap.
    pub fn build(
        config: &TopConfig,
        pooling: MapPooling,
        input: TopInput,
        conventions: &Conventions,
        device: &Device,
    ) -> Result<BuiltTop> {
        config.check(pooling)?;
        let rule = config.heatmap();
        let grid = heatmap_grid(rule, input.grid)?;
        let heatmap = rule.map(|rule| Heatmap::new(input, rule, device));
        let c_in = if heatmap.is_some() { input.n_patch_classes } else { input.c_in };
        let conv = |residual, vgg, c_out: usize| {
            (Self::Conv(ConvTop { residual, vgg, pooling }), c_out * pooling.per_channel())
        };
        let (top, d_out) = match config {
            TopConfig::Average => conv(Vec::new(), Vec::new(), c_in),
            TopConfig::Residual { blocks, repeats } | TopConfig::HeatmapResidual { blocks, repeats, .. } => {
                let c_out = blocks.last().map_or(0, |last| last[2]);
                conv(ConvTop::residual(c_in, blocks, *repeats, conventions, device), Vec::new(), c_out)
            }
            TopConfig::Vgg { channels, depth } => {
                let c_out = channels.last().copied().unwrap_or(0);
                conv(Vec::new(), ConvTop::vgg(c_in, channels, *depth, conventions, device), c_out)
            }
            TopConfig::HeatmapFc { pool, fc, batch_norm, .. }
            | TopConfig::Yaroslav { pool, fc, batch_norm, .. } => {
                let shortcut = matches!(config, TopConfig::Yaroslav { .. });
                let layout = FcLayout { pool: *pool, fc, batch_norm: *batch_norm, shortcut };
                let (top, d_out) = FcTop::new(c_in, grid, layout, conventions, device)?;
                (Self::Fc(top), d_out)
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

    /// Adds what leads to [`last_map`](Self::last_map) to a plan; nothing for a fully connected top.
    pub fn plan(&self, planner: &mut Planner, x: Map) -> Map {
        match self {
            Self::Conv(top) => {
                let x = top.residual.iter().fold(x, |x, block| block.plan(planner, x));
                top.vgg.iter().fold(x, |x, block| block.plan(planner, x))
            }
            Self::Fc(_) => x,
        }
    }

    /// [`last_map`](Self::last_map) to `[n, d_out]`.
    pub fn pool(&self, map: Tensor<4>) -> Tensor<2> {
        match self {
            Self::Conv(top) => top.pooling.forward(map),
            Self::Fc(top) => top.forward(map),
        }
    }
}
