//! Maps of values, and the positions of their cells in the image.

use mammo_core::geometry::{Affine, Rect};
use serde::{Deserialize, Serialize};

/// Rows and columns of a map, and the transform from cells to the image.
///
/// Cell coordinates are continuous, as those of pixels: cell `(row, col)` covers `[col, col + 1) x [row, row + 1)`,
/// and its centre is at `+ 0.5`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapGrid {
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub cols: usize,
    /// Maps points of the map to points of the network input, in pixels.
    pub input_from_cell: Affine,
    /// Maps points of the network input to points of the image as stored, in pixels.
    pub stored_from_input: Affine,
    /// Millimetres per stored pixel along x and y, if known.
    pub spacing_mm: Option<[f64; 2]>,
}

impl MapGrid {
    /// A grid on an input without a stored image: both frames are those of the input.
    pub fn on_input(rows: usize, cols: usize, input_from_cell: Affine) -> Self {
        Self { rows, cols, input_from_cell, stored_from_input: Affine::IDENTITY, spacing_mm: None }
    }

    /// The same cells for an input prepared from a stored image. `None` if the transform is not invertible, which no
    /// valid preprocessing produces.
    pub fn of_stored(self, input_from_stored: &Affine, spacing_mm: Option<[f64; 2]>) -> Option<Self> {
        Some(Self { stored_from_input: input_from_stored.inverse()?, spacing_mm, ..self })
    }

    /// Maps points of the map to points of the stored image.
    pub fn stored_from_cell(&self) -> Affine {
        self.input_from_cell.then(&self.stored_from_input)
    }

    /// Centre of a cell in the input, as `(x, y)` pixels.
    pub fn input_centre(&self, row: usize, col: usize) -> (f64, f64) {
        self.input_from_cell.apply(col as f64 + 0.5, row as f64 + 0.5)
    }

    /// Centre of a cell in the stored image, as `(x, y)` pixels.
    pub fn stored_centre(&self, row: usize, col: usize) -> (f64, f64) {
        self.stored_from_cell().apply(col as f64 + 0.5, row as f64 + 0.5)
    }

    /// A rectangle of the stored image in millimetres, if the spacing is known.
    pub fn millimetres(&self, stored: &Rect) -> Option<Rect> {
        let [x, y] = self.spacing_mm?;
        Some(Rect::new(stored.x * x, stored.y * y, stored.width * x, stored.height * y))
    }
}

/// One value per cell.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Where the cells lie.
    pub grid: MapGrid,
    /// `rows * cols` values, row-major.
    pub values: Vec<f32>,
}

impl HeatMap {
    /// Largest value; zero for an empty map.
    pub fn max(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }

    /// The value at a point of the input: interpolated linearly between cell centres, constant beyond the outermost
    /// ones.
    pub fn at_input(&self, x: f64, y: f64) -> f32 {
        let Some(cell_from_input) = self.grid.input_from_cell.inverse() else { return 0.0 };
        let (u, v) = cell_from_input.apply(x, y);
        let split = |position: f64, n: usize| {
            let position = (position - 0.5).clamp(0.0, (n - 1) as f64);
            let low = (position.floor() as usize).min(n.saturating_sub(2));
            (low, (low + 1).min(n - 1), (position - low as f64) as f32)
        };
        if self.values.is_empty() {
            return 0.0;
        }
        let ((left, right, fx), (top, bottom, fy)) = (split(u, self.grid.cols), split(v, self.grid.rows));
        let at = |row: usize, col: usize| self.values[row * self.grid.cols + col];
        let across = |row| at(row, left) * (1.0 - fx) + at(row, right) * fx;
        across(top) * (1.0 - fy) + across(bottom) * fy
    }

    /// The map interpolated at every pixel of a `width x height` input, row-major.
    pub fn over_input(&self, width: usize, height: usize) -> Vec<f32> {
        let row = |y: usize| (0..width).map(move |x| self.at_input(x as f64 + 0.5, y as f64 + 0.5));
        (0..height).flat_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> HeatMap {
        let grid = MapGrid::on_input(2, 3, Affine::scale(10.0, 10.0).then(&Affine::translate(5.0, 0.0)));
        HeatMap { grid, values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0] }
    }

    #[test]
    fn a_map_is_exact_at_centres_linear_between_and_constant_outside() {
        let map = map();
        assert_eq!(map.grid.input_centre(1, 2), (30.0, 15.0));
        assert_eq!(map.at_input(30.0, 15.0), 5.0);
        assert_eq!(map.at_input(15.0, 5.0), 0.5);
        assert_eq!(map.at_input(15.0, 10.0), 2.0);
        assert_eq!(map.at_input(-90.0, -90.0), 0.0);
        assert_eq!(map.at_input(900.0, 900.0), 5.0);
        assert_eq!(map.over_input(40, 20).len(), 800);
    }

    #[test]
    fn a_cell_goes_through_the_input_to_stored_pixels_and_millimetres() {
        // Mirrored, scaled by one half and shifted, as by the preprocessing.
        let input_from_stored = Affine::scale(-0.5, 0.5).then(&Affine::translate(100.0, 10.0));
        let grid = map().grid.of_stored(&input_from_stored, Some([0.05, 0.1])).unwrap();
        let (x, y) = grid.stored_centre(0, 0);
        assert_eq!(input_from_stored.apply(x, y), grid.input_centre(0, 0));
        assert_eq!((x, y), (180.0, -10.0));
        let stored = grid.stored_from_cell().apply_rect(&Rect::new(0.0, 1.0, 1.0, 1.0));
        assert_eq!(stored, Rect::new(170.0, 0.0, 20.0, 20.0));
        assert_eq!(grid.millimetres(&stored), Some(Rect::new(8.5, 0.0, 1.0, 2.0)));
    }
}
