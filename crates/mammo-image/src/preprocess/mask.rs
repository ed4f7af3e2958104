//! Binary masks of breast tissue and lesions.

use serde::{Deserialize, Serialize};

use mammo_core::geometry::Rect;

/// A binary image, row by row.
///
/// Serialised as run lengths (first the cells outside, then inside, and so on), which
/// turns a breast outline into a few hundred numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RunLengths", into = "RunLengths")]
pub struct Mask {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` values, row-major.
    pub cells: Vec<bool>,
}

impl Mask {
    /// A mask with every cell set to `inside`.
    pub fn filled(width: usize, height: usize, inside: bool) -> Self {
        Self { width, height, cells: vec![inside; width * height] }
    }

    /// One row of cells.
    pub fn row(&self, y: usize) -> &[bool] {
        &self.cells[y * self.width..(y + 1) * self.width]
    }

    /// Number of cells inside.
    pub fn area(&self) -> usize {
        self.cells.iter().filter(|&&inside| inside).count()
    }

    /// The bounding box of the inside cells; `None` when there are none.
    pub fn bounds(&self) -> Option<Rect> {
        let rows = |y: &usize| self.row(*y).contains(&true);
        let (top, bottom) = ((0..self.height).find(rows)?, (0..self.height).rfind(rows)?);
        let first = |y: usize| self.row(y).iter().position(|&inside| inside);
        let last = |y: usize| self.row(y).iter().rposition(|&inside| inside);
        let left = (top..=bottom).filter_map(first).min()?;
        let right = (top..=bottom).filter_map(last).max()?;
        Some(Rect::new(left as f64, top as f64, (right + 1 - left) as f64, (bottom + 1 - top) as f64))
    }

    /// Adds every inside cell of `other`, a mask of the same size.
    pub fn join(&mut self, other: &Self) {
        assert_eq!((self.width, self.height), (other.width, other.height), "masks of one frame");
        self.cells.iter_mut().zip(&other.cells).for_each(|(cell, &inside)| *cell |= inside);
    }

    /// The cells that are inside in both, masks of the same size.
    pub fn and(mut self, other: &Self) -> Self {
        assert_eq!((self.width, self.height), (other.width, other.height), "masks of one frame");
        self.cells.iter_mut().zip(&other.cells).for_each(|(cell, &inside)| *cell &= inside);
        self
    }
}

/// The file format of a [`Mask`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunLengths {
    width: usize,
    height: usize,
    runs: Vec<usize>,
}

impl From<Mask> for RunLengths {
    fn from(mask: Mask) -> Self {
        let (mut runs, mut current, mut length) = (Vec::new(), false, 0);
        for &inside in &mask.cells {
            if inside != current {
                runs.push(length);
                (current, length) = (inside, 0);
            }
            length += 1;
        }
        runs.push(length);
        Self { width: mask.width, height: mask.height, runs }
    }
}

impl TryFrom<RunLengths> for Mask {
    type Error = String;

    fn try_from(stored: RunLengths) -> Result<Self, String> {
        // Checked before the allocation, so that a damaged file does not allocate terabytes.
        let total = stored.runs.iter().try_fold(0_usize, |sum, &run| sum.checked_add(run));
        let expected = stored.width.checked_mul(stored.height);
        match (total, expected) {
            (Some(total), Some(expected)) if total == expected && total <= 1 << 28 => {}
            _ => {
                return Err(format!(
                    "run lengths do not add up to a mask of {}x{} cells",
                    stored.width, stored.height
                ));
            }
        }
        let cells = stored.runs.iter().enumerate().flat_map(|(i, &run)| std::iter::repeat_n(i % 2 == 1, run));
        Ok(Self { width: stored.width, height: stored.height, cells: cells.collect() })
    }
}

/// Summed-area table of a [`Mask`]: sums over any rectangle in constant time.
pub struct MaskSums {
    width: usize,
    height: usize,
    /// `(width + 1) * (height + 1)` sums of all cells above and to the left.
    sums: Vec<u32>,
}

impl MaskSums {
    /// Computes the table.
    pub fn new(mask: &Mask) -> Self {
        let stride = mask.width + 1;
        let mut sums = vec![0_u32; stride * (mask.height + 1)];
        for y in 0..mask.height {
            let mut row = 0;
            for (x, &inside) in mask.row(y).iter().enumerate() {
                row += u32::from(inside);
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
            }
        }
        Self { width: mask.width, height: mask.height, sums }
    }

    /// Number of inside cells in columns `x..x + width` and rows `y..y + height`; cells beyond the
    /// border count as outside.
    pub fn inside(&self, x: i64, y: i64, width: i64, height: i64) -> u32 {
        let column = |x: i64| x.clamp(0, self.width as i64) as usize;
        let row = |y: i64| y.clamp(0, self.height as i64) as usize;
        let at = |x: usize, y: usize| self.sums[y * (self.width + 1) + x];
        let (left, right) = (column(x), column(x + width.max(0)));
        let (top, bottom) = (row(y), row(y + height.max(0)));
        at(right, bottom) + at(left, top) - at(left, bottom) - at(right, top)
    }

    /// Number of inside cells in all.
    pub fn total(&self) -> u32 {
        self.inside(0, 0, self.width as i64, self.height as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plus() -> Mask {
        let cells = [0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0].map(|cell| cell == 1);
        Mask { width: 4, height: 3, cells: cells.to_vec() }
    }

    #[test]
    fn a_mask_survives_its_run_lengths() {
        for mask in [plus(), Mask::filled(3, 2, true), Mask::filled(3, 2, false)] {
            let json = serde_json::to_string(&mask).unwrap();
            assert_eq!(serde_json::from_str::<Mask>(&json).unwrap(), mask, "{json}");
        }
    }

    #[test]
    fn runs_that_do_not_fill_the_mask_are_refused() {
        for runs in ["[3]", "[2,3]", "[18446744073709551615,5]"] {
            let json = format!(r#"{{"width":2,"height":2,"runs":{runs}}}"#);
            assert!(serde_json::from_str::<Mask>(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn bounds_hold_every_inside_cell() {
        assert_eq!(plus().bounds(), Some(Rect::new(0.0, 0.0, 3.0, 3.0)));
        assert_eq!(Mask::filled(4, 4, false).bounds(), None);
    }

    #[test]
    fn sums_equal_counting() {
        let (mask, sums) = (plus(), MaskSums::new(&plus()));
        for (x, y, width, height) in [(0, 0, 4, 3), (1, 1, 1, 1), (-5, -5, 7, 7), (3, 0, 9, 9), (2, 1, 0, 0)]
        {
            let counted = (0..mask.height as i64)
                .flat_map(|row| (0..mask.width as i64).map(move |column| (column, row)))
                .filter(|&(c, r)| c >= x && c < x + width && r >= y && r < y + height)
                .filter(|&(c, r)| mask.row(r as usize)[c as usize])
                .count();
            assert_eq!(sums.inside(x, y, width, height) as usize, counted, "{x} {y} {width} {height}");
        }
        assert_eq!(sums.total() as usize, mask.area());
    }
}
