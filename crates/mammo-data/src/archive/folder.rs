//! Any folder of images without labels → rows, for prediction.
//!
//! DICOM files, known by their content, say in their headers whom and what they show; of other
//! files the name is asked ([`loose`](super::loose)). What neither says stays unknown, and is
//! counted in a note.

use std::path::Path;

use rayon::prelude::*;

use super::files::Files;
use super::header::{known, sound, whole_view};
use super::loose::{Said, Unknowns, is_image};
use crate::Result;
use crate::import::{Admission, Candidate, Checked, Findings, Rows};
use mammo_dicom::UnknownObjects;

pub(super) fn rows(dir: &Path, files: &Files, unknown: UnknownObjects) -> Result<Rows> {
    let (names, further_names) = files.each_once();
    let found: Vec<(&str, Checked<Said>)> = names
        .into_par_iter()
        .filter(|file| is_image(&dir.join(file)))
        .map(|file| (file, said(dir, file, unknown)))
        .collect();
    let mut in_images = Findings::of(dir);
    let (mut candidates, mut unknowns) = (Vec::new(), Unknowns::default());
    for (file, said) in found {
        match said {
            Ok(said) => {
                unknowns.add(file, &said);
                candidates.push(Candidate { line: 0, mammogram: said.record(file), n_lesions: None });
            }
            Err(refusal) => in_images.reject(file, 0, refusal),
        }
    }
    in_images.add_notes(unknowns.notes());
    in_images.note(
        further_names,
        "file names are links to files that have another name here; each file is read once",
    );
    Ok(Rows { admission: Admission::Mammograms, ..Rows::new(dir, dir, candidates, in_images) })
}

fn said(dir: &Path, file: &str, unknown: UnknownObjects) -> Checked<Said> {
    let header = known(super::loose::header_of(&dir.join(file)))?;
    if let Some(header) = &header {
        sound(header, unknown)?;
        whole_view(header)?;
    }
    Ok(Said::by(file, header.as_ref()))
}
