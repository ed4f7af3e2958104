//! A Keras network as a chain of steps: what [`recognise`](super::recognise) finds in a layer graph.

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
    /// Step.
    pub stride: usize,
    /// Border; `Half` where it makes no difference.
    pub padding: Padding,
    /// Whether it has a bias.
    pub bias: bool,
    /// What follows.
    pub activation: Activation,
    /// Whether it is a dense layer applied to each cell.
    pub dense: bool,
}

/// What follows a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// Shares of one over the last axis.
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
    /// What follows.
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
        /// Step.
        stride: usize,
        /// Border.
        padding: Padding,
    },
    /// Average pool without padding.
    AveragePool {
        /// Its node.
        node: usize,
        /// Side.
        kernel: usize,
        /// Step.
        stride: usize,
    },
    /// Two ways that are added; ReLU follows.
    Residual {
        /// The longer way.
        branch: Vec<Conv>,
        /// The shorter one.
        shortcut: Vec<Conv>,
    },
    /// Mean over space.
    GlobalAverage,
    /// Map to vector.
    Flatten,
    /// Dense layer on a vector.
    Dense(Dense),
    /// Dense layers beside a single dense layer, added.
    DenseShortcut {
        /// The longer way.
        layers: Vec<Dense>,
        /// The single layer.
        shortcut: Dense,
    },
}

impl Layer {
    /// Its convolutions, the longer way of a residual block first.
    pub fn convs(&self) -> Vec<&Conv> {
        match self {
            Self::Conv(conv) => vec![conv],
            Self::Residual { branch, shortcut } => branch.iter().chain(shortcut).collect(),
            _ => Vec::new(),
        }
    }
}
