//! Gradient of the input: `d_in[q] = sum over taps of d_out[(q - tap) / stride] * weight[tap]^T`.
//!
//! With stride 1 this is itself a convolution, with the kernels rotated by 180 degrees.
//!
//! With a larger stride an input pixel is reached only by the taps that its coordinates modulo the stride allow.
//! Pixels of one such residue class share their taps, so each class is one matrix product.

use rayon::prelude::*;

use super::gather::needs_gather;
use super::packed::pack_input_gradient;
use super::{ConvShape, Pad, forward, pixels_from};
use crate::isa::Isa;
use crate::micro::{Epilogue, Rows, SegmentOffsets};
use crate::operand::{Operand, units};
use crate::pack::{MatrixLayout, Panels};
use crate::product::{block, tiles_per_block};

/// Pixels with equal coordinates modulo the stride, and the taps that reach them.
struct Class<T: Operand> {
    taps: Vec<(usize, usize)>,
    /// Offsets of the output pixels under the taps, relative to the one under the last tap.
    window: SegmentOffsets,
    panels: Option<Panels<T>>,
}

/// Gradient of the loss with respect to the input, `[n, h, w, c_in]`, written to `d_in`. It is computed from the
/// gradient of the output (`[n, out_h, out_w, c_out]`) and the weights (`[c_out, c_in, k, k]`). `other` is added: the
/// gradient of the same input from another consumer, such as the shortcut of a residual block.
///
/// # Panics
/// When the length of a slice does not match `shape`.
pub fn backward_input<T: Operand>(
    isa: Isa,
    shape: &ConvShape,
    d_out: &[T],
    weight: &[f32],
    other: Option<&[T]>,
    d_in: &mut [T],
) {
    assert_eq!(d_out.len(), shape.output_len(), "gradient of the output of {shape:?}");
    assert_eq!(d_in.len(), shape.input_len(), "gradient of the input of {shape:?}");
    assert!(other.is_none_or(|o| o.len() == d_in.len()), "other gradient of the input of {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weights for {shape:?}");
    if let Some(conv) = input_gradient_conv(shape).filter(|conv| !needs_gather::<T>(conv.c_in)) {
        let weight = pack_input_gradient::<T>(isa, &conv, weight);
        let epilogue = Epilogue { residual: other, ..Epilogue::default() };
        return forward(isa, &conv, d_out, &weight, d_in, &epilogue);
    }
    let kernel = T::kernel(isa);
    let padded = pad_channels(shape.c_out, d_out);
    let (d_out, depth) = match &padded {
        Some(padded) => (padded.as_slice(), units::<T>(shape.c_out) * T::PER_UNIT),
        None => (d_out, shape.c_out),
    };
    let classes: Vec<Class<T>> = classes(isa, shape, weight);
    let right = classes.iter().filter_map(|c| c.panels.as_ref()).map(Panels::bytes).sum();
    let tiles = tiles_per_block(&kernel, shape.n * shape.h * shape.w, depth * size_of::<T>(), right);
    let size = tiles * kernel.rows() * classes.len();
    let zeros = vec![T::default(); depth];
    d_in.par_chunks_mut(size * shape.c_in).enumerate().for_each(|(b, d_in)| {
        let live = d_in.len() / shape.c_in;
        let residual = other.map(|o| &o[b * size * shape.c_in..][..d_in.len()]);
        let mut members = vec![Vec::new(); classes.len()];
        for (i, (n, y, x)) in pixels_from(b * size, shape.h, shape.w).take(live).enumerate() {
            let class =
                (y + shape.pad.top) % shape.stride * shape.stride + (x + shape.pad.left) % shape.stride;
            members[class].push((i * shape.c_in, n, y + shape.pad.top, x + shape.pad.left));
        }
        for (class, members) in classes.iter().zip(members) {
            let Some(panels) = &class.panels else {
                for pixel in members.iter().map(|(at, ..)| *at..at + shape.c_in) {
                    match residual {
                        Some(residual) => d_in[pixel.clone()].copy_from_slice(&residual[pixel]),
                        None => d_in[pixel].fill(T::default()),
                    }
                }
                continue;
            };
            let mut rows = Rows::separate(&kernel, class.taps.len(), units::<T>(shape.c_out));
            rows.reset(members.len().div_ceil(kernel.rows()), &zeros);
            let (mut tile, mut row) = (0, 0);
            for &(_, n, y, x) in &members {
                // Start of the output pixel under tap `(ky, kx)`, if there is one.
                let under = |&(ky, kx): &(usize, usize)| {
                    let (oy, ox) = (y.wrapping_sub(ky) / shape.stride, x.wrapping_sub(kx) / shape.stride);
                    let inside = y >= ky && x >= kx && oy < shape.out_h() && ox < shape.out_w();
                    inside.then(|| ((n * shape.out_h() + oy) * shape.out_w() + ox) * depth)
                };
                let corners = (class.taps.first().and_then(under), class.taps.last().and_then(under));
                if let (Some(_), Some(at)) = corners {
                    rows.set_window(tile, row, d_out, at, &class.window);
                } else {
                    for (segment, tap) in class.taps.iter().enumerate() {
                        if let Some(at) = under(tap) {
                            rows.set(tile, segment, row, &d_out[at..]);
                        }
                    }
                }
                row += 1;
                if row == kernel.rows() {
                    (tile, row) = (tile + 1, 0);
                }
            }
            let offsets: Vec<usize> = members.iter().map(|m| m.0).collect();
            let epilogue = Epilogue { residual, ..Epilogue::default() };
            block(&kernel, &rows, panels.iter(), &offsets, d_in, &epilogue);
        }
    });
}

