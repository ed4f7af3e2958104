//! Computes the value of each [`Sign`]: shape of the breast, background and texture.

use super::features::percentile;
use super::limits::Sign;
use super::{enclosed, ramp, reflection};
use crate::preprocess::{ChestWall, Mask, erode};
use mammo_core::image::GreyImage;

/// Background pixels within this share of the range from their median count as uniform.
const EVEN: f64 = 0.06;

/// Distance from the outline within which texture is not measured, in pixels of the copy, because the
/// skin line is an edge.
const CORE_PX: f32 = 12.0;

/// An image with the chest wall on the left, and its breast mask.
pub(super) struct Outline {
    image: GreyImage,
    mask: Mask,
    /// For each row of the mask, the column after the last cell inside; 0 without one.
    extents: Vec<f64>,
    /// For each column, the number of cells inside.
    heights: Vec<f64>,
    inside_median: f64,
    outside_median: f64,
    /// 99th percentile inside minus 1st percentile of the image; at least 1.
    range: f64,
}

impl Outline {
    /// Mirrors image and mask, which have the same size, so that the chest wall is on the left.
    pub(super) fn new(mut image: GreyImage, mut mask: Mask) -> Self {
        let contact = |wall| contact_rows(&mask, wall);
        if contact(ChestWall::Right) > contact(ChestWall::Left) {
            let width = mask.width;
            image.pixels.chunks_exact_mut(width).for_each(<[u16]>::reverse);
            mask.cells.chunks_exact_mut(width).for_each(<[bool]>::reverse);
        }
        let row = |y: usize| mask.row(y).iter().rposition(|&inside| inside).map_or(0, |last| last + 1) as f64;
        let column = |x: usize| (0..mask.height).filter(|&y| mask.row(y)[x]).count() as f64;
        let (extents, heights) = ((0..mask.height).map(row).collect(), (0..mask.width).map(column).collect());
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for (&value, &is_inside) in image.pixels.iter().zip(&mask.cells) {
            if is_inside { inside.push(value) } else { outside.push(value) }
        }
        let range =
            f64::from(percentile(&mut inside, 0.99)) - f64::from(percentile(&mut image.pixels.clone(), 0.01));
        Self {
            inside_median: f64::from(percentile(&mut inside, 0.5)),
            outside_median: f64::from(percentile(&mut outside, 0.5)),
            range: range.max(1.0),
            image,
            mask,
            extents,
            heights,
        }
    }

    /// The image, clipped at the 99th percentile of the breast, because labels are brighter.
    fn clipped(&self) -> Vec<f64> {
        let low = f64::from(percentile(&mut self.image.pixels.clone(), 0.01));
        self.image.pixels.iter().map(|&v| f64::from(v).min(low + self.range)).collect()
    }

    fn width(&self) -> f64 {
        self.mask.width as f64
    }

    fn height(&self) -> f64 {
        self.mask.height as f64
    }

    fn area(&self) -> f64 {
        self.mask.area() as f64
    }
}

/// The value of one sign.
pub(super) fn measure(sign: Sign, outline: &Outline) -> f64 {
    let (mask, width, height) = (&outline.mask, outline.width(), outline.height());
    match sign {
        Sign::WallContact => contact_rows(mask, ChestWall::Left) as f64 / height,
        Sign::BottomContact => {
            let rows = mask.height - (mask.height / 40).max(1)..mask.height;
            let touches = |x: &usize| rows.clone().any(|y| mask.row(y)[*x]);
            (0..mask.width).filter(touches).count() as f64 / width
        }
        Sign::Filled => outline.area() / outline.extents.iter().sum::<f64>().max(1.0),
        Sign::Narrowing => {
            let largest = |heights: &[f64]| heights.iter().copied().fold(0.0, f64::max);
            (largest(&outline.heights) - largest(&outline.heights[..(mask.width / 8).max(1)])) / height
        }
        Sign::Centroid => {
            let moment: f64 = (0..).zip(&outline.heights).map(|(x, n)| f64::from(x) * n).sum();
            moment / outline.area().max(1.0) / width
        }
        Sign::Symmetry => reflection::symmetry(&outline.clipped(), mask.width),
        Sign::Ramp => ramp::explained(&outline.image),
        Sign::BackgroundEvenness => {
            let outside = outline.image.pixels.iter().zip(&mask.cells).filter(|(_, inside)| !**inside);
            let (mut n, mut even) = (0_u32, 0_u32);
            for (&value, _) in outside {
                n += 1;
                even += u32::from((f64::from(value) - outline.outside_median).abs() < EVEN * outline.range);
            }
            f64::from(even) / f64::from(n.max(1))
        }
        Sign::BackgroundStep => (outline.inside_median - outline.outside_median) / outline.range,
        Sign::Texture => texture(outline),
        Sign::EnclosedDark => enclosed::mean_depth(&outline.image, mask) / outline.range,
        Sign::Area => outline.area() / (width * height),
    }
}

