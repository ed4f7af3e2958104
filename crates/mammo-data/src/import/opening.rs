//! Opens the image files of the rows.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rayon::prelude::*;

use super::images::ImageRow;
use super::{Opening, Progress, RejectionReason, RowError, TableProblems, Verify, row_error};
use crate::Error;
use crate::archive::header::admit;
use crate::archive::image_files::header_of;
use mammo_core::image::GreyImage;
use mammo_core::record::{Mammogram, Polarity};
use mammo_dicom::image_file::{check_size, read_size};
use mammo_dicom::{Header, Note, NoteKind, StoredImage, Voi};
use mammo_image::input_check;
use mammo_image::preprocess::Preprocessing;

/// Which DICOM objects are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Only screening mammograms, by their headers.
    Mammograms,
    /// Every object with one grey frame, for archives whose tables identify their objects.
    AnyGrey,
}

/// Properties of an opened image.
struct Opened {
    width_px: u32,
    height_px: u32,
    /// SHA-256 of the file's bytes; only with [`Verify::Pixels`].
    digest: Option<[u8; 32]>,
    /// Irregularities of a DICOM file.
    notes: Vec<Note>,
}

/// Number of notes of each kind, and the first file with one.
#[derive(Default)]
struct Noted(BTreeMap<NoteKind, (usize, String)>);

impl Noted {
    fn add(&mut self, file: &str, notes: Vec<Note>) {
        for note in notes {
            let first = || (0, format!("{file}: {}", note.found));
            self.0.entry(note.kind).or_insert_with(first).0 += 1;
        }
    }
}

/// Opens every image, on all threads, and fills in its size.
pub(super) fn open_all(
    root: &Path,
    image_rows: Vec<ImageRow>,
    opening: Opening,
    admission: Admission,
    progress: &Progress,
    problems: &mut TableProblems,
) -> Vec<ImageRow> {
    let opened: Vec<_> = image_rows
        .par_iter()
        .map(|image_row| {
            let opened = open(&root.join(&image_row.mammogram.file), opening, admission);
            progress.step();
            opened
        })
        .collect();
    let mut accepted: Vec<ImageRow> = Vec::new();
    let mut owners: HashMap<[u8; 32], (String, String)> = HashMap::new();
    let (mut same_patient_twice, mut noted) = (0, Noted::default());
    for (mut image_row, opened) in image_rows.into_iter().zip(opened) {
        let Mammogram { file, patient_id, .. } = &image_row.mammogram;
        let opened = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                problems.reject(file, image_row.line, refusal);
                continue;
            }
        };
        if let Some(digest) = opened.digest {
            let (owner, first_file) =
                owners.entry(digest).or_insert_with(|| (patient_id.clone(), file.clone()));
            if owner != patient_id {
                let problem =
                    format!("patient {patient_id}; byte-identical to {first_file} of patient {owner}");
                let refusal = RowError { reason: RejectionReason::SameFileOtherPatient, problem };
                problems.reject(file, image_row.line, refusal);
                continue;
            }
            same_patient_twice += usize::from(first_file != file);
        }
        noted.add(file, opened.notes);
        image_row.mammogram.width_px = opened.width_px;
        image_row.mammogram.height_px = opened.height_px;
        accepted.push(image_row);
    }
    for (kind, (count, first)) in noted.0 {
        problems.note(count, "DICOM file", format_args!("with a note: {kind} (first: {first})"));
    }
    problems.note(same_patient_twice, "image", "byte-identical to another image of the same patient");
    accepted
}

fn open(path: &Path, opening: Opening, admission: Admission) -> Result<Opened, RowError> {
    if !path.is_file() {
        return row_error(RejectionReason::MissingFile, "no such file below the table's folder");
    }
    let mut notes = Vec::new();
    let mut accept = |header: Option<&Header>, [width_px, height_px]: [u32; 2]| {
        if let Some(header) = header.filter(|_| admission == Admission::Mammograms) {
            notes = admit(header, opening.unknown)?;
        }
        let wrong_size = |e| RowError { reason: RejectionReason::WrongSize, problem: without_path(e) };
        check_size(path, width_px, height_px).map_err(wrong_size)
    };
    if opening.verify == Verify::Headers {
        let header = header_of(path)?;
        let (width_px, height_px) = match &header {
            Some(header) => (header.columns, header.rows),
            None => read_size(path)?,
        };
        accept(header.as_ref(), [width_px, height_px])?;
        notes.extend(header.map(|header| header.notes).unwrap_or_default());
        return Ok(Opened { width_px, height_px, digest: None, notes });
    }
    let mut size = [0; 2];
    let (stored, digest) = StoredImage::open_with_digest(path, Voi::Apply, |header, found| {
        size = found;
        accept(header, found)
    })?;
    if notes.iter().any(|note| note.kind == NoteKind::SecondaryCapture) {
        must_show_a_breast(&stored.image)?;
    }
    notes.extend(stored.notes);
    let [width_px, height_px] = size;
    Ok(Opened { width_px, height_px, digest: Some(digest), notes })
}

/// Refuses a secondary capture, which may show anything, unless it passes the input check.
fn must_show_a_breast(image: &GreyImage) -> Result<(), RowError> {
    // With the image's own size as input size, the check for small images always passes.
    let own_size =
        Preprocessing { width_px: image.width, height_px: image.height, ..Preprocessing::default() };
    input_check::check(image, Polarity::Normal, None, &own_size).map(|_| ()).or_else(|refused| {
        row_error(
            RejectionReason::SecondaryCapture,
            format!("a secondary capture that shows no breast: {refused}"),
        )
    })
}

/// An image that cannot be read.
impl From<Error> for RowError {
    fn from(error: Error) -> Self {
        Self { reason: reason(&error), problem: without_path(error) }
    }
}

fn reason(error: &Error) -> RejectionReason {
    match error {
        Error::Dicom { refusal, .. } => (*refusal).into(),
        _ => RejectionReason::UnreadableImage,
    }
}

/// An error of an image without the path, which is in the rejection already and differs between
/// machines.
pub(super) fn without_path(error: Error) -> String {
    match error {
        Error::Image { found, expected, .. } => format!("{found}; expected {expected}"),
        Error::Dicom { refusal, found, .. } => format!("{found}; expected {}", refusal.expected()),
        other => other.to_string(),
    }
}
