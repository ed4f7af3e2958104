//! Shapes of a small binary image: grow, shrink, fill, take apart.
//!
//! Growing and shrinking by a radius are thresholds on exact Euclidean distances, so a disk
//! of any radius costs the same.

use super::mask::Mask;

/// Squared distance of every cell to the nearest cell that equals `target`; infinite when
/// there is none. Two passes of lower envelopes (Felzenszwalb and Huttenlocher 2012, Theory
/// of Computing 8:415-428).
fn squared_distance_to(mask: &Mask, target: bool) -> Vec<f32> {
    let (width, height) = (mask.width, mask.height);
    let mut field: Vec<f32> =
        mask.cells.iter().map(|&cell| if cell == target { 0.0 } else { f32::INFINITY }).collect();
    let mut envelope = Envelope::default();
    for row in field.chunks_exact_mut(width) {
        envelope.apply(row);
    }
    let mut column = vec![0.0; height];
    for x in 0..width {
        (0..height).for_each(|y| column[y] = field[y * width + x]);
        envelope.apply(&mut column);
        (0..height).for_each(|y| field[y * width + x] = column[y]);
    }
    field
}

/// Lower envelope of parabolas `(x - vertex)^2 + base`, one per finite sample of a line.
#[derive(Default)]
struct Envelope {
    /// Vertex, height of the parabola there, and where it becomes the lowest one.
    parabolas: Vec<(f32, f32, f32)>,
}

impl Envelope {
    /// Replaces every value by the least `(x - vertex)^2 + value(vertex)` of the line.
    fn apply(&mut self, line: &mut [f32]) {
        self.parabolas.clear();
        for (x, &base) in line.iter().enumerate() {
            if base.is_infinite() {
                continue;
            }
            let vertex = x as f32;
            let mut start = f32::NEG_INFINITY;
            while let Some(&(other, height, other_start)) = self.parabolas.last() {
                let crossing = (base + vertex * vertex - height - other * other) / (2.0 * (vertex - other));
                if crossing > other_start {
                    start = crossing;
                    break;
                }
                self.parabolas.pop();
            }
            self.parabolas.push((vertex, base, start));
        }
        let mut current = 0;
        for (x, value) in line.iter_mut().enumerate() {
            let x = x as f32;
            while self.parabolas.get(current + 1).is_some_and(|next| next.2 < x) {
                current += 1;
            }
            if let Some((vertex, base, _)) = self.parabolas.get(current) {
                *value = (x - vertex) * (x - vertex) + base;
            }
        }
    }
}

/// Every cell within `radius` of the mask.
pub(super) fn dilate(mask: &Mask, radius: f32) -> Mask {
    let cells = squared_distance_to(mask, true).iter().map(|&d| d <= radius * radius).collect();
    Mask { cells, ..*mask }
}

/// Every cell farther than `radius` from the outside; beyond the border lies more of the same.
pub(super) fn erode(mask: &Mask, radius: f32) -> Mask {
    let cells = squared_distance_to(mask, false).iter().map(|&d| d > radius * radius).collect();
    Mask { cells, ..*mask }
}

/// Takes away what is thinner than `2 * radius`, border strips included: here the outside
/// goes on beyond the border.
pub(super) fn open(mask: &Mask, radius: f32) -> Mask {
    let framed = resize_canvas(mask, 1);
    resize_canvas(&dilate(&erode(&framed, radius), radius), -1)
}

/// Closes gaps narrower than `2 * radius`.
pub(super) fn close(mask: &Mask, radius: f32) -> Mask {
    let room = radius.ceil() as isize;
    let framed = resize_canvas(mask, room);
    resize_canvas(&erode(&dilate(&framed, radius), radius), -room)
}

/// Adds `by` empty cells on every side, or takes as many away when negative.
fn resize_canvas(mask: &Mask, by: isize) -> Mask {
    let grown = |length: usize| length.saturating_add_signed(2 * by);
    let mut result = Mask::filled(grown(mask.width), grown(mask.height), false);
    let shift = |i: usize, length: usize| i.checked_add_signed(by).filter(|&i| i < length);
    for y in 0..mask.height {
        let Some(target_y) = shift(y, result.height) else { continue };
        for (x, &inside) in mask.row(y).iter().enumerate() {
            if let Some(target_x) = shift(x, result.width) {
                result.cells[target_y * result.width + target_x] = inside;
            }
        }
    }
    result
}

