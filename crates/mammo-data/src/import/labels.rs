//! Compares labels of images and lesions: an image is malignant if any of its lesions is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::images::ImageRow;
use super::lesions::Annotation;
use super::{Rejection, RejectionReason, RowError, TableProblems};
use mammo_core::record::{Mammogram, Pathology};

/// Takes missing labels from the lesions and rejects benign images with a malignant lesion.
///
/// Every readable lesion row counts, also one whose box is invalid: its pathology is still known,
/// and without it a malignant image could be labelled benign. For the same reason a rejected row
/// (`lost_rows`) counts as a lesion of unknown pathology.
pub(super) fn reconcile(
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
    let mut reconciled = Vec::with_capacity(image_rows.len());
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
        reconciled.push(image_row);
    }
    let unknown = reconciled.iter().filter(|c| c.mammogram.pathology == Pathology::Unknown).count();
    problems.note(derived, "missing label", "taken from the lesions");
    problems.note(
        unknown,
        "image",
        "without a label and without lesions of known pathology; kept for scoring only",
    );
    problems.note(
        only_benign_lesions,
        "image",
        "labelled malignant although every annotated lesion is benign; label kept, because the cancer \
         may not have been annotated",
    );
    reconciled
}

/// Malignant if any lesion is malignant, benign if all are benign.
fn truth_of(lesions: &[Pathology]) -> Pathology {
    let all_benign = !lesions.is_empty() && lesions.iter().all(|lesion| *lesion == Pathology::Benign);
    match lesions.contains(&Pathology::Malignant) {
        true => Pathology::Malignant,
        false if all_benign => Pathology::Benign,
        false => Pathology::Unknown,
    }
}

/// Notes breasts with a benign and a malignant view. This is not necessarily an error: a cancer
/// may be visible, and therefore annotated, in one projection only.
pub(super) fn note_breasts_with_two_labels(mammograms: &[Mammogram], problems: &mut TableProblems) {
    let mut labels_of: BTreeMap<_, BTreeSet<bool>> = BTreeMap::new();
    for mammogram in mammograms {
        let breast = (&mammogram.patient_id, mammogram.laterality);
        labels_of.entry(breast).or_default().extend(mammogram.malignant());
    }
    let two = labels_of.values().filter(|labels| labels.len() == 2).count();
    problems.note(
        two,
        "breast",
        "benign in one view and malignant in another; kept, because a lesion may be visible in one \
         view only",
    );
}
