//! Bilinear sampling of a window of an input: the inner loop of augmentation.
//!
//! Coordinates are fixed-point numbers with 32 fractional bits, advanced by addition, so that the
//! identity and flips sample pixel centres exactly. Each output row is divided once into the span
//! whose four neighbours are all in the input, and the parts left and right of it.

use std::ops::Range;

use super::{PatchWindow, Warp};
use crate::preprocess::Normalise;
use mammo_core::image::GreyView;

const FRACTION_BITS: u32 = 32;
const ONE: i64 = 1 << FRACTION_BITS;

/// Output pixels that are sampled together, so that the compiler vectorises their arithmetic.
const LANES: usize = 16;

/// Grey value in 0..=65535 to network value, after the intensity shift.
#[derive(Clone, Copy)]
struct Tone {
    shift: f32,
    normalise: Normalise,
}

impl Tone {
    fn apply(self, grey: f32) -> f32 {
        self.normalise.apply((grey + self.shift).clamp(0.0, 65535.0))
    }
}

/// Position in the input of a point of an output row, and the increment per output pixel.
#[derive(Clone, Copy)]
struct Walk {
    x: i64,
    y: i64,
    step_x: i64,
    step_y: i64,
}

impl Walk {
    fn at(self, i: usize) -> (i64, i64) {
        (self.x + i as i64 * self.step_x, self.y + i as i64 * self.step_y)
    }

    /// Whether all positions are pixel centres of one row.
    fn on_pixels(self) -> bool {
        self.step_y == 0 && self.step_x.abs() == ONE && (self.x | self.y) & (ONE - 1) == 0
    }
}

/// See [`Warp::window`].
pub(super) fn fill(
    warp: &Warp,
    input: GreyView,
    window: &PatchWindow,
    normalise: Normalise,
    out: &mut [f32],
) {
    assert_eq!(input.pixels.len(), input.width * input.height, "pixels of the input");
    assert_eq!(out.len(), window.width * window.height, "values of the window");
    let tone = Tone { shift: (warp.intensity_shift * 65535.0) as f32, normalise };
    let map = &warp.input_from_output;
    let fixed = |v: f64| (v * ONE as f64).round() as i64;
    for (row, line) in out.chunks_exact_mut(window.width.max(1)).enumerate() {
        let x = 0.5 - window.width as f64 / 2.0;
        let y = row as f64 + 0.5 - window.height as f64 / 2.0;
        let (x, y) = map.apply(x, y);
        let walk = Walk {
            // Sample positions count from pixel centres.
            x: fixed(x + window.center_x - 0.5),
            y: fixed(y + window.center_y - 0.5),
            step_x: fixed(map.xx),
            step_y: fixed(map.yx),
        };
        fill_row(&input, walk, tone, line);
    }
}

fn fill_row(input: &GreyView, walk: Walk, tone: Tone, line: &mut [f32]) {
    let inside_x = span(walk.x, walk.step_x, input.width, line.len());
    let inside_y = span(walk.y, walk.step_y, input.height, line.len());
    let from = inside_x.start.max(inside_y.start).min(line.len());
    let to = inside_x.end.min(inside_y.end).max(from);
    for (i, value) in line.iter_mut().enumerate().take(from) {
        *value = tone.apply(sample_near_border(input, walk.at(i)));
    }
    if walk.on_pixels() {
        copy_span(input, walk, tone, from, &mut line[from..to]);
    } else {
        sample_span(input, walk, tone, from, &mut line[from..to]);
    }
    for (i, value) in line.iter_mut().enumerate().skip(to) {
        *value = tone.apply(sample_near_border(input, walk.at(i)));
    }
}

/// The `i` in `0..n` for which `start + i * step` has both its neighbours in `0..length`.
fn span(start: i64, step: i64, length: usize, n: usize) -> Range<usize> {
    let last = (length as i64 - 1) * ONE - 1;
    let n = n as i64;
    let inside = |v: i64| (0..=last).contains(&v);
    let (first, end) = match step {
        0 => (0, if inside(start) { n } else { 0 }),
        1.. => (div_ceil(-start, step), (last - start).div_euclid(step) + 1),
        _ => (div_ceil(start - last, -step), start.div_euclid(-step) + 1),
    };
    first.clamp(0, n) as usize..end.clamp(0, n) as usize
}

fn div_ceil(a: i64, b: i64) -> i64 {
    -(-a).div_euclid(b)
}

/// Pixels of one input row without interpolation, forwards or backwards.
fn copy_span(input: &GreyView, walk: Walk, tone: Tone, from: usize, line: &mut [f32]) {
    if line.is_empty() {
        return;
    }
    let (x, y) = walk.at(from);
    let start = (y >> FRACTION_BITS) as usize * input.width + (x >> FRACTION_BITS) as usize;
    if walk.step_x > 0 {
        let pixels = &input.pixels[start..start + line.len()];
        line.iter_mut().zip(pixels).for_each(|(value, &v)| *value = tone.apply(f32::from(v)));
    } else {
        let pixels = &input.pixels[start + 1 - line.len()..=start];
        line.iter_mut().zip(pixels.iter().rev()).for_each(|(value, &v)| *value = tone.apply(f32::from(v)));
    }
}

/// Bilinear values whose neighbours are all in the input.
fn sample_span(input: &GreyView, walk: Walk, tone: Tone, from: usize, line: &mut [f32]) {
    let (mut x, mut y) = walk.at(from);
    for values in line.chunks_mut(LANES) {
        let mut corners = [[0.0_f32; LANES]; 4];
        let (mut right, mut down) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for lane in 0..values.len() {
            let top = (y >> FRACTION_BITS) as usize * input.width + (x >> FRACTION_BITS) as usize;
            let bottom = top + input.width;
            let (upper, lower) = (&input.pixels[top..top + 2], &input.pixels[bottom..bottom + 2]);
            corners[0][lane] = f32::from(upper[0]);
            corners[1][lane] = f32::from(upper[1]);
            corners[2][lane] = f32::from(lower[0]);
            corners[3][lane] = f32::from(lower[1]);
            (right[lane], down[lane]) = (fraction(x), fraction(y));
            x += walk.step_x;
            y += walk.step_y;
        }
        for (lane, value) in values.iter_mut().enumerate() {
            let [a, b, c, d] = corners.each_ref().map(|corner| corner[lane]);
            *value = tone.apply(bilinear([a, b, c, d], right[lane], down[lane]));
        }
    }
}

/// A bilinear value whose neighbours may be outside the input, where pixels are black.
fn sample_near_border(input: &GreyView, (x, y): (i64, i64)) -> f32 {
    let (column, row) = (x >> FRACTION_BITS, y >> FRACTION_BITS);
    let at = |column: i64, row: i64| {
        let inside = (0..input.width as i64).contains(&column) && (0..input.height as i64).contains(&row);
        if inside { f32::from(input.pixels[row as usize * input.width + column as usize]) } else { 0.0 }
    };
    let corners = [at(column, row), at(column + 1, row), at(column, row + 1), at(column + 1, row + 1)];
    bilinear(corners, fraction(x), fraction(y))
}

/// Fractional part, to 15 bits.
fn fraction(v: i64) -> f32 {
    ((v >> (FRACTION_BITS - 15)) & 0x7fff) as i32 as f32 * (1.0 / 32768.0)
}

/// Bilinear interpolation between upper left, upper right, lower left and lower right.
fn bilinear([a, b, c, d]: [f32; 4], right: f32, down: f32) -> f32 {
    let (upper, lower) = (a + (b - a) * right, c + (d - c) * right);
    upper + (lower - upper) * down
}
