//! Right operands in the order in which a tile reads them.

use rayon::prelude::*;

use crate::isa::{Isa, Job};
use crate::micro::Kernel;
use crate::operand::{Operand, units};

/// A matrix cut into panels of columns: `[panel][segment][unit][column]`, each unit one or two
/// numbers of consecutive depth. A last panel of few columns is half as wide. What a unit or a
/// panel has too much is zero.
#[derive(Clone, Debug)]
pub struct Panels<T> {
    data: Vec<T>,
    columns: usize,
    width: usize,
    /// Units in a panel per column.
    depth: usize,
}

impl<T: Operand> Panels<T> {
    /// Packs `columns` columns; `value(segment, k, column)` is asked for every `k < depth` of
    /// each segment.
    pub fn new(
        isa: Isa,
        columns: usize,
        segments: usize,
        depth: usize,
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let mut panels = Self::zeros(&T::kernel(isa), columns, segments * units::<T>(depth));
        panels.for_each_panel(|first, live, panel| {
            isa.run(Fill { panel, first, live, segments, depth, value: &value });
        });
        panels
    }

    /// Panels of zeros, `depth` units deep.
    pub(crate) fn zeros(kernel: &Kernel, columns: usize, depth: usize) -> Self {
        let width = kernel.columns();
        let last = kernel.panel_columns((columns - 1) % width + 1);
        let full = (columns - 1) / width;
        let data = vec![T::default(); (full * width + last) * depth * T::PER_UNIT];
        Self { data, columns, width, depth }
    }

    /// Calls `fill(first column, live columns, panel)` for every panel, in parallel.
    pub(crate) fn for_each_panel(&mut self, fill: impl Fn(usize, usize, &mut [T]) + Sync) {
        let (width, columns) = (self.width, self.columns);
        self.data.par_chunks_mut(width * self.depth * T::PER_UNIT).enumerate().for_each(|(p, panel)| {
            fill(p * width, (columns - p * width).min(width), panel);
        });
    }

    /// Every panel with its first column and how many of its columns are live.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, &[T])> {
        let panels = self.data.chunks(self.width * self.depth * T::PER_UNIT).enumerate();
        panels.map(|(p, panel)| (p * self.width, (self.columns - p * self.width).min(self.width), panel))
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(self.data.as_slice())
    }

    /// A bias for each column, padded to whole panels as a tile reads it.
    pub fn pad_bias(&self, bias: &[f32]) -> Vec<f32> {
        let mut padded = bias.to_vec();
        padded.resize(self.columns.next_multiple_of(self.width), 0.0);
        padded
    }
}

/// Fills one panel: reads run along the depth of 16 or 32 columns at a time, writes are in order.
struct Fill<'a, T, V> {
    panel: &'a mut [T],
    first: usize,
    live: usize,
    segments: usize,
    depth: usize,
    value: &'a V,
}

impl<T: Operand, V: Fn(usize, usize, usize) -> f32> Job for Fill<'_, T, V> {
    #[inline(always)]
    fn run(self) {
        let per_segment = units::<T>(self.depth);
        let width = self.panel.len() / (self.segments * per_segment * T::PER_UNIT);
        for unit in 0..per_segment {
            let inside = (self.depth - unit * T::PER_UNIT).min(T::PER_UNIT);
            for segment in 0..self.segments {
                let at = (segment * per_segment + unit) * width * T::PER_UNIT;
                let to = self.panel[at..at + self.live * T::PER_UNIT].chunks_exact_mut(T::PER_UNIT);
                for (column, to) in to.enumerate() {
                    for (k, to) in to.iter_mut().enumerate().take(inside) {
                        *to = T::from_f32((self.value)(segment, unit * T::PER_UNIT + k, self.first + column));
                    }
                }
            }
        }
    }
}
