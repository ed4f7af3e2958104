//! Finds the files below an archive's folder by name.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::image_files::is_image;
use super::walk::{each_once, files_below};
use crate::import::{RejectionReason, RowError, TableProblems};
use crate::{Error, Result};
use mammo_dicom::image_file::read_size;

/// All files below a folder, as relative paths with forward slashes.
pub struct Files {
    root: PathBuf,
    /// Sorted; a file with several names is listed under each.
    pub all: Vec<String>,
    /// The same files, paths without symbolic links first.
    preferred: Vec<PathBuf>,
    /// Files whose names are not UTF-8 and cannot be written to tables or manifests.
    unnamed: Vec<PathBuf>,
}

impl Files {
    /// Lists the files below `root`, see [`files_below`].
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when a folder cannot be read.
    pub fn below(root: &Path) -> Result<Self> {
        let (mut all, mut preferred, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
        for path in files_below(root)? {
            match relative(root, &path) {
                Some(file) => {
                    all.push(file);
                    preferred.push(path);
                }
                None => unnamed.push(path),
            }
        }
        all.sort();
        Ok(Self { root: root.to_path_buf(), all, preferred, unnamed })
    }

    /// The files, each under one name, sorted; and the number of further names.
    pub fn each_once(&self) -> (Vec<&str>, usize) {
        let once: HashSet<PathBuf> = each_once(self.preferred.clone()).into_iter().collect();
        let kept = |file: &&String| once.contains(&self.root.join(file));
        let files: Vec<&str> = self.all.iter().filter(kept).map(String::as_str).collect();
        let further = self.all.len() - files.len();
        (files, further)
    }

    /// Rejects the image files whose names are not UTF-8.
    pub fn reject_unnamed(&self, problems: &mut TableProblems) {
        for path in self.unnamed.iter().filter(|path| is_image(path)) {
            let below = path.strip_prefix(&self.root).unwrap_or(path);
            let problem = format!("the name {below:?} is not UTF-8; rename the file or its folder");
            problems.reject(
                &below.to_string_lossy(),
                0,
                RowError { reason: RejectionReason::FileName, problem },
            );
        }
    }

    /// The table of that name in any folder; of several, the one with the shortest path.
    ///
    /// # Errors
    /// [`Error::Table`] with the expected names.
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

    /// The file with one of these names in any folder, ignoring case.
    pub fn find(&self, names: &[&str]) -> Option<PathBuf> {
        let is_it = |file: &&String| names.iter().any(|name| base(file).eq_ignore_ascii_case(name));
        let found = self.all.iter().filter(is_it).min_by_key(|file| file.matches('/').count());
        found.map(|file| self.root.join(file))
    }

    /// Image files by key. Of several files with one key the one with most pixels is used, the first
    /// of equally large ones; a note counts such keys.
    pub fn largest_by<K: Eq + Hash + Send>(
        &self,
        key: impl Fn(&str) -> Option<K>,
        problems: &mut TableProblems,
    ) -> HashMap<K, &str> {
        let mut groups: HashMap<K, Vec<&str>> = HashMap::new();
        for file in &self.all {
            if let Some(key) = key(file) {
                groups.entry(key).or_default().push(file);
            }
        }
        let (keys, groups): (Vec<K>, Vec<Vec<&str>>) = groups.into_iter().unzip();
        let chosen = self.largest_of(&groups, problems);
        keys.into_iter().zip(chosen).filter_map(|(key, file)| Some((key, file?))).collect()
    }

    /// The file with most pixels of each group, the first of equally large ones; `None` for an
    /// empty group. Groups of several files are counted in a note that names two of their folders.
    pub fn largest_of<'f>(
        &self,
        groups: &[Vec<&'f str>],
        problems: &mut TableProblems,
    ) -> Vec<Option<&'f str>> {
        let n_pixels = |file: &str| {
            let (width, height) = read_size(&self.root.join(file)).unwrap_or_default();
            u64::from(width) * u64::from(height)
        };
        let chosen: Vec<Option<&str>> = groups
            .par_iter()
            .map(|files| match files[..] {
                [] => None,
                [only] => Some(only),
                _ => files.iter().rev().max_by_key(|file| n_pixels(file)).copied(),
            })
            .collect();
        let several = || groups.iter().zip(&chosen).filter(|(files, _)| files.len() > 1);
        // The first by name, independent of the order of the groups.
        let example = several().min_by_key(|(_, chosen)| **chosen);
        if let Some((files, Some(taken))) = example {
            let others: Vec<&str> = files.iter().filter(|file| *file != taken).copied().collect();
            problems.note(
                several().count(),
                "image",
                format_args!(
                    "stored in several files; the one with most pixels is used, such as {taken} and not {}",
                    others.join(", ")
                ),
            );
        }
        chosen
    }

    /// Files by key; of equal keys the first file is used.
    pub fn by<K: Eq + Hash>(&self, key: impl Fn(&str) -> Option<K>) -> HashMap<K, &str> {
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

/// A path below `root` with forward slashes; `None` when a part of it is not UTF-8.
fn relative(root: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_str());
    parts.collect::<Option<Vec<&str>>>().map(|parts| parts.join("/"))
}