/// The convolution that computes the gradient of the input of `shape` from the gradient of its output: input and
/// output channels are exchanged, kernels are rotated by 180 degrees, and the padding is `kernel - 1` minus that of
/// `shape`. `None` for strides above 1, and for padding wider than `kernel - 1`.
pub(super) fn input_gradient_conv(shape: &ConvShape) -> Option<ConvShape> {
    if shape.stride > 1 {
        return None;
    }
    let reach = shape.kernel - 1;
    let pad = Pad {
        top: reach.checked_sub(shape.pad.top)?,
        bottom: reach.checked_sub(shape.pad.bottom)?,
        left: reach.checked_sub(shape.pad.left)?,
        right: reach.checked_sub(shape.pad.right)?,
    };
    let (h, w) = (shape.out_h(), shape.out_w());
    Some(ConvShape { h, w, c_in: shape.c_out, c_out: shape.c_in, pad, ..*shape })
}

/// The residue classes by `(row, column)` modulo the stride, in coordinates of the padded image.
fn classes<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Vec<Class<T>> {
    let (stride, taps, c_in) = (shape.stride, shape.taps(), shape.c_in);
    let class = |c: usize| {
        let of_axis = |place: usize| (0..shape.kernel).filter(move |k| k % stride == place);
        let reach: Vec<(usize, usize)> =
            of_axis(c / stride).flat_map(|ky| of_axis(c % stride).map(move |kx| (ky, kx))).collect();
        let panels = (!reach.is_empty()).then(|| {
            let segments = reach.iter().map(|(ky, kx)| ky * shape.kernel + kx).collect();
            let (columns, column_stride) = (c_in, taps);
            let (depth, depth_stride) = (shape.c_out, c_in * taps);
            Panels::new(isa, weight, &MatrixLayout { columns, column_stride, depth, depth_stride, segments })
        });
        let (last_y, last_x) = reach.last().copied().unwrap_or_default();
        let depth = units::<T>(shape.c_out) * T::PER_UNIT;
        let place = |&(ky, kx): &(usize, usize)| {
            ((last_y - ky) / stride * shape.out_w() + (last_x - kx) / stride) * depth
        };
        let window = SegmentOffsets::new(reach.iter().map(place).collect());
        Class { taps: reach, window, panels }
    };
    (0..stride * stride).map(class).collect()
}

/// A copy whose channels are padded with zeros to whole units; `None` if no padding is needed.
fn pad_channels<T: Operand>(channels: usize, values: &[T]) -> Option<Vec<T>> {
    if channels.is_multiple_of(T::PER_UNIT) {
        return None;
    }
    let padded = units::<T>(channels) * T::PER_UNIT;
    let mut copy = vec![T::default(); values.len() / channels * padded];
    for (to, from) in copy.chunks_exact_mut(padded).zip(values.chunks_exact(channels)) {
        to[..channels].copy_from_slice(from);
    }
    Some(copy)
}
