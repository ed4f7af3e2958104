//! Files of patches: `patches.csv`, and `patches.json` with manifest, preprocessing and settings.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Patch, SamplingConfig};
use crate::{Error, Result};
use mammo_core::write::{read_json, write_atomically, write_json};

/// The origin of the patches of a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchHeader {
    /// Digest of the manifest that was sampled.
    pub manifest_digest: String,
    /// [`Preprocessing::pixel_digest`](crate::preprocess::Preprocessing::pixel_digest) of the inputs,
    /// in whose frame the coordinates are.
    pub preprocessing_digest: String,
    /// The sampling settings.
    pub config: SamplingConfig,
}

/// Writes `patches.csv` and `patches.json` into `folder`. The header is written last, so that a folder
/// with a header is complete.
///
/// # Errors
/// [`Error::Io`] when a file cannot be written.
pub fn write_patches(folder: &Path, header: &PatchHeader, patches: &[Patch]) -> Result<()> {
    let path = folder.join("patches.csv");
    let mut writer = csv::Writer::from_writer(Vec::new());
    for patch in patches {
        writer.serialize(patch).map_err(|e| Error::table(&path, None, e.to_string(), "a writable patch"))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|e| Error::table(&path, None, e.to_string(), "a table that fits in memory"))?;
    write_atomically(&path, &bytes)?;
    write_json(&folder.join("patches.json"), header)
}

/// Reads the files of [`write_patches`].
///
/// # Errors
/// [`Error::Io`] when a file is missing, [`Error::Table`] when one is damaged or has a coordinate
/// that is not a number.
pub fn read_patches(folder: &Path) -> Result<(PatchHeader, Vec<Patch>)> {
    let header = read_json(&folder.join("patches.json"), "the header of a patch set; sample again")?;
    let path = folder.join("patches.csv");
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, "read the patches", e))?;
    let expected = "file,class,center_x,center_y,lesion_index,overlap; sample again";
    let mut patches = Vec::new();
    for row in csv::Reader::from_reader(bytes.as_slice()).into_deserialize::<Patch>() {
        let line = |e: &csv::Error| e.position().map(csv::Position::line);
        let patch = row.map_err(|e| Error::table(&path, line(&e), e.to_string(), expected))?;
        if !(patch.center_x.is_finite() && patch.center_y.is_finite()) {
            let found = format!("a patch of {} at ({}, {})", patch.file, patch.center_x, patch.center_y);
            return Err(Error::table(&path, Some(patches.len() as u64 + 2), found, expected));
        }
        patches.push(patch);
    }
    Ok((header, patches))
}
