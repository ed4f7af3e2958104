//! Cuts of a whole image along rows: parts without a lesion, and parts that keep all lesions.
//!
//! Images of a set of lesions never show a normal breast, so an image classifier that sees nothing else learns to tell
//! malignant lesions from benign ones, and not from normal tissue. The rows above or below the lesions of an
//! image are normal tissue of the same scanner and the same breast: [`LesionRows::without`] keeps them. A straight edge
//! must not tell the class, so other images are cut as well, and [`LesionRows::around`] keeps their lesions.

use std::ops::Range;

use rand::RngExt;

use mammo_core::geometry::{Affine, Rect};
use mammo_core::image::{GreyImage, GreyView};
use mammo_core::seed::Rng;

/// Least share of the rows that a part without lesions must have.
const LEAST_PART: f64 = 0.25;

/// Distance between a lesion and a cut, as a share of the rows: outlines are drawn by hand, and margins tell the class.
const MARGIN: f64 = 0.04;

/// The rows of an input that its lesions occupy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LesionRows {
    /// Rows of the input.
    height: usize,
    /// From the first to the last lesion, with a margin.
    occupied: Range<usize>,
}

impl LesionRows {
    /// Rows of the lesions' bounding boxes, given in stored pixels; `None` without lesions.
    pub fn new(bounds: &[Rect], input_from_stored: &Affine, height: usize) -> Option<Self> {
        let boxes = bounds.iter().map(|bounds| input_from_stored.apply_rect(bounds));
        let (top, bottom) = boxes.map(|b| (b.y, b.bottom())).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let margin = MARGIN * height as f64;
        // The casts saturate, so a lesion outside the input occupies its border.
        let row = |y: f64| (y.max(0.0) as usize).min(height);
        Some(Self { height, occupied: row((top - margin).floor())..row((bottom + margin).ceil()) })
    }

    /// Draws the rows of a part without lesions, above or below them; `None` if neither part is large enough.
    ///
    /// # Randomness
    /// One draw.
    pub fn without(&self, rng: &mut Rng) -> Option<Range<usize>> {
        let (above, below) = (0..self.occupied.start, self.occupied.end..self.height);
        let least = (LEAST_PART * self.height as f64).ceil() as usize;
        let take_above = rng.random::<bool>();
        match (above.len() >= least, below.len() >= least) {
            (true, true) if take_above => Some(above),
            (true, false) => Some(above),
            (_, true) => Some(below),
            (false, false) => None,
        }
    }

    /// Draws the rows of a part that holds all lesions; either side of them is cut at random.
    ///
    /// # Randomness
    /// Two draws.
    pub fn around(&self, rng: &mut Rng) -> Range<usize> {
        let mut share = || rng.random::<f64>();
        let cut_above = share() * self.occupied.start as f64;
        let cut_below = share() * (self.height - self.occupied.end) as f64;
        cut_above as usize..self.height - cut_below as usize
    }
}

/// A copy of the input with all other rows black.
pub fn keep_rows(input: GreyView, rows: &Range<usize>) -> GreyImage {
    let mut kept = GreyImage::black(input.width, input.height);
    let cells = rows.start * input.width..rows.end * input.width;
    kept.pixels[cells.clone()].copy_from_slice(&input.pixels[cells]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_core::seed::stream;

    /// One lesion of 20 rows at `top` in an input of 200 rows, stored at twice the size.
    fn rows(top: f64) -> LesionRows {
        let stored = Rect::new(10.0, 2.0 * top, 60.0, 40.0);
        LesionRows::new(&[stored], &Affine::scale(0.5, 0.5), 200).unwrap()
    }

    #[test]
    fn parts_without_lesions_stay_clear_of_them_and_are_large_enough() {
        assert_eq!(LesionRows::new(&[], &Affine::IDENTITY, 200), None);
        let mut rng = stream(1, "cut", 0);
        let drawn = |top: f64, rng: &mut Rng| {
            let mut parts: Vec<_> = (0..50).map(|_| rows(top).without(rng)).collect();
            parts.sort_by_key(|part| part.as_ref().map(|part| part.start));
            parts.dedup();
            parts
        };
        assert_eq!(drawn(90.0, &mut rng), [Some(0..82), Some(118..200)]);
        assert_eq!(drawn(40.0, &mut rng), [Some(68..200)]);
        assert_eq!(drawn(150.0, &mut rng), [Some(0..142)]);
        let far_apart = [Rect::new(0.0, 10.0, 5.0, 5.0), Rect::new(0.0, 180.0, 5.0, 5.0)];
        let all = LesionRows::new(&far_apart, &Affine::IDENTITY, 200).unwrap();
        assert_eq!(all.without(&mut rng), None);
    }

    #[test]
    fn parts_around_lesions_hold_them_and_vary() {
        let mut rng = stream(1, "cut", 1);
        let parts: Vec<_> = (0..200).map(|_| rows(90.0).around(&mut rng)).collect();
        assert!(parts.iter().all(|part| part.start <= 82 && part.end >= 118 && part.end <= 200));
        assert!(parts.iter().any(|part| part.start < 10) && parts.iter().any(|part| part.start > 70));
        assert!(parts.iter().any(|part| part.end > 190) && parts.iter().any(|part| part.end < 130));
    }

    #[test]
    fn other_rows_become_black() {
        let input = GreyImage { width: 2, height: 3, pixels: vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(keep_rows((&input).into(), &(1..2)).pixels, [0, 0, 3, 4, 0, 0]);
    }
}
