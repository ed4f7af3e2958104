//! Where the cells of a feature map lie in the input.
//!
//! A cell stands for the centre of the pixels that it sees. A convolution padded by half its
//! kernel keeps that centre; a 2x2 max pool moves it by half a cell to the right and down. So
//! the cells of a VGG trunk are centred in squares of the stride's side, and those of a ResNet
//! on the first pixel of such a square. Drawing both the same would put ResNet maps half a
//! stride off the lesion.

use mammo::geometry::Affine;

use crate::top::TopConfig;
use crate::trunk::{Family, TrunkConfig};

/// Distance and place of the cells along one axis, in input pixels; both axes are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cells {
    /// From one centre to the next.
    pub stride_px: f64,
    /// Centre of the first cell.
    pub first_center_px: f64,
}

impl Cells {
    /// Maps points of the map to points of the input.
    pub fn input_from_cell(&self) -> Affine {
        let offset = self.first_center_px - self.stride_px / 2.0;
        Affine::scale(self.stride_px, self.stride_px).then(&Affine::translate(offset, offset))
    }

    /// After one more layer that halves the map: a stride-2 convolution keeps the centre, a
    /// 2x2 pool moves it.
    fn halved(self, pooled: bool) -> Self {
        let shift = if pooled { self.stride_px / 2.0 } else { 0.0 };
        Self { stride_px: 2.0 * self.stride_px, first_center_px: self.first_center_px + shift }
    }
}

/// The cells of a trunk's feature map.
pub fn trunk_cells(trunk: &TrunkConfig) -> Cells {
    let stride_px = trunk.stride() as f64;
    let first_center_px = match trunk.family {
        Family::Resnet18 | Family::Resnet50 => 0.5,
        Family::Vgg16 | Family::Vgg19 | Family::Yaroslav => stride_px / 2.0,
    };
    Cells { stride_px, first_center_px }
}

/// The cells of a top's last feature map; a heatmap layer in between keeps the trunk's.
pub fn top_cells(trunk: &TrunkConfig, top: &TopConfig) -> Cells {
    let cells = trunk_cells(trunk);
    let (n, pooled) = match top {
        TopConfig::Residual { blocks, .. } | TopConfig::HeatmapResidual { blocks, .. } => {
            (blocks.len(), false)
        }
        TopConfig::Vgg { channels, .. } => (channels.len(), true),
        TopConfig::Average | TopConfig::HeatmapFc { .. } | TopConfig::Yaroslav { .. } => (0, false),
    };
    (0..n).fold(cells, |cells, _| cells.halved(pooled))
}
