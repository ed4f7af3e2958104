//! The micro-kernel: tiles of a matrix product, each held in registers. `unsafe` is confined to this module and to
//! two functions of [`isa`](crate::isa), which compile loops of plain Rust for an instruction set.
//!
//! A tile is `rows x columns` sums. Row `i` reads its left operands through one pointer per *segment* (a tap of a
//! convolution, or a run of pixels), `units` units each, `step` units apart. The right operands come from a packed
//! *panel*, one vector of columns after the other. With pointers per row, a convolution needs no copy of its input: a
//! tap outside the image points to zeros. The forward pass and both gradients use the same tile with different
//! pointers.
//!
//! [`Kernel::multiply`] is safe: it takes slices and checks them before it uses the pointers.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod simd;
mod tile;

use std::marker::PhantomData;

use crate::activation::Activation;
use crate::isa::{Isa, Set};
use crate::operand::{Kind, Operand};
pub(crate) use lanes::{Lanes, VectorJob, run_on_vectors};
pub(crate) use simd::Simd;
use tile::{Tiles, TilesFn};

/// The tile kernel of one instruction set and number type.
#[derive(Clone, Copy)]
pub struct Kernel {
    kind: Kind,
    rows: usize,
    lanes: usize,
    /// By number of vectors of columns, one or two, and by left operands, separate rows or interleaved.
    tiles: [[TilesFn; 2]; 2],
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernel {{ {:?}, {} rows, {} columns }}", self.kind, self.rows, 2 * self.lanes)
    }
}

/// The kernel of an instruction set for a number type.
pub(crate) fn kernel(isa: Isa, kind: Kind) -> Kernel {
    match isa.set() {
        #[cfg(target_arch = "x86_64")]
        Set::Avx512Bf16 => avx512::kernel(kind, true),
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => avx512::kernel(kind, false),
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => avx2::kernel(kind),
        #[cfg(target_arch = "aarch64")]
        Set::Neon => neon::kernel(kind),
        _ => portable::kernel(kind),
    }
}

/// Pointers to the left operands of some tiles, `[tile][segment][row]`. Each is checked when it is set to have a
/// whole segment behind it. If the units of the rows are interleaved, one pointer serves all rows.
pub struct Rows<'a, T> {
    pointers: Vec<*const T>,
    segments: usize,
    units: usize,
    /// Pointers per segment: one per row, or one for all.
    per_segment: usize,
    /// Rows per tile of the kernel that the table is for.
    rows: usize,
    /// Distance between the units of a segment, in units.
    step: usize,
    /// Values that each pointer must have behind it.
    reach: usize,
    borrowed: PhantomData<&'a [T]>,
}

impl<'a, T: Operand> Rows<'a, T> {
    /// An empty table for tiles of `kernel` whose rows are separate: each row reads `units` consecutive units in each
    /// of `segments` segments.
    pub fn separate(kernel: &Kernel, segments: usize, units: usize) -> Self {
        Self::new(kernel, segments, units, [kernel.rows, 1])
    }

    /// An empty table for left operands interleaved as `[unit][row]` in each segment, where consecutive units are
    /// `step` units apart.
    pub fn interleaved(kernel: &Kernel, segments: usize, units: usize, step: usize) -> Self {
        Self::new(kernel, segments, units, [1, step])
    }

    fn new(kernel: &Kernel, segments: usize, units: usize, [per_segment, step]: [usize; 2]) -> Self {
        assert_eq!(kernel.kind, T::KIND, "the kernel is for another number type");
        assert!(units > 0, "a segment needs a length");
        let rows = kernel.rows;
        let reach = (units - 1)
            .checked_mul(step)
            .and_then(|last| last.checked_add(rows / per_segment))
            .and_then(|units| units.checked_mul(T::PER_UNIT));
        // Other sizes are computed from these and cannot overflow if these fit.
        let panel = segments.checked_mul(units).and_then(|n| n.checked_mul(kernel.columns() * T::PER_UNIT));
        let (Some(reach), Some(_), Some(_)) = (reach, panel, segments.checked_mul(rows)) else {
            panic!("{segments} segments of {units} units, {step} apart, reach beyond any memory");
        };
        let borrowed = PhantomData;
        Self { pointers: Vec::new(), segments, units, per_segment, rows, step, reach, borrowed }
    }

    /// Resizes the table to `tiles` tiles whose rows all read `filler`.
    pub fn reset(&mut self, tiles: usize, filler: &'a [T]) {
        self.check(filler);
        self.pointers.clear();
        let slots = tiles.checked_mul(self.segments * self.per_segment);
        self.pointers.resize(slots.unwrap_or(usize::MAX), filler.as_ptr());
    }

    /// Sets the operands of row `row` of tile `tile` in `segment`; for interleaved rows, `row` is 0.
    #[inline(always)]
    pub fn set(&mut self, tile: usize, segment: usize, row: usize, operands: &'a [T]) {
        self.check(operands);
        debug_assert!(segment < self.segments && row < self.per_segment);
        self.pointers[(tile * self.segments + segment) * self.per_segment + row] = operands.as_ptr();
    }

