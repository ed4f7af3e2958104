//! The numbers by which an image is judged.

use crate::pixels::GrayImage;
use crate::preprocess::{Aspect, BreastDoubt, Crop, Mask, Orient, Prepared, Preprocessing, Resample, Window};
use crate::record::Polarity;

/// Side of the thumbnail that is judged, whatever the image's proportions.
const THUMBNAIL_PX: usize = 512;

/// What an image shows, in numbers; shares are 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Signs {
    /// 99th less 1st percentile, as a share of the range of the bits in use.
    pub contrast: f64,
    /// Whether the background is bright and the breast dark.
    pub inverted: bool,
    /// Why the breast outline is not trusted.
    pub doubt: Option<BreastDoubt>,
    /// Share of the breast at the brightest value of the image.
    pub saturated: f64,
    /// Mean change between neighbours inside the breast over its range.
    pub roughness: f64,
    /// Share of neighbours inside the breast that differ by more than a tenth of its range:
    /// where one thing stands before another, as in photographs.
    pub edges: f64,
    /// Mean outside over mean inside the breast.
    pub outside: f64,
    /// Share of the image's height along which the breast comes near the chest wall's side.
    pub wall: f64,
    /// Area of the breast over that of its convex hull.
    pub solidity: f64,
    /// Median inside the breast between its 0.5th and 99.9th percentile.
    pub median: f64,
}

impl Signs {
    /// Measures an image.
    pub fn of(image: &GrayImage, polarity: Polarity) -> Self {
        let mut signs = Self::nothing();
        let Some(small) = shrink(in_all_bits(image), polarity) else { return signs };
        let mut all = small.image.pixels.clone();
        signs.contrast =
            f64::from(percentile(&mut all, 0.99)) / 65535.0 - f64::from(percentile(&mut all, 0.01)) / 65535.0;
        signs.inverted = is_inverted(&small.image, &mut all);
        signs.doubt = small.doubt;
        let mask = &small.breast_mask;
        signs.wall = wall(mask);
        signs.solidity = solidity(mask);
        signs.measure_inside(&small);
        signs
    }

    /// An image in which nothing can be seen.
    fn nothing() -> Self {
        Self {
            contrast: 0.0,
            inverted: false,
            doubt: Some(BreastDoubt::TooSmall),
            saturated: 0.0,
            roughness: 0.0,
            edges: 0.0,
            outside: 0.0,
            wall: 0.0,
            solidity: 0.0,
            median: 0.0,
        }
    }

    fn measure_inside(&mut self, small: &Prepared) {
        let (image, mask) = (&small.image, &small.breast_mask);
        let cell = Prepared::MASK_CELL_PX;
        let brightest = image.pixels.iter().copied().max().unwrap_or(0);
        let (mut inside, mut changes, mut outside_sum, mut n_outside) = (vec![], vec![], 0.0, 0_u32);
        for y in 0..image.height {
            let row = image.row(y);
            for x in 0..image.width {
                if !mask.row(y / cell)[x / cell] {
                    outside_sum += f64::from(row[x]);
                    n_outside += 1;
                    continue;
                }
                inside.push(row[x]);
                if let Some(&next) = row.get(x + 1) {
                    changes.push(row[x].abs_diff(next));
                }
            }
        }
        if inside.is_empty() {
            return;
        }
        let n = inside.len() as f64;
        // Of a scan whose film edges are brighter than all tissue, no tissue is saturated.
        let full = inside.iter().filter(|&&v| v >= brightest - brightest / 250).count();
        self.saturated = full as f64 / n;
        let mean = inside.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        self.outside = outside_sum / f64::from(n_outside.max(1)) / mean.max(1.0);
        let (low, high) =
            (f64::from(percentile(&mut inside, 0.005)), f64::from(percentile(&mut inside, 0.999)));
        let range = (high - low).max(1.0);
        let n_changes = changes.len().max(1) as f64;
        self.roughness = changes.iter().map(|&change| f64::from(change)).sum::<f64>() / n_changes / range;
        let steep = changes.iter().filter(|&&change| f64::from(change) > 0.1 * range).count();
        self.edges = steep as f64 / n_changes;
        self.median = (f64::from(percentile(&mut inside, 0.5)) - low) / range;
    }
}

/// The image with its unused upper bits shifted out, at most eight of them: detectors store 10 to
/// 14 bits in 16, and then neither full scale nor what is dark in a negative means anything.
fn in_all_bits(image: &GrayImage) -> GrayImage {
    let brightest = image.pixels.iter().copied().max().unwrap_or(0);
    let unused = brightest.leading_zeros().min(8);
    let mut image = image.clone();
    image.pixels.iter_mut().for_each(|pixel| *pixel <<= unused);
    image
}

