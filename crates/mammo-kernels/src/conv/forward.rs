//! `out[p] = sum over taps of in[p + tap] * weight[tap]`.

use rayon::prelude::*;

use super::gather::{gather, needs_gather, row_is_segment};
use super::winograd::Winograd;
use super::{ConvShape, Packed, pixels_from};
use crate::isa::Isa;
use crate::micro::{Epilogue, Kernel, Rows, SegmentOffsets};
use crate::operand::{Operand, units};
use crate::pack::Panels;
use crate::product::{block, tiles_per_block};

/// Convolution of `input` (`[n, h, w, c_in]`) into `out` (`[n, out_h, out_w, c_out]`), followed by `epilogue`, whose
/// bias must have been padded by [`Packed::pad_bias`].
///
/// # Panics
/// When the length of a slice does not match `shape`.
pub fn forward<T: Operand, O: Operand>(
    isa: Isa,
    shape: &ConvShape,
    input: &[T],
    weight: &Packed<T>,
    out: &mut [O],
    epilogue: &Epilogue<'_, O>,
) {
    assert_eq!(out.len(), shape.output_len(), "output of {shape:?}");
    let panels = match weight {
        Packed::Direct(panels) => panels,
        Packed::Winograd(panels) => return Winograd::new(isa, shape, input, panels).whole(out, epilogue),
    };
    let direct = Direct::new(isa, shape, input, panels);
    let blocks = out.par_chunks_mut(direct.size() * shape.c_out).enumerate();
    blocks.for_each_init(
        || direct.work(),
        |work, (b, out)| direct.pixels(work, b * direct.size(), out, epilogue),
    );
}

/// A direct convolution, computed a block of pixels at a time.
pub(super) struct Direct<'a, T: Operand> {
    kernel: Kernel,
    shape: &'a ConvShape,
    input: &'a [T],
    panels: &'a Panels<T>,
    reads: Reads,
    /// Tiles per block.
    tiles: usize,
    zeros: Vec<T>,
    offsets: Vec<usize>,
    window: SegmentOffsets,
}

/// How the input window of an output pixel is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// In place, one segment per tap.
    Taps,
    /// In place, one segment per kernel row; copied only where the window reaches into the padding.
    Rows,
    /// From a copy (im2col), as one segment.
    Copy,
}

/// Working memory of one thread.
pub(super) struct Work<'f, T: Operand> {
    rows: Rows<'f, T>,
    gathered: Vec<T>,
}

impl<'a, T: Operand> Direct<'a, T> {
    pub(super) fn new(isa: Isa, shape: &'a ConvShape, input: &'a [T], panels: &'a Panels<T>) -> Self {
        assert_eq!(input.len(), shape.input_len(), "input of {shape:?}");
        let kernel = T::kernel(isa);
        let reads = match needs_gather::<T>(shape.c_in) {
            false => Reads::Taps,
            true if row_is_segment::<T>(shape) => Reads::Rows,
            true => Reads::Copy,
        };
        let window = shape.taps() * shape.c_in;
        let depth = if reads == Reads::Taps { shape.c_in } else { window };
        let points = shape.n * shape.out_h() * shape.out_w();
        let tiles = tiles_per_block(&kernel, points, depth * size_of::<T>(), panels.bytes());
        let starts_segment = |(ky, kx): &(usize, usize)| match reads {
            Reads::Taps => true,
            Reads::Rows => *kx == 0,
            Reads::Copy => *ky + *kx == 0,
        };
        let segments = shape.each_tap().filter(starts_segment);
        let offsets = segments.map(|(ky, kx)| (ky * shape.w + kx) * shape.c_in);
        Self {
            shape,
            input,
            panels,
            reads,
            tiles,
            zeros: vec![T::default(); units::<T>(depth) * T::PER_UNIT],
            offsets: (0..tiles * kernel.rows()).map(|i| i * shape.c_out).collect(),
            window: SegmentOffsets::new(offsets.collect()),
            kernel,
        }
    }

    /// Pixels per block.
    fn size(&self) -> usize {
        self.tiles * self.kernel.rows()
    }

