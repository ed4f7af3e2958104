//! A compiled network: kernel calls with their buffers.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use mammo_kernels::conv::{
    DepthwiseEpilogue, DepthwiseWeights, Packed, PooledShape, depthwise, forward, forward_pooled,
};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Epilogue;
use mammo_kernels::{Activation, Operand};

use crate::networks::conventions::KernelGeometry;

/// Packed weights and the input that they apply to.
pub(super) enum Weights<T: Operand> {
    /// The input planes, in `f32` whatever the type of the feature maps.
    OfInput(Packed<f32>),
    /// The feature map in a buffer.
    OfMap { weight: Packed<T>, input: usize },
    /// The feature map in a buffer, with a kernel per channel in `f32`.
    Depthwise { weight: DepthwiseWeights, input: usize },
}

/// A convolution with its fused epilogue and pooling.
pub(super) struct FusedConv<T: Operand> {
    pub weights: Weights<T>,
    pub bias: Vec<f32>,
    pub c_out: usize,
    pub geometry: KernelGeometry,
    pub residual: Option<usize>,
    pub activation: Activation,
    pub pool: Option<KernelGeometry>,
    pub output: usize,
}

/// A buffer and the shape of the map that it holds.
#[derive(Default)]
struct Buffer<T> {
    numbers: Vec<T>,
    shape: [usize; 4],
}

impl<T: Operand> Buffer<T> {
    fn numbers(&self) -> &[T] {
        &self.numbers[..self.shape.iter().product()]
    }

    /// Resizes the buffer for a map of this shape, with arbitrary contents.
    fn fit(&mut self, shape: [usize; 4]) -> &mut [T] {
        let len = shape.iter().product();
        self.shape = shape;
        if self.numbers.len() < len {
            self.numbers = vec![T::default(); len];
        }
        &mut self.numbers[..len]
    }
}

/// A compiled network: kernel calls with their buffers.
pub struct Program<T: Operand> {
    planes: usize,
    convs: Vec<FusedConv<T>>,
    buffers: Mutex<Vec<Buffer<T>>>,
}

impl<T: Operand> Program<T> {
    pub(super) fn new(planes: usize, convs: Vec<FusedConv<T>>, buffers: usize) -> Self {
        let buffers = (0..buffers).map(|_| Buffer { numbers: Vec::new(), shape: [0; 4] }).collect();
        Self { planes, convs, buffers: Mutex::new(buffers) }
    }

    /// The last feature map of grey planes `[n, h, w]`: its values and its shape `[n, h', w', c]`.
    pub(super) fn run(&self, grey: &[f32], [n, h, w]: [usize; 3]) -> (Vec<f32>, [usize; 4]) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let planes = with_ones(grey, self.planes);
        let mut last = 0;
        for conv in &self.convs {
            let mut out = std::mem::take(&mut buffers[conv.output]);
            match &conv.weights {
                Weights::OfInput(weight) => {
                    conv.run(&planes, [n, h, w, self.planes], weight, &buffers, &mut out);
                }
                Weights::OfMap { weight, input } => {
                    let input = &buffers[*input];
                    conv.run(input.numbers(), input.shape, weight, &buffers, &mut out);
                }
                Weights::Depthwise { weight, input } => {
                    conv.run_depthwise(&buffers[*input], weight, &mut out)
                }
            }
            buffers[conv.output] = out;
            last = conv.output;
        }
        let last = &buffers[last];
        (last.numbers().iter().map(|v| v.to_f32()).collect(), last.shape)
    }
}

impl<T: Operand> FusedConv<T> {
    fn run_depthwise(&self, input: &Buffer<T>, weight: &DepthwiseWeights, out: &mut Buffer<T>) {
        let shape = self.geometry.on_map(input.shape, self.c_out);
        let out = out.fit([shape.n, shape.out_h(), shape.out_w(), shape.c_out]);
        let epilogue = DepthwiseEpilogue { bias: Some(&self.bias), activation: self.activation };
        depthwise(Isa::best(), &shape, input.numbers(), weight, epilogue, out);
    }

    fn run<I: Operand>(
        &self,
        input: &[I],
        shape: [usize; 4],
        weight: &Packed<I>,
        buffers: &[Buffer<T>],
        out: &mut Buffer<T>,
    ) {
        let shape = self.geometry.on_map(shape, self.c_out);
        let residual = self.residual.map(|r| buffers[r].numbers());
        let epilogue =
            Epilogue { bias: Some(&self.bias), residual, activation: self.activation, accumulate: false };
        let made = [shape.n, shape.out_h(), shape.out_w(), shape.c_out];
        match self.pool {
            None => forward(Isa::best(), &shape, input, weight, out.fit(made), &epilogue),
            Some(pool) => {
                let pool = pool.on_map(made, self.c_out);
                let out = out.fit([pool.n, pool.out_h(), pool.out_w(), pool.c_out]);
                let shape = PooledShape { conv: shape, pool };
                forward_pooled(Isa::best(), &shape, input, weight, out, &epilogue);
            }
        }
    }
}

/// Interleaves the grey plane with planes of ones, `planes` in all.
fn with_ones(grey: &[f32], planes: usize) -> Cow<'_, [f32]> {
    if planes == 1 {
        return Cow::Borrowed(grey);
    }
    let mut with_ones = vec![1.0; grey.len() * planes];
    with_ones.iter_mut().step_by(planes).zip(grey).for_each(|(to, &grey)| *to = grey);
    Cow::Owned(with_ones)
}
