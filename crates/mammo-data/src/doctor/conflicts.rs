//! Images with contradictory entries in two tables.

use std::collections::{BTreeMap, BTreeSet};

use super::leaks::Groups;
use super::{Entry, Finding, Severity};
use mammo_core::record::Side;

/// Labels that differ between sides or between lists, and images of two patients.
///
/// Within one list an image is malignant if any of its rows is. A difference between two lists is a
/// conflict only when the image is on two sides, so that it is trained and tested with different
/// labels. On one side the mass list and the calcification list may differ, because each contains
/// one kind of lesion.
pub fn find(images: &Groups) -> Vec<Finding> {
    let differ = |key: &dyn Fn(&Entry) -> Option<String>| -> Vec<String> {
        images
            .iter()
            .filter_map(|(name, group)| {
                let mut truth: BTreeMap<String, bool> = BTreeMap::new();
                for entry in group {
                    if let (Some(key), Some(malignant)) = (key(entry), entry.malignant) {
                        *truth.entry(key).or_insert(false) |= malignant;
                    }
                }
                let labels: BTreeSet<bool> = truth.values().copied().collect();
                let word = |malignant: &bool| if *malignant { "malignant" } else { "benign" };
                let stated: Vec<String> =
                    truth.iter().map(|(key, malignant)| format!("{key}: {}", word(malignant))).collect();
                (labels.len() > 1).then(|| format!("{name} ({})", stated.join(", ")))
            })
            .collect()
    };
    let between_sides = differ(&|entry| entry.side.as_ref().map(Side::to_string));
    let between_lists = differ(&|entry| Some(entry.list.clone()));
    let two_patients: Vec<String> = images
        .iter()
        .filter(|(_, group)| group.iter().any(|entry| entry.patient_id != group[0].patient_id))
        .map(|(name, _)| name.clone())
        .collect();
    vec![
        Finding {
            code: "label_conflict",
            severity: Severity::Conflict,
            count: between_sides.len(),
            what: "images with contradictory labels on two sides".to_string(),
            cases: between_sides,
        },
        Finding {
            code: "image_of_two_patients",
            severity: Severity::Conflict,
            count: two_patients.len(),
            what: "images of two patients".to_string(),
            cases: two_patients,
        },
        Finding {
            code: "label_differs_between_lists",
            severity: Severity::Note,
            count: between_lists.len(),
            what: "images malignant in one list and benign in another; read both, malignant takes precedence"
                .to_string(),
            cases: between_lists,
        },
    ]
}