/// The mask without holes: every outside cell that the border cannot reach becomes inside.
pub(super) fn fill_holes(mask: &Mask) -> Mask {
    let outside = Mask { cells: mask.cells.iter().map(|&cell| !cell).collect(), ..*mask };
    let mut filled = Mask::filled(mask.width, mask.height, true);
    for region in regions(&outside).into_iter().filter(|region| region.touches_border) {
        region.cells.iter().for_each(|&cell| filled.cells[cell] = false);
    }
    filled
}

/// One connected part of a mask.
pub(super) struct Region {
    /// Indices of its cells, row-major.
    pub(super) cells: Vec<usize>,
    /// Whether one of them lies on the border.
    pub(super) touches_border: bool,
}

impl Region {
    /// This part alone, as a mask of the size of the one it came from.
    pub(super) fn to_mask(&self, width: usize, height: usize) -> Mask {
        let mut mask = Mask::filled(width, height, false);
        self.cells.iter().for_each(|&cell| mask.cells[cell] = true);
        mask
    }
}

/// The parts connected over edges (not corners), in row-major order of their first cell.
pub(super) fn regions(mask: &Mask) -> Vec<Region> {
    let (width, height) = (mask.width, mask.height);
    let mut left = mask.cells.clone();
    let mut regions = Vec::new();
    for start in 0..left.len() {
        if !std::mem::take(&mut left[start]) {
            continue;
        }
        let (mut cells, mut next, mut touches_border) = (vec![start], 0, false);
        while let Some(&cell) = cells.get(next) {
            next += 1;
            let (x, y) = (cell % width, cell / width);
            touches_border |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            let neighbours = [
                (x > 0).then(|| cell - 1),
                (x + 1 < width).then(|| cell + 1),
                (y > 0).then(|| cell - width),
                (y + 1 < height).then(|| cell + width),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                if std::mem::take(&mut left[neighbour]) {
                    cells.push(neighbour);
                }
            }
        }
        regions.push(Region { cells, touches_border });
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let cells = rows.iter().flat_map(|row| row.bytes().map(|cell| cell == b'#')).collect();
        Mask { width: rows[0].len(), height: rows.len(), cells }
    }

    /// A mask with many shapes: cells where a fixed pattern is set.
    fn speckled() -> Mask {
        let cells = (0..17 * 13).map(|i| (i * i * 31 + i * 7) % 11 < 3).collect();
        Mask { width: 17, height: 13, cells }
    }

    #[test]
    fn distances_equal_a_search_over_all_cells() {
        let mask = speckled();
        for target in [true, false] {
            let fast = squared_distance_to(&mask, target);
            for (cell, &found) in fast.iter().enumerate() {
                let distance = |other: usize| {
                    let dx = (cell % 17) as f32 - (other % 17) as f32;
                    let dy = (cell / 17) as f32 - (other / 17) as f32;
                    dx * dx + dy * dy
                };
                let nearest =
                    (0..mask.cells.len()).filter(|&other| mask.cells[other] == target).map(distance);
                assert_eq!(found, nearest.fold(f32::INFINITY, f32::min), "cell {cell}, {target}");
            }
        }
        let empty = Mask::filled(4, 4, false);
        assert!(squared_distance_to(&empty, true).iter().all(|d| d.is_infinite()));
        assert_eq!(dilate(&empty, 3.0), empty);
    }

    #[test]
    fn opening_takes_away_a_strip_at_the_border_and_keeps_a_body() {
        let mut picture = Mask::filled(20, 20, false);
        for y in 0..20 {
            for x in 0..20 {
                picture.cells[y * 20 + x] = x < 2 || (x >= 8 && (5..15).contains(&y));
            }
        }
        let opened = open(&picture, 2.0);
        assert!((0..20).all(|y| !opened.row(y)[0] && !opened.row(y)[1]));
        assert!(opened.row(10)[8..].iter().all(|&inside| inside));
    }

    #[test]
    fn closing_never_loses_a_cell() {
        let before = speckled();
        let after = close(&before, 2.0);
        assert!(before.cells.iter().zip(&after.cells).all(|(before, after)| !before || *after));
    }

    #[test]
    fn a_hole_is_filled_and_a_bay_is_not() {
        let ring = mask(&["....", ".###", ".#.#", ".###", "....", "###.", "..#."]);
        let expected = mask(&["....", ".###", ".###", ".###", "....", "###.", "..#."]);
        assert_eq!(fill_holes(&ring), expected);
    }

    #[test]
    fn corners_do_not_connect() {
        let found = regions(&mask(&["##..", "..#.", "..#."]));
        assert_eq!(found.iter().map(|region| region.cells.len()).collect::<Vec<_>>(), [2, 2]);
        assert!(found.iter().all(|region| region.touches_border));
    }
}