/// The whole image, stretched to a square thumbnail, with its breast outline.
fn shrink(image: GrayImage, polarity: Polarity) -> Option<Prepared> {
    let whole = Preprocessing {
        height_px: THUMBNAIL_PX,
        width_px: THUMBNAIL_PX,
        remove_artifacts: false,
        crop: Crop::None,
        orient: Orient::AsStored,
        aspect: Aspect::Stretch,
        window: Window::FullScale,
        resample: Resample::Area,
        ..Preprocessing::default()
    };
    whole.apply(image, polarity).ok()
}

/// The value below which a share of the pixels lies.
fn percentile(values: &mut [u16], share: f64) -> u16 {
    let rank = ((values.len() - 1) as f64 * share) as usize;
    *values.select_nth_unstable(rank).1
}

/// Whether at least three of the four sides are brighter than the middle grey and so is less
/// than most of the rest: a mammogram's background lies at three sides and is dark.
fn is_inverted(image: &GrayImage, values: &mut [u16]) -> bool {
    let side = image.width;
    // Inside of film edges, outside of most breasts.
    let (from, to) = (side * 7 / 100, side * 11 / 100);
    let area = |x: usize, y: usize, width: usize, height: usize| {
        let mut strip: Vec<u16> =
            (y..y + height).flat_map(|y| image.row(y)[x..x + width].iter().copied()).collect();
        percentile(&mut strip, 0.5)
    };
    let (depth, length) = (to - from, side - 2 * from);
    let mut sides = [
        area(from, from, depth, length),
        area(side - to, from, depth, length),
        area(from, from, length, depth),
        area(from, side - to, length, depth),
    ];
    sides.sort_unstable();
    let (low, high) = (percentile(values, 0.02), percentile(values, 0.98));
    let middle = low + (high - low) / 2;
    let center = area(side * 3 / 10, side * 3 / 10, side * 4 / 10, side * 4 / 10);
    // The second darkest side, since the chest wall's is dark in a negative.
    sides[1] > middle && sides[2] > center
}

/// Share of the rows in which the breast reaches the outer eighth of its wall's side.
fn wall(mask: &Mask) -> f64 {
    let depth = mask.width / 8;
    let rows = |columns: std::ops::Range<usize>| {
        (0..mask.height).filter(|&y| mask.row(y)[columns.clone()].contains(&true)).count()
    };
    rows(0..depth).max(rows(mask.width - depth..mask.width)) as f64 / mask.height as f64
}

/// Area of the mask over that of its convex hull.
fn solidity(mask: &Mask) -> f64 {
    let mut corners: Vec<(i64, i64)> = Vec::new();
    for y in 0..mask.height {
        let row = mask.row(y);
        let (Some(first), Some(last)) = (row.iter().position(|&i| i), row.iter().rposition(|&i| i)) else {
            continue;
        };
        let (y, first, last) = (y as i64, first as i64, last as i64 + 1);
        corners.extend([(first, y), (first, y + 1), (last, y), (last, y + 1)]);
    }
    let hull = convex_hull_area(&mut corners);
    if hull > 0.0 { mask.area() as f64 / hull } else { 0.0 }
}

/// Area of the convex hull (Andrew 1979, Inf. Process. Lett. 9:216-219).
fn convex_hull_area(points: &mut [(i64, i64)]) -> f64 {
    points.sort_unstable();
    let turn =
        |a: (i64, i64), b: (i64, i64), c: (i64, i64)| (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0);
    let half = |points: &mut dyn Iterator<Item = (i64, i64)>| {
        let mut hull: Vec<(i64, i64)> = Vec::new();
        for point in points {
            while let [.., a, b] = hull[..] {
                if turn(a, b, point) > 0 {
                    break;
                }
                hull.pop();
            }
            hull.push(point);
        }
        hull
    };
    let mut hull = half(&mut points.iter().copied());
    hull.pop();
    hull.extend(half(&mut points.iter().rev().copied()));
    let doubled: i64 = hull.windows(2).map(|pair| pair[0].0 * pair[1].1 - pair[1].0 * pair[0].1).sum();
    doubled.abs() as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_fills_its_hull_and_a_corner_does_not() {
        let mut mask = Mask::filled(10, 10, false);
        (2..8).for_each(|y| mask.cells[y * 10 + 1..y * 10 + 9].fill(true));
        assert_eq!(solidity(&mask), 1.0);
        let mut corner = Mask::filled(10, 10, false);
        (0..10).for_each(|i| corner.cells[i * 10] = true);
        corner.cells[..10].fill(true);
        assert!(solidity(&corner) < 0.4);
    }
}
