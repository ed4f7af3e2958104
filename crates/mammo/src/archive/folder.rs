//! Any folder of images without labels → rows, for prediction.
//!
//! DICOM files, known by their content, say in their headers whom and what they show; of other
//! files the name is asked ([`loose`](super::loose)). What neither says is taken as left and
//! CC, and counted in a note.

use std::path::Path;

use rayon::prelude::*;

use super::files::Files;
use super::header::{known, sound};
use super::loose::{Said, is_image};
use crate::Result;
use crate::dicom::UnknownObjects;
use crate::import::{Admission, Candidate, Checked, Findings, RejectionReason, Rows, refuse};

pub(super) fn rows(dir: &Path, unknown: UnknownObjects) -> Result<Rows> {
    let files = Files::below(dir)?;
    let found: Vec<(&String, Checked<Said>)> = files
        .all
        .par_iter()
        .filter(|file| is_image(&dir.join(file)))
        .map(|file| (file, said(dir, file, unknown)))
        .collect();
    let mut in_images = Findings::of(dir);
    let (mut candidates, mut guessed) = (Vec::new(), 0);
    for (file, said) in found {
        match said {
            Ok(said) => {
                guessed += usize::from(!said.is_complete());
                candidates.push(Candidate { line: 0, mammogram: said.record(file), n_lesions: None });
            }
            Err(refusal) => in_images.reject(file, 0, refusal),
        }
    }
    in_images.note(guessed, "images say side or view neither in header nor name; taken as left and CC");
    Ok(Rows { admission: Admission::Mammograms, ..Rows::new(dir, dir, candidates, in_images) })
}

fn said(dir: &Path, file: &str, unknown: UnknownObjects) -> Checked<Said> {
    let header = known(super::loose::header_of(&dir.join(file)))?;
    if let Some(header) = &header {
        sound(header, unknown)?;
        if let Some(projection) = header.projection.filter(|projection| projection.view().is_none()) {
            return refuse(RejectionReason::OtherView, format!("view {projection}; expected CC or MLO"));
        }
    }
    Ok(Said::by(file, header.as_ref()))
}
