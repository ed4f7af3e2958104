//! Prediction on the CPU: a network compiled to a list of kernel calls.
//!
//! Batch norms are folded into the convolutions before them, ReLU and residual sums are done while
//! a convolution writes its result, weights are packed once, and feature maps share as few buffers
//! as their lifetimes allow. A network whose input channels are copies of one grey plane reads the
//! plane itself: its first convolution gets the sum of its channels' kernels.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{DType, Device, Tensor, TensorData};
use mammo_kernels::conv::{ConvShape, forward, pack_forward};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Finish;
use mammo_kernels::pack::Panels;
use mammo_kernels::pool::max_pool;
use mammo_kernels::{Operand, bf16};
use serde::{Deserialize, Serialize};

use crate::conventions::{ChannelNorm, Padding};
use crate::{Error, Result, cpu};

/// Number type of activations and products; sums, statistics and weights stay `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats everywhere.
    #[default]
    F32,
    /// bf16 operands: about twice as fast where the processor multiplies them (`AVX512_BF16`), on
    /// the CPU alone.
    Bf16,
}

impl Precision {
    /// bf16 where this processor multiplies it.
    pub fn fastest() -> Self {
        if Isa::best() == Isa::Avx512Bf16 { Self::Bf16 } else { Self::F32 }
    }

    /// Refuses what a device cannot compute in.
    ///
    /// # Errors
    /// [`Error::Network`] for bf16 elsewhere than on the CPU.
    pub fn check(self, device: &Device) -> Result<()> {
        match self == Self::Bf16 && !cpu::is_here(device) {
            true => Err(Error::network("precision", "bf16 on a GPU", "f32, or the device `cpu`")),
            false => Ok(()),
        }
    }

    /// Images of this number type, which is also that of all maps that are made of them.
    pub fn of(self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::F32 => images,
            Self::Bf16 => images.cast(DType::BF16),
        }
    }
}

/// A feature map of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map(usize);

/// A convolution with its norm folded in.
#[derive(Clone, Debug)]
pub struct FoldedConv {
    /// `[c_out, c_in, k, k]`.
    pub weight: Vec<f32>,
    /// One per output channel.
    pub bias: Vec<f32>,
    /// Channels in.
    pub c_in: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Filling of the border.
    pub padding: Padding,
}

enum Layer {
    Conv { conv: FoldedConv, input: Map, residual: Option<Map>, relu: bool },
    MaxPool { kernel: usize, stride: usize, padding: Padding, input: Map },
}

impl Layer {
    fn reads(&self, map: Map) -> bool {
        match self {
            Self::Conv { input, residual, .. } => *input == map || *residual == Some(map),
            Self::MaxPool { input, .. } => *input == map,
        }
    }
}

/// Collects the layers of a network, each of which makes one map.
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
        Map(0)
    }

    /// Adds a convolution, then `residual`, then ReLU.
    pub fn conv(&mut self, conv: FoldedConv, input: Map, residual: Option<Map>, relu: bool) -> Map {
        let conv = if input == Map(0) { self.on_grey(conv) } else { conv };
        self.push(Layer::Conv { conv, input, residual, relu })
    }

    /// Adds a max pooling.
    pub fn max_pool(&mut self, kernel: usize, stride: usize, padding: Padding, input: Map) -> Map {
        self.push(Layer::MaxPool { kernel, stride, padding, input })
    }

    fn push(&mut self, layer: Layer) -> Map {
        self.layers.push(layer);
        Map(self.layers.len())
    }

    /// The same convolution on one grey plane, and, under a channel norm, a second plane of ones:
    /// outside the image both are zero, as the normalised channels are.
    fn on_grey(&self, conv: FoldedConv) -> FoldedConv {
        let taps = conv.kernel * conv.kernel;
        let kinds = if self.norm.is_some() { 2 } else { 1 };
        let c_out = conv.bias.len();
        let mut weight = vec![0.0f32; c_out * kinds * taps];
        for (i, w) in conv.weight.iter().enumerate() {
            let (co, channel, tap) = (i / (self.channels * taps), i / taps % self.channels, i % taps);
            let norm = self.norm.as_ref().map_or((0.0, 1.0), |n| (n.mean[channel], n.std[channel]));
            let at = co * kinds * taps + tap;
            weight[at] += w * (1.0 / norm.1) as f32;
            if kinds == 2 {
                weight[at + taps] -= w * (norm.0 / norm.1) as f32;
            }
        }
        FoldedConv { weight, c_in: kinds, ..conv }
    }

    /// Packs the weights and plans the buffers.
    pub fn build(self, precision: Precision) -> Plan {
        match precision {
            Precision::F32 => Plan::F32(self.program()),
            Precision::Bf16 => Plan::Bf16(self.program()),
        }
    }

    fn program<T: Operand>(self) -> Program<T> {
        let (places, buffers) = self.places();
        let planes = if self.norm.is_some() { 2 } else { 1 };
        let place = |map: Map| places[map.0];
        let step = |(i, layer): (usize, Layer)| {
            let output = places[i + 1];
            match layer {
                Layer::MaxPool { kernel, stride, padding, input } => {
                    Step::MaxPool { kernel, stride, padding, input: place(input), output }
                }
                Layer::Conv { conv, input, residual, relu } => {
                    let FoldedConv { weight, bias, c_in, kernel, stride, padding } = conv;
                    let shape = window([1, kernel, kernel, c_in], bias.len(), kernel, stride, Padding::Valid);
                    let panels = pack_forward(Isa::best(), &shape, &weight);
                    let residual = residual.map(place);
                    let (bias, c_out) = (panels.pad_bias(&bias), bias.len());
                    Step::Conv {
                        panels,
                        bias,
                        c_out,
                        kernel,
                        stride,
                        padding,
                        input: place(input),
                        residual,
                        relu,
                        output,
                    }
                }
            }
        };
        let steps = self.layers.into_iter().enumerate().map(step).collect();
        Program { planes, steps, buffers: Mutex::new((0..buffers).map(|_| Vec::new()).collect()) }
    }

    /// The buffer of each map: the first whose map is read no more. Also their number.
    fn places(&self) -> (Vec<usize>, usize) {
        let last_use = |map: Map| self.layers.iter().rposition(|l| l.reads(map)).unwrap_or(usize::MAX);
        let mut free_after: Vec<usize> = Vec::new();
        let mut places = Vec::new();
        for map in (0..=self.layers.len()).map(Map) {
            // Map i is made by layer i - 1; a buffer read by that very layer is not free yet.
            let made_by = map.0.wrapping_sub(1);
            let free = free_after.iter().position(|&f| made_by != usize::MAX && f < made_by);
            let place = free.unwrap_or(free_after.len());
            free_after.resize(free_after.len().max(place + 1), 0);
            free_after[place] = last_use(map);
            places.push(place);
        }
        (places, free_after.len())
    }
}

