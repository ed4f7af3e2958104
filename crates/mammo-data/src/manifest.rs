//! The manifest: the accepted images of a data set in one file.
//!
//! In: the records that [`import`](crate::import) accepted. Out: `manifest.json`, which every
//! later stage reads instead of the tables. The file contains a digest of its records. A
//! [`Split`](crate::split::Split), a cache or a checkpoint refers to its manifest by this digest,
//! and an edited or truncated file is refused. The digest does not cover pixels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use mammo_core::json::{json_digest, read_versioned};
use mammo_core::record::{Mammogram, Pathology};
use mammo_core::write::write_json;

const FORMAT: &str = "mammo-manifest";
const VERSION: u32 = 1;
const EXPECTED: &str = "a complete manifest written by `mammo`; import the data set again";

/// The accepted images of one data set and their folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Folder to which every [`Mammogram::file`] is relative.
    pub root: PathBuf,
    /// The records; [`Manifest::new`] and [`Manifest::read`] sort them by file.
    pub images: Vec<Mammogram>,
}

/// Counts of a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestCounts {
    /// Images in all.
    pub images: usize,
    /// Different patients.
    pub patients: usize,
    /// Images labelled malignant.
    pub malignant: usize,
    /// Images labelled benign.
    pub benign: usize,
    /// Images without a recorded truth.
    pub unknown: usize,
    /// Annotated lesions over all images.
    pub lesions: usize,
}

/// The file's layout.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    root: PathBuf,
    digest: String,
    counts: ManifestCounts,
    images: Vec<Mammogram>,
}

impl Manifest {
    /// A manifest of these images, sorted by file.
    pub fn new(root: impl Into<PathBuf>, mut images: Vec<Mammogram>) -> Self {
        images.sort_by(|a, b| a.file.cmp(&b.file));
        Self { root: root.into(), images }
    }

    /// Reads `manifest.json` and checks its version, counts and digest.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Table`] when it has another format or version,
    /// is truncated, or its records were edited. Only `root` may be edited, for data that were moved.
    pub fn read(path: &Path) -> Result<Self> {
        let stored: Stored = read_versioned(path, FORMAT, VERSION, EXPECTED)?;
        let manifest = Self::new(folder_of(path).join(stored.root), stored.images);
        let digest = manifest.digest();
        if digest != stored.digest || manifest.counts() != stored.counts {
            let found = format!(
                "{} images with digest {digest}, but the file states {} images with digest {}; it was edited",
                manifest.images.len(),
                stored.counts.images,
                stored.digest
            );
            return Err(Error::table(path, None, found, EXPECTED));
        }
        Ok(manifest)
    }

    /// Writes `manifest.json`.
    ///
    /// The root is stored as a relative path when the data are in the folder of the file or below it,
    /// so that both can be moved together; otherwise as an absolute path.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let Self { images, .. } = Self::new(&self.root, self.images.clone());
        let stored = Stored {
            format: FORMAT.to_string(),
            version: VERSION,
            root: stored_root(&self.root, folder_of(path))?,
            digest: self.digest(),
            counts: self.counts(),
            images,
        };
        write_json(path, &stored)
    }

    /// SHA-256, in hexadecimal, of the records in canonical form: compact JSON, sorted by file,
    /// without the root. Equal records have equal digests wherever the data lie.
    pub fn digest(&self) -> String {
        let mut images: Vec<&Mammogram> = self.images.iter().collect();
        images.sort_by(|a, b| a.file.cmp(&b.file));
        json_digest(&images)
    }

    /// The path of an image file.
    pub fn image_path(&self, image: &Mammogram) -> PathBuf {
        self.root.join(&image.file)
    }

    /// The images of each patient, patients in alphabetical order.
    pub fn patients(&self) -> BTreeMap<&str, Vec<&Mammogram>> {
        let mut patients: BTreeMap<&str, Vec<&Mammogram>> = BTreeMap::new();
        for image in &self.images {
            patients.entry(&image.patient_id).or_default().push(image);
        }
        patients
    }

    /// The image of that name, by linear search.
    pub fn find(&self, file: &str) -> Option<&Mammogram> {
        self.images.iter().find(|image| image.file == file)
    }

    /// A manifest of the images that `keep` accepts, with the same root.
    pub fn subset(&self, mut keep: impl FnMut(&Mammogram) -> bool) -> Self {
        let images = self.images.iter().filter(|image| keep(image)).cloned().collect();
        Self { root: self.root.clone(), images }
    }

    /// Its counts.
    pub fn counts(&self) -> ManifestCounts {
        let with = |truth| self.images.iter().filter(|image| image.pathology == truth).count();
        ManifestCounts {
            images: self.images.len(),
            patients: self.images.iter().map(|image| &image.patient_id).collect::<BTreeSet<_>>().len(),
            malignant: with(Pathology::Malignant),
            benign: with(Pathology::Benign),
            unknown: with(Pathology::Unknown),
            lesions: self.images.iter().map(|image| image.lesions.len()).sum(),
        }
    }
}

