//! Segmentation of the breast.
//!
//! Works on a thumbnail, which has enough detail for the breast outline and in which labels and film
//! edges are a few pixels wide. For film scans (burnt-in labels, bright film edges, grey background)
//! and digital detectors. The pectoral muscle counts as breast.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::film::{MAX_EDGE_FRACTION, film};
use super::mask::Mask;
use super::morphology::{Region, close, dilate, fill_holes, open, regions};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::resample::{Resample, resample};

/// Longer side of the thumbnail.
const THUMBNAIL_PX: usize = 256;

/// Half the width of the widest label stroke or film edge, in thumbnail pixels.
const OPENING_PX: f32 = 4.0;

/// Dilation of the outline in thumbnail pixels, to include the faint skin and nipple.
const SKIN_PX: f32 = 6.0;

/// Plausible shares of the image that a breast covers.
const PLAUSIBLE_AREA: std::ops::RangeInclusive<f64> = 0.05..=0.95;

/// The side of the image with the chest wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChestWall {
    /// Column zero.
    Left,
    /// The last column.
    Right,
}

/// Why the outline is unreliable, so that the whole image without its film edges is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreastDoubt {
    /// Less than 5 % of the image.
    TooSmall,
    /// More than 95 % of the image, without a background.
    TooLarge,
    /// A second region is nearly as large.
    SecondRegion,
}

impl fmt::Display for BreastDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooSmall => "breast outline covers less than 5 % of the image; whole image used",
            Self::TooLarge => "breast outline covers more than 95 % of the image; whole image used",
            Self::SecondRegion => "two regions could be the breast; whole image used",
        })
    }
}

/// The breast in one image.
pub(super) struct Breast {
    /// Mask of the thumbnail, filled and dilated by the skin line.
    pub(super) mask: Mask,
    /// Bounding box of the mask, in pixels of the image.
    pub(super) bounds: Rect,
    /// The side of the chest wall.
    pub(super) chest_wall: ChestWall,
    /// Set when the outline is unreliable.
    pub(super) doubt: Option<BreastDoubt>,
}

/// Finds the breast in an image whose dense tissue is bright.
pub(super) fn find_breast(image: &GreyImage) -> Breast {
    let BreastCandidate { outline, film, chest_wall, doubt } = find_candidate(image);
    let mask = if doubt.is_some() { film } else { outline };
    let bounds = mask.bounds().unwrap_or(Rect::new(0.0, 0.0, mask.width as f64, mask.height as f64));
    let (sx, sy) = (image.width as f64 / mask.width as f64, image.height as f64 / mask.height as f64);
    let bounds = Rect::new(bounds.x * sx, bounds.y * sy, bounds.width * sx, bounds.height * sy);
    Breast { mask, bounds, chest_wall, doubt }
}

/// The most likely breast region, in masks of at most 256 cells on the longer side.
pub(crate) struct BreastCandidate {
    /// The outline, filled and dilated by the skin line, also when it is unreliable.
    pub(crate) outline: Mask,
    /// Everything but film edges.
    pub(crate) film: Mask,
    chest_wall: ChestWall,
    /// Why the outline is unreliable.
    pub(crate) doubt: Option<BreastDoubt>,
}

/// Finds the region that is most likely the breast.
pub(crate) fn find_candidate(image: &GreyImage) -> BreastCandidate {
    let thumbnail = Thumbnail::new(image);
    let film = film(image, thumbnail.brightest, thumbnail.width, thumbnail.height);
    let bright = thumbnail.above(thumbnail.threshold(&film)).and(&film);
    let found = regions(&open(&bright, OPENING_PX));
    let (mask, mut doubt) = thumbnail.choose(&found);
    let chest_wall = thumbnail.chest_wall(&mask);
    let share = mask.area() as f64 / mask.cells.len() as f64;
    if share < *PLAUSIBLE_AREA.start() {
        doubt = Some(BreastDoubt::TooSmall);
    } else if share > *PLAUSIBLE_AREA.end() {
        doubt = Some(BreastDoubt::TooLarge);
    }
    let outline = dilate(&fill_holes(&close(&mask, OPENING_PX)), SKIN_PX).and(&film);
    BreastCandidate { outline, film, chest_wall, doubt }
}

/// A small copy of the image on a square-root scale, 0 to 255 of its largest value. On this scale
/// film noise is uniform and faint skin is clearly above the background.
struct Thumbnail {
    width: usize,
    height: usize,
    levels: Vec<u8>,
    /// Largest value of the small copy.
    brightest: u16,
}

