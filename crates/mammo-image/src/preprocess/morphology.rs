//! Binary morphology: dilation, erosion, opening, closing, hole filling, connected components.
//!
//! The structuring element is a disk, exact to the cell. Own code, because stored models depend on
//! the outlines that it finds: another library's disk would change pixels and refuse every older model.

use super::mask::Mask;

/// Distance along the row to the nearest cell of the mask; at most 255.
fn distances_along_rows(mask: &Mask) -> Vec<u8> {
    let mut distances = vec![u8::MAX; mask.cells.len()];
    let rows = distances.chunks_exact_mut(mask.width).zip(mask.cells.chunks_exact(mask.width));
    for (distances, cells) in rows {
        let mut since = u8::MAX;
        for (distance, &inside) in distances.iter_mut().zip(cells) {
            since = if inside { 0 } else { since.saturating_add(1) };
            *distance = since;
        }
        since = u8::MAX;
        for (distance, &inside) in distances.iter_mut().zip(cells).rev() {
            since = if inside { 0 } else { since.saturating_add(1) };
            *distance = since.min(*distance);
        }
    }
    distances
}

/// Dilation: every cell within `radius` of the mask.
///
/// A cell is reached from a row `dy` away when the mask comes within `sqrt(radius^2 - dy^2)` cells
/// of it in that row. For the few cells of radius used here, comparing rows costs less than exact distances
/// by lower envelopes (Felzenszwalb and Huttenlocher 2012, Theory of Computing 8:415-428).
///
/// # Panics
/// When the radius is 255 or more.
pub(super) fn dilate(mask: &Mask, radius: f32) -> Mask {
    assert!(radius < f32::from(u8::MAX), "a disk of radius {radius} is too large");
    let (width, reach) = (mask.width, radius as usize);
    let along = distances_along_rows(mask);
    let mut grown = Mask::filled(width, mask.height, false);
    for (y, grown) in grown.cells.chunks_exact_mut(width).enumerate() {
        for source in y.saturating_sub(reach)..(y + reach + 1).min(mask.height) {
            let dy = source.abs_diff(y) as f32;
            let widest = (radius * radius - dy * dy).sqrt() as u8;
            let distances = &along[source * width..(source + 1) * width];
            grown.iter_mut().zip(distances).for_each(|(inside, &distance)| *inside |= distance <= widest);
        }
    }
    grown
}

/// Erosion: every cell farther than `radius` from the outside; border cells are repeated outwards.
pub(crate) fn erode(mask: &Mask, radius: f32) -> Mask {
    complement(&dilate(&complement(mask), radius))
}

fn complement(mask: &Mask) -> Mask {
    Mask { cells: mask.cells.iter().map(|&cell| !cell).collect(), ..*mask }
}

/// Opening: removes parts thinner than `2 * radius`, including strips at the border, because cells
/// beyond the border count as outside.
pub(super) fn open(mask: &Mask, radius: f32) -> Mask {
    let framed = resize_canvas(mask, 1);
    resize_canvas(&dilate(&erode(&framed, radius), radius), -1)
}

/// Closing: fills gaps narrower than `2 * radius`.
pub(super) fn close(mask: &Mask, radius: f32) -> Mask {
    let room = radius.ceil() as isize;
    let framed = resize_canvas(mask, room);
    resize_canvas(&erode(&dilate(&framed, radius), radius), -room)
}

/// Adds `by` empty cells on every side, or removes as many when negative.
fn resize_canvas(mask: &Mask, by: isize) -> Mask {
    let grown = |length: usize| length.saturating_add_signed(2 * by);
    let mut result = Mask::filled(grown(mask.width), grown(mask.height), false);
    // Start of the common part in each mask.
    let (from, to) = (by.min(0).unsigned_abs(), by.max(0).unsigned_abs());
    let (width, height) = (mask.width.min(result.width), mask.height.min(result.height));
    for y in 0..height {
        let start = (to + y) * result.width + to;
        result.cells[start..start + width].copy_from_slice(&mask.row(from + y)[from..from + width]);
    }
    result
}

/// Hole filling: every outside cell that is not connected to the border becomes inside.
pub(super) fn fill_holes(mask: &Mask) -> Mask {
    let mut filled = Mask::filled(mask.width, mask.height, true);
    for region in regions(&complement(mask)).into_iter().filter(|region| region.touches_border) {
        region.cells.iter().for_each(|&cell| filled.cells[cell] = false);
    }
    filled
}

/// One connected component of a mask.
pub(super) struct Region {
    /// Indices of its cells, row-major.
    pub(super) cells: Vec<usize>,
    /// Whether one of them lies on the border.
    pub(super) touches_border: bool,
}

impl Region {
    /// The component as a mask of the original size.
    pub(super) fn to_mask(&self, width: usize, height: usize) -> Mask {
        let mut mask = Mask::filled(width, height, false);
        self.cells.iter().for_each(|&cell| mask.cells[cell] = true);
        mask
    }
}

/// The 4-connected components, in row-major order of their first cell.
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
    fn grown_and_shrunk_masks_equal_a_search_over_all_cells() {
        let mask = speckled();
        for radius in [0.0, 1.0, 1.5, 2.0, 3.7, 5.0] {
            let near = |cell: usize, target: bool| {
                let squared = |other: usize| {
                    ((cell % 17).abs_diff(other % 17).pow(2) + (cell / 17).abs_diff(other / 17).pow(2)) as f32
                };
                (0..mask.cells.len())
                    .any(|other| mask.cells[other] == target && squared(other) <= radius * radius)
            };
            for cell in 0..mask.cells.len() {
                assert_eq!(dilate(&mask, radius).cells[cell], near(cell, true), "{radius}, cell {cell}");
                assert_eq!(erode(&mask, radius).cells[cell], !near(cell, false), "{radius}, cell {cell}");
            }
        }
        let empty = Mask::filled(4, 4, false);
        assert_eq!(dilate(&empty, 3.0), empty);
        let full = Mask::filled(4, 4, true);
        assert_eq!(erode(&full, 3.0), full);
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
