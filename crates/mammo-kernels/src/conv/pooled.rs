//! Convolution fused with max pooling.

use rayon::prelude::*;

use super::forward::Direct;
use super::winograd::{STEP, Winograd};
use super::{ConvShape, Packed};
use crate::isa::Isa;
use crate::micro::Epilogue;
use crate::operand::Operand;
use crate::pool::MaxPoolRow;

/// Size of a band in bytes: the convolved rows are still in the second-level cache when they are pooled.
const BAND_BYTES: usize = 512 << 10;

/// A convolution and the max pooling of its output.
#[derive(Clone, Copy, Debug)]
pub struct PooledShape {
    /// The convolution.
    pub conv: ConvShape,
    /// The pooling; its input is the output of `conv`.
    pub pool: ConvShape,
}

/// [`forward()`](super::forward()) followed by max pooling. The intermediate map is computed one band of rows at a time and never stored as a whole. Where
/// pooling windows overlap, a row on the border of two bands is computed twice.
///
/// # Panics
/// When the length of a slice does not match the shapes.
pub fn forward_pooled<T: Operand, O: Operand>(
    isa: Isa,
    shape: &PooledShape,
    input: &[T],
    weight: &Packed<T>,
    out: &mut [O],
    epilogue: &Epilogue<'_, O>,
) {
    let PooledShape { conv: shape, pool } = shape;
    assert_eq!(out.len(), pool.output_len(), "output of {pool:?}");
    assert_eq!(shape.output_len(), pool.input_len(), "{pool:?} pools another map than that of {shape:?}");
    assert!(!epilogue.accumulate, "nothing to add to");
    match weight {
        Packed::Direct(panels) => {
            let direct = Direct::new(isa, shape, input, panels);
            let fitting = BAND_BYTES / (pool.w * pool.c_in * size_of::<O>() * pool.stride);
            let fair = pool.n * pool.out_h() / (8 * rayon::current_num_threads());
            let bands = Bands { isa, pool, rows: fitting.min(fair).max(1), align: 1 };
            bands.run(out, || direct.work(), |work, from, rows| direct.rows(work, from, rows, epilogue));
        }
        Packed::Winograd(panels) => {
            let winograd = Winograd::new(isa, shape, input, panels);
            let rows = (winograd.band() / pool.stride).max(1);
            let bands = Bands { isa, pool, rows, align: STEP };
            bands.run(out, || (), |(), from, rows| winograd.rows(from, rows, epilogue));
        }
    }
}

/// Splits pooling into bands of output rows, each with the rows of the intermediate map that it reads.
struct Bands<'a> {
    isa: Isa,
    pool: &'a ConvShape,
    /// Pooled rows per band.
    rows: usize,
    /// The first intermediate row of a band is rounded down to a multiple of this.
    align: usize,
}

impl Bands<'_> {
    /// Fills `out`; `make(work, [image, first row], rows)` computes rows of the intermediate map.
    fn run<O: Operand, W>(
        &self,
        out: &mut [O],
        work: impl Fn() -> W + Sync,
        make: impl Fn(&mut W, [usize; 2], &mut [O]) + Sync,
    ) {
        let Self { isa, pool, rows, align } = *self;
        let (line, pooled_line) = (pool.w * pool.c_in, pool.out_w() * pool.c_out);
        out.par_chunks_mut(pool.out_h() * pooled_line).enumerate().for_each(|(n, image)| {
            image.par_chunks_mut(rows * pooled_line).enumerate().for_each_init(&work, |work, (b, out)| {
                let first = b * rows;
                let from = (first * pool.stride).saturating_sub(pool.pad.top) / align * align;
                let last = first + out.len() / pooled_line - 1;
                let to = pool.h.min((last * pool.stride + pool.kernel).saturating_sub(pool.pad.top));
                let mut below = O::scratch_pool().take((to - from) * line);
                make(work, [n, from], &mut below);
                for (row, out) in (first..).zip(out.chunks_exact_mut(pooled_line)) {
                    isa.run(MaxPoolRow { shape: pool, row, x: &below, first_row: from, out, argmax: None });
                }
            });
        });
    }
}
