//! Scores breasts or patients: one row for all their images.

use std::collections::HashMap;
use std::path::PathBuf;

use mammo_core::record::Mammogram;
use mammo_core::text::count;
use mammo_eval::tables::scores::{Line, RowImages, ScoreRow, score_table};
use mammo_eval::{Domain, Unit};

use super::combine::{Combination, PatientScores};
use super::opening::Refused;
use super::patient::Patient;
use super::score::{Course, Request, note_unknowns, read_all};
use super::select::{Selected, find_images};
use crate::error::refuse;
use crate::{Observer, Result, Silent};

/// A scored breast or patient.
#[derive(Clone, Debug)]
pub struct UnitRow {
    /// The score; `file` holds the names of the scored images.
    pub row: ScoreRow,
    /// The worst domain of the images.
    pub domain: Domain,
    /// What is unusual about the images, and which were refused.
    pub reason: String,
    /// Views and numbers of the images.
    pub images: RowImages,
}

/// A breast or patient whose images were all refused.
#[derive(Clone, Debug)]
pub struct RefusedUnit {
    /// Patient and side; `file` holds the names of the images.
    pub record: Mammogram,
    /// The different codes of the images.
    pub codes: String,
    /// Why each image was refused.
    pub reason: String,
    /// Number of the images.
    pub images: RowImages,
}

/// Scores of breasts or patients.
pub struct ScoredUnits {
    /// Breast or patient.
    pub unit: Unit,
    /// One row per breast or patient with at least one scored image.
    pub rows: Vec<UnitRow>,
    /// The others.
    pub refused: Vec<RefusedUnit>,
    /// How the images were read.
    pub course: Course,
}

impl ScoredUnits {
    /// The score table as CSV: that of images, with the columns `by`, `views`, `n_images` and `n_refused`.
    ///
    /// # Errors
    /// A table that cannot be encoded.
    pub fn table(&self) -> Result<Vec<u8>> {
        let scored = self
            .rows
            .iter()
            .map(|row| Line::scored(&row.row, row.domain, row.reason.clone()).of(&row.images));
        let refused = self
            .refused
            .iter()
            .map(|unit| Line::refused(&unit.record, &unit.codes, unit.reason.clone()).of(&unit.images));
        Ok(score_table(scored.chain(refused))?)
    }
}

/// Scores breasts or patients, in the order of their first images. Of each patient what the networks make of the images
/// is kept until the last one is read, and no pixels. When the observer requests a stop, the rows of the patients whose
/// images were all read are returned.
///
/// An image whose patient is not known is a patient of its own, which takes the image's name; one of unknown side is
/// a breast of its own.
///
/// # Errors
/// Models that combine images in different ways.
pub fn score_units(
    request: &Request,
    unit: Unit,
    selected: &Selected,
    observer: &dyn Observer,
) -> Result<ScoredUnits> {
    let combination = Combination::of(request.models)?;
    note_unknowns(selected, observer);
    note_own(selected, unit, observer);
    let patients = patients(selected);
    let ordered: Vec<&Mammogram> = patients.iter().flatten().copied().collect();
    let mut sizes = patients.iter().map(Vec::len);
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    let (mut awaited, mut images) = (sizes.next().unwrap_or(0), Vec::new());
    let course = read_all(request, selected, &ordered, observer, &mut |image, read| {
        images.push((image.clone(), read));
        if images.len() == awaited {
            let patient = Patient::of(request, combination, selected, std::mem::take(&mut images));
            patient.add_rows(request, unit, &mut rows, &mut refused);
            awaited = sizes.next().unwrap_or(0);
        }
    });
    Ok(ScoredUnits { unit, rows, refused, course })
}

/// The scores of one exam in files.
#[derive(Debug)]
pub struct ExamScores {
    /// Breasts and patient; positions of images refer to `images`.
    pub scores: PatientScores,
    /// The scored images, sorted by path.
    pub images: Vec<Mammogram>,
    /// Images that were not scored.
    pub refused: Vec<(Mammogram, Refused)>,
}

/// Scores the images of one patient: files, and all images below folders. Sides come from headers and file names.
///
/// # Errors
/// No image at all; images that state different patients; models that combine images in different ways.
pub fn score_exam(request: &Request, paths: &[PathBuf]) -> Result<ExamScores> {
    let combination = Combination::of(request.models)?;
    let selected = find_images(paths, &Silent)?;
    let mut stated = selected.images.iter().filter(|image| !selected.is_of_unknown_patient(image));
    if let Some(first) = stated.next()
        && let Some(other) = stated.find(|image| image.patient_id != first.patient_id)
    {
        let (a, b) = (&first.patient_id, &other.patient_id);
        refuse!("{} is of patient {a}, {} of patient {b}; an exam is of one patient", first.file, other.file);
    }
    let ordered: Vec<&Mammogram> = selected.images.iter().collect();
    let mut images = Vec::new();
    read_all(request, &selected, &ordered, &Silent, &mut |image, read| images.push((image.clone(), read)));
    let Patient { scored, refused, scores, .. } = Patient::of(request, combination, &selected, images);
    Ok(ExamScores { scores, images: scored.into_iter().map(|(image, _)| image).collect(), refused })
}

/// The images of each patient, in the order of their first images.
fn patients(selected: &Selected) -> Vec<Vec<&Mammogram>> {
    let mut patients: Vec<Vec<&Mammogram>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for image in &selected.images {
        if selected.is_of_unknown_patient(image) {
            patients.push(vec![image]);
            continue;
        }
        let place = *places.entry(&image.patient_id).or_insert(patients.len());
        match patients.get_mut(place) {
            Some(images) => images.push(image),
            None => patients.push(vec![image]),
        }
    }
    patients
}

/// Reports the images that belong to no patient or no breast.
fn note_own(selected: &Selected, unit: Unit, observer: &dyn Observer) {
    let images = || selected.images.iter();
    let n = images().filter(|image| selected.is_of_unknown_patient(image)).count();
    if n > 0 {
        let what =
            "of unknown patient, which neither header nor file name states; each is a patient of its own";
        observer.note(&format!("{} {what}", count(n, "image")));
    }
    let n = images().filter(|image| image.laterality.is_none()).count();
    if n > 0 && unit == Unit::Breast {
        observer.note(&format!("{} of unknown side; each has a row of its own", count(n, "image")));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn images_are_grouped_by_patient_and_those_of_unknown_patient_by_themselves() {
        let image = |file: &str, patient: &str| Mammogram::new(file, patient, None, None);
        let images = vec![
            image("1/x.png", "x"),
            image("p_l.png", "p"),
            image("2/x.png", "x"),
            image("x_cc.png", "x"),
            image("p_r.png", "p"),
        ];
        let of_unknown_patient = BTreeSet::from(["1/x.png".to_string(), "2/x.png".to_string()]);
        let selected = Selected { root: PathBuf::new(), images, of_unknown_patient };
        let files: Vec<Vec<&str>> =
            patients(&selected).iter().map(|p| p.iter().map(|image| image.file.as_str()).collect()).collect();
        assert_eq!(files, [vec!["1/x.png"], vec!["p_l.png", "p_r.png"], vec!["2/x.png"], vec!["x_cc.png"]]);
        assert_eq!(selected.patient_of(&selected.images[0]), "1/x.png");
        assert_eq!(selected.patient_of(&selected.images[3]), "x");
    }
}
