//! `out[p] = sum over taps of in[p + tap] * weight[tap]`.

use rayon::prelude::*;

use super::gather::{gather, needs_gather};
use super::{ConvShape, pixels_from};
use crate::isa::Isa;
use crate::micro::{Finish, Rows, Window};
use crate::operand::{Operand, units};
use crate::pack::{Panels, Places};
use crate::product::{block, tiles_per_block};

/// Weights `[c_out, c_in, k, k]` as [`forward`] reads them.
pub fn pack_forward<T: Operand>(isa: Isa, shape: &ConvShape, weight: &[f32]) -> Panels<T> {
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
        let places = Places { columns: shape.c_out, column_stride: depth, depth, depth_stride: 1, segments };
        return Panels::new(isa, &by_tap, &places);
    }
    let (columns, segments) = (shape.c_out, (0..taps).collect());
    let places = Places { columns, column_stride: c_in * taps, depth: c_in, depth_stride: taps, segments };
    Panels::new(isa, weight, &places)
}

/// Convolution of `input` (`[n, h, w, c_in]`) into `out` (`[n, out_h, out_w, c_out]`), with what
/// `finish` adds on the way; its bias has been through [`Panels::pad_bias`].
///
/// # Panics
/// When a slice does not have the length that `shape` says.
pub fn forward<T: Operand, O: Operand>(
    isa: Isa,
    shape: &ConvShape,
    input: &[T],
    panels: &Panels<T>,
    out: &mut [O],
    finish: &Finish<'_, O>,
) {
    assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(out.len(), shape.output_len(), "output of {shape:?}");
    assert!(finish.residual.is_none_or(|r| r.len() == out.len()), "residual of {shape:?}");
    let kernel = T::kernel(isa);
    let gathers = needs_gather::<T>(shape.c_in);
    let depth = if gathers { shape.taps() * shape.c_in } else { shape.c_in };
    let segments = if gathers { 1 } else { shape.taps() };
    let (points, point_bytes) = (out.len() / shape.c_out, depth * size_of::<T>());
    let tiles = tiles_per_block(&kernel, points, point_bytes, panels.bytes());
    let size = tiles * kernel.rows();
    let zeros = vec![T::default(); units::<T>(depth) * T::PER_UNIT];
    let offsets: Vec<usize> = (0..size).map(|i| i * shape.c_out).collect();
    let residual = |b: usize, len: usize| finish.residual.map(|r| &r[b * size * shape.c_out..][..len]);
    let blocks = out.par_chunks_mut(size * shape.c_out).enumerate();
    let new_rows = || Rows::apart(&kernel, segments, units::<T>(depth));
    if gathers {
        blocks.for_each_init(Vec::new, |gathered, (b, out)| {
            let live = out.len() / shape.c_out;
            gather(shape, input, b * size, live, gathered);
            let mut rows = new_rows();
            rows.reset(tiles, &zeros);
            for (i, operands) in gathered.chunks_exact(zeros.len()).enumerate() {
                rows.set(i / kernel.rows(), 0, i % kernel.rows(), operands);
            }
            let finish = Finish { residual: residual(b, out.len()), ..*finish };
            block(&kernel, &rows, panels, &offsets[..live], out, &finish);
        });
        return;
    }
    let window = Window::new(shape.each_tap().map(|(ky, kx)| (ky * shape.w + kx) * shape.c_in).collect());
    blocks.for_each_init(new_rows, |rows, (b, out)| {
        let live = out.len() / shape.c_out;
        rows.reset(tiles, &zeros);
        let pixels = pixels_from(b * size, shape.out_h(), shape.out_w());
        let (mut tile, mut row) = (0, 0);
        for (n, oy, ox) in pixels.take(live) {
            match shape.whole_window_at(n, oy, ox) {
                Some(at) => rows.set_window(tile, row, input, at, &window),
                None => {
                    for (tap, (ky, kx)) in shape.each_tap().enumerate() {
                        if let Some(at) = shape.input_at(n, oy, ox, ky, kx) {
                            rows.set(tile, tap, row, &input[at..]);
                        }
                    }
                }
            }
            row += 1;
            if row == kernel.rows() {
                (tile, row) = (tile + 1, 0);
            }
        }
        let finish = Finish { residual: residual(b, out.len()), ..*finish };
        block(&kernel, rows, panels, &offsets[..live], out, &finish);
    });
}
