//! Cached network inputs and the patches drawn from them.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Result, bail};
use mammo::cache::InputCache;
use mammo::patch_sampling::{Patch, PatchClass, SamplingConfig, SamplingReport, sample};
use mammo::preprocess::Preprocessing;
use mammo::record::Mammogram;

use crate::progress;

/// A cache that holds the given images, and those of them that could be prepared.
pub struct Prepared<'m> {
    /// The cache.
    pub cache: InputCache,
    /// Images in it, in the order given.
    pub images: Vec<&'m Mammogram>,
    /// How many could not be prepared.
    pub n_failed: usize,
}

/// Prepares images that are not in the cache yet; reports and leaves out those that fail.
pub fn prepare<'m>(
    cache_dir: &Path,
    preprocessing: &Preprocessing,
    root: &Path,
    images: Vec<&'m Mammogram>,
) -> Result<Prepared<'m>> {
    let cache = InputCache::open(cache_dir, preprocessing)?;
    let bar = progress::bar("preparing inputs", images.len() as u64);
    let owned: Vec<Mammogram> = images.iter().map(|&image| image.clone()).collect();
    let failures = cache.build(root, &owned, &progress::counter(&bar));
    bar.finish_and_clear();
    for (_, error) in &failures {
        eprintln!("left out: {error}");
    }
    let failed: HashSet<&str> = failures.iter().map(|(file, _)| file.as_str()).collect();
    let images: Vec<&Mammogram> =
        images.into_iter().filter(|image| !failed.contains(image.file.as_str())).collect();
    if images.is_empty() {
        bail!("none of {} images could be prepared", owned.len());
    }
    Ok(Prepared { cache, images, n_failed: failures.len() })
}

/// Draws patches from prepared images and reports what could not be placed.
pub fn draw_patches(prepared: &Prepared, root: &Path, config: &SamplingConfig) -> Result<(Vec<Patch>, SamplingReport)> {
    let bar = progress::bar("drawing patches", prepared.images.len() as u64);
    let images: Vec<Mammogram> = prepared.images.iter().map(|&image| image.clone()).collect();
    let drawn = sample(&prepared.cache, root, &images, config, &progress::counter(&bar))?;
    bar.finish_and_clear();
    Ok(drawn)
}

/// The classes that occur among patches, in the paper's order.
pub fn classes_present(patches: &[Patch]) -> Vec<PatchClass> {
    PatchClass::ALL.into_iter().filter(|class| patches.iter().any(|patch| patch.class == *class)).collect()
}
