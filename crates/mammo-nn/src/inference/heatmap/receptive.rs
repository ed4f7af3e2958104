//! Receptive fields: positions of the cells of a feature map in the input.
//!
//! A cell is placed at the centre of its receptive field. A convolution padded by half its kernel keeps that centre.
//! A 2x2 pool shifts it by half a cell right and down, and so do TensorFlow's "same" padding, which adds an odd row
//! at the bottom, and a pool without padding. So the cells of a VGG trunk are centred in squares of the stride's
//! side, those of torchvision's ResNet on the first pixel of such a square, and those of Keras' ResNet between the
//! two. Treating all alike would shift maps by up to half a stride.
//!
//! Receptive fields are computed along the network's [`Outline`], per axis and without a border of the image: at the
//! border a cell sees fewer pixels, but its position is the same.

use mammo_core::geometry::Affine;

use crate::Result;
use crate::networks::conventions::Padding;
use crate::networks::image_classifier::ImageClassifierConfig;
use crate::networks::layers::ConvGeometry;
use crate::networks::outline::{Outline, Step};
use crate::networks::trunk::TrunkConfig;

/// The cells of a map along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellAxis {
    /// Number of cells.
    pub n: usize,
    /// Distance between cells in input pixels.
    pub stride_px: f64,
    /// Receptive field of the first cell: from the near edge of its first pixel to the far edge of its last.
    pub first_px: [f64; 2],
}

impl CellAxis {
    /// The cells of the input: its pixels.
    fn of_pixels(n: usize) -> Self {
        Self { n, stride_px: 1.0, first_px: [0.0, 1.0] }
    }

    /// The cells after a convolution or a pool.
    fn window(self, kernel: usize, stride: usize, padding: Padding) -> Self {
        let before = padding.of_map([self.n, self.n], kernel, stride).top as f64;
        let [near, far] = self.first_px;
        let after = (kernel - 1) as f64 - before;
        Self {
            n: padding.n_out(self.n, kernel, stride),
            stride_px: self.stride_px * stride as f64,
            first_px: [near - before * self.stride_px, far + after * self.stride_px],
        }
    }

    fn conv(self, shape: &ConvGeometry) -> Self {
        self.window(shape.kernel, shape.stride, shape.padding)
    }

    fn pass(self, step: &Step) -> Self {
        match step {
            Step::Conv(conv) => self.conv(&conv.shape),
            &Step::MaxPool { kernel, stride, padding } => self.window(kernel, stride, padding),
            &Step::AveragePool { window } => self.window(window, 1, Padding::Valid),
            Step::Residual { branch, shortcut, .. } => {
                let branch = branch.iter().fold(self, |cells, conv| cells.conv(&conv.shape));
                let shortcut = shortcut.as_ref().map_or(self, |conv| self.conv(&conv.shape));
                let ([near, far], [other_near, other_far]) = (branch.first_px, shortcut.first_px);
                Self { first_px: [near.min(other_near), far.max(other_far)], ..branch }
            }
            Step::ChannelNorm(_)
            | Step::Softmax
            | Step::LogOdds
            | Step::GlobalPool(_)
            | Step::FullyConnected { .. }
            | Step::Head(_) => self,
        }
    }

    /// Centre of the first cell, in input pixels.
    pub fn first_centre_px(&self) -> f64 {
        (self.first_px[0] + self.first_px[1]) / 2.0
    }
}

/// The cells of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cells {
    /// Its rows.
    pub rows: CellAxis,
    /// Its columns.
    pub cols: CellAxis,
}

impl Cells {
    /// The cells after these steps on an input of `rows x columns` pixels.
    fn after(steps: &[Step], input_px: [usize; 2]) -> Self {
        let [rows, cols] =
            input_px.map(|n| steps.iter().fold(CellAxis::of_pixels(n), |cells, step| cells.pass(step)));
        Self { rows, cols }
    }

    /// Maps points of the map to points of the input, in pixels.
    pub fn input_from_cell(&self) -> Affine {
        let offset = |axis: &CellAxis| axis.first_centre_px() - axis.stride_px / 2.0;
        Affine::scale(self.cols.stride_px, self.rows.stride_px)
            .then(&Affine::translate(offset(&self.cols), offset(&self.rows)))
    }
}

/// The cells of a trunk's feature map on an input of `rows x columns` pixels.
///
/// # Errors
/// [`TrunkConfig::check`].
pub fn trunk_cells(trunk: &TrunkConfig, input_px: [usize; 2]) -> Result<Cells> {
    Ok(Cells::after(&Outline::trunk(trunk)?.steps, input_px))
}

/// The cells of a top's last feature map before pooling or, under a fully connected top, of the heatmap.
///
/// # Errors
/// As [`ImageClassifier::new`](crate::networks::image_classifier::ImageClassifier::new).
pub fn top_cells(config: &ImageClassifierConfig, input_px: [usize; 2]) -> Result<Cells> {
    let steps = Outline::image(&ImageClassifierConfig { input_px, ..config.clone() })?.steps;
    let ends = |step: &Step| match step {
        Step::GlobalPool(_) => Some(0),
        // The max pool before these layers is part of the step.
        Step::FullyConnected { .. } => Some(1),
        _ => None,
    };
    let last = steps.iter().enumerate().find_map(|(at, step)| Some(at - ends(step)?));
    Ok(Cells::after(&steps[..last.unwrap_or(steps.len())], input_px))
}
