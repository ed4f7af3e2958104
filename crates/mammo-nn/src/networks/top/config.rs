//! Tops as data, as in configurations and model files.

use serde::{Deserialize, Serialize};

use super::MapPooling;
use crate::{Error, Result};

/// A top as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TopConfig {
    /// Global average pooling of the trunk's features, without further layers.
    Average,
    /// Bottleneck blocks, the paper's `[512-512-1024]x2`: each entry of `blocks` is a group whose first block has
    /// stride 2, with `repeats` blocks.
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
    /// Heatmap alone, pooled over its cells: with `log_odds` and `max` the score of an image is that of its most
    /// suspicious window. Not in the paper, whose tops put layers on the heatmap.
    Heatmap {
        /// Computation of the heatmap.
        #[serde(default)]
        heatmap: HeatmapRule,
    },
    /// Heatmap, then bottleneck blocks.
    HeatmapResidual {
        /// As in `Residual`.
        blocks: Vec<[usize; 3]>,
        /// As in `Residual`.
        repeats: usize,
        /// Computation of the heatmap.
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
        /// Computation of the heatmap.
        #[serde(default)]
        heatmap: HeatmapRule,
    },
    /// YaroslavNet's top: as `HeatmapFc` (`16-8`), with a shortcut from the pooled heatmap to the last layer.
    Yaroslav {
        /// Side and stride of the max pool.
        pool: usize,
        /// Units of each hidden layer.
        fc: Vec<usize>,
        /// As in `HeatmapFc`.
        #[serde(default)]
        batch_norm: bool,
        /// Computation of the heatmap.
        #[serde(default)]
        heatmap: HeatmapRule,
    },
}

/// Maximum length of a configuration's lists, so that a damaged model file cannot ask for a network larger than
/// memory.
const MAX_ENTRIES: usize = 64;

impl TopConfig {
    /// Computation of its heatmap, if it has one.
    pub fn heatmap(&self) -> Option<HeatmapRule> {
        match self {
            Self::Heatmap { heatmap }
            | Self::HeatmapResidual { heatmap, .. }
            | Self::HeatmapFc { heatmap, .. }
            | Self::Yaroslav { heatmap, .. } => Some(*heatmap),
            Self::Average | Self::Residual { .. } | Self::Vgg { .. } => None,
        }
    }

    /// Checks for empty, zero and absurd entries, and for a pooling that this top does not have.
    ///
    /// # Errors
    /// [`Error::Network`] naming the setting.
    pub fn check(&self, pooling: MapPooling) -> Result<()> {
        pooling.check()?;
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
            Self::Average | Self::Heatmap { .. } => Ok(()),
            Self::Residual { blocks, repeats } | Self::HeatmapResidual { blocks, repeats, .. } => {
                list("top.blocks", blocks.as_flattened(), *repeats)
            }
            Self::Vgg { channels, depth } => list("top.channels", channels, *depth),
            Self::HeatmapFc { fc, .. } | Self::Yaroslav { fc, .. } => list("top.fc", fc, 1),
        }
    }

    /// The fully connected part of tops that have one.
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

/// The fully connected part of a top of any kind.
#[derive(Clone, Copy, Debug)]
pub struct FcLayout<'a> {
    /// Side and stride of the max pool.
    pub pool: usize,
    /// Units of each hidden layer.
    pub fc: &'a [usize],
    /// Whether hidden layers have batch norm.
    pub batch_norm: bool,
    /// Whether the pooled heatmap is also an input of the last layer.
    pub shortcut: bool,
}

impl FcLayout<'_> {
    /// Number of features of a pooled heatmap of `n_classes` channels.
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

/// Computation of a heatmap from the trunk's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeatmapRule {
    /// Side in cells of the window whose mean features the patch head reads, with stride 1; 1 reads each cell. The
    /// original code uses the grid of one patch (7 for ResNet50).
    pub window: usize,
    /// Activation of the patch head.
    pub activation: HeatmapActivation,
}

impl Default for HeatmapRule {
    fn default() -> Self {
        Self { window: 1, activation: HeatmapActivation::Softmax }
    }
}

/// Activation of a heatmap layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatmapActivation {
    /// Probabilities over patch classes.
    Softmax,
    /// Positive logits, as in the original code.
    Relu,
    /// `ln(p / (1 - p))` of each class's probability `p`: does not saturate where the patch head is sure.
    LogOdds,
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
