//! Kernel calls with their buffers.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use mammo_kernels::Operand;
use mammo_kernels::conv::{Packed, forward, forward_pooled};
use mammo_kernels::isa::Isa;
use mammo_kernels::micro::Finish;

use super::planner::Slide;

/// Packed weights, and what they are multiplied with.
pub(super) enum Weights<T: Operand> {
    /// The planes of the input, in `f32` whatever the number type of the maps.
    OfInput(Packed<f32>),
    /// The map in a buffer.
    OfMap { weight: Packed<T>, input: usize },
}

/// One convolution with all that is done to its result.
pub(super) struct Step<T: Operand> {
    pub weights: Weights<T>,
    pub bias: Vec<f32>,
    pub c_out: usize,
    pub slide: Slide,
    pub residual: Option<usize>,
    pub relu: bool,
    pub pool: Option<Slide>,
    pub output: usize,
}

/// A map's buffer and its shape.
#[derive(Default)]
struct Buffer<T> {
    numbers: Vec<T>,
    shape: [usize; 4],
}

impl<T: Operand> Buffer<T> {
    fn numbers(&self) -> &[T] {
        &self.numbers[..self.shape.iter().product()]
    }

    /// Room for a map of that shape; what it holds does not matter.
    fn fit(&mut self, shape: [usize; 4]) -> &mut [T] {
        let len = shape.iter().product();
        self.shape = shape;
        if self.numbers.len() < len {
            self.numbers = vec![T::default(); len];
        }
        &mut self.numbers[..len]
    }
}

/// Kernel calls with their buffers.
pub struct Program<T: Operand> {
    planes: usize,
    steps: Vec<Step<T>>,
    buffers: Mutex<Vec<Buffer<T>>>,
}

impl<T: Operand> Program<T> {
    pub(super) fn new(planes: usize, steps: Vec<Step<T>>, buffers: usize) -> Self {
        let buffers = (0..buffers).map(|_| Buffer { numbers: Vec::new(), shape: [0; 4] }).collect();
        Self { planes, steps, buffers: Mutex::new(buffers) }
    }

    /// The last map of grey planes `[n, h, w]`: its numbers and its shape `[n, h', w', c]`.
    pub(super) fn run(&self, grey: &[f32], [n, h, w]: [usize; 3]) -> (Vec<f32>, [usize; 4]) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let planes = with_ones(grey, self.planes);
        let mut last = 0;
        for step in &self.steps {
            let mut out = std::mem::take(&mut buffers[step.output]);
            match &step.weights {
                Weights::OfInput(weight) => {
                    step.run(&planes, [n, h, w, self.planes], weight, &buffers, &mut out);
                }
                Weights::OfMap { weight, input } => {
                    let input = &buffers[*input];
                    step.run(input.numbers(), input.shape, weight, &buffers, &mut out);
                }
            }
            buffers[step.output] = out;
            last = step.output;
        }
        let last = &buffers[last];
        (last.numbers().iter().map(|v| v.to_f32()).collect(), last.shape)
    }
}

impl<T: Operand> Step<T> {
    fn run<I: Operand>(
        &self,
        input: &[I],
        shape: [usize; 4],
        weight: &Packed<I>,
        buffers: &[Buffer<T>],
        out: &mut Buffer<T>,
    ) {
        let shape = self.slide.over(shape, self.c_out);
        let residual = self.residual.map(|r| buffers[r].numbers());
        let finish = Finish { bias: Some(&self.bias), residual, relu: self.relu, accumulate: false };
        let made = [shape.n, shape.out_h(), shape.out_w(), shape.c_out];
        match self.pool {
            None => forward(Isa::best(), &shape, input, weight, out.fit(made), &finish),
            Some(pool) => {
                let pool = pool.over(made, self.c_out);
                let out = out.fit([pool.n, pool.out_h(), pool.out_w(), pool.c_out]);
                forward_pooled(Isa::best(), &shape, &pool, input, weight, out, &finish);
            }
        }
    }
}

/// Each grey value followed by ones, to `planes` numbers in all.
fn with_ones(grey: &[f32], planes: usize) -> Cow<'_, [f32]> {
    if planes == 1 {
        return Cow::Borrowed(grey);
    }
    let mut with_ones = vec![1.0; grey.len() * planes];
    with_ones.iter_mut().step_by(planes).zip(grey).for_each(|(to, &grey)| *to = grey);
    Cow::Owned(with_ones)
}