impl Thumbnail {
    fn new(image: &GreyImage) -> Self {
        let scale = image.width.max(image.height) as f64 / THUMBNAIL_PX as f64;
        let side = |length: usize| ((length as f64 / scale).round() as usize).max(1);
        let all = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
        let small = resample(image, &all, side(image.width), side(image.height), Resample::Area);
        let max = small.pixels.iter().copied().max().unwrap_or(0).max(1);
        let level = |&v: &u16| (255.0 * (f32::from(v) / f32::from(max)).sqrt()) as u8;
        let levels = small.pixels.iter().map(level).collect();
        Self { width: small.width, height: small.height, levels, brightest: max }
    }

    /// A threshold between the background's mean and Otsu's threshold (IEEE Trans. SMC 9:62-66, 1979),
    /// nearer to the background: Otsu's threshold excludes fatty tissue near the skin.
    fn threshold(&self, film: &Mask) -> u8 {
        let mut histogram = [0_u32; 256];
        for (&level, _) in self.levels.iter().zip(&film.cells).filter(|(_, inside)| **inside) {
            histogram[usize::from(level)] += 1;
        }
        let otsu = otsu(&histogram);
        let below = || (0..=otsu).zip(&histogram);
        let count: f64 = below().map(|(_, &n)| f64::from(n)).sum();
        let background =
            below().map(|(level, &n)| f64::from(level) * f64::from(n)).sum::<f64>() / count.max(1.0);
        (background + 0.4 * (f64::from(otsu) - background)) as u8
    }

    fn above(&self, threshold: u8) -> Mask {
        let cells = self.levels.iter().map(|&level| level > threshold).collect();
        Mask { width: self.width, height: self.height, cells }
    }

    /// Selects the breast among the bright regions: the largest, with a bonus of 50 % for contact with a
    /// side, together with regions of at least a tenth of its size at the same chest wall.
    fn choose(&self, found: &[Region]) -> (Mask, Option<BreastDoubt>) {
        // Tissue next to a film edge ends where the edge begins.
        let near = (self.width as f64 * MAX_EDGE_FRACTION) as usize + 2;
        let contact = |region: &Region| {
            let beside = |x: usize| x < near || x + near >= self.width;
            region.cells.iter().any(|cell| beside(cell % self.width))
        };
        let score = |region: &Region| region.cells.len() * if contact(region) { 3 } else { 2 };
        let Some(main) = found.iter().max_by_key(|region| score(region)) else {
            return (Mask::filled(self.width, self.height, false), Some(BreastDoubt::TooSmall));
        };
        let mut mask = main.to_mask(self.width, self.height);
        let wall = self.chest_wall(&mask);
        let mut doubt = None;
        for other in found.iter().filter(|other| !std::ptr::eq(*other, main)) {
            let part = other.to_mask(self.width, self.height);
            let large = |share: f64| other.cells.len() as f64 > share * main.cells.len() as f64;
            if large(0.1) && contact(other) && self.chest_wall(&part) == wall {
                mask.join(&part);
            } else if large(0.5) {
                doubt = Some(BreastDoubt::SecondRegion);
            }
        }
        (mask, doubt)
    }

    /// The side with more breast cells in the outermost eighths.
    fn chest_wall(&self, mask: &Mask) -> ChestWall {
        let depth = (self.width / 8).max(1);
        let count = |columns: std::ops::Range<usize>| -> usize {
            let inside = |y: usize| mask.row(y)[columns.clone()].iter().filter(|&&inside| inside).count();
            (0..self.height).map(inside).sum()
        };
        let (left, right) = (count(0..depth), count(self.width - depth..self.width));
        if left >= right { ChestWall::Left } else { ChestWall::Right }
    }
}

/// Otsu's threshold: the level with the largest between-class variance.
fn otsu(histogram: &[u32; 256]) -> u8 {
    let total: f64 = histogram.iter().map(|&n| f64::from(n)).sum();
    let sum: f64 = (0..).zip(histogram).map(|(level, &n)| f64::from(level) * f64::from(n)).sum();
    let (mut below, mut sum_below, mut best) = (0.0, 0.0, (0_u8, -1.0));
    for (level, &n) in (0..=255_u8).zip(histogram) {
        below += f64::from(n);
        sum_below += f64::from(level) * f64::from(n);
        let above = total - below;
        if below > 0.0 && above > 0.0 {
            let difference = sum_below / below - (sum - sum_below) / above;
            let variance = below * above * difference * difference;
            if variance > best.1 {
                best = (level, variance);
            }
        }
    }
    best.0
}
