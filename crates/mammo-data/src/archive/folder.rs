//! Any folder of images without labels, for prediction.
//!
//! Patient, laterality and view come from DICOM headers and file names
//! ([`image_files`](super::image_files)). Notes count the images of unknown side or view.

use std::path::Path;

use rayon::prelude::*;

use super::files::Files;
use super::header::{admit, row_result, screening_view};
use super::image_files::{InferredMetadata, Unknowns, is_image};
use crate::Result;
use crate::import::{Admission, DataSetRows, ImageRow, RowError, TableProblems};
use mammo_dicom::UnknownObjects;

pub(super) fn rows(dir: &Path, files: &Files, unknown: UnknownObjects) -> Result<DataSetRows> {
    let (names, further_names) = files.each_once();
    let found: Vec<(&str, Result<InferredMetadata, RowError>)> = names
        .into_par_iter()
        .filter(|file| is_image(&dir.join(file)))
        .map(|file| (file, inferred(dir, file, unknown)))
        .collect();
    let mut in_images = TableProblems::of(dir);
    let (mut image_rows, mut unknowns) = (Vec::new(), Unknowns::default());
    for (file, metadata) in found {
        match metadata {
            Ok(metadata) => {
                unknowns.add(file, &metadata);
                image_rows.push(ImageRow { line: 0, mammogram: metadata.record(file), n_lesions: None });
            }
            Err(error) => in_images.reject(file, 0, error),
        }
    }
    in_images.add_notes(unknowns.notes());
    in_images.note(further_names, "additional file name", "of files listed already; each file is read once");
    Ok(DataSetRows { admission: Admission::Mammograms, ..DataSetRows::new(dir, dir, image_rows, in_images) })
}

fn inferred(dir: &Path, file: &str, unknown: UnknownObjects) -> Result<InferredMetadata, RowError> {
    let header = row_result(super::image_files::header_of(&dir.join(file)))?;
    if let Some(header) = &header {
        admit(header, unknown)?;
        screening_view(header)?;
    }
    Ok(InferredMetadata::infer(file, header.as_ref()))
}
