//! A manifest with its split.

use std::path::{Path, PathBuf};

use mammo_core::record::Mammogram;
use mammo_data::manifest::Manifest;
use mammo_data::split::{Side, Split};

use crate::Result;
use crate::error::Place;

/// A data set with its split, checked against each other.
pub struct Data {
    /// The manifest's path, for messages.
    pub path: PathBuf,
    /// The images.
    pub manifest: Manifest,
    /// Which patient is on which side.
    pub split: Split,
    /// Folder for cached network inputs.
    pub cache_dir: PathBuf,
}

impl Data {
    /// Reads a manifest and its split, `split.json` beside it unless named.
    ///
    /// # Errors
    /// Files that cannot be read; a split of another manifest or with a leak.
    pub fn read(manifest_path: &Path, split_path: Option<&Path>) -> Result<Self> {
        let manifest = Manifest::read(manifest_path)?;
        let split_path =
            split_path.map_or_else(|| manifest_path.with_file_name("split.json"), Path::to_path_buf);
        let split = Split::read(&split_path)?;
        split.verify(&manifest).at(|| split_path.display())?;
        let cache_dir = manifest_path.with_file_name("cache");
        let n_images = Side::ALL.map(|side| split.images(&manifest, side).len());
        tracing::debug!(
            "{}: images for training, validation and test: {n_images:?}, by {}",
            manifest_path.display(),
            split_path.display()
        );
        Ok(Self { path: manifest_path.to_path_buf(), manifest, split, cache_dir })
    }

    /// The images of one side.
    pub fn side(&self, side: Side) -> Vec<&Mammogram> {
        self.split.images(&self.manifest, side)
    }
}
