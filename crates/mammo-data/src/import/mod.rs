//! Import: tables of images and lesions in, a [`Manifest`] and a list of rejections out.
//!
//! This stage checks paths, words, numbers, labels and pixels, so that later stages need not. A
//! row that cannot be used becomes a [`Rejection`] with a coded reason. Changes and irregularities
//! that do not lead to a rejection are listed in [`Imported::notes`]. `docs/datasets.md` describes
//! the table format.
//!
//! | file | does |
//! |---|---|
//! | `table` | finds the columns, reads the rows |
//! | `images` | `images.csv` → image rows, one per file |
//! | `labels` | image truth against lesion truth |
//! | `opening` | opens every image, compares contents |
//! | `lesions`, `shape` | `lesions.csv` → boxes, circles and masks inside their images |
//! | `rejection` | the reasons and their file |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::manifest::Manifest;
use crate::{Error, Result};
use mammo_core::text::count;
use mammo_dicom::UnknownObjects;

mod images;
mod labels;
mod lesions;
mod opening;
mod rejection;
mod shape;
pub(crate) mod table;
#[cfg(test)]
mod tests;

pub(crate) use images::{ImageRow, acr_density, bi_rads, path_in_data_set, whole, word};
pub(crate) use lesions::Annotation;
pub(crate) use opening::Admission;
pub(crate) use rejection::{RowError, row_error};
pub(crate) use shape::MaskSize;

pub use rejection::{Rejection, RejectionReason, write_rejections};

/// How thoroughly an import checks the image files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Only width and height. Fast, but truncated files and identical files of two patients are not
    /// detected.
    Headers,
    /// All pixels are decoded and the contents of all files are compared.
    #[default]
    Pixels,
}

/// How images are opened, and which objects are accepted as mammograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// How thoroughly the files are checked.
    pub verify: Verify,
    /// Treatment of DICOM objects whose header does not identify them.
    pub unknown: UnknownObjects,
}

impl From<Verify> for Opening {
    fn from(verify: Verify) -> Self {
        Self { verify, ..Self::default() }
    }
}

/// The result of an import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The accepted images with their lesions; its root is the folder of `images.csv`.
    pub manifest: Manifest,
    /// One entry per rejected row: rows of `images.csv` first, then `lesions.csv`, by line.
    pub rejections: Vec<Rejection>,
    /// Changes, ignored columns and irregularities, with counts; one sentence each.
    pub notes: Vec<String>,
}

impl Imported {
    /// How many rows were rejected for each reason.
    pub fn rejections_by_reason(&self) -> BTreeMap<RejectionReason, usize> {
        rejection::count_by_reason(&self.rejections)
    }
}

/// Rejections and notes of one table.
pub(crate) struct TableProblems {
    /// The table's file name.
    table: String,
    rejections: Vec<Rejection>,
    notes: Vec<String>,
}

impl TableProblems {
    pub fn of(table: &Path) -> Self {
        let name = table.file_name().unwrap_or(table.as_os_str()).to_string_lossy().into_owned();
        Self { table: name, rejections: Vec::new(), notes: Vec::new() }
    }

    pub fn reject(&mut self, file: &str, line: u64, refusal: RowError) {
        let detail = format!("{}: {}", self.table, refusal.problem);
        let (file, line) = (file.to_string(), Some(line));
        self.rejections.push(Rejection { file, line, reason: refusal.reason, detail });
    }

    /// The rejections so far.
    pub fn into_rejections(self) -> Vec<Rejection> {
        self.rejections
    }

    /// Adds whole sentences.
    pub fn add_notes(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }

    /// Adds a note about `n` items, named by a singular noun, unless there are none.
    pub fn note(&mut self, n: usize, noun: &str, what: impl std::fmt::Display) {
        if n > 0 {
            self.notes.push(format!("{} {what}", count(n, noun)));
        }
    }
}

/// Counts finished files over all threads and reports them to the caller.
struct Progress<'a> {
    done: AtomicUsize,
    total: usize,
    report: &'a (dyn Fn(usize, usize) + Sync),
}

impl Progress<'_> {
    fn step(&self) {
        (self.report)(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.total);
    }
}

