//! Image truth against lesion truth: an image is malignant if any of its lesions is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::images::ImageRow;
use super::lesions::Annotation;
use super::{Rejection, RejectionReason, RowError, TableProblems};
use mammo_core::record::{Mammogram, Pathology};

/// Takes missing labels from the lesions and rejects benign images with a malignant lesion.
///
/// Every readable lesion row counts, even one whose box turns out to be unusable: its truth
/// holds although its place is lost, and leaving it out would turn a malignant image benign.
/// For the same reason a lost row (`lost_rows`) stands for a lesion of unknown truth.
pub(super) fn settle(
    image_rows: Vec<ImageRow>,
    annotations: &[Annotation],
    lost_rows: &[Rejection],
    problems: &mut TableProblems,
) -> Vec<ImageRow> {
    let mut lesions_of: HashMap<&str, Vec<Pathology>> = HashMap::new();
    for annotation in annotations {
        lesions_of.entry(&annotation.file).or_default().push(annotation.pathology);
    }
    for lost in lost_rows {
        lesions_of.entry(&lost.file).or_default().push(Pathology::Unknown);
    }
    let (mut derived, mut only_benign_lesions) = (0, 0);
    let mut settled = Vec::with_capacity(image_rows.len());
    for mut image_row in image_rows {
        let Mammogram { file, pathology, .. } = &mut image_row.mammogram;
        let truth = truth_of(lesions_of.get(file.as_str()).map_or(&[], Vec::as_slice));
        match (*pathology, truth) {
            (Pathology::Benign, Pathology::Malignant) => {
                let problem = "label benign, but lesions.csv has a malignant lesion; correct one".to_string();
                let refusal = RowError { reason: RejectionReason::LabelConflict, problem };
                problems.reject(file, image_row.line, refusal);
                continue;
            }
            (Pathology::Malignant, Pathology::Benign) => only_benign_lesions += 1,
            (Pathology::Unknown, known) if known != Pathology::Unknown => {
                *pathology = known;
                derived += 1;
            }
            _ => {}
        }
        settled.push(image_row);
    }
    let unknown = settled.iter().filter(|c| c.mammogram.pathology == Pathology::Unknown).count();
    problems.note(derived, "labels were missing and taken from the lesions");
    problems.note(unknown, "images have no label and no lesions that tell; kept for scoring only");
    problems.note(
        only_benign_lesions,
        "images are labelled malignant although every annotated lesion is benign; label kept, \
         the cancer may not have been annotated",
    );
    settled
}

/// Malignant if any is, benign if all are.
fn truth_of(lesions: &[Pathology]) -> Pathology {
    let all_benign = !lesions.is_empty() && lesions.iter().all(|lesion| *lesion == Pathology::Benign);
    match lesions.contains(&Pathology::Malignant) {
        true => Pathology::Malignant,
        false if all_benign => Pathology::Benign,
        false => Pathology::Unknown,
    }
}

/// Notes breasts with a benign and a malignant view. They are no mistake by themselves: a
/// cancer may be visible, and so annotated, in one projection only.
pub(super) fn note_breasts_with_two_labels(mammograms: &[Mammogram], problems: &mut TableProblems) {
    let mut labels_of: BTreeMap<_, BTreeSet<bool>> = BTreeMap::new();
    for mammogram in mammograms {
        let breast = (&mammogram.patient_id, mammogram.laterality);
        labels_of.entry(breast).or_default().extend(mammogram.malignant());
    }
    let two = labels_of.values().filter(|labels| labels.len() == 2).count();
    problems.note(
        two,
        "breasts are benign in one view and malignant in another; kept, since a lesion may be \
         visible in one view only",
    );
}
