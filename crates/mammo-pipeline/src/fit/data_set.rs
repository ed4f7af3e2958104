//! Imports, checks and splits the data set of a run.

use std::path::Path;

use mammo_core::text::count;
use mammo_data::doctor::{Report, entries_of_manifest, examine, find_duplicates};
use mammo_data::import::{Imported, write_rejections};
use mammo_data::manifest::Manifest;
use mammo_data::split::{Split, SplitConfig, split_by_patient};

use super::plan::check_patients;
use super::run::{Fit, MANIFEST, SPLIT, stop_if_asked};
use super::source::Source;
use crate::error::refuse;
use crate::{Observer, Result};

/// Shares of patients on the validation and the test side; larger ones with few patients, so that each side has some of
/// both classes.
const SHARES: [f64; 2] = [0.15, 0.2];
const SHARES_OF_FEW: [f64; 2] = [0.25, 0.25];
/// Fewer patients than these with cancer, or without, are few.
const FEW: usize = 40;

/// What the doctor says of a data set.
pub enum Checked {
    /// Manifest and split are written.
    Clean {
        /// Rows of the tables that could not be used.
        n_rejected: usize,
    },
    /// It has leaks or contradictory labels; nothing is written.
    Unclean(Report),
}

/// Writes manifest and split of a run, unless it is continued and has them.
///
/// # Errors
/// Tables that cannot be read; too few patients; other data than those of a run that is continued.
pub fn import_and_split(fit: &Fit, source: &Source, observer: &dyn Observer) -> Result<Checked> {
    let (manifest_path, split_path) = (fit.out.join(MANIFEST), fit.out.join(SPLIT));
    if manifest_path.exists() {
        check_same_data(source, &Manifest::read(&manifest_path)?, &manifest_path)?;
        if fit.resume && split_path.exists() {
            return Ok(Checked::Clean { n_rejected: 0 });
        }
    }
    let imported = source.import(observer)?;
    note_import(&imported, observer);
    let manifest = &imported.manifest;
    let patients = truth_of_patients(manifest);
    check_patients(patients.len(), patients.iter().filter(|&&cancer| cancer).count())?;
    stop_if_asked(observer)?;
    let split = match source.split() {
        Some(given) => {
            observer.note(&format!("{}: the split beside the manifest, used as it is", given.display()));
            Split::read(&given)?
        }
        None => split_by_patient(manifest, &shares(&patients, fit.seed))?,
    };
    split.verify(manifest)?;
    let report = doctor(manifest, &split, observer);
    if !report.is_clean() {
        return Ok(Checked::Unclean(report));
    }
    check_sides(&split, manifest)?;
    let n_rejected = imported.rejections.len();
    if n_rejected > 0 {
        let rejected = fit.out.join("rejected.csv");
        write_rejections(&rejected, &imported.rejections)?;
        observer.note(&format!("{}: rejected rows with their reasons", rejected.display()));
    }
    manifest.write(&manifest_path)?;
    split.write(&split_path)?;
    observer.note(&format!("split by patient\n{}", split.summary(manifest)));
    Ok(Checked::Clean { n_rejected })
}

fn note_import(imported: &Imported, observer: &dyn Observer) {
    imported.notes.iter().for_each(|note| observer.note(note));
    let counts = imported.manifest.counts();
    observer.note(&format!(
        "{} of {} (images: {} malignant, {} benign, {} unknown), {}, {} rejected",
        count(counts.images, "image"),
        count(counts.patients, "patient"),
        counts.malignant,
        counts.benign,
        counts.unknown,
        count(counts.lesions, "lesion"),
        count(imported.rejections.len(), "row"),
    ));
}

/// Whether each patient with a known truth has cancer.
fn truth_of_patients(manifest: &Manifest) -> Vec<bool> {
    let patients = manifest.patients();
    let truth = patients.values().filter_map(|images| {
        images.iter().filter_map(|image| image.malignant()).reduce(|any, malignant| any | malignant)
    });
    truth.collect()
}

/// Compares all images with each other and examines the split.
fn doctor(manifest: &Manifest, split: &Split, observer: &dyn Observer) -> Report {
    let task = observer.begin("comparing images", manifest.images.len());
    let (duplicates, n_unread) = find_duplicates(manifest, &|done, total| task.counted(done, total));
    drop(task);
    if n_unread > 0 {
        observer.note(&format!("{} not readable and not compared", count(n_unread, "image")));
    }
    examine(&entries_of_manifest(manifest, Some(split)), Some(&duplicates))
}

/// The shares of a set's sides.
fn shares(patients: &[bool], seed: u64) -> SplitConfig {
    let cancer = patients.iter().filter(|&&cancer| cancer).count();
    let few = cancer.min(patients.len() - cancer) < FEW;
    let [validation, test] = if few { SHARES_OF_FEW } else { SHARES };
    SplitConfig { train: 1.0 - validation - test, validation, test, seed }
}

/// Refuses a side with one class, on which nothing can be trained, chosen or evaluated.
fn check_sides(split: &Split, manifest: &Manifest) -> Result<()> {
    for side in split.summary(manifest).sides {
        let (cancer, without) = (side.malignant_images, side.images - side.malignant_images);
        if cancer == 0 || without == 0 {
            refuse!(
                "the {} side has {cancer} images with cancer and {without} without; expected both on every side: more \
                 patients, or a manifest with another split.json beside it",
                side.side
            );
        }
    }
    Ok(())
}

/// Refuses to continue a run on other data.
fn check_same_data(source: &Source, manifest: &Manifest, path: &Path) -> Result<()> {
    let same = match source {
        Source::Tables(dir) | Source::Archive(_, dir) => {
            let canonical = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
            canonical(dir) == canonical(&manifest.root)
        }
        Source::Manifest(given) => Manifest::read(given)?.digest() == manifest.digest(),
    };
    if same {
        return Ok(());
    }
    refuse!(
        "{}: of other data, those below {}; continue with these data, or give another --out",
        path.display(),
        manifest.root.display()
    )
}
