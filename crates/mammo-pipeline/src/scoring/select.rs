//! The images to score: of a manifest, or files and folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mammo_core::record::Mammogram;
use mammo_data::archive::image_files::{EXTENSIONS, InferredMetadata, Unknowns, find, header_of};
use mammo_data::manifest::Manifest;
use mammo_data::split::Side;
use mammo_dicom::image_file::read_size;

use crate::data::Data;
use crate::error::refuse;
use crate::{Observer, Result};

/// Images, with the folder that their files are relative to.
#[derive(Clone, Debug)]
pub struct Selected {
    /// The manifest's root; empty for files and folders, whose paths are their own.
    pub root: PathBuf,
    /// The images.
    pub images: Vec<Mammogram>,
    /// Files whose patient neither header nor name states: their records have the name of the file.
    pub of_unknown_patient: BTreeSet<String>,
}

impl Selected {
    /// True if nothing states whose image it is.
    pub fn is_of_unknown_patient(&self, image: &Mammogram) -> bool {
        self.of_unknown_patient.contains(&image.file)
    }

    /// The patient that an image counts for: that of its record, or itself if its patient is not known. Two files
    /// of one name in two folders are then two patients.
    pub fn patient_of<'i>(&self, image: &'i Mammogram) -> &'i str {
        if self.is_of_unknown_patient(image) { &image.file } else { &image.patient_id }
    }
}

/// The images of a manifest, or of one side of its split, or of files and folders.
///
/// # Errors
/// A manifest, split or folder that cannot be read; no image at all.
pub fn select(
    images: &[PathBuf],
    side: Option<Side>,
    split: Option<&Path>,
    observer: &dyn Observer,
) -> Result<Selected> {
    let [manifest_path] = images else { return find_images(images, observer) };
    if manifest_path.extension().is_none_or(|extension| extension != "json") {
        return find_images(images, observer);
    }
    let Some(side) = side else {
        let manifest = Manifest::read(manifest_path)?;
        return Ok(of_manifest(manifest.root, manifest.images));
    };
    let data = Data::read(manifest_path, split)?;
    let images = data.side(side).into_iter().cloned().collect();
    Ok(of_manifest(data.manifest.root, images))
}

/// The patients of a manifest are those of its import.
fn of_manifest(root: PathBuf, images: Vec<Mammogram>) -> Selected {
    Selected { root, images, of_unknown_patient: BTreeSet::new() }
}

/// Records for image files and for all images under folders, each file once, sorted by path;
/// side, view and patient follow from headers and names ([`mammo_data::archive::image_files`]). A file that is
/// named explicitly is accepted with any extension. Values that remain unknown are reported as notes.
///
/// # Errors
/// Folders that cannot be read; no image at all.
pub fn find_images(paths: &[PathBuf], observer: &dyn Observer) -> Result<Selected> {
    let found = find(paths)?;
    if found.files.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        refuse!("{}: no {} images found", folders.join(", "), EXTENSIONS.join(", "));
    }
    let mut unknowns = Unknowns::default();
    let mut of_unknown_patient = BTreeSet::new();
    let mut images = Vec::with_capacity(found.files.len());
    for path in &found.files {
        let (image, patient_is_stated) = record(path, &mut unknowns);
        if !patient_is_stated {
            of_unknown_patient.insert(image.file.clone());
        }
        images.push(image);
    }
    let mut notes = unknowns.notes();
    if found.further_names > 0 {
        let what = "file names lead to files that have another name here; each file is read once";
        notes.push(format!("{} {what}", found.further_names));
    }
    let unnamed: Vec<&PathBuf> = found.files.iter().filter(|file| file.to_str().is_none()).collect();
    if let Some(first) = unnamed.first() {
        let what = "images are refused because their names are not UTF-8; rename them, such as";
        notes.push(format!("{} {what} {first:?}", unnamed.len()));
    }
    notes.iter().for_each(|note| observer.note(note));
    Ok(Selected { root: PathBuf::new(), images, of_unknown_patient })
}

/// The record of a file, and whether its patient is stated.
fn record(path: &Path, unknowns: &mut Unknowns) -> (Mammogram, bool) {
    // A file that cannot be read is rejected by name when it is scored.
    let header = header_of(path).ok().flatten();
    let (width_px, height_px) = match &header {
        Some(header) => (header.columns, header.rows),
        None => read_size(path).unwrap_or_default(),
    };
    let file = path.to_string_lossy();
    let metadata = InferredMetadata::infer(&file.replace('\\', "/"), header.as_ref());
    unknowns.add(&file, &metadata);
    let patient_is_stated = metadata.patient_is_stated;
    (Mammogram { width_px, height_px, ..metadata.record(&file) }, patient_is_stated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_images_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let error = find_images(&[dir.path().to_path_buf()], &crate::Silent).unwrap_err().to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }
}
