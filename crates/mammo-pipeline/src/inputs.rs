//! Cached network inputs and the patches drawn from them.

use std::collections::HashSet;
use std::path::Path;

use mammo_core::record::Mammogram;
use mammo_image::cache::{InputCache, prune};
use mammo_image::patch_sampling::{Patch, PatchClass, PatchHeader, read_patches, sample_patches};
use mammo_image::preprocess::Preprocessing;

use crate::config::RunConfig;
use crate::data::Data;
use crate::difference::differences;
use crate::error::refuse;
use crate::{Error, Observer, Result, Task};

/// Largest size of all caches of one manifest in GiB, unless `MAMMO_CACHE_GIB` states another: five preparations of 5,000 images at 1152 x 896.
const CACHE_GIB: f64 = 50.0;

/// A cache that holds the given images, and those of them that could be prepared.
pub struct Prepared<'m> {
    /// The cache.
    pub cache: InputCache,
    /// Images in it, in the order given.
    pub images: Vec<&'m Mammogram>,
    /// How many could not be prepared.
    pub n_failed: usize,
}

impl Prepared<'_> {
    /// The patches that lie on prepared images.
    pub fn patches_of(&self, mut patches: Vec<Patch>) -> Vec<Patch> {
        let files: HashSet<&str> = self.images.iter().map(|image| image.file.as_str()).collect();
        patches.retain(|patch| files.contains(patch.file.as_str()));
        patches
    }
}

/// Prepares images of a data set that are not in its cache yet; those that fail are left out and reported.
///
/// # Errors
/// A cache that cannot be opened; no image that could be prepared.
pub fn prepare<'m>(
    data: &Data,
    preprocessing: &Preprocessing,
    images: Vec<&'m Mammogram>,
    observer: &dyn Observer,
) -> Result<Prepared<'m>> {
    let cache = InputCache::open(&data.cache_dir, preprocessing)?;
    let task = observer.begin("preparing inputs", images.len());
    let owned: Vec<Mammogram> = images.iter().map(|&image| image.clone()).collect();
    let failures = cache.build(&data.manifest.root, &owned, &|done, _| task.done(done));
    report_left_out(&failures, &*task);
    let failed: HashSet<&str> = failures.iter().map(|(file, _)| file.as_str()).collect();
    let images: Vec<&Mammogram> =
        images.into_iter().filter(|image| !failed.contains(image.file.as_str())).collect();
    if images.is_empty() {
        refuse!("none of {} images could be prepared", owned.len());
    }
    let (n, dir) = (images.len(), data.cache_dir.display());
    tracing::debug!("{dir}: {n} inputs of preprocessing {}", preprocessing.digest());
    prune_cache(&data.cache_dir, observer)?;
    Ok(Prepared { cache, images, n_failed: failures.len() })
}

fn report_left_out(failures: &[(String, mammo_core::Error)], task: &dyn Task) {
    failures.iter().for_each(|(file, error)| task.left_out("left out", file, &error.to_string()));
}

/// Removes the least recently used caches while all of them together exceed the limit.
fn prune_cache(cache_dir: &Path, observer: &dyn Observer) -> Result<()> {
    let most_gib = match std::env::var("MAMMO_CACHE_GIB") {
        Ok(word) => {
            let most = word.parse::<f64>().ok().filter(|gib| *gib >= 0.0);
            let message = || format!("MAMMO_CACHE_GIB is '{word}'; expected a number of GiB");
            most.ok_or_else(|| Error::Refused(message()))?
        }
        Err(_) => CACHE_GIB,
    };
    let gib = f64::from(1 << 30);
    let pruned = prune(cache_dir, (most_gib * gib) as u64)?;
    if !pruned.removed.is_empty() {
        let (n, freed) = (pruned.removed.len(), pruned.removed_bytes as f64 / gib);
        observer.note(&format!("{}: removed {n} unused caches, {freed:.1} GiB", cache_dir.display()));
    }
    Ok(())
}

/// Patches of one side, drawn or read, with the header of their table.
pub struct SidePatches {
    /// Data set, preprocessing and sampling of the patches.
    pub header: PatchHeader,
    /// The patches.
    pub patches: Vec<Patch>,
}

/// Draws patches from prepared images and reports which could not be placed.
///
/// # Errors
/// A configuration without `[sampling]`; inputs that cannot be read.
pub fn draw_patches(
    prepared: &Prepared,
    data: &Data,
    config: &RunConfig,
    observer: &dyn Observer,
) -> Result<SidePatches> {
    let images: Vec<Mammogram> = prepared.images.iter().map(|&image| image.clone()).collect();
    let sampling = sample_patches(&images, &data.manifest.root, &prepared.cache, config.sampling()?)?;
    report_left_out(&sampling.failures, &*observer.begin("drawing patches", 1));
    observer.note(&format!("patches of each class:\n{}", sampling.report));
    Ok(SidePatches { header: patch_header(data, config)?, patches: sampling.patches })
}

/// Reads patches drawn by `mammo sample`.
///
/// # Errors
/// Patches that cannot be read, of other pixels or of another data set.
pub fn stored_patches(
    folder: &Path,
    prepared: &Prepared,
    data: &Data,
    config: &RunConfig,
) -> Result<SidePatches> {
    let (header, patches) = read_patches(folder)?;
    let patches = prepared.patches_of(patches);
    let expected = patch_header(data, config)?;
    if header != expected {
        refuse!(
            "{}: drawn for another manifest, preprocessing or sampling ({}); draw them again with `mammo sample`",
            folder.display(),
            differences(&header, &expected)
        );
    }
    Ok(SidePatches { header, patches })
}

fn patch_header(data: &Data, config: &RunConfig) -> Result<PatchHeader> {
    Ok(PatchHeader {
        manifest_digest: data.manifest.digest(),
        preprocessing_digest: config.preprocessing()?.pixel_digest(),
        config: config.sampling()?.clone(),
    })
}

/// The classes that occur among patches, in the paper's order.
pub fn classes_present(patches: &[Patch]) -> Vec<PatchClass> {
    PatchClass::ALL.into_iter().filter(|class| patches.iter().any(|patch| patch.class == *class)).collect()
}
