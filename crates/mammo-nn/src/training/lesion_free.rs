//! Normal tissue as examples of class 0, cut from images with outlined lesions.
//!
//! Not in the paper, whose data sets hold normal breasts. In CBIS-DDSM every image shows a lesion, and an image
//! classifier trained on it gives normal breasts of a screening archive arbitrary scores, although its patch classifier tells
//! normal tissue from lesions (docs/experiments.md, 2026-12-01).

use std::collections::HashMap;
use std::ops::Range;

use mammo_core::geometry::Rect;
use mammo_core::record::Mammogram;
use mammo_core::seed::Rng;
use mammo_image::augment::LesionRows;
use mammo_image::cache::InputCache;
use rand::RngExt;

use crate::{Error, Result};

/// Draws which rows of which image an example shows.
///
/// A share of the examples of class 0 becomes the rows above or below the lesions of any image. As many others of class
/// 0, and twice as many of class 1, are cut around their lesions, so that neither a cut edge nor little tissue tells the
/// class.
#[derive(Clone, Debug)]
pub struct LesionFree {
    share: f64,
    /// Rows of the lesions of each example; `None` without outlined lesions.
    rows: Vec<Option<LesionRows>>,
    /// Examples with outlined lesions.
    outlined: Vec<usize>,
}

impl LesionFree {
    /// `files`: the image of each example.
    ///
    /// # Errors
    /// A share outside 0 to 0.5; no image with an outlined lesion; a cache entry that cannot be read.
    pub fn new<'f>(
        share: f64,
        files: impl Iterator<Item = &'f str>,
        images: &[&Mammogram],
        cache: &InputCache,
    ) -> Result<Self> {
        if !(0.0..=0.5).contains(&share) {
            return Err(Error::network("lesion_free_share", share.to_string(), "0 to 0.5"));
        }
        let by_file: HashMap<&str, &Mammogram> =
            images.iter().map(|&image| (image.file.as_str(), image)).collect();
        let rows_of = |file: &str| -> Result<Option<LesionRows>> {
            let lesions = by_file.get(file).map_or(&[][..], |image| image.lesions.as_slice());
            if lesions.is_empty() {
                return Ok(None);
            }
            let bounds: Vec<Rect> = lesions.iter().map(|lesion| lesion.shape.bounds()).collect();
            let input = cache.get(file)?;
            Ok(LesionRows::new(&bounds, input.input_from_stored(), input.height()))
        };
        let rows = files.map(rows_of).collect::<Result<Vec<_>>>()?;
        let outlined: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].is_some()).collect();
        if outlined.is_empty() {
            let found = format!("{share}, but no image of the training side has an outlined lesion");
            return Err(Error::network("lesion_free_share", found, "0 for a set without outlines"));
        }
        Ok(Self { share, rows, outlined })
    }

    /// The example to read in place of example `index`, and the rows of it to keep; all by default.
    ///
    /// # Randomness
    /// Up to four draws.
    pub fn draw(&self, index: usize, class: usize, rng: &mut Rng) -> (usize, Option<Range<usize>>) {
        let place = rng.random::<f64>();
        if class == 0 && place < self.share {
            let other = self.outlined[rng.random_range(0..self.outlined.len())];
            let part = self.rows[other].as_ref().and_then(|rows| rows.without(rng));
            // Lesions that leave too little tissue: the example itself is shown whole.
            return part.map_or((index, None), |part| (other, Some(part)));
        }
        let cut = place < 2.0 * self.share;
        (index, self.rows[index].as_ref().filter(|_| cut).map(|rows| rows.around(rng)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_core::geometry::Affine;
    use mammo_core::seed::stream;

    /// Three examples of 100 rows: one without outlines, lesions in rows 20 to 30 and 70 to 80 of the others.
    fn lesion_free(share: f64) -> LesionFree {
        let rows = |top: f64| LesionRows::new(&[Rect::new(0.0, top, 9.0, 10.0)], &Affine::IDENTITY, 100);
        LesionFree { share, rows: vec![None, rows(20.0), rows(70.0)], outlined: vec![1, 2] }
    }

    #[test]
    fn a_share_of_class_0_shows_rows_without_lesions_and_both_classes_are_cut_equally_often() {
        let cuts = lesion_free(0.2);
        let mut rng = stream(1, "lesion_free", 0);
        let n = 20_000;
        let mut count = |index: usize, class: usize| {
            let (mut free, mut around) = (0, 0);
            for _ in 0..n {
                let (shown, rows) = cuts.draw(index, class, &mut rng);
                match rows {
                    Some(rows) if rows == (34..100) || rows == (0..66) => free += 1,
                    Some(rows) => {
                        assert_eq!(shown, index);
                        assert!(
                            rows.start <= 16 && rows.end >= 34,
                            "{rows:?} cuts the lesion in rows 20 to 30"
                        );
                        around += 1;
                    }
                    None => assert_eq!(shown, index),
                }
            }
            [free, around].map(|count| f64::from(count) / f64::from(n))
        };
        let near = |found: [f64; 2], wanted: [f64; 2]| {
            assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 0.012), "{found:?} for {wanted:?}");
        };
        near(count(1, 0), [0.2, 0.2]);
        near(count(1, 1), [0.0, 0.4]);
        // Without outlines an image is never cut; in class 0 it is still replaced.
        near(count(0, 0), [0.2, 0.0]);
        near(count(0, 1), [0.0, 0.0]);
    }
}
