//! Right operands in the order in which a tile reads them.

use rayon::prelude::*;

use crate::isa::{Isa, Job};
use crate::micro::{Kernel, Panel};
use crate::operand::{Operand, units};
use crate::scratch::Scratch;

/// A matrix cut into panels of columns: `[panel][segment][unit][column]`, each unit one or two
/// numbers of consecutive depth. A last panel of few columns is half as wide. What a unit has too much
/// is zero.
#[derive(Debug)]
pub struct Panels<T: Operand> {
    data: Scratch<T>,
    columns: usize,
    width: usize,
    /// Units in a panel per column.
    depth: usize,
}

impl<T: Operand> Panels<T> {
    /// Packs the matrix that `places` finds in `weight`.
    pub(crate) fn new(isa: Isa, weight: &[f32], places: &Places) -> Self {
        let depth = places.segments.len() * units::<T>(places.depth);
        let mut panels = Self::unfilled(&T::kernel(isa), places.columns, depth);
        panels.for_each_panel(|first, live, panel| isa.run(Fill { weight, places, panel, first, live }));
        panels
    }

    /// Panels of `depth` units, to be filled. Columns beyond the live ones may hold anything: what
    /// comes of them is not stored.
    pub(crate) fn unfilled(kernel: &Kernel, columns: usize, depth: usize) -> Self {
        let width = kernel.columns();
        let last = kernel.panel_columns((columns - 1) % width + 1);
        let full = (columns - 1) / width;
        let data = T::shelf().take((full * width + last) * depth * T::PER_UNIT);
        Self { data, columns, width, depth }
    }

    /// Calls `fill(first column, live columns, panel)` for every panel, in parallel.
    pub(crate) fn for_each_panel(&mut self, fill: impl Fn(usize, usize, &mut [T]) + Sync) {
        let (width, columns) = (self.width, self.columns);
        self.data.par_chunks_mut(width * self.depth * T::PER_UNIT).enumerate().for_each(|(p, panel)| {
            fill(p * width, (columns - p * width).min(width), panel);
        });
    }

    /// Every panel.
    pub fn iter(&self) -> impl Iterator<Item = Panel<'_, T>> {
        let panels = self.data.chunks(self.width * self.depth * T::PER_UNIT).enumerate();
        panels.map(|(p, numbers)| {
            let first = p * self.width;
            Panel { first, live: (self.columns - first).min(self.width), numbers }
        })
    }

    /// Of every panel one segment, when there are `segments` of equal length.
    pub(crate) fn of_segment(&self, segment: usize, segments: usize) -> impl Iterator<Item = Panel<'_, T>> {
        self.iter().map(move |panel| {
            let len = panel.numbers.len() / segments;
            Panel { numbers: &panel.numbers[segment * len..][..len], ..panel }
        })
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.data)
    }

    /// A bias for each column, padded to whole panels as a tile reads it.
    pub fn pad_bias(&self, bias: &[f32]) -> Vec<f32> {
        let mut padded = bias.to_vec();
        padded.resize(self.columns.next_multiple_of(self.width), 0.0);
        padded
    }
}

/// Where the numbers of a matrix stand: `(segment, k, column)` at
/// `segments[segment] + k * depth_stride + column * column_stride`.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub columns: usize,
    pub column_stride: usize,
    pub depth: usize,
    pub depth_stride: usize,
    pub segments: Vec<usize>,
}

/// Widest panel of any kernel.
const WIDEST: usize = 32;

/// Fills one panel: writes are in order, reads run along the depth of all its columns at once.
struct Fill<'a, T> {
    weight: &'a [f32],
    places: &'a Places,
    panel: &'a mut [T],
    first: usize,
    live: usize,
}

impl<T: Operand> Job for Fill<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Places { column_stride, depth, depth_stride, segments, .. } = self.places;
        let per_segment = units::<T>(*depth);
        let width = self.panel.len() / (segments.len() * per_segment * T::PER_UNIT);
        let mut lines = [[T::default(); WIDEST]; 2];
        for (to, unit) in self.panel.chunks_exact_mut(width * T::PER_UNIT).zip(0..) {
            let start = segments[unit / per_segment] + self.first * column_stride;
            for (i, line) in lines.iter_mut().enumerate().take(T::PER_UNIT) {
                let k = unit % per_segment * T::PER_UNIT + i;
                if k >= *depth {
                    line.fill(T::default());
                    continue;
                }
                let from = &self.weight[start + k * depth_stride..];
                if *column_stride == 1 {
                    line.iter_mut().zip(&from[..self.live]).for_each(|(to, &w)| *to = T::from_f32(w));
                } else {
                    let mut plain = [0.0f32; WIDEST];
                    let columns = from.iter().step_by(*column_stride).take(self.live);
                    plain.iter_mut().zip(columns).for_each(|(to, &w)| *to = w);
                    line.iter_mut().zip(&plain).for_each(|(to, &w)| *to = T::from_f32(w));
                }
            }
            let [a, b] = &lines;
            match self.live {
                // The usual number, known to the compiler.
                WIDEST => T::join([a, b], to),
                live => T::join([&a[..live], &b[..live]], &mut to[..live * T::PER_UNIT]),
            }
        }
    }
}