/// Rows in which the mask reaches the outer sixteenth of one side.
fn contact_rows(mask: &Mask, wall: ChestWall) -> usize {
    let depth = (mask.width / 16).max(1);
    let columns = match wall {
        ChestWall::Left => 0..depth,
        ChestWall::Right => mask.width - depth..mask.width,
    };
    (0..mask.height).filter(|&y| mask.row(y)[columns.clone()].contains(&true)).count()
}

/// Mean difference of a pixel from the mean of the 5x5 pixels around it, divided by the range, well
/// inside the breast; the usual value where the breast is too thin to measure.
fn texture(outline: &Outline) -> f64 {
    let (image, core) = (&outline.image, erode(&outline.mask, CORE_PX));
    let (mut sum, mut n) = (0.0, 0_u32);
    for y in 2..image.height.saturating_sub(2) {
        for x in (2..image.width.saturating_sub(2)).filter(|&x| core.row(y)[x]) {
            let around = (y - 2..=y + 2).flat_map(|y| &image.row(y)[x - 2..=x + 2]);
            let mean = around.map(|&v| f64::from(v)).sum::<f64>() / 25.0;
            sum += (f64::from(image.row(y)[x]) - mean).abs();
            n += 1;
        }
    }
    match n {
        0 => Sign::Texture.usual(),
        n => sum / f64::from(n) / outline.range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A half disc of radius 30 at one side of an image of 100 columns and rows.
    fn half_disc(on_the_right: bool) -> Outline {
        let mut mask = Mask::filled(100, 100, false);
        for (i, cell) in mask.cells.iter_mut().enumerate() {
            let x = if on_the_right { 99 - i % 100 } else { i % 100 };
            *cell = x * x + (i / 100).abs_diff(50).pow(2) < 900;
        }
        let pixels = mask.cells.iter().map(|&inside| if inside { 40_000 } else { 1_000 }).collect();
        Outline::new(GreyImage { width: 100, height: 100, pixels }, mask)
    }

    #[test]
    fn a_half_disc_at_either_side_has_the_signs_of_a_breast() {
        for on_the_right in [false, true] {
            let disc = half_disc(on_the_right);
            let value = |sign| measure(sign, &disc);
            assert_eq!(value(Sign::WallContact), 0.59, "a chord of 59 rows");
            assert_eq!(value(Sign::Filled), 1.0);
            assert_eq!(value(Sign::Narrowing), 0.0);
            assert_eq!(value(Sign::BackgroundEvenness), 1.0);
            assert_eq!(value(Sign::BackgroundStep), 1.0);
            assert_eq!(value(Sign::Texture), 0.0, "one grey value");
            assert_eq!(value(Sign::EnclosedDark), 0.0);
            assert!((value(Sign::Area) - 0.141).abs() < 0.003, "half of pi r squared");
            // The centroid of a half disc lies at 4 r / 3 pi; columns count from 0.
            assert!((value(Sign::Centroid) - 0.124).abs() < 0.004, "{}", value(Sign::Centroid));
        }
    }
}
