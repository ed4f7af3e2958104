//! Right operands in the order in which a tile reads them.

use rayon::prelude::*;

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
        kernel: &Kernel,
        columns: usize,
        segments: usize,
        depth: usize,
        value: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let segment_units = units::<T>(depth);
        let mut panels = Self::zeros(kernel, columns, segments * segment_units);
        panels.for_each_panel(|first, live, panel| {
            let width = panel.len() / (segments * segment_units * T::PER_UNIT);
            for k in 0..depth {
                for column in 0..live {
                    for segment in 0..segments {
                        let unit = (segment * segment_units + k / T::PER_UNIT) * width + column;
                        panel[unit * T::PER_UNIT + k % T::PER_UNIT] =
                            T::from_f32(value(segment, k, first + column));
                    }
                }
            }
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
