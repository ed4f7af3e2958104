//! Detection of film edges: bright strips along the border of a scan.
//!
//! A film edge is a strip along the border that is brighter than the film inside and ends with a sharp
//! step. Its brightness differs between scanners and it may be one pixel wide. It is therefore detected
//! by its step and not by a grey value, in cells that are finer across the border than the thumbnail of
//! the breast.

use super::mask::Mask;
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::resample::{Resample, resample};

/// Deepest film edge, as a share of the image's side.
pub(super) const MAX_EDGE_FRACTION: f64 = 0.06;

/// Depth of one cell across a border, as a share of the image's side.
const CELL_FRACTION: f64 = 0.001;

/// Depth of the deepest edge, in cells.
const MAX_CELLS: usize = (MAX_EDGE_FRACTION / CELL_FRACTION) as usize;

/// Cells across a border: the deepest edge and the darker region that must follow it.
const N_CELLS: usize = 76;

/// Shortest film edge, as a share of its border. A bright mass at the chest wall is shorter.
const MIN_EDGE_LENGTH_FRACTION: f64 = 0.05;

/// Longest gap in an edge, in lines, such as a scratch or a letter.
const MAX_GAP_LINES: usize = 3;

/// Neighbours on each side that a line's depth is compared with.
const SMOOTHED_LINES: usize = 2;

/// Share of the image's brightest level that an edge reaches, and that its further strips reach.
const BRIGHT: f32 = 0.7;
const VERY_BRIGHT: f32 = 0.85;

/// Smallest drop from an edge to the film next to it, as a share of the brightest level.
const MIN_STEP: f32 = 0.08;

/// Smallest drop over two cells within the fall: an edge ends with a step, tissue gradually.
const MIN_SLOPE: f32 = 0.05;

/// Cells within which an edge falls.
const MAX_FALL_CELLS: usize = 8;

/// The mask of everything but film edges, with `width` x `height` cells over the image.
///
/// Shares refer to the level `brightest`, such as the maximum of a thumbnail.
pub(super) fn film(image: &GreyImage, brightest: u16, width: usize, height: usize) -> Mask {
    let mut film = Mask::filled(width, height, true);
    let (columns, rows) = (image.width as f64, image.height as f64);
    let deep = N_CELLS as f64 * CELL_FRACTION;
    let strip = |x: f64, y: f64, w: f64, h: f64, across: bool| {
        let (cells, lines) = if across { (N_CELLS, height) } else { (width, N_CELLS) };
        resample(
            image,
            &Rect::new(x * columns, y * rows, w * columns, h * rows),
            cells,
            lines,
            Resample::Area,
        )
    };
    let scale = 1.0 / f32::from(brightest.max(1));
    let mut cut = |strip: &GreyImage,
                   length,
                   level: &dyn Fn(usize, usize) -> usize,
                   across,
                   cell: &dyn Fn(usize, usize) -> usize| {
        let levels = |along| {
            (0..N_CELLS).map(|depth| f32::from(strip.pixels[level(along, depth)]) * scale).collect::<Vec<_>>()
        };
        let depths: Vec<usize> = (0..length).map(|along| edge_depth(&levels(along))).collect();
        for (along, depth) in kept(depths).into_iter().enumerate().filter(|(_, depth)| *depth > 0) {
            let cells = (depth as f64 * CELL_FRACTION * across as f64).ceil() as usize;
            (0..cells).for_each(|depth| film.cells[cell(along, depth)] = false);
        }
    };
    let left = strip(0.0, 0.0, deep, 1.0, true);
    cut(&left, height, &|y, d| y * N_CELLS + d, width, &|y, d| y * width + d);
    let right = strip(1.0 - deep, 0.0, deep, 1.0, true);
    cut(&right, height, &|y, d| (y + 1) * N_CELLS - 1 - d, width, &|y, d| (y + 1) * width - 1 - d);
    let top = strip(0.0, 0.0, 1.0, deep, false);
    cut(&top, width, &|x, d| d * width + x, height, &|x, d| d * width + x);
    let bottom = strip(0.0, 1.0 - deep, 1.0, deep, false);
    cut(&bottom, width, &|x, d| (N_CELLS - 1 - d) * width + x, height, &|x, d| (height - 1 - d) * width + x);
    film
}

/// The depth in cells of the edge at the start of one line; zero without an edge.
///
/// An edge may consist of several strips of different brightness: light around the film, then
/// unexposed film.
fn edge_depth(line: &[f32]) -> usize {
    let mut depth = strip_depth(line, BRIGHT, MAX_CELLS);
    while depth > 0 && line[depth] >= VERY_BRIGHT {
        match strip_depth(&line[depth..], VERY_BRIGHT, 1) {
            0 => break,
            further => depth += further,
        }
        if depth > MAX_CELLS {
            return 0;
        }
    }
    depth
}

