//! Right operands in the order in which a tile reads them.

use rayon::prelude::*;

use crate::isa::Isa;
use crate::micro::{Kernel, Lanes, Panel, Simd, VectorJob, run_on_vectors};
use crate::operand::{Operand, units};
use crate::scratch::Scratch;

/// A matrix cut into panels of columns: `[panel][segment][unit][column]`, each unit one or two values of consecutive
/// depth. A last panel of few columns is half as wide. Padding values of a unit are zero.
#[derive(Debug)]
pub struct Panels<T: Operand> {
    data: Scratch<T>,
    columns: usize,
    width: usize,
    /// Units per column of a panel.
    depth: usize,
}

impl<T: Operand> Panels<T> {
    /// Packs the matrix that `layout` describes in `weight`.
    pub(crate) fn new(isa: Isa, weight: &[f32], layout: &MatrixLayout) -> Self {
        let depth = layout.segments.len() * units::<T>(layout.depth);
        let mut panels = Self::unfilled(&T::kernel(isa), layout.columns, depth);
        panels.for_each_panel(|first, live, panel| {
            run_on_vectors(isa, Fill { weight, layout, panel, first, live });
        });
        panels
    }

    /// Uninitialised panels of `depth` units. Columns beyond the used ones may hold any values: their results are not
    /// stored.
    pub(crate) fn unfilled(kernel: &Kernel, columns: usize, depth: usize) -> Self {
        let width = kernel.columns();
        let last = kernel.panel_columns((columns - 1) % width + 1);
        let full = (columns - 1) / width;
        let data = T::scratch_pool().take((full * width + last) * depth * T::PER_UNIT);
        Self { data, columns, width, depth }
    }

    /// Calls `fill(first column, live columns, panel)` for every panel, in parallel.
    pub(crate) fn for_each_panel(&mut self, fill: impl Fn(usize, usize, &mut [T]) + Sync) {
        let (width, columns) = (self.width, self.columns);
        self.data.par_chunks_mut(width * self.depth * T::PER_UNIT).enumerate().for_each(|(p, panel)| {
            fill(p * width, (columns - p * width).min(width), panel);
        });
    }

    /// Iterates over the panels.
    pub fn iter(&self) -> impl Iterator<Item = Panel<'_, T>> {
        let panels = self.data.chunks(self.width * self.depth * T::PER_UNIT).enumerate();
        panels.map(|(p, numbers)| {
            let first = p * self.width;
            Panel { first, live: (self.columns - first).min(self.width), numbers }
        })
    }

    /// One segment of every panel, if there are `segments` of equal length.
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

    /// A bias per column, padded to whole panels as a tile reads it.
    pub fn pad_bias(&self, bias: &[f32]) -> Vec<f32> {
        let mut padded = bias.to_vec();
        padded.resize(self.columns.next_multiple_of(self.width), 0.0);
        padded
    }
}

/// Layout of a matrix in memory: element `(segment, k, column)` is at `segments[segment] + k * depth_stride + column
/// * column_stride`.
#[derive(Clone, Debug)]
pub(crate) struct MatrixLayout {
    pub columns: usize,
    pub column_stride: usize,
    pub depth: usize,
    pub depth_stride: usize,
    pub segments: Vec<usize>,
}

/// Width of the widest panel of any kernel.
const WIDEST: usize = 32;

/// Depth that is read from all columns before it is written.
const RUN: usize = 32;

/// Fills one panel, one run of its depth after the other. Reads are along the depth of a column, or along the columns
/// where they are adjacent; writes are sequential.
struct Fill<'a, T> {
    weight: &'a [f32],
    layout: &'a MatrixLayout,
    panel: &'a mut [T],
    first: usize,
    live: usize,
}

impl<T: Operand> VectorJob for Fill<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { weight, live, .. } = self;
        let MatrixLayout { column_stride, depth, depth_stride, ref segments, .. } = *self.layout;
        let segment_len = self.panel.len() / segments.len();
        let unit_len = segment_len / units::<T>(depth);
        for (segment, panel) in segments.iter().zip(self.panel.chunks_exact_mut(segment_len)) {
            let weight = &weight[segment + self.first * column_stride..];
            if column_stride == 1 {
                let mut lines = [[T::default(); WIDEST]; 2];
                for (unit, to) in panel.chunks_exact_mut(unit_len).enumerate() {
                    for (i, line) in lines.iter_mut().enumerate().take(T::PER_UNIT) {
                        match unit * T::PER_UNIT + i {
                            k if k < depth => rounded(simd, &weight[k * depth_stride..][..live], line),
                            _ => line.fill(T::default()),
                        }
                    }
                    let [first, second] = &lines;
                    Lanes::join(simd, [first, second], to, live);
                }
                continue;
            }
            let mut lines = [[T::default(); RUN]; WIDEST];
            for (from, to) in (0..depth).step_by(RUN).zip(panel.chunks_mut(RUN / T::PER_UNIT * unit_len)) {
                let n = RUN.min(depth - from);
                for (column, line) in lines.iter_mut().enumerate().take(live) {
                    let weight = &weight[column * column_stride + from * depth_stride..];
                    if depth_stride == 1 {
                        rounded(simd, &weight[..n], line);
                    } else {
                        let mut plain = [0.0f32; RUN];
                        let input_gradient = weight.iter().step_by(depth_stride).take(n);
                        plain.iter_mut().zip(input_gradient).for_each(|(to, &w)| *to = w);
                        rounded(simd, &plain, line);
                    }
                    line[n..].fill(T::default());
                }
                for (unit, to) in to.chunks_exact_mut(unit_len).enumerate() {
                    for (to, line) in to.chunks_exact_mut(T::PER_UNIT).zip(&lines[..live]) {
                        to.copy_from_slice(&line[unit * T::PER_UNIT..][..T::PER_UNIT]);
                    }
                }
            }
        }
    }
}

/// Converts `from` to the number type of the operands, written to the start of `to`.
#[inline(always)]
fn rounded<S: Simd, T: Operand>(simd: S, from: &[f32], to: &mut [T]) {
    for at in (0..from.len()).step_by(S::LANES) {
        let n = S::LANES.min(from.len() - at);
        Lanes::load(simd, &from[at..], n).store(&mut to[at..], n);
    }
}
