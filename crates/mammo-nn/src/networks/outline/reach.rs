//! Size, cost and receptive field of a network, computed from its steps.

use super::{LinearStep, Outline, Step};
use crate::networks::conventions::Padding;
use crate::networks::layers::ConvGeometry;

/// Size, cost and receptive field of a network on one image size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of trained parameters: kernels, biases, scales, shifts.
    pub n_parameters: usize,
    /// Running means and variances.
    pub n_statistics: usize,
    /// Multiplications with a weight, each with its addition.
    pub multiply_adds: u64,
    /// Stride: image pixels between neighbouring cells of the last feature map.
    pub stride: usize,
    /// Side of the receptive field of one cell of the last feature map, in image pixels.
    pub receptive_field: usize,
    /// Rows and columns of the last feature map.
    pub grid: [usize; 2],
}

impl Outline {
    /// The summary for images of `rows x columns`.
    pub fn summary(&self, input_px: [usize; 2]) -> Summary {
        let count = |statistics: bool| {
            let tensors = self.tensors();
            let counted = tensors.iter().filter(|(name, _)| name.contains(".running_") == statistics);
            counted.map(|(_, shape)| shape.iter().product::<usize>()).sum()
        };
        let mut reach = Reach { grid: input_px, stride: 1, receptive_field: 1, multiply_adds: 0 };
        for step in &self.steps {
            reach.pass(step);
        }
        Summary {
            n_parameters: count(false),
            n_statistics: count(true),
            multiply_adds: reach.multiply_adds,
            stride: reach.stride,
            receptive_field: reach.receptive_field,
            grid: reach.grid,
        }
    }
}

/// The summary of the steps so far.
#[derive(Clone, Copy)]
struct Reach {
    grid: [usize; 2],
    stride: usize,
    receptive_field: usize,
    multiply_adds: u64,
}

impl Reach {
    fn window(&mut self, kernel: usize, stride: usize, padding: Padding) {
        self.grid = self.grid.map(|n| padding.n_out(n, kernel, stride));
        self.receptive_field += (kernel - 1) * self.stride;
        self.stride *= stride;
    }

    fn conv(&mut self, shape: &ConvGeometry) {
        self.window(shape.kernel, shape.stride, shape.padding);
        let per_cell = shape.kernel * shape.kernel * shape.depth() * shape.c_out;
        self.multiply_adds += (per_cell * self.grid[0] * self.grid[1]) as u64;
    }

    fn linear(&mut self, linear: &LinearStep) {
        self.multiply_adds += (linear.d_in * linear.d_out) as u64;
    }

    fn pass(&mut self, step: &Step) {
        match step {
            Step::Conv(conv) => self.conv(&conv.shape),
            Step::MaxPool { kernel, stride, padding } => self.window(*kernel, *stride, *padding),
            Step::AveragePool { window } => self.window(*window, 1, Padding::Valid),
            Step::Residual { branch, shortcut, .. } => {
                let mut beside = *self;
                branch.iter().for_each(|conv| self.conv(&conv.shape));
                if let Some(conv) = shortcut {
                    let before = beside.multiply_adds;
                    beside.conv(&conv.shape);
                    self.multiply_adds += beside.multiply_adds - before;
                }
            }
            Step::FullyConnected { layers, .. } => layers.iter().for_each(|layer| self.linear(layer)),
            Step::Head(head) => self.linear(head),
            Step::ChannelNorm(_) | Step::Softmax | Step::LogOdds | Step::GlobalPool(_) => {}
        }
    }
}