    /// Sets row `row` of tile `tile` in all segments: segment `s` reads `operands[at + offsets[s]..]`. One check
    /// covers the whole window.
    #[inline(always)]
    pub fn set_window(
        &mut self,
        tile: usize,
        row: usize,
        operands: &'a [T],
        at: usize,
        offsets: &SegmentOffsets,
    ) {
        let end = at.checked_add(offsets.span).and_then(|last| last.checked_add(self.reach));
        assert!(end.is_some_and(|end| end <= operands.len()), "a window reaches beyond its operands");
        assert_eq!(offsets.offsets.len(), self.segments, "a window needs an offset per segment");
        let slots = self.pointers[tile * self.segments * self.per_segment + row..].iter_mut();
        for (slot, place) in slots.step_by(self.per_segment).zip(&offsets.offsets) {
            // SAFETY: no offset is beyond `span`, so `reach` numbers follow, as checked above.
            *slot = unsafe { operands.as_ptr().add(at + place) };
        }
    }

    #[inline(always)]
    fn check(&self, operands: &[T]) {
        let needed = self.reach;
        assert!(operands.len() >= needed, "a segment needs {needed} numbers, not {}", operands.len());
    }
}

/// Some columns of the right operands, in the order in which a tile reads them.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a, T> {
    /// Number of its first column.
    pub first: usize,
    /// Number of columns that are used.
    pub live: usize,
    /// `[segment][unit][column]`.
    pub numbers: &'a [T],
}

/// Offsets of a window's segments, relative to the start of the window.
#[derive(Clone, Debug)]
pub struct SegmentOffsets {
    offsets: Vec<usize>,
    span: usize,
}

impl SegmentOffsets {
    /// One offset per segment.
    pub fn new(offsets: Vec<usize>) -> Self {
        let span = offsets.iter().copied().max().unwrap_or(0);
        Self { offsets, span }
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.offsets.len()
    }
}

/// Positions of the rows of some tiles in the output.
#[derive(Clone, Copy, Debug)]
pub struct Offsets<'a> {
    list: &'a [usize],
    largest: usize,
}

impl<'a> Offsets<'a> {
    /// One position in the output per row.
    pub fn new(list: &'a [usize]) -> Self {
        Self { list, largest: list.iter().copied().max().unwrap_or(0) }
    }
}

/// The epilogue of a product: operations on the sums of a tile before they are stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a, O> {
    /// Initial value of each column's sum, at least as many as a panel is wide.
    pub bias: Option<&'a [f32]>,
    /// Added to the sums; read at the positions that are written.
    pub residual: Option<&'a [O]>,
    /// Applied to the sums.
    pub activation: Activation,
    /// Adds to the output instead of overwriting it.
    pub accumulate: bool,
}

impl Kernel {
    /// Rows per tile.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of a full panel.
    pub fn columns(&self) -> usize {
        2 * self.lanes
    }

    /// Columns of the narrowest panel that holds `live` columns: half of a full one, or all.
    pub fn panel_columns(&self, live: usize) -> usize {
        if live <= self.lanes { self.lanes } else { 2 * self.lanes }
    }

    /// Multiplies the tiles of `rows` with `panel` and writes the live columns of row `i`, counted over all
    /// tiles, to `out[offsets[i]..]`.
    ///
    /// # Panics
    /// When a slice is too short for the shapes.
    #[inline]
    pub fn multiply<T: Operand, O: Operand>(
        &self,
        rows: &Rows<'_, T>,
        panel: &Panel<'_, T>,
        offsets: &Offsets<'_>,
        out: &mut [O],
        epilogue: &Epilogue<'_, O>,
    ) {
        let columns = panel.live;
        let width = self.panel_columns(columns);
        let panel = panel.numbers;
        let size = rows.segments * rows.per_segment;
        assert!(self.kind == T::KIND && columns <= width && columns > 0);
        assert!(rows.rows == self.rows, "rows of another kernel");
        let needed = offsets.list.len().div_ceil(self.rows).checked_mul(size);
        assert!(needed.is_some_and(|needed| needed <= rows.pointers.len()), "fewer tiles than offsets");
        let side_by_side = rows.per_segment != self.rows;
        assert!(panel.len() >= rows.segments * rows.units * width * T::PER_UNIT, "panel too short");
        let end = offsets.largest.saturating_add(columns);
        assert!(end <= out.len(), "output too short");
        assert!(epilogue.bias.is_none_or(|b| b.len() >= width), "bias shorter than the panel");
        assert!(epilogue.residual.is_none_or(|r| r.len() >= end), "residual too short");
        let tiles = Tiles {
            rows: rows.pointers.as_ptr().cast(),
            segments: rows.segments,
            units: rows.units,
            step: rows.step,
            panel: panel.as_ptr().cast(),
            bias: epilogue.bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
            residual: epilogue.residual.map_or(std::ptr::null(), |r| r.as_ptr().cast()),
            out: out.as_mut_ptr().cast(),
            out_kind: O::KIND,
            offsets: offsets.list,
            columns,
            activation: epilogue.activation,
            accumulate: epilogue.accumulate,
        };
        let run = self.tiles[usize::from(side_by_side)][usize::from(width > self.lanes)];
        // SAFETY: every pointer in `rows` was checked to reach over its segment when it was set,
        // and borrows its slice; panel, offsets, output, bias and residual were checked above;
        // `kernel` hands out a function only for an `Isa`, which exists only where the processor has its instructions.
        unsafe { run(&tiles) }
    }
}

#[cfg(test)]
mod tests;