/// Imports a data set in the open table format: `images.csv` and, when it exists beside it,
/// `lesions.csv`.
///
/// # Inputs
/// - `path`: the folder that holds `images.csv`, or a table of images of any name. All files
///   are relative to that folder.
/// - `opening`: how to check the images; a [`Verify`] converts to it. Images are opened on all
///   threads.
/// - `progress`: called as `(done, total)` after each image and each mask, from any thread.
///
/// # Errors
/// [`Error::Io`] when a table cannot be read. [`Error::Table`] when a table lacks a required
/// column, or when no image is accepted. Errors of single rows are [`Rejection`]s.
pub fn import_tables(
    path: &Path,
    opening: impl Into<Opening>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Imported> {
    let (root, images_csv) = locate(path);
    let lesions_csv = root.join("lesions.csv");

    let mut in_images = TableProblems::of(&images_csv);
    let mut in_lesions = TableProblems::of(&lesions_csv);
    let images = images::read(&images_csv, &mut in_images)?;
    let annotations = if lesions_csv.is_file() {
        lesions::read(&lesions_csv, &mut in_lesions)?
    } else {
        in_lesions
            .notes
            .push("no lesions.csv: images have labels only, lesions cannot be sampled".to_string());
        Vec::new()
    };
    let admission = Admission::Mammograms;
    let rows = DataSetRows {
        annotations,
        in_lesions,
        admission,
        ..DataSetRows::new(&root, &images_csv, images, in_images)
    };
    check_rows(rows, opening.into(), progress)
}

/// The rows of a data set's tables, before any image is opened.
pub(crate) struct DataSetRows {
    /// Folder to which all files are relative.
    pub root: PathBuf,
    /// The table, named in the error when no row can be used.
    pub table: PathBuf,
    /// One per image file.
    pub images: Vec<ImageRow>,
    /// One per lesion and image.
    pub annotations: Vec<Annotation>,
    /// Problems of rows of images so far.
    pub in_images: TableProblems,
    /// Problems of rows of lesions so far.
    pub in_lesions: TableProblems,
    /// Whether a mask may have another size than its image.
    pub masks: MaskSize,
    /// Which DICOM objects are accepted.
    pub admission: Admission,
}

impl DataSetRows {
    /// Rows of an archive without lesions, whose DICOM objects are known to be mammograms.
    pub fn new(root: &Path, table: &Path, images: Vec<ImageRow>, in_images: TableProblems) -> Self {
        Self {
            root: root.to_path_buf(),
            table: table.to_path_buf(),
            images,
            annotations: Vec::new(),
            in_images,
            in_lesions: TableProblems::of(table),
            masks: MaskSize::Exact,
            admission: Admission::AnyGrey,
        }
    }
}

/// Opens all images and checks labels and lesions against them, for every source of rows.
///
/// # Errors
/// [`Error::Table`] when no image is accepted.
pub(crate) fn check_rows(
    rows: DataSetRows,
    opening: Opening,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Imported> {
    let DataSetRows { root, table, images, annotations, mut in_images, mut in_lesions, masks, admission } =
        rows;
    let image_rows = labels::reconcile(images, &annotations, &in_lesions.rejections, &mut in_images);
    let total = image_rows.len() + lesions::count_masks(&annotations);
    let progress = Progress { done: AtomicUsize::new(0), total, report: progress };
    let accepted = opening::open_all(&root, image_rows, opening, admission, &progress, &mut in_images);
    let mammograms = lesions::attach(&root, accepted, annotations, masks, &progress, &mut in_lesions);
    labels::note_breasts_with_two_labels(&mammograms, &mut in_images);

    in_images.rejections.sort_by_key(|rejection| rejection.line);
    in_lesions.rejections.sort_by_key(|rejection| rejection.line);
    let rejections = [in_images.rejections, in_lesions.rejections].concat();
    if mammograms.is_empty() {
        return Err(nothing_accepted(&table, &rejections));
    }
    let notes = [in_images.notes, in_lesions.notes].concat();
    Ok(Imported { manifest: Manifest::new(root, mammograms), rejections, notes })
}

/// The data set's root and its table of images.
fn locate(path: &Path) -> (PathBuf, PathBuf) {
    if path.is_dir() {
        return (path.to_path_buf(), path.join("images.csv"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    (folder.unwrap_or(Path::new(".")).to_path_buf(), path.to_path_buf())
}

fn nothing_accepted(images_csv: &Path, rejections: &[Rejection]) -> Error {
    let counts = rejection::count_by_reason(rejections);
    let reasons: Vec<String> = counts.iter().map(|(reason, n)| format!("{n} {}", reason.code())).collect();
    let example = rejections.first().map(|first| format!("; first: {}: {}", first.file, first.detail));
    let found = match example {
        Some(example) => format!("no usable image (rejected: {}{example})", reasons.join(", ")),
        None => "no row below the header".to_string(),
    };
    Error::table(images_csv, None, found, "at least one image that can be read")
}