/// The folder of a file; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn stored_root(root: &Path, folder: &Path) -> Result<PathBuf> {
    // Canonical paths are compared, so that `data/../data` and links are resolved. A folder that
    // does not exist yet contains no data.
    let on_disk = (root.canonicalize(), folder.canonicalize());
    if let (Ok(root), Ok(folder)) = on_disk
        && let Ok(below) = root.strip_prefix(folder)
    {
        let is_folder_itself = below.as_os_str().is_empty();
        return Ok(if is_folder_itself { PathBuf::from(".") } else { below.to_path_buf() });
    }
    std::path::absolute(root).map_err(|e| Error::io(root, "find the absolute path", e))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use mammo_core::geometry::Rect;
    use mammo_core::record::{Laterality, Lesion, LesionKind, LesionShape, View};

    /// A left CC image of one patient, 100 x 80 pixels, with no lesions.
    pub(crate) fn mammogram(file: &str, patient_id: &str, pathology: Pathology) -> Mammogram {
        Mammogram {
            pathology,
            width_px: 100,
            height_px: 80,
            ..Mammogram::new(file, patient_id, Laterality::Left, View::Cc)
        }
    }

    fn small(root: &Path) -> Manifest {
        let mut first = mammogram("b.png", "p2", Pathology::Malignant);
        // A width that needs all seventeen digits: the digest depends on reading it exactly.
        let bounds = Rect::new(780.123, 0.1 + 0.2, 800.0 - 780.123, 1.0 / 3.0);
        let shape = LesionShape::Box(bounds);
        first.lesions.push(Lesion { kind: LesionKind::Mass, pathology: Pathology::Malignant, shape });
        first.density = Some(3);
        Manifest::new(root, vec![first, mammogram("a.png", "p1", Pathology::Benign)])
    }

    #[test]
    fn what_is_written_is_read_back_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let (path, manifest) = (folder.path().join("manifest.json"), small(folder.path()));
        manifest.write(&path).unwrap();
        let read = Manifest::read(&path).unwrap();
        assert_eq!(read.images, manifest.images);
        assert_eq!(read.images[0].file, "a.png");
        assert_eq!(read.digest(), manifest.digest());
        assert_eq!(read.find("b.png").unwrap().lesions.len(), 1);
        assert_eq!(read.patients()["p1"][0].file, "a.png");
        assert_eq!(read.subset(|image| image.malignant() == Some(true)).counts().images, 1);
    }

    #[test]
    fn data_beside_the_manifest_move_with_it_and_data_elsewhere_stay() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = home.path().join("old");
        std::fs::create_dir_all(old.join("data")).unwrap();
        small(&old.join("data")).write(&old.join("manifest.json")).unwrap();
        small(elsewhere.path()).write(&old.join("far.json")).unwrap();
        let new = home.path().join("new");
        std::fs::rename(&old, &new).unwrap();
        let near = Manifest::read(&new.join("manifest.json")).unwrap();
        assert_eq!(near.image_path(&near.images[0]), new.join("data").join("a.png"));
        let far = Manifest::read(&new.join("far.json")).unwrap();
        assert_eq!(far.root, elsewhere.path());
        assert_eq!(far.digest(), near.digest(), "the root is not part of the digest");
    }

    #[test]
    fn unknown_sides_and_views_are_left_out_and_files_of_before_still_load() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        let known = small(folder.path());
        // The digest of these records before side and view could be unknown.
        assert_eq!(known.digest(), "79c942021e9d478ce56313e60c4d3a7ed8b21ee5904e75db67d29ffffe9d5b75");
        let unknown = Mammogram { laterality: None, view: None, ..known.images[0].clone() };
        let manifest = Manifest::new(folder.path(), vec![unknown, known.images[1].clone()]);
        manifest.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((text.matches("laterality").count(), text.matches("\"view\"").count()), (1, 1), "{text}");
        assert_eq!(Manifest::read(&path).unwrap().images, manifest.images);
    }

    #[test]
    fn every_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        small(folder.path()).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for length in (0..text.trim_end().len()).step_by(7) {
            std::fs::write(&path, &text[..length]).unwrap();
            let error = Manifest::read(&path).unwrap_err();
            assert!(error.to_string().contains("import the data set again"), "{error}");
        }
    }

    #[test]
    fn edited_records_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        small(folder.path()).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let check = |from: &str, to: &str, says: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = Manifest::read(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        check("\"pathology\": \"benign\"", "\"pathology\": \"malignant\"", "it was edited");
        check("\"malignant\": 1", "\"malignant\": 2", "it was edited");
        check("\"version\": 1", "\"version\": 9", "version 9");
        check(FORMAT, "mammo-split", "format 'mammo-split'");
    }
}
