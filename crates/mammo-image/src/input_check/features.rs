//! Features of an image for the input check.

use std::ops::Range;

use super::limits::Sign;
use super::shape::{self, Outline};
use crate::preprocess::{BreastCandidate, BreastDoubt, Mask, find_candidate};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::resample::{Resample, resample};

/// Longer side of the reduced copy on which the features are computed.
const COPY_PX: usize = 512;

/// Features of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFeatures {
    /// 99.5th minus 1st percentile, as a share of the range of the bits in use.
    pub contrast: f64,
    /// Share of the image inside the breast outline.
    pub area: f64,
    /// Why the breast outline is unreliable.
    pub doubt: Option<BreastDoubt>,
    /// Share of the breast at the brightest value of the image.
    pub saturated: f64,
    /// Median inside the breast between its 0.5th and 99.9th percentile.
    pub median: f64,
    /// Value of each sign, in the order of [`Sign::ALL`].
    pub signs: [f64; Sign::ALL.len()],
}

impl ImageFeatures {
    /// Measures an image in which dense tissue is bright.
    pub fn of(image: &GreyImage) -> Self {
        Self::of_copy(&reduced_copy(image))
    }

    /// Measures the negative of an image.
    pub fn of_negative(image: &GreyImage) -> Self {
        let mut copy = reduced_copy(image);
        copy.pixels.iter_mut().for_each(|v| *v = u16::MAX - *v);
        Self::of_copy(&copy)
    }

    /// Deviation from a mammogram: the sum over all signs, 0 for most mammograms. The size of the breast
    /// does not contribute.
    pub fn deviation(&self) -> f64 {
        Sign::ALL.iter().zip(self.signs).map(|(sign, value)| sign.deviation(value)).sum()
    }

    /// The deviating signs with their values, the largest deviation first.
    pub fn deviating(&self) -> Vec<(Sign, f64)> {
        let all = Sign::ALL.into_iter().zip(self.signs);
        let mut found: Vec<(Sign, f64)> = all.filter(|(sign, value)| sign.deviation(*value) > 0.0).collect();
        found.sort_by(|a, b| b.0.deviation(b.1).total_cmp(&a.0.deviation(a.1)));
        found
    }

    fn of_copy(copy: &GreyImage) -> Self {
        let contrast = spread(&mut copy.pixels.clone(), 0.01, 0.995) / f64::from(u16::MAX);
        let inner = without_margins(copy);
        let BreastCandidate { outline, film, doubt, .. } = find_candidate(&inner);
        let all = Rect::new(0.0, 0.0, inner.width as f64, inner.height as f64);
        let small = resample(&inner, &all, outline.width, outline.height, Resample::Area);
        let (columns, rows) = without_edges(&film);
        let small = crop(&small, &columns, &rows);
        let mask = Mask {
            width: columns.len(),
            height: rows.len(),
            cells: rows.flat_map(|y| outline.row(y)[columns.clone()].iter().copied()).collect(),
        };
        let mut features = Self {
            contrast,
            area: mask.area() as f64 / mask.cells.len() as f64,
            doubt,
            saturated: 0.0,
            median: 0.0,
            signs: [0.0; Sign::ALL.len()],
        };
        if mask.area() == 0 {
            return features;
        }
        let mut inside: Vec<u16> =
            small.pixels.iter().zip(&mask.cells).filter(|(_, inside)| **inside).map(|(v, _)| *v).collect();
        // The brightest value of the copy: a film edge may be brighter than all tissue.
        let brightest = copy.pixels.iter().copied().max().unwrap_or(0);
        let full = inside.iter().filter(|&&v| v >= brightest - brightest / 250).count();
        features.saturated = full as f64 / inside.len() as f64;
        let low = f64::from(percentile(&mut inside, 0.005));
        let range = (f64::from(percentile(&mut inside, 0.999)) - low).max(1.0);
        features.median = (f64::from(percentile(&mut inside, 0.5)) - low) / range;
        let outline = Outline::new(small, mask);
        features.signs = Sign::ALL.map(|sign| shape::measure(sign, &outline));
        features
    }
}

