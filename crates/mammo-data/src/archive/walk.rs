//! Lists all files below a folder; follows links and visits each folder once.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Identity of a file or folder: device and inode on Unix, elsewhere the canonical path, which does
/// not identify hard links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    #[cfg(not(unix))]
    canonical: PathBuf,
}

impl FileId {
    /// `None` when the path does not exist.
    fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let metadata = std::fs::metadata(path).ok()?;
            Some(Self { device_and_inode: (metadata.dev(), metadata.ino()) })
        }
        #[cfg(not(unix))]
        Some(Self { canonical: path.canonicalize().ok()? })
    }
}

/// Every file below a folder under each of its names: first paths without symbolic links, then the
/// others, sorted by path. A folder that links point to again, such as a link to `..`, is listed
/// once, under its own path if that is below `root`.
///
/// Broken links are listed, so that they can be rejected by name; pipes, sockets and devices are
/// not.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read.
pub(super) fn files_below(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut own, mut linked) = (BTreeSet::new(), BTreeSet::new());
    let (mut folders, mut linked_folders) = (vec![root.to_path_buf()], BTreeSet::new());
    let mut seen = HashSet::new();
    let mut behind_link = false;
    loop {
        let next = folders.pop().or_else(|| {
            behind_link = true;
            linked_folders.pop_first()
        });
        let Some(folder) = next else { break };
        if FileId::of(&folder).is_some_and(|id| !seen.insert(id)) {
            continue;
        }
        let failed = |e| Error::io(&folder, "list the folder", e);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                if behind_link {
                    linked.insert(path)
                } else {
                    own.insert(path)
                };
            } else if kind.is_symlink() {
                match std::fs::metadata(&path) {
                    Ok(target) if target.is_dir() => linked_folders.insert(path),
                    Ok(target) if !target.is_file() => false,
                    _ => linked.insert(path),
                };
            }
        }
    }
    Ok(own.into_iter().chain(linked).collect())
}

/// The first name of each file, in the given order. Links and hard links are further names.
pub(super) fn each_once(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    files.into_iter().filter(|file| FileId::of(file).is_none_or(|id| seen.insert(id))).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_no_file_twice() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |name: &str| std::fs::write(root.join(name), name).unwrap();
        for folder in ["a", "b", "b/deep"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        ["top.png", "a/1.png", "b/2.png", "b/deep/3.png"].iter().for_each(|name| write(name));
        symlink("..", root.join("a/up")).unwrap();
        symlink("../b", root.join("a/0")).unwrap();
        symlink("../a", root.join("b/a")).unwrap();
        symlink(root, root.join("b/deep/root")).unwrap();
        symlink("2.png", root.join("b/1.png")).unwrap();
        symlink("nowhere.png", root.join("broken.png")).unwrap();
        std::fs::hard_link(root.join("top.png"), root.join("top_copy.png")).unwrap();
        let names = |files: &[PathBuf]| -> Vec<String> {
            files.iter().map(|file| file.strip_prefix(root).unwrap().display().to_string()).collect()
        };
        let all = files_below(root).unwrap();
        let own = ["a/1.png", "b/2.png", "b/deep/3.png", "top.png", "top_copy.png"];
        assert_eq!(names(&all), [&own[..], &["b/1.png", "broken.png"]].concat());
        assert_eq!(names(&each_once(all)), ["a/1.png", "b/2.png", "b/deep/3.png", "top.png", "broken.png"]);
    }

    #[test]
    fn a_folder_outside_is_read_through_its_link_and_a_deep_one_to_its_end() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let deep = (0..30).fold(outside.path().to_path_buf(), |folder, _| folder.join("d"));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("x.png"), "x").unwrap();
        symlink(outside.path(), inside.path().join("link")).unwrap();
        let found = files_below(inside.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("d/x.png") && found[0].starts_with(inside.path().join("link")));
    }
}
