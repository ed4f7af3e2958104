//! The files below an archive's folder, found by name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// How deep folders are searched; the deepest archive has five levels.
const MAX_DEPTH: usize = 12;

/// Every file below a folder, as path relative to it with forward slashes.
pub struct Files {
    root: PathBuf,
    /// Sorted.
    pub all: Vec<String>,
}

impl Files {
    /// Lists the files below `root`.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be read.
    pub fn below(root: &Path) -> Result<Self> {
        let mut all = Vec::new();
        collect(root, root, 0, &mut all)?;
        all.sort();
        Ok(Self { root: root.to_path_buf(), all })
    }

    /// The one table of that name, wherever it lies; the shortest path if there are several.
    ///
    /// # Errors
    /// [`Error::Table`] that names what was looked for.
    pub fn table(&self, names: &[&str]) -> Result<PathBuf> {
        self.find(names).ok_or_else(|| {
            let found = format!("no {} in it or below", names.join(" or "));
            Error::table(
                &self.root,
                None,
                found,
                "the archive's folder with its tables; see docs/datasets.md",
            )
        })
    }

    /// The file of one of these names, case-blind, wherever it lies.
    pub fn find(&self, names: &[&str]) -> Option<PathBuf> {
        let is_it = |file: &&String| names.iter().any(|name| base(file).eq_ignore_ascii_case(name));
        let found = self.all.iter().filter(is_it).min_by_key(|file| file.matches('/').count());
        found.map(|file| self.root.join(file))
    }

    /// Files by the key that `key` gives them; the first of equal keys stays.
    pub fn by<K: Eq + std::hash::Hash>(&self, key: impl Fn(&str) -> Option<K>) -> HashMap<K, &str> {
        let mut files = HashMap::new();
        for file in &self.all {
            if let Some(key) = key(file) {
                files.entry(key).or_insert(file.as_str());
            }
        }
        files
    }
}

/// The last part of a path.
pub fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// The last part of a path without its extension.
pub fn stem(file: &str) -> &str {
    let name = base(file);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The extension in lower case; empty when there is none.
pub fn extension(file: &str) -> String {
    base(file).rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

fn collect(root: &Path, folder: &Path, depth: usize, all: &mut Vec<String>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    let failed = |e| Error::io(folder, "list the folder", e);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(root, &path, depth + 1, all)?;
        } else if let Some(file) = path.strip_prefix(root).ok().and_then(|file| file.to_str()) {
            all.push(file.replace('\\', "/"));
        }
    }
    Ok(())
}