/// A copy of at most [`COPY_PX`] on its longer side, with up to eight unused upper bits shifted out:
/// detectors store 10 to 14 bits in 16, so that full scale, and with it the negative, would be wrong.
fn reduced_copy(image: &GreyImage) -> GreyImage {
    let scale = (image.width.max(image.height) as f64 / COPY_PX as f64).max(1.0);
    let side = |length: usize| ((length as f64 / scale).round() as usize).max(1);
    let all = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
    let mut copy = resample(image, &all, side(image.width), side(image.height), Resample::Area);
    let brightest = image.pixels.iter().copied().max().unwrap_or(0);
    let unused = brightest.leading_zeros().min(8);
    copy.pixels.iter_mut().for_each(|pixel| *pixel <<= unused);
    copy
}

/// Widest margin that is cropped, as a share of the image's side.
const MAX_MARGIN: f64 = 0.25;

/// The image without bright margins, such as unexposed film or the light box.
///
/// A margin is a run of rows or columns from the border in which at least two fifths of the pixels are close to the
/// brightest value. Narrow film edges are removed by the segmentation of the breast.
fn without_margins(image: &GreyImage) -> GreyImage {
    let bright = (f64::from(image.pixels.iter().copied().max().unwrap_or(0)) * 0.85) as u16;
    let mostly = |values: &mut dyn Iterator<Item = u16>, length: usize| {
        values.filter(|&v| v >= bright).count() * 5 >= length * 2
    };
    let column = |x: usize| mostly(&mut (0..image.height).map(|y| image.row(y)[x]), image.height);
    let row = |y: usize| mostly(&mut image.row(y).iter().copied(), image.width);
    let margin = |length: usize, is_bright: &dyn Fn(usize) -> bool| {
        let most = (length as f64 * MAX_MARGIN) as usize;
        // A margin wider than the limit is image content.
        (0..=most).find(|&line| !is_bright(line)).unwrap_or(0)
    };
    let (width, height) = (image.width, image.height);
    let (left, right) = (margin(width, &column), margin(width, &|x| column(width - 1 - x)));
    let (top, bottom) = (margin(height, &row), margin(height, &|y| row(height - 1 - y)));
    if left + right + top + bottom == 0 {
        return image.clone();
    }
    crop(image, &(left..width - right), &(top..height - bottom))
}

/// The columns and rows between film edges: from the first to the last that are mostly film.
fn without_edges(film: &Mask) -> (Range<usize>, Range<usize>) {
    let column = |x: &usize| (0..film.height).filter(|&y| film.row(y)[*x]).count() * 2 > film.height;
    let row = |y: &usize| film.row(*y).iter().filter(|&&inside| inside).count() * 2 > film.width;
    let between = |length: usize, is_film: &dyn Fn(&usize) -> bool| {
        let first = (0..length).find(is_film).unwrap_or(0);
        first..(0..length).rfind(is_film).map_or(length, |last| last + 1)
    };
    (between(film.width, &column), between(film.height, &row))
}

fn crop(image: &GreyImage, columns: &Range<usize>, rows: &Range<usize>) -> GreyImage {
    let pixels = rows.clone().flat_map(|y| image.row(y)[columns.clone()].iter().copied()).collect();
    GreyImage { width: columns.len(), height: rows.len(), pixels }
}

/// The value below which a share of the pixels lies.
pub(super) fn percentile(values: &mut [u16], share: f64) -> u16 {
    let rank = ((values.len().max(1) - 1) as f64 * share) as usize;
    if values.is_empty() { 0 } else { *values.select_nth_unstable(rank).1 }
}

/// Difference between two percentiles.
fn spread(values: &mut [u16], low: f64, high: f64) -> f64 {
    f64::from(percentile(values, high)) - f64::from(percentile(values, low))
}
