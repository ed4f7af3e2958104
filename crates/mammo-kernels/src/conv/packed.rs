//! Weights packed for the forward convolution, direct or Winograd.

use super::ConvShape;
use super::gather::needs_gather;
use super::winograd::{self, Side};
use crate::isa::Isa;
use crate::operand::Operand;
use crate::pack::{MatrixLayout, Panels};

/// Weights in the order in which [`forward`](super::forward()) reads them.
#[derive(Debug)]
pub enum Packed<T: Operand> {
    /// For direct convolution: one segment per tap.
    Direct(Panels<T>),
    /// In the Winograd domain: one segment per point, in `f32` whatever the type of the feature maps.
    Winograd(Panels<f32>),
}

impl<T: Operand> Packed<T> {
    /// A bias per output channel, padded as [`forward`](super::forward()) expects it.
    pub fn pad_bias(&self, bias: &[f32]) -> Vec<f32> {
        match self {
            Self::Direct(panels) => panels.pad_bias(bias),
            Self::Winograd(panels) => panels.pad_bias(bias),
        }
    }
}

/// Packs weights `[c_out, c_in, k, k]` that are used many times, for an image or a few at a time: for Winograd where
/// it is faster. Packing takes longer than [`pack_forward`], 3x3 weights take four times their memory in `f32`, and
/// the last digits of sums differ. The packed weights serve images of any size.
pub fn pack_prediction<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    match predicts_by_winograd::<T>(isa, shape) {
        true => pack_winograd(isa, shape, weight),
        false => pack_forward(isa, shape, weight),
    }
}

/// True if [`pack_prediction`] stores these weights in the Winograd domain, in `f32`.
pub fn predicts_by_winograd<T: Operand>(isa: Isa, shape: &ConvShape) -> bool {
    winograd::wins::<T>(isa, shape)
}

/// Packs weights `[c_out, c_in, k, k]` that are used once, with the batch in `shape`: for Winograd where it is faster
/// even so.
pub fn pack_training<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    match winograd::wins_once::<T>(isa, shape) {
        true => pack_winograd(isa, shape, weight),
        false => pack_forward(isa, shape, weight),
    }
}

/// Packs weights in the Winograd domain, whether or not that is faster.
pub(super) fn pack_winograd<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    Packed::Winograd(winograd::pack(isa, weight, [shape.c_out, shape.c_in], Side::Forward))
}

/// Packs the weights `[c_out, c_in, k, k]` of a convolution for the one that computes its input gradient,
/// [`input_gradient_conv`](super::backward_input::input_gradient_conv): input and output channels exchanged, kernels
/// rotated by 180 degrees.
pub(super) fn pack_input_gradient<T: Operand>(isa: Isa, conv: &ConvShape, weight: &[f32]) -> Packed<T> {
    let (c_out, c_in, taps) = (conv.c_in, conv.c_out, conv.taps());
    if winograd::wins_once::<T>(isa, conv) {
        return Packed::Winograd(winograd::pack(isa, weight, [c_out, c_in], Side::Backward));
    }
    let (columns, depth, segments) = (c_in, c_out, (0..taps).rev().collect());
    let layout = MatrixLayout { columns, column_stride: taps, depth, depth_stride: c_in * taps, segments };
    Packed::Direct(Panels::new(isa, weight, &layout))
}

/// Packs weights `[c_out, c_in, k, k]` for direct convolution.
pub fn pack_forward<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Packed<T> {
    assert_eq!(weight.len(), shape.weight_len(), "weights for {shape:?}");
    let (c_in, taps) = (shape.c_in, shape.taps());
    if needs_gather::<T>(c_in) {
        // One segment, whose depth is `[tap][channel]`.
        let by_tap = |i: usize| {
            let (column, k) = (i / (taps * c_in), i % (taps * c_in));
            weight[(column * c_in + k % c_in) * taps + k / c_in]
        };
        let by_tap: Vec<f32> = (0..weight.len()).map(by_tap).collect();
        let (depth, segments) = (taps * c_in, vec![0]);
        let layout =
            MatrixLayout { columns: shape.c_out, column_stride: depth, depth, depth_stride: 1, segments };
        return Packed::Direct(Panels::new(isa, &by_tap, &layout));
    }
    let (columns, segments) = (shape.c_out, (0..taps).collect());
    let layout =
        MatrixLayout { columns, column_stride: c_in * taps, depth: c_in, depth_stride: taps, segments };
    Packed::Direct(Panels::new(isa, weight, &layout))
}
