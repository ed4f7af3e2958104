//! Any folder of images without labels → rows, for prediction.
//!
//! DICOM files, known by their content, say in their headers whom and what they show; of other
//! files the name is asked ([`loose`](super::loose)). What neither says stays unknown, and is
//! counted in a note.

use std::path::Path;

use rayon::prelude::*;

use super::files::Files;
use super::header::{known, sound, whole_view};
use super::loose::{InferredMetadata, Unknowns, is_image};
use crate::Result;
use crate::import::{Admission, DataSetRows, ImageRow, RowError, TableProblems};
use mammo_dicom::UnknownObjects;

pub(super) fn rows(dir: &Path, files: &Files, unknown: UnknownObjects) -> Result<DataSetRows> {
    let (names, further_names) = files.each_once();
    let found: Vec<(&str, Result<InferredMetadata, RowError>)> = names
        .into_par_iter()
        .filter(|file| is_image(&dir.join(file)))
        .map(|file| (file, said(dir, file, unknown)))
        .collect();
    let mut in_images = TableProblems::of(dir);
    let (mut image_rows, mut unknowns) = (Vec::new(), Unknowns::default());
    for (file, said) in found {
        match said {
            Ok(said) => {
                unknowns.add(file, &said);
                image_rows.push(ImageRow { line: 0, mammogram: said.record(file), n_lesions: None });
            }
            Err(error) => in_images.reject(file, 0, error),
        }
    }
    in_images.add_notes(unknowns.notes());
    in_images.note(
        further_names,
        "file names are links to files that have another name here; each file is read once",
    );
    Ok(DataSetRows { admission: Admission::Mammograms, ..DataSetRows::new(dir, dir, image_rows, in_images) })
}

fn said(dir: &Path, file: &str, unknown: UnknownObjects) -> Result<InferredMetadata, RowError> {
    let header = known(super::loose::header_of(&dir.join(file)))?;
    if let Some(header) = &header {
        sound(header, unknown)?;
        whole_view(header)?;
    }
    Ok(InferredMetadata::by(file, header.as_ref()))
}
