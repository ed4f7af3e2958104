//! A Keras network as a chain of steps, as [`recognise`](super::recognise) finds it in a layer graph.

use crate::networks::conventions::Padding;

#[derive(Clone, Debug)]
pub struct Conv {
    /// Node of the convolution (or of a dense layer over channels).
    pub node: usize,
    /// Node of its batch norm.
    pub norm: Option<usize>,
    /// Channels out.
    pub c_out: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Padding; `Half` where it makes no difference.
    pub padding: Padding,
    /// Whether it has a bias.
    pub bias: bool,
    /// Activation.
    pub activation: Activation,
    /// Whether it is a dense layer applied to each cell.
    pub dense: bool,
}

/// Activation after a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// Softmax over the last axis.
    Softmax,
}

/// A dense layer with its norm.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Its node.
    pub node: usize,
    /// Node of its batch norm.
    pub norm: Option<usize>,
    /// Features out.
    pub d_out: usize,
    /// Activation.
    pub activation: Activation,
}

/// One step of the chain.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Convolution, or dense layer over channels.
    Conv(Conv),
    /// Max pool.
    MaxPool {
        /// Side.
        kernel: usize,
        /// Stride.
        stride: usize,
        /// Padding.
        padding: Padding,
    },
    /// Average pool without padding.
    AveragePool {
        /// Its node.
        node: usize,
        /// Side.
        kernel: usize,
        /// Stride.
        stride: usize,
    },
    /// A residual sum followed by ReLU.
    Residual {
        /// The branch.
        branch: Vec<Conv>,
        /// The shortcut.
        shortcut: Vec<Conv>,
    },
    /// Mean over space.
    GlobalAverage,
    /// Flattens the map.
    Flatten,
    /// Dense layer on a vector.
    Dense(Dense),
    /// Dense layers with a dense shortcut, added.
    DenseShortcut {
        /// The branch.
        layers: Vec<Dense>,
        /// The shortcut.
        shortcut: Dense,
    },
}

impl Layer {
    /// Its convolutions; those of a residual block's branch come first.
    pub fn convs(&self) -> Vec<&Conv> {
        match self {
            Self::Conv(conv) => vec![conv],
            Self::Residual { branch, shortcut } => branch.iter().chain(shortcut).collect(),
            _ => Vec::new(),
        }
    }
}