    pub(super) fn work(&self) -> Work<'_, T> {
        Work { rows: self.table(), gathered: Vec::new() }
    }

    fn table<'f>(&self) -> Rows<'f, T> {
        let segments = self.window.segments();
        let units = self.zeros.len() / T::PER_UNIT;
        Rows::separate(
            &self.kernel,
            segments,
            if self.reads == Reads::Rows { units / segments } else { units },
        )
    }

    /// Computes output pixels from number `first` on, counted over all images, as many as fit into `out`: at most one
    /// block.
    fn pixels<'f, O: Operand>(
        &'f self,
        work: &mut Work<'f, T>,
        first: usize,
        out: &mut [O],
        epilogue: &Epilogue<'_, O>,
    ) {
        let c_out = self.shape.c_out;
        let offsets = &self.offsets[..out.len() / c_out];
        let residual = epilogue.residual.map(|r| &r[first * c_out..][..out.len()]);
        let epilogue = Epilogue { residual, ..*epilogue };
        let rows = match self.reads {
            Reads::Taps => {
                self.set_taps(&mut work.rows, first, offsets.len());
                return block(&self.kernel, &work.rows, self.panels.iter(), offsets, out, &epilogue);
            }
            Reads::Rows => self.rows_in_place(&mut work.gathered, first, offsets.len()),
            Reads::Copy => self.copied_rows(&mut work.gathered, first, offsets.len()),
        };
        block(&self.kernel, &rows, self.panels.iter(), offsets, out, &epilogue);
    }

    /// A pointer table for the windows of `count` pixels, all copied to `gathered`.
    fn copied_rows<'g>(&'g self, gathered: &'g mut Vec<T>, first: usize, count: usize) -> Rows<'g, T> {
        gathered.clear();
        gather(self.shape, self.input, first, count, gathered);
        let mut rows = self.table();
        rows.reset(self.tiles, &self.zeros);
        for (i, operands) in gathered.chunks_exact(self.zeros.len()).enumerate() {
            rows.set(i / self.kernel.rows(), 0, i % self.kernel.rows(), operands);
        }
        rows
    }

    /// A pointer table for windows read in place; only those that reach into the padding are copied.
    fn rows_in_place<'g>(&'g self, gathered: &'g mut Vec<T>, first: usize, count: usize) -> Rows<'g, T> {
        let shape = self.shape;
        let pixels = || pixels_from(first, shape.out_h(), shape.out_w()).take(count).enumerate();
        gathered.clear();
        for (i, (n, oy, ox)) in pixels() {
            if shape.whole_window_at(n, oy, ox).is_none() {
                gather(shape, self.input, first + i, 1, gathered);
            }
        }
        let mut copies = gathered.chunks_exact(self.zeros.len());
        let mut rows = self.table();
        rows.reset(self.tiles, &self.zeros);
        for (i, (n, oy, ox)) in pixels() {
            let (tile, row) = (i / self.kernel.rows(), i % self.kernel.rows());
            if let Some(at) = shape.whole_window_at(n, oy, ox) {
                rows.set_window(tile, row, self.input, at, &self.window);
            } else if let Some(copy) = copies.next() {
                let segments = copy.chunks_exact(copy.len() / shape.kernel);
                segments.enumerate().for_each(|(segment, operands)| rows.set(tile, segment, row, operands));
            }
        }
        rows
    }

    /// Computes rows of output pixels of image `n` from row `from` on, as many as fit into `out`.
    pub(super) fn rows<'f, O: Operand>(
        &'f self,
        work: &mut Work<'f, T>,
        [n, from]: [usize; 2],
        out: &mut [O],
        epilogue: &Epilogue<'_, O>,
    ) {
        let first = (n * self.shape.out_h() + from) * self.shape.out_w();
        for (piece, out) in out.chunks_mut(self.size() * self.shape.c_out).enumerate() {
            self.pixels(work, first + piece * self.size(), out, epilogue);
        }
    }

    /// Sets the pointers of `rows` to the windows of `count` pixels.
    fn set_taps<'f>(&'f self, rows: &mut Rows<'f, T>, first: usize, count: usize) {
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
