//! The top of a whole-image classifier: the layers between the trunk and the output (the paper's section "Image
//! classification").
//!
//! The paper's best tops are convolutional: residual or VGG blocks, then global average pooling. The mean over a map
//! dilutes a small lesion in a large breast: [`MapPooling`] can also keep the maximum, which the paper does not do.
//! The paper's other tops first reduce the trunk's features to a heatmap of patch-class probabilities, which it
//! describes as an information bottleneck; they are implemented because the comparison is part of the paper.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::{DType, Device, Tensor};

use crate::Result;
use crate::inference::plan::{Map, Planner};
use crate::networks::conventions::{Conventions, Padding};
use crate::networks::layers::{ConvGeometry, LinearNorm, average_pool, conv2d};
use crate::networks::maps::Maps;
use crate::networks::resnet::ResidualBlock;
use crate::networks::vgg::VggBlock;

mod config;
mod pooling;
pub use config::{FcLayout, HeatmapActivation, HeatmapRule, TopConfig, heatmap_grid};
pub use pooling::{MapPooling, Pooling};

/// The input of a top.
#[derive(Clone, Copy, Debug)]
pub struct TopInput {
    /// Channels of the trunk's features.
    pub c_in: usize,
    /// Classes of the patch classifier, the channels of a heatmap.
    pub n_patch_classes: usize,
    /// Rows and columns of the trunk's feature map for the configured image size.
    pub grid: [usize; 2],
}

/// The heatmap layer: the head of a patch classifier as a 1x1 convolution, by default with softmax, which gives one
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
        let shape = ConvGeometry {
            c_in: input.c_in,
            c_out: input.n_patch_classes,
            kernel: 1,
            stride: 1,
            padding: Padding::Valid,
            depthwise: false,
        };
        Self { conv: conv2d(shape, true, device), rule }
    }

    /// # Shapes
    /// `[n, c_in, rows, cols]` to `[n, n_patch_classes, rows - window + 1, cols - window + 1]`; with softmax each
    /// cell sums to one.
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
            HeatmapActivation::LogOdds => log_odds(heat),
        }
    }
}

/// Smallest `1 - p` in a log odds: its logarithm is finite where `p` rounds to 1.
pub(crate) const SMALLEST_REST: f32 = 1e-6;

/// `ln(p / (1 - p))` of the softmax over channels.
fn log_odds(logits: Tensor<4>) -> Tensor<4> {
    let log_p = log_softmax(logits, 1);
    let rest = (log_p.clone().exp().neg() + 1.0).clamp_min(SMALLEST_REST);
    log_p - rest.log()
}

/// Convolutional blocks, then global pooling.
#[derive(Module, Debug)]
pub struct ConvTop {
    residual: Vec<ResidualBlock>,
    vgg: Vec<VggBlock>,
    pooling: Pooling,
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
        let x = self.residual.iter().fold(Maps::from_nchw(x), |x, block| block.forward(x));
        self.vgg.iter().fold(x, |x, block| block.forward(x)).into_nchw()
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
    /// `grid`: rows and columns of the heatmap. Also returns the number of output features.
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
            Maps::from_nchw(heatmap).max_pool(self.pool, self.pool, Padding::Valid).into_nchw().flatten(1, 3);
        let x = self.fc.iter().fold(pooled.clone(), |x, layer| layer.forward(x));
        match self.shortcut {
            true => Tensor::cat(vec![x, pooled], 1),
            false => x,
        }
    }
}

/// The layers between the trunk (or its heatmap) and the last linear layer.
#[derive(Module, Debug)]
pub enum Top {
    /// Convolutions and global pooling.
    Conv(ConvTop),
    /// Max pool and fully connected layers.
    Fc(FcTop),
}

/// A top with the information that the image classifier needs about it.
pub struct BuiltTop {
    /// The heatmap layer under the top, if it has one.
    pub heatmap: Option<Heatmap>,
    /// The top.
    pub top: Top,
    /// Number of features of the last linear layer's input.
    pub d_out: usize,
}

impl Top {
    /// Builds a top; weights are filled by [`init`](crate::networks::init).
    ///
    /// # Errors
    /// [`TopConfig::check`], or [`Error::Network`](crate::Error::Network) for a window or pool larger than the heatmap.
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
        if let Some(layout) = config.fc_layout() {
            let (top, d_out) = FcTop::new(c_in, grid, layout, conventions, device)?;
            return Ok(BuiltTop { heatmap, top: Self::Fc(top), d_out });
        }
        let (residual, vgg, c_out) = match config {
            TopConfig::Residual { blocks, repeats } | TopConfig::HeatmapResidual { blocks, repeats, .. } => {
                let c_out = blocks.last().map_or(0, |last| last[2]);
                (ConvTop::residual(c_in, blocks, *repeats, conventions, device), Vec::new(), c_out)
            }
            TopConfig::Vgg { channels, depth } => {
                let c_out = channels.last().copied().unwrap_or(0);
                (Vec::new(), ConvTop::vgg(c_in, channels, *depth, conventions, device), c_out)
            }
            // No blocks; fully connected tops were built above.
            TopConfig::Average
            | TopConfig::Heatmap { .. }
            | TopConfig::HeatmapFc { .. }
            | TopConfig::Yaroslav { .. } => (Vec::new(), Vec::new(), c_in),
        };
        let pooling_layer = Pooling::new(pooling, c_out, device);
        let top = Self::Conv(ConvTop { residual, vgg, pooling: pooling_layer });
        Ok(BuiltTop { heatmap, top, d_out: c_out * pooling.per_channel() })
    }

    /// # Shapes
    /// `[n, c, rows, cols]` (features, or heatmap) to `[n, d_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.pool(self.last_map(x))
    }

    /// The feature map that [`pool`](Self::pool) reads: the output of the convolutional blocks, or the input of a
    /// fully connected top.
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
