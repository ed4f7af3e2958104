//! Depth of dark areas that are enclosed by brighter tissue. Lungs are enclosed on all sides; the fat
//! of a breast is connected to the skin or the chest wall.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::preprocess::Mask;
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::resample::{Resample, resample};

/// Columns of the reduced copy, in which fine texture is averaged out.
const COLUMNS: usize = 48;

/// Mean depth of the enclosed dark areas inside the mask, in grey values: the difference between the
/// image and the lowest surface above it from which every pixel has a descending path to the border
/// of the image or out of the mask (morphological reconstruction, Vincent 1993; computed by the
/// priority flood of Barnes et al. 2014, Comput. Geosci. 62:117-127).
pub(super) fn mean_depth(image: &GreyImage, mask: &Mask) -> f64 {
    let (width, height) = (COLUMNS, (COLUMNS * image.height).div_ceil(image.width));
    let all = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
    let small = resample(image, &all, width, height, Resample::Area);
    let inside = |i: usize| {
        let (x, y) = (i % width, i / width);
        let at = |place: usize, n: usize, length: usize| (2 * place + 1) * length / (2 * n);
        mask.row(at(y, height, mask.height))[at(x, width, mask.width)]
    };
    let is_border = |i: usize| {
        let (x, y) = (i % width, i / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    };
    let (mut filled, mut known) = (small.pixels.clone(), vec![false; width * height]);
    let mut queue = BinaryHeap::new();
    for i in (0..width * height).filter(|&i| is_border(i) || !inside(i)) {
        known[i] = true;
        queue.push(Reverse((filled[i], i)));
    }
    while let Some(Reverse((level, i))) = queue.pop() {
        let (x, y) = (i % width, i / width);
        let neighbours = [
            (x > 0).then(|| i - 1),
            (x + 1 < width).then(|| i + 1),
            (y > 0).then(|| i - width),
            (y + 1 < height).then(|| i + width),
        ];
        for next in
            neighbours.into_iter().flatten().filter(|&next| !std::mem::replace(&mut known[next], true))
        {
            filled[next] = filled[next].max(level);
            queue.push(Reverse((filled[next], next)));
        }
    }
    let (mut depth, mut n) = (0.0, 0_u32);
    for i in (0..width * height).filter(|&i| inside(i)) {
        depth += f64::from(filled[i] - small.pixels[i]);
        n += 1;
    }
    depth / f64::from(n.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of 40 000 with a square of 20 000 in it, 20 of 96 pixels wide, `left` pixels from the
    /// left side.
    fn with_square(left: usize) -> f64 {
        let mut image = GreyImage::black(96, 96);
        for (i, v) in image.pixels.iter_mut().enumerate() {
            let is_square = (left..left + 20).contains(&(i % 96)) && (40..60).contains(&(i / 96));
            *v = if is_square { 20_000 } else { 40_000 };
        }
        mean_depth(&image, &Mask::filled(96, 96, true))
    }

    #[test]
    fn only_what_is_enclosed_is_filled() {
        // 10 x 10 of 48 x 48 cells, filled up to the body.
        let enclosed = with_square(40);
        assert!((enclosed - 20_000.0 * 100.0 / 2304.0).abs() < 1.0, "{enclosed}");
        assert_eq!(with_square(0), 0.0, "open to the left side");
    }
}
