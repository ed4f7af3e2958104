//! Strips of light or lacquer along the border of a scanned film.

use super::mask::Mask;

/// Deepest film edge, as a share of the image's side.
const MAX_EDGE_FRACTION: f64 = 0.06;

/// Rows and columns at the border that show film edge instead of film.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct FilmEdges {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl FilmEdges {
    /// A line along the border counts as film edge while it is dark or saturated nearly throughout.
    pub(super) fn find(levels: &[u8], width: usize, height: usize) -> Self {
        let column = |x: usize| (0..height).map(move |y| levels[y * width + x]);
        let row = |y: usize| levels[y * width..(y + 1) * width].iter().copied();
        let most = |length: usize| (length as f64 * MAX_EDGE_FRACTION) as usize;
        let (wide, high) = (most(width), most(height));
        Self {
            left: edge_depth((0..wide).map(|x| column(x).collect())),
            right: edge_depth((0..wide).map(|x| column(width - 1 - x).collect())),
            top: edge_depth((0..high).map(|y| row(y).collect())),
            bottom: edge_depth((0..high).map(|y| row(height - 1 - y).collect())),
        }
    }

    /// Whether a pixel of a `width` x `height` image lies on an edge.
    pub(super) fn contains(&self, x: usize, y: usize, width: usize, height: usize) -> bool {
        x < self.left || y < self.top || x + self.right >= width || y + self.bottom >= height
    }

    /// Everything but the edges.
    pub(super) fn interior(&self, width: usize, height: usize) -> Mask {
        self.keep_interior(Mask::filled(width, height, true))
    }

    /// The mask without the edges.
    pub(super) fn keep_interior(&self, mut mask: Mask) -> Mask {
        for cell in 0..mask.cells.len() {
            if self.contains(cell % mask.width, cell / mask.width, mask.width, mask.height) {
                mask.cells[cell] = false;
            }
        }
        mask
    }
}

/// Number of lines, from the border inwards, that are film edge.
fn edge_depth(lines: impl Iterator<Item = Vec<u8>>) -> usize {
    let is_edge = |line: &Vec<u8>| {
        let share = |test: fn(u8) -> bool| {
            line.iter().filter(|&&level| test(level)).count() as f64 / line.len() as f64
        };
        share(|level| level < 24) > 0.97 || share(|level| level > 240) > 0.85
    };
    lines.take_while(is_edge).count()
}
