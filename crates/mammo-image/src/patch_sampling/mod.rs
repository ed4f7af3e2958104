//! Sampling of patches for the patch classifier.
//!
//! In: records, and their inputs in an [`InputCache`]. Out: [`Patch`] coordinates in the input
//! frame with one of five classes, and a [`SamplingReport`] of patches that could not be placed.
//! [`augment`](crate::augment) extracts the pixels later. S1 and S10 are defined in the paper, S30 and
//! hard negatives in the authors' code.
//!
//! Difference from the authors' code: there, background avoids only the first lesion of an image, so a
//! background patch can show another lesion (334 images of CBIS-DDSM have several). Here it avoids all
//! lesions, including those of unknown pathology.

mod background;
mod config;
mod foreground;
mod frame;
mod hard_negatives;
mod patch;
mod report;
mod table;

pub use config::{LesionPlacement, SamplingConfig};
pub use patch::{Patch, PatchClass};
pub use report::{SamplingReport, Shortfall, ShortfallReason};
pub use table::{PatchHeader, read_patches, write_patches};

use std::path::Path;

use rayon::prelude::*;

use crate::cache::{CachedInput, InputCache, LesionFill, lesion_mask};
use crate::preprocess::{Mask, MaskSums};
use crate::{Error, Result};
use frame::PatchFrame;
use mammo_core::record::{Mammogram, Pathology};

/// Sampled patches, shortfalls, and the images that could not be read.
#[derive(Debug)]
pub struct Sampling {
    /// In the order of the records; in each image lesions first, then background.
    pub patches: Vec<Patch>,
    /// Counts and shortfalls.
    pub report: SamplingReport,
    /// Images whose input or lesion masks could not be read.
    pub failures: Vec<(String, Error)>,
}

/// Samples patches of every image, in parallel.
///
/// Lesions of unknown pathology give no patches, but background avoids them. An image that is
/// malignant or of unknown pathology and has no annotated lesion gives no background patches,
/// because a cancer may be anywhere in it.
///
/// # Randomness
/// Streams `patch_sampling/<file>` of the configured seed, one item per lesion: patches do not depend
/// on other images or on the number of threads.
///
/// # Errors
/// [`Error::Setting`] when the configuration is invalid. Images that fail are returned in
/// [`Sampling::failures`].
pub fn sample_patches(
    images: &[Mammogram],
    root: &Path,
    cache: &InputCache,
    config: &SamplingConfig,
) -> Result<Sampling> {
    config.check()?;
    let per_image: Vec<Result<ImageSampling>> = images
        .par_iter()
        .map(|image| {
            let input = cache.get(&image.file)?;
            ImageSampling::draw(image, &input, root, config)
        })
        .collect();
    let mut sampling =
        Sampling { patches: Vec::new(), report: SamplingReport::default(), failures: Vec::new() };
    for (image, result) in images.iter().zip(per_image) {
        match result {
            Ok(drawn) => {
                sampling.report.add(&drawn.patches, drawn.shortfalls);
                sampling.patches.extend(drawn.patches);
            }
            Err(error) => sampling.failures.push((image.file.clone(), error)),
        }
    }
    Ok(sampling)
}

/// The sampling of one image.
#[derive(Default)]
struct ImageSampling {
    patches: Vec<Patch>,
    shortfalls: Vec<Shortfall>,
}

impl ImageSampling {
    fn draw(image: &Mammogram, input: &CachedInput, root: &Path, config: &SamplingConfig) -> Result<Self> {
        let mut lesions = Vec::with_capacity(image.lesions.len());
        let mut union = Mask::filled(input.width(), input.height(), false);
        for lesion in &image.lesions {
            let mask = lesion_mask(lesion, LesionFill::Ellipse, input.frame(), root)?;
            union.join(&mask);
            lesions.push(mask);
        }
        let union = MaskSums::new(&union);
        let frame = PatchFrame { width: input.width(), height: input.height(), side: config.patch_px };
        let mut drawn = Self::default();
        for (index, mask) in lesions.iter().enumerate() {
            foreground::draw(image, index, mask, &frame, config, &mut drawn);
        }
        if image.lesions.is_empty() && image.pathology != Pathology::Benign {
            let wanted = config.background_per_image + config.hard_negatives_per_image;
            drawn.report(image, None, wanted, 0, ShortfallReason::LesionNotLocated);
            return Ok(drawn);
        }
        background::draw(image, input, &union, &frame, config, &mut drawn);
        hard_negatives::draw(image, input, &union, &frame, config, &mut drawn);
        Ok(drawn)
    }

    /// The shortfall when fewer patches than requested were placed.
    fn report(
        &mut self,
        image: &Mammogram,
        lesion_index: Option<usize>,
        wanted: usize,
        placed: usize,
        reason: ShortfallReason,
    ) {
        if placed < wanted {
            let file = image.file.clone();
            self.shortfalls.push(Shortfall { file, lesion_index, wanted, placed, reason });
        }
    }
}

#[cfg(test)]
mod tests;
