//! Weights packed for the forward convolution, and which of the two ways they are packed for.

use super::ConvShape;
use super::gather::needs_gather;
use super::winograd::{self, Side};
use crate::isa::Isa;
use crate::operand::Operand;
use crate::pack::{MatrixLayout, Panels};

/// Weights in the order in which [`forward`](super::forward()) multiplies with them.
#[derive(Debug)]
pub enum Packed<T: Operand> {
    /// As the sums are written: a segment for each tap.
    Direct(Panels<T>),
    /// By `conv/winograd`: a segment for each point, in `f32` whatever the maps hold.
    Winograd(Panels<f32>),
}

impl<T: Operand> Packed<T> {
    /// A bias for each output channel, padded as [`forward`](super::forward()) reads it.
    pub fn pad_bias(&self, bias: &[f32]) -> Vec<f32> {
        match self {
            Self::Direct(panels) => panels.pad_bias(bias),
            Self::Winograd(panels) => panels.pad_bias(bias),
        }
    }
}

/// Weights `[c_out, c_in, k, k]` to be multiplied with many times, an image or a few at a time: by Winograd's
/// products where they win. Packing takes longer than [`pack_forward`], four times the memory of 3x3
/// weights in `f32`, and last digits of sums differ. The size of the image may be any.
pub fn pack_prediction<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    match predicts_by_winograd::<T>(isa, shape) {
        true => pack_winograd(isa, shape, weight),
        false => pack_forward(isa, shape, weight),
    }
}

/// Whether [`pack_prediction`] keeps weights in `f32`, at Winograd's points.
pub fn predicts_by_winograd<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    winograd::wins::<T>(isa, shape)
}

/// Weights `[c_out, c_in, k, k]` to be multiplied with once, with the batch in `shape`: by Winograd's products
/// where they win even so.
pub fn pack_training<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    match winograd::wins_once::<T>(isa, shape) {
        true => pack_winograd(isa, shape, weight),
        false => pack_forward(isa, shape, weight),
    }
}

/// The same at Winograd's points, whether that wins or not.
pub(super) fn pack_winograd<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    Packed::Winograd(winograd::pack(isa, weight, [shape.c_out, shape.c_in], Side::Forward))
}

/// Weights `[c_out, c_in, k, k]` of another convolution, for the one that makes the gradient of its input,
/// [`input_gradient_conv`](super::backward_input::input_gradient_conv): both sides of channels change places, and kernels turn.
pub(super) fn pack_input_gradient<T: Operand>(
    isa: Isa,
    input_gradient_conv: &ConvShape,
    weight: &[f32],
) -> Packed<T> {
    let (c_out, c_in, taps) =
        (input_gradient_conv.c_in, input_gradient_conv.c_out, input_gradient_conv.taps());
    if winograd::wins_once::<T>(isa, input_gradient_conv) {
        return Packed::Winograd(winograd::pack(isa, weight, [c_out, c_in], Side::Backward));
    }
    let (columns, depth, segments) = (c_in, c_out, (0..taps).rev().collect());
    let places = MatrixLayout { columns, column_stride: taps, depth, depth_stride: c_in * taps, segments };
    Packed::Direct(Panels::new(isa, weight, &places))
}

/// Weights `[c_out, c_in, k, k]` for sums as they are written.
pub fn pack_forward<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    assert_eq!(weight.len(), shape.weight_len(), "weights for {shape:?}");
    let (c_in, taps) = (shape.c_in, shape.taps());
    if needs_gather::<T>(c_in) {
        // One segment, depth running over taps and within a tap over channels.
        let by_tap = |i: usize| {
            let (column, k) = (i / (taps * c_in), i % (taps * c_in));
            weight[(column * c_in + k % c_in) * taps + k / c_in]
        };
        let by_tap: Vec<f32> = (0..weight.len()).map(by_tap).collect();
        let (depth, segments) = (taps * c_in, vec![0]);
        let places =
            MatrixLayout { columns: shape.c_out, column_stride: depth, depth, depth_stride: 1, segments };
        return Packed::Direct(Panels::new(isa, &by_tap, &places));
    }
    let (columns, segments) = (shape.c_out, (0..taps).collect());
    let places =
        MatrixLayout { columns, column_stride: c_in * taps, depth: c_in, depth_stride: taps, segments };
    Packed::Direct(Panels::new(isa, weight, &places))
}
