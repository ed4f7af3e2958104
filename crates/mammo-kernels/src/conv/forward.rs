//! `out[p] = sum over taps of in[p + tap] * weight[tap]`, and the same with max pooling.

use rayon::prelude::*;

use super::gather::{gather, needs_gather};
use super::{ConvShape, pixels_from};
use crate::isa::Isa;
use crate::micro::{Finish, Kernel, Rows, Window};
use crate::operand::{Operand, units};
use crate::pack::{Panels, Places};
use crate::pool::LargestOfRow;
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
    assert_eq!(out.len(), shape.output_len(), "output of {shape:?}");
    let forward = Forward::new(isa, shape, input, panels);
    let blocks = out.par_chunks_mut(forward.size() * shape.c_out).enumerate();
    blocks.for_each_init(
        || forward.work(),
        |work, (b, out)| forward.pixels(work, b * forward.size(), out, finish),
    );
}

/// Bytes of a band: what is convolved is still in the second-level cache when it is pooled.
const BAND_BYTES: usize = 512 << 10;

/// [`forward()`] and then max pooling with the windows of `pool`, whose input is the convolution's
/// output. The map between the two is made a band of rows at a time, and never as a whole; where
/// windows overlap, a row at the border of two bands is made twice.
///
/// # Panics
/// When a slice does not have the length that the shapes say.
pub fn forward_pooled<T: Operand, O: Operand>(
    isa: Isa,
    shape: &ConvShape,
    pool: &ConvShape,
    input: &[T],
    panels: &Panels<T>,
    out: &mut [O],
    finish: &Finish<'_, O>,
) {
    assert_eq!(out.len(), pool.output_len(), "output of {pool:?}");
    assert_eq!(shape.output_len(), pool.input_len(), "{pool:?} pools another map than that of {shape:?}");
    assert!(!finish.accumulate, "nothing to add to");
    let forward = Forward::new(isa, shape, input, panels);
    let (line, pooled_line) = (pool.w * shape.c_out, pool.out_w() * pool.c_out);
    let fitting = BAND_BYTES / (line * size_of::<O>() * pool.stride);
    let fair = pool.n * pool.out_h() / (8 * rayon::current_num_threads());
    let band = fitting.min(fair).max(1);
    out.par_chunks_mut(pool.out_h() * pooled_line).enumerate().for_each(|(n, image)| {
        image.par_chunks_mut(band * pooled_line).enumerate().for_each_init(
            || forward.work(),
            |work, (b, out)| forward.pooled_rows(work, pool, [n, b * band], out, finish),
        );
    });
}

/// A convolution about to be done, some pixels at a time.
struct Forward<'a, T: Operand> {
    isa: Isa,
    kernel: Kernel,
    shape: &'a ConvShape,
    input: &'a [T],
    panels: &'a Panels<T>,
    gathers: bool,
    /// Tiles in a block.
    tiles: usize,
    zeros: Vec<T>,
    offsets: Vec<usize>,
    window: Window,
}

/// What a thread works in.
struct Work<'f, T: Operand> {
    rows: Rows<'f, T>,
    gathered: Vec<T>,
}

impl<'a, T: Operand> Forward<'a, T> {
    fn new(isa: Isa, shape: &'a ConvShape, input: &'a [T], panels: &'a Panels<T>) -> Self {
        assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
        let kernel = T::kernel(isa);
        let gathers = needs_gather::<T>(shape.c_in);
        let depth = if gathers { shape.taps() * shape.c_in } else { shape.c_in };
        let points = shape.n * shape.out_h() * shape.out_w();
        let tiles = tiles_per_block(&kernel, points, depth * size_of::<T>(), panels.bytes());
        let places = shape.each_tap().map(|(ky, kx)| (ky * shape.w + kx) * shape.c_in);
        Self {
            isa,
            shape,
            input,
            panels,
            gathers,
            tiles,
            zeros: vec![T::default(); units::<T>(depth) * T::PER_UNIT],
            offsets: (0..tiles * kernel.rows()).map(|i| i * shape.c_out).collect(),
            window: Window::new(places.collect()),
            kernel,
        }
    }