fn window(
    [n, h, w, c_in]: [usize; 4],
    c_out: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> ConvShape {
    ConvShape { n, h, w, c_in, c_out, kernel, stride, pad: padding.of_map([h, w], kernel, stride) }
}

enum Step<T: Operand> {
    Conv {
        panels: Panels<T>,
        bias: Vec<f32>,
        c_out: usize,
        kernel: usize,
        stride: usize,
        padding: Padding,
        input: usize,
        residual: Option<usize>,
        relu: bool,
        output: usize,
    },
    MaxPool {
        kernel: usize,
        stride: usize,
        padding: Padding,
        input: usize,
        output: usize,
    },
}

/// Kernel calls with their buffers.
pub struct Program<T: Operand> {
    planes: usize,
    steps: Vec<Step<T>>,
    buffers: Mutex<Vec<Vec<T>>>,
}

impl<T: Operand> Program<T> {
    /// The last map of grey planes `[n, h, w]`: its numbers and its shape `[n, h', w', c]`.
    fn run(&self, planes: &[f32], [n, h, w]: [usize; 3]) -> (Vec<f32>, [usize; 4]) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shapes = vec![[0; 4]; buffers.len()];
        // The input is the first map and has the first buffer.
        shapes[0] = [n, h, w, self.planes];
        fit(&mut buffers[0], planes.len() * self.planes);
        for (to, &grey) in buffers[0].chunks_exact_mut(self.planes).zip(planes) {
            to.fill(T::from_f32(1.0));
            to[0] = T::from_f32(grey);
        }
        let mut last = 0;
        let mut taken = Vec::new();
        for step in &self.steps {
            let (shape, output) = match step {
                Step::Conv { c_out, kernel, stride, padding, input, output, .. } => {
                    (window(shapes[*input], *c_out, *kernel, *stride, *padding), *output)
                }
                Step::MaxPool { kernel, stride, padding, input, output } => {
                    (window(shapes[*input], shapes[*input][3], *kernel, *stride, *padding), *output)
                }
            };
            let mut out = std::mem::take(&mut buffers[output]);
            fit(&mut out, shape.output_len());
            let out_slice = &mut out[..shape.output_len()];
            match step {
                Step::Conv { panels, bias, input, residual, relu, .. } => {
                    let residual = residual.map(|r| &buffers[r][..shape.output_len()]);
                    let finish = Finish { bias: Some(bias), residual, relu: *relu, accumulate: false };
                    let x = &buffers[*input][..shape.input_len()];
                    forward(Isa::best(), &shape, x, panels, out_slice, &finish);
                }
                Step::MaxPool { input, .. } => {
                    taken.resize(shape.output_len(), 0);
                    max_pool(
                        Isa::best(),
                        &shape,
                        &buffers[*input][..shape.input_len()],
                        out_slice,
                        &mut taken,
                    );
                }
            }
            buffers[output] = out;
            shapes[output] = [n, shape.out_h(), shape.out_w(), shape.c_out];
            last = output;
        }
        let len = shapes[last].iter().product();
        (buffers[last][..len].iter().map(|v| v.to_f32()).collect(), shapes[last])
    }
}

/// Makes a buffer at least as long; what it holds does not matter.
fn fit<T: Operand>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        *buffer = vec![T::default(); len];
    }
}

/// A compiled network, up to its last feature map.
pub enum Plan {
    /// In `f32`.
    F32(Program<f32>),
    /// In bf16.
    Bf16(Program<bf16>),
}

impl Plan {
    /// The last feature map of normalised grey planes.
    ///
    /// # Shapes
    /// `planes`: `[n, h, w]`. The result is `[n, c, h', w']`.
    pub fn feature_map(&self, planes: &[f32], size: [usize; 3], device: &Device) -> Tensor<4> {
        let (values, shape) = match self {
            Self::F32(program) => program.run(planes, size),
            Self::Bf16(program) => program.run(planes, size),
        };
        Tensor::<4>::from_data(TensorData::new(values, shape), device).permute([0, 3, 1, 2])
    }
}