/// Depth of a strip of one brightness: the line must be `bright` within `reach` cells, and must fall
/// by [`MIN_STEP`] within [`MAX_FALL_CELLS`] after its brightest level and remain dark. A line that
/// remains bright is tissue, such as a dense pectoral muscle; cells before the bright part are the
/// scanner's bed.
fn strip_depth(line: &[f32], bright: f32, reach: usize) -> usize {
    let reach = reach.min(line.len());
    let Some(start) = line[..reach].iter().position(|&level| level >= bright) else { return 0 };
    let (mut peak, mut last) = (line[start], start);
    for (depth, &level) in line.iter().enumerate().skip(start) {
        peak = peak.max(level);
        if level < peak - MIN_STEP / 2.0 {
            break;
        }
        last = depth;
    }
    let down = |level: &f32| *level <= peak - MIN_STEP;
    let near = |from: usize| from..(from + MAX_FALL_CELLS).min(line.len());
    // The brightness of a strip may vary before it ends.
    let fall = loop {
        if last >= MAX_CELLS {
            return 0;
        }
        let Some(fall) = near(last + 1).find(|&depth| down(&line[depth])) else { return 0 };
        match near(fall).rfind(|&depth| !down(&line[depth])) {
            Some(risen) => last = risen,
            None => break fall,
        }
    };
    let steepest = line[last..]
        .windows(3)
        .take(fall + MAX_FALL_CELLS - last)
        .map(|three| three[0] - three[2])
        .fold(0.0, f32::max);
    if steepest < MIN_SLOPE {
        return 0;
    }
    // The last cell of the step is a mixture of edge and film and is removed as well.
    let steep = |pair: &&[f32]| pair[0] - pair[1] > MIN_STEP / 8.0;
    let foot = line[fall..].windows(2).take(MAX_FALL_CELLS).take_while(steep).count();
    (fall + foot).min(line.len() - 1)
}

/// The depths of sufficiently long edges; others become zero, and short gaps are closed.
fn kept(mut depths: Vec<usize>) -> Vec<usize> {
    let least = (depths.len() as f64 * MIN_EDGE_LENGTH_FRACTION).ceil() as usize;
    let lines: Vec<usize> = (0..depths.len()).filter(|&line| depths[line] > 0).collect();
    let mut kept = vec![0; depths.len()];
    for run in lines.chunk_by(|a, b| b - a <= MAX_GAP_LINES + 1) {
        let (first, last) = (run[0], run[run.len() - 1]);
        if last + 1 - first < least {
            continue;
        }
        for line in first + 1..=last {
            if depths[line] == 0 {
                depths[line] = depths[line - 1];
            }
        }
        // Edges are straight: a line between deeper ones gets their depth.
        for line in first..=last {
            let near =
                &depths[line.saturating_sub(SMOOTHED_LINES).max(first)..=(line + SMOOTHED_LINES).min(last)];
            kept[line] = near.iter().copied().max().unwrap_or(0);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Side 1000, so that a cell is a pixel: grey film with what `paint` adds.
    fn film_with(paint: impl Fn(usize, usize) -> Option<u16>) -> Mask {
        let mut image = GreyImage::black(1000, 1000);
        for (i, v) in image.pixels.iter_mut().enumerate() {
            *v = paint(i % 1000, i / 1000).unwrap_or(25_000);
        }
        film(&image, 65_000, 250, 250)
    }

    #[test]
    fn strips_are_cut_by_their_step_and_tissue_is_not() {
        let film = film_with(|x, y| match (x, y) {
            // Behind one dark pixel a strip of three that is not white, over the upper half.
            (0, 0..500) => Some(0),
            (1..4, 0..500) => Some(56_000),
            // A single white column at the right.
            (999, _) => Some(62_000),
            // A bright body from the lower border, far deeper than an edge.
            (300..900, 700..) => Some(60_000),
            // A short bright mass at the left.
            (0..30, 800..840) => Some(64_000),
            _ => None,
        });
        assert_eq!(film.row(60)[..3], [false, true, true]);
        assert_eq!(film.row(60)[247..], [true, true, false]);
        assert!(film.row(205)[..200].iter().all(|&inside| inside));
        assert!(film.row(249)[80..220].iter().all(|&inside| inside));
        assert_eq!(film.area(), 250 * 250 - 125 - 250);
    }

    #[test]
    fn tissue_that_fades_from_the_border_stays() {
        let film = film_with(|x, _| Some(64_000 - (x as u16) * 60));
        assert_eq!(film.area(), 250 * 250);
    }

    #[test]
    fn a_blurred_edge_goes_with_its_foot() {
        let film = film_with(|_, y| (y < 14).then(|| 64_000 - (y as u16).saturating_sub(7) * 5_500));
        assert!(!film.row(3)[100] && film.row(4)[100]);
    }
}
