//! Collects the layers of a network and allocates the buffers of its feature maps.

use mammo_kernels::conv::{ConvShape, DepthwiseWeights, pack_prediction, predicts_by_winograd};
use mammo_kernels::isa::Isa;
use mammo_kernels::operand::Kind;
use mammo_kernels::{Activation, Operand};

use super::Plan;
use super::program::{FusedConv, Program, Weights};
use super::rounding::round_with_error_diffusion;
use crate::networks::conventions::{ChannelNorm, KernelGeometry, Padding};
use crate::networks::precision::Precision;

/// A feature map of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map(usize);

/// The input.
const INPUT: Map = Map(0);

/// A convolution with its batch norm folded in.
#[derive(Clone, Debug)]
pub struct FoldedConv {
    /// `[c_out, c_in, k, k]`.
    pub weight: Vec<f32>,
    /// One per output channel.
    pub bias: Vec<f32>,
    /// Channels in.
    pub c_in: usize,
    /// Kernel size, stride and padding.
    pub geometry: KernelGeometry,
    /// Whether every channel has a kernel of its own, `[c_in, 1, k, k]`.
    pub depthwise: bool,
}

/// A convolution with its fused operations.
struct Layer {
    conv: FoldedConv,
    input: Map,
    residual: Option<Map>,
    activation: Activation,
    pool: Option<KernelGeometry>,
}

impl Layer {
    fn reads(&self, map: Map) -> bool {
        self.input == map || self.residual == Some(map)
    }
}

/// Collects the layers of a network, each of which computes one map.
pub struct Planner {
    channels: usize,
    norm: Option<ChannelNorm>,
    layers: Vec<Layer>,
}

impl Planner {
    /// A network that reads `channels` copies of a grey plane, normalised by `norm`.
    pub fn new(channels: usize, norm: Option<ChannelNorm>) -> Self {
        Self { channels, norm, layers: Vec::new() }
    }

    /// The input.
    pub fn input(&self) -> Map {
        INPUT
    }

    /// Adds a convolution followed by the residual sum and the activation.
    ///
    /// # Panics
    /// When a depthwise convolution reads the image or has a residual, which no network here has.
    pub fn conv(
        &mut self,
        conv: FoldedConv,
        input: Map,
        residual: Option<Map>,
        activation: Activation,
    ) -> Map {
        assert!(!conv.depthwise || (input != INPUT && residual.is_none()), "a depthwise convolution alone");
        let conv = if input == INPUT { self.on_grey(conv) } else { conv };
        self.layers.push(Layer { conv, input, residual, activation, pool: None });
        Map(self.layers.len())
    }

    /// Fuses max pooling into the convolution added last, which no layer may have read yet: its map is then the
    /// pooled one.
    ///
    /// # Panics
    /// When that convolution is depthwise.
    pub fn max_pool(&mut self, pool: KernelGeometry) {
        if let Some(layer) = self.layers.last_mut() {
            assert!(!layer.conv.depthwise, "pooling after a depthwise convolution");
            layer.pool = Some(pool);
        }
    }

    /// Planes that the first convolution reads: the grey plane and, with a channel norm, a plane of ones.
    fn planes(&self) -> usize {
        if self.norm.is_some() { 2 } else { 1 }
    }

    /// The same convolution on one grey plane and, with a channel norm, a second plane of ones: both are zero outside
    /// the image, as the normalised channels are.
    fn on_grey(&self, conv: FoldedConv) -> FoldedConv {
        let taps = conv.geometry.kernel * conv.geometry.kernel;
        let planes = self.planes();
        let c_out = conv.bias.len();
        let mut weight = vec![0.0f32; c_out * planes * taps];
        for (i, w) in conv.weight.iter().enumerate() {
            let (co, channel, tap) = (i / (self.channels * taps), i / taps % self.channels, i % taps);
            let norm = self.norm.as_ref().map_or((0.0, 1.0), |n| (n.mean[channel], n.std[channel]));
            let at = co * planes * taps + tap;
            weight[at] += w * (1.0 / norm.1) as f32;
            if planes == 2 {
                weight[at + taps] -= w * (norm.0 / norm.1) as f32;
            }
        }
        FoldedConv { weight, c_in: planes, ..conv }
    }

    /// Packs the weights and allocates the buffers.
    pub fn build(self, precision: Precision) -> Plan {
        match precision {
            Precision::F32 => Plan::F32(self.program()),
            Precision::Bf16 => Plan::Bf16(self.program()),
        }
    }

    fn program<T: Operand>(self) -> Program<T> {
        let (buffer_of, n_buffers) = self.allocate_buffers();
        let buffer = |map: Map| buffer_of[map.0];
        let planes = self.planes();
        let fused = |(i, layer): (usize, Layer)| {
            let Layer { conv, input, residual, activation, pool } = layer;
            let FoldedConv { mut weight, bias, c_in, geometry, depthwise } = conv;
            let c_out = bias.len();
            let kernel = geometry.kernel;
            let shape = KernelGeometry { padding: Padding::Valid, ..geometry }
                .on_map([1, kernel, kernel, c_in], c_out);
            let isa = Isa::best();
            let (weights, bias) = if depthwise {
                let weight = DepthwiseWeights::new(&shape, &weight);
                (Weights::Depthwise { weight, input: buffer(input) }, bias)
            } else if input == INPUT {
                let weight = pack_prediction(isa, &shape, &weight);
                let bias = weight.pad_bias(&bias);
                (Weights::OfInput(weight), bias)
            } else {
                if T::KIND == Kind::Bf16 && !predicts_by_winograd::<T>(isa, &shape) {
                    weight.chunks_exact_mut(weight_len(&shape)).for_each(round_with_error_diffusion);
                }
                let weight = pack_prediction(isa, &shape, &weight);
                let bias = weight.pad_bias(&bias);
                (Weights::OfMap { weight, input: buffer(input) }, bias)
            };
            let residual = residual.map(buffer);
            FusedConv { weights, bias, c_out, geometry, residual, activation, pool, output: buffer_of[i + 1] }
        };
        let convs = self.layers.into_iter().enumerate().map(fused).collect();
        Program::new(planes, convs, n_buffers)
    }

    /// Gives each map the first buffer whose previous map is no longer read. Returns the buffer of each map
    /// and the number of buffers.
    fn allocate_buffers(&self) -> (Vec<usize>, usize) {
        let last_use = |map: Map| self.layers.iter().rposition(|l| l.reads(map)).unwrap_or(usize::MAX);
        let mut free_after: Vec<usize> = Vec::new();
        // The input has no buffer.
        let mut buffer_of = vec![usize::MAX];
        for map in (1..=self.layers.len()).map(Map) {
            // A buffer that the layer which computes this map still reads is not free yet.
            let made_by = map.0 - 1;
            let free = free_after.iter().position(|&f| f < made_by);
            let buffer = free.unwrap_or(free_after.len());
            free_after.resize(free_after.len().max(buffer + 1), 0);
            free_after[buffer] = last_use(map);
            buffer_of.push(buffer);
        }
        (buffer_of, free_after.len())
    }
}

/// Number of weights of one output channel.
fn weight_len(shape: &ConvShape) -> usize {
    shape.weight_len() / shape.c_out
}
