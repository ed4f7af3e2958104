//! Cache of network inputs on disk, prepared once and memory-mapped when read.
//!
//! In: records and a [`Preprocessing`]. Out: an [`InputCache`] in the folder
//! `<dir>/<pixel digest>/`, with two files per image: `<name>.u16`, raw little-endian pixels,
//! row by row; and `<name>.json`, the description. The description is written last, so an entry is
//! either complete or absent, and an interrupted build continues where it stopped. When the folder
//! grows too large, the least recently used caches are removed ([`prune`]). After
//! [`preprocess`](crate::preprocess), before [`patch_sampling`](crate::patch_sampling) and
//! [`augment`](crate::augment).

mod entry;
mod lesions;
mod prune;

pub use entry::{CachedInput, CachedPixels, InputFrame};
pub use lesions::{LesionFill, lesion_mask};
pub use mammo_core::image::GreyView;
pub use prune::{Pruned, prune};

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::preprocess::Preprocessing;
use crate::{Error, Result};
use entry::{Entry, Source};
use mammo_core::digest::short_hex;
use mammo_core::record::Mammogram;
use mammo_core::write::{read_json, write_atomically, write_json};
use prune::Lease;

/// Called as `(done, total)` after each image, from several threads.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// The cached inputs of one [`Preprocessing`].
#[derive(Clone, Debug)]
pub struct InputCache {
    folder: PathBuf,
    preprocessing: Preprocessing,
    /// Shared lock that protects the cache from pruning while this or a clone exists.
    _lease: Lease,
}

impl InputCache {
    /// Opens the cache of these settings under `dir`; creates its folder if necessary and protects it
    /// from [`prune`] in every process.
    ///
    /// # Errors
    /// [`Error::Setting`] when the settings are invalid, [`Error::Io`] when the folder
    /// cannot be written.
    pub fn open(dir: &Path, preprocessing: &Preprocessing) -> Result<Self> {
        preprocessing.check()?;
        let digest = preprocessing.pixel_digest();
        let lease = Lease::take(dir, &digest)?;
        let folder = dir.join(digest);
        let settings = folder.join("preprocessing.json");
        if !settings.exists() {
            write_json(&settings, preprocessing)?;
        }
        Ok(Self { folder, preprocessing: preprocessing.clone(), _lease: lease })
    }

    /// Prepares every image that is not in the cache yet, in parallel, with one image per thread in
    /// memory. An entry is kept when its pixel file has the right size and its source has an unchanged
    /// size, time and polarity.
    ///
    /// Returns the images that failed, in the given order. A second call tries only those.
    pub fn build(&self, root: &Path, images: &[Mammogram], progress: Progress) -> Vec<(String, Error)> {
        let done = AtomicUsize::new(0);
        let add = |image: &Mammogram| {
            let result = self.add(root, image);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, images.len());
            result.err().map(|error| (image.file.clone(), error))
        };
        images.par_iter().filter_map(add).collect()
    }

    /// One prepared input, by the file name in its record.
    ///
    /// # Errors
    /// [`Error::Io`] when it was never built, [`Error::Table`] or [`Error::Image`] when it is
    /// damaged; [`build`](Self::build) replaces it.
    pub fn get(&self, file: &str) -> Result<CachedInput> {
        let (description, pixels) = self.paths(file);
        let entry = self.entry(&description)?;
        CachedInput::map(&pixels, entry)
    }

    /// The pixels of one cached input without its description, for the training loop.
    ///
    /// # Errors
    /// [`Error::Io`] when it was never built, [`Error::Image`] when its size is wrong.
    pub fn pixels(&self, file: &str) -> Result<CachedPixels> {
        let (_, pixels) = self.paths(file);
        CachedPixels::map(&pixels, self.preprocessing.width_px, self.preprocessing.height_px)
    }

    /// The settings of all inputs of this cache.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    fn add(&self, root: &Path, image: &Mammogram) -> Result<()> {
        let path = root.join(&image.file);
        let source = Source::of(&path, image.polarity)?;
        let (description, pixels) = self.paths(&image.file);
        let stored = self.entry(&description).ok().filter(|entry| entry.source == source);
        if stored.is_some_and(|entry| CachedInput::map(&pixels, entry).is_ok()) {
            return Ok(());
        }
        let prepared = self.preprocessing.read(&path, image.polarity)?;
        let bytes: Vec<u8> = prepared.image.pixels.iter().flat_map(|v| v.to_le_bytes()).collect();
        // The old description is removed first, so that it is never combined with new pixels if the build
        // stops between the two.
        remove_if_there(&description)?;
        write_atomically(&pixels, &bytes)?;
        write_json(&description, &Entry::new(image, source, prepared))
    }

    fn entry(&self, description: &Path) -> Result<Entry> {
        let entry: Entry = read_json(description, "a cache entry; build the cache again")?;
        let expected = (self.preprocessing.width_px, self.preprocessing.height_px);
        if (entry.frame.width, entry.frame.height) == expected {
            return Ok(entry);
        }
        let found = format!("an input of {}x{} pixels", entry.frame.width, entry.frame.height);
        Err(Error::table(description, None, found, format!("{}x{}; build again", expected.0, expected.1)))
    }

    /// Paths of description and pixels. The hash distinguishes equal names in different folders.
    fn paths(&self, file: &str) -> (PathBuf, PathBuf) {
        let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        let hash = short_hex(&Sha256::digest(file.as_bytes()));
        let name = |extension: &str| self.folder.join(format!("{stem}-{hash}.{extension}"));
        (name("json"), name("u16"))
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, "remove the stale cache entry", error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
