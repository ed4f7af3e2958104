//! Chooses the size of inputs and of patches.

use mammo_image::preprocess::{Aspect, Preprocessing};
use mammo_nn::networks::trunk::TrunkConfig;

use super::fingerprint::{Fingerprint, USUAL_ASPECT};
use super::start::{Start, Weights};

/// Rows of inputs to choose from. Columns follow from the shape of the breasts.
const HEIGHTS_PX: [usize; 10] = [64, 96, 128, 192, 256, 320, 384, 544, 800, 1152];

/// Inputs of fewer rows are chosen only if the images have no more.
const USUAL_LEAST_PX: usize = 384;

/// How much larger an input may be than the breast in the file.
const MOST_ENLARGED: f64 = 1.15;

/// Sides are multiples of this, or of the stride of a network that has a larger one.
const UNIT_PX: usize = 32;

/// A lesion should be at least as long as a cell of the last map of the trunk, whose stride this is.
const VISIBLE_PX: f64 = 32.0;

/// A patch is so many times as long as a large lesion, so that most of it shows with some surroundings.
const PATCH_MARGIN: f64 = 1.15;

/// Shortest and longest patch, in input pixels.
const PATCHES_PX: [usize; 2] = [64, 384];

/// Sizes of a training in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of an input.
    pub height_px: usize,
    /// Columns of an input.
    pub width_px: usize,
    /// Side of a patch; `None` without lesions.
    pub patch_px: Option<usize>,
}

/// By which rule a size was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeRule {
    /// The largest that the images have.
    Largest,
    /// The largest for which the whole recipe fits into the time.
    LargestInTime,
    /// The smallest in which lesions are visible, because the whole recipe fits into the time for none.
    SmallestVisible,
}

impl SizeRule {
    /// The rule in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Largest => "a larger size would add no detail",
            Self::LargestInTime => "the largest size for which the whole training fits into the time",
            Self::SmallestVisible => {
                "the time is too short for the whole training, so the smallest size in which lesions are visible"
            }
        }
    }
}

impl Sizes {
    /// Pixels of an input.
    pub fn image_pixels(&self) -> f64 {
        (self.height_px * self.width_px) as f64
    }

    /// Pixels of a patch; 0 without patches.
    pub fn patch_pixels(&self) -> f64 {
        self.patch_px.map_or(0.0, |px| (px * px) as f64)
    }
}

/// Whether inputs of so many rows hardly enlarge the breasts.
fn fits(fingerprint: &Fingerprint, height_px: usize) -> bool {
    height_px as f64 <= MOST_ENLARGED * fingerprint.breast_height_px.median
}

/// Whether the size of a start's images is kept: without patches, what a model of whole images has learned is kept, and with
/// it their size.
pub fn size_is_kept(fingerprint: &Fingerprint, start: &Start) -> bool {
    start.of_images
        && fingerprint.patch_lesions().is_none()
        && fits(fingerprint, start.preprocessing.height_px)
}

/// Sizes that suit a data set, in ascending order; at least one.
pub fn candidates(fingerprint: &Fingerprint, start: Option<&Start>, trunk: &TrunkConfig) -> Vec<Sizes> {
    let unit = UNIT_PX.max(trunk.stride());
    if let Some(start) = start.filter(|start| size_is_kept(fingerprint, start)) {
        let (height_px, width_px) = (start.preprocessing.height_px, start.preprocessing.width_px);
        return vec![with_patch(fingerprint, height_px, width_px, unit)];
    }
    let fits = |height: &usize| fits(fingerprint, *height) && height.is_multiple_of(unit);
    let all: Vec<usize> = HEIGHTS_PX.into_iter().filter(fits).collect();
    let usual: Vec<usize> = all.iter().copied().filter(|height| *height >= USUAL_LEAST_PX).collect();
    let heights = match (&usual[..], all.last()) {
        ([], Some(&largest)) => vec![largest],
        ([], None) => vec![2 * unit],
        _ => usual,
    };
    // Four of five breasts are narrower: their height, not their width, limits the scale.
    let aspect = if fingerprint.aspect_lost { USUAL_ASPECT } else { fingerprint.breast_aspect.lower_fifth };
    let width = |height: usize| {
        let units = (height as f64 / aspect / unit as f64).round().max(1.0);
        (units as usize) * unit
    };
    heights.into_iter().map(|height| with_patch(fingerprint, height, width(height), unit)).collect()
}

fn with_patch(fingerprint: &Fingerprint, height_px: usize, width_px: usize, unit: usize) -> Sizes {
    let patch_px = fingerprint.patch_lesions().map(|lesions| {
        let long = lesions.share_of_breast_height.upper_fifth * height_px as f64 * PATCH_MARGIN;
        let px = (long / unit as f64).ceil() as usize * unit;
        let longest = PATCHES_PX[1].min(height_px.min(width_px) / unit * unit).max(unit);
        px.clamp(PATCHES_PX[0].min(longest), longest)
    });
    Sizes { height_px, width_px, patch_px }
}

/// Whether all but the smallest lesions are visible in an input; true without lesions.
pub fn lesions_visible(fingerprint: &Fingerprint, sizes: &Sizes) -> bool {
    fingerprint.patch_lesions().is_none_or(|lesions| {
        lesions.share_of_breast_height.lower_fifth * sizes.height_px as f64 >= VISIBLE_PX
    })
}

/// The preparation of images of this size.
///
/// That of a mammogram model is kept, because its weights expect it. Imported weights expect mean and deviation only.
pub fn preprocessing(fingerprint: &Fingerprint, start: Option<&Start>, sizes: &Sizes) -> Preprocessing {
    let (height_px, width_px) = (sizes.height_px, sizes.width_px);
    let aspect = if fingerprint.aspect_lost { Aspect::Stretch } else { Aspect::Keep };
    match start {
        Some(start) if start.weights == Weights::Mammograms => {
            Preprocessing { height_px, width_px, ..start.preprocessing.clone() }
        }
        Some(Start { preprocessing: Preprocessing { mean, std, .. }, .. }) => {
            Preprocessing { height_px, width_px, aspect, mean: *mean, std: *std, ..Preprocessing::default() }
        }
        // As in configs/cbis_mass_cpu.toml: near the mean and deviation of breasts.
        None => {
            Preprocessing { height_px, width_px, aspect, mean: 60.0, std: 70.0, ..Preprocessing::default() }
        }
    }
}