    /// Pixels in a block.
    fn size(&self) -> usize {
        self.tiles * self.kernel.rows()
    }

    fn work(&self) -> Work<'_, T> {
        Work { rows: self.rows(), gathered: Vec::new() }
    }

    fn rows<'f>(&self) -> Rows<'f, T> {
        let segments = if self.gathers { 1 } else { self.shape.taps() };
        Rows::apart(&self.kernel, segments, self.zeros.len() / T::PER_UNIT)
    }

    /// The output pixels from number `first` on, counted over all images, as many as fit into `out`:
    /// at most a block.
    fn pixels<'f, O: Operand>(
        &'f self,
        work: &mut Work<'f, T>,
        first: usize,
        out: &mut [O],
        finish: &Finish<'_, O>,
    ) {
        let c_out = self.shape.c_out;
        let offsets = &self.offsets[..out.len() / c_out];
        let residual = finish.residual.map(|r| &r[first * c_out..][..out.len()]);
        let finish = Finish { residual, ..*finish };
        if self.gathers {
            gather(self.shape, self.input, first, offsets.len(), &mut work.gathered);
            let mut rows = self.rows();
            rows.reset(self.tiles, &self.zeros);
            for (i, operands) in work.gathered.chunks_exact(self.zeros.len()).enumerate() {
                rows.set(i / self.kernel.rows(), 0, i % self.kernel.rows(), operands);
            }
            return block(&self.kernel, &rows, self.panels, offsets, out, &finish);
        }
        self.point(&mut work.rows, first, offsets.len());
        block(&self.kernel, &work.rows, self.panels, offsets, out, &finish);
    }

    /// The rows of pooled pixels of image `n` from `first` on, as many as fit into `out`.
    fn pooled_rows<'f, O: Operand>(
        &'f self,
        work: &mut Work<'f, T>,
        pool: &ConvShape,
        [n, first]: [usize; 2],
        out: &mut [O],
        finish: &Finish<'_, O>,
    ) {
        let (line, pooled_line) = (pool.w * pool.c_in, pool.out_w() * pool.c_out);
        let from = (first * pool.stride).saturating_sub(pool.pad.top);
        let last = first + out.len() / pooled_line - 1;
        let to = pool.h.min((last * pool.stride + pool.kernel).saturating_sub(pool.pad.top));
        let mut rows = O::shelf().take((to - from) * line);
        for (piece, rows) in rows.chunks_mut(self.size() * pool.c_in).enumerate() {
            let pixel = (n * pool.h + from) * pool.w + piece * self.size();
            self.pixels(work, pixel, rows, finish);
        }
        for (row, out) in (first..).zip(out.chunks_exact_mut(pooled_line)) {
            let pool = LargestOfRow { shape: pool, row, x: &rows, first_row: from, out, taken: None };
            self.isa.run(pool);
        }
    }

    /// Lets `rows` read the windows of `count` pixels.
    fn point<'f>(&'f self, rows: &mut Rows<'f, T>, first: usize, count: usize) {
        let shape = self.shape;
        rows.reset(self.tiles, &self.zeros);
        let (mut tile, mut row) = (0, 0);
        for (n, oy, ox) in pixels_from(first, shape.out_h(), shape.out_w()).take(count) {
            match shape.whole_window_at(n, oy, ox) {
                Some(at) => rows.set_window(tile, row, self.input, at, &self.window),
                None => {
                    for (tap, (ky, kx)) in shape.each_tap().enumerate() {
                        if let Some(at) = shape.input_at(n, oy, ox, ky, kx) {
                            rows.set(tile, tap, row, &self.input[at..]);
                        }
                    }
                }
            }
            row += 1;
            if row == self.kernel.rows() {
                (tile, row) = (tile + 1, 0);
            }
        }
    }
}
