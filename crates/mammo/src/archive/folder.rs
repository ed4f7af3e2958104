//! Any folder of images without labels → rows, for prediction.
//!
//! DICOM files say in their headers whom and what they show. Of other files the name is asked:
//! words such as `LEFT`, `R`, `CC`, `MLO` between separators, the patient before them. What
//! the name does not say is taken as left and CC, and counted in a note.

use std::path::Path;

use rayon::prelude::*;

use super::files::{Files, extension, stem};
use super::header::shown;
use crate::Result;
use crate::import::{Admission, Candidate, Checked, Findings, MaskSize, Rows};
use crate::record::{Laterality, Mammogram, Pathology, Polarity, View};

pub(super) fn rows(dir: &Path) -> Result<Rows> {
    let files = Files::below(dir)?;
    let is_image = |file: &&String| {
        matches!(extension(file).as_str(), "dcm" | "dicom" | "png" | "tif" | "tiff" | "jpg" | "jpeg" | "pgm")
    };
    let found: Vec<(&String, Checked<(Mammogram, bool)>)> =
        files.all.par_iter().filter(is_image).map(|file| (file, mammogram(dir, file))).collect();
    let mut in_images = Findings::of(dir);
    let (mut candidates, mut guessed) = (Vec::new(), 0);
    for (file, mammogram) in found {
        match mammogram {
            Ok((mammogram, is_guess)) => {
                guessed += usize::from(is_guess);
                candidates.push(Candidate { line: 0, mammogram, n_lesions: None });
            }
            Err(refusal) => in_images.reject(file, 0, refusal),
        }
    }
    in_images.note(guessed, "images do not say side or view in their names; taken as left and CC");
    Ok(Rows {
        root: dir.to_path_buf(),
        table: dir.to_path_buf(),
        images: candidates,
        annotations: Vec::new(),
        in_images,
        in_lesions: Findings::of(dir),
        masks: MaskSize::Exact,
        admission: Admission::Mammograms,
    })
}

/// The record, and whether side or view had to be guessed.
fn mammogram(dir: &Path, file: &str) -> Checked<(Mammogram, bool)> {
    let (patient_id, laterality, view, site) = if matches!(extension(file).as_str(), "dcm" | "dicom") {
        let shown = shown(&dir.join(file))?;
        let patient = if shown.patient_id.is_empty() { stem(file).to_string() } else { shown.patient_id };
        (patient, Some(shown.laterality), Some(shown.view), shown.site)
    } else {
        let parts: Vec<&str> = stem(file).split(['_', '-', '.', ' ']).collect();
        let laterality = parts.iter().find_map(|part| part.parse::<Laterality>().ok());
        let view = parts.iter().find_map(|part| part.parse::<View>().ok());
        let tells = |part: &&&str| part.parse::<Laterality>().is_err() && part.parse::<View>().is_err();
        let before: Vec<&str> = parts.iter().take_while(tells).copied().collect();
        let patient = if before.is_empty() { stem(file).to_string() } else { before.join("_") };
        (patient, laterality, view, None)
    };
    let is_guess = laterality.is_none() || view.is_none();
    let mammogram = Mammogram {
        file: file.to_string(),
        patient_id,
        laterality: laterality.unwrap_or(Laterality::Left),
        view: view.unwrap_or(View::Cc),
        pathology: Pathology::Unknown,
        width_px: 0,
        height_px: 0,
        polarity: Polarity::Normal,
        density: None,
        assessment: None,
        site,
        official_side: None,
        lesions: Vec::new(),
    };
    Ok((mammogram, is_guess))
}
