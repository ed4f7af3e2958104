//! Patients, breasts and images on two sides, and the test side without them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Entry, Finding, Severity};
use mammo_core::record::{Laterality, Side, View};

/// Entries grouped by a key.
pub type Groups<'e> = BTreeMap<String, Vec<&'e Entry>>;

/// Groups entries, keys in alphabetical order.
pub fn group(entries: &[Entry], key: impl Fn(&Entry) -> String) -> Groups<'_> {
    let mut groups = Groups::new();
    for entry in entries {
        groups.entry(key(entry)).or_default().push(entry);
    }
    groups
}

/// The sides of a group.
pub fn sides(group: &[&Entry]) -> BTreeSet<Side> {
    group.iter().filter_map(|entry| entry.side).collect()
}

/// Patients, breasts and images on two sides.
pub fn find(entries: &[Entry], images: &Groups, patients: &Groups) -> Vec<Finding> {
    let mut breasts = Groups::new();
    for entry in entries {
        if let Some(laterality) = entry.laterality {
            breasts.entry(format!("{} {laterality}", entry.patient_id)).or_default().push(entry);
        }
    }
    let leak = |code, what: &str, groups: &Groups| {
        let cases: Vec<String> = groups
            .iter()
            .filter(|(_, group)| sides(group).len() > 1)
            .map(|(name, group)| {
                let sides: Vec<String> = sides(group).iter().map(Side::to_string).collect();
                format!("{name} ({})", sides.join(", "))
            })
            .collect();
        let what = format!("{what} on two sides");
        Finding { code, severity: Severity::Leak, count: cases.len(), what, cases }
    };
    vec![
        leak("patient_on_two_sides", "patients", patients),
        leak("breast_on_two_sides", "breasts", &breasts),
        leak("image_on_two_sides", "images", images),
    ]
}

/// An image of the test side whose patient is on no other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestImage {
    /// The image.
    pub image: String,
    /// The patient.
    pub patient_id: String,
    /// Which breast; `None` when it is not known.
    pub side: Option<Laterality>,
    /// Which projection; `None` when it is not known.
    pub view: Option<View>,
    /// True if any entry is malignant; `None` when no entry has a label.
    pub malignant: Option<bool>,
}

/// The test side without patients of the training and validation sides.
pub fn leak_free_test(images: &Groups, patients: &Groups) -> Vec<TestImage> {
    let only_test = |entry: &Entry| {
        let sides = patients.get(&entry.patient_id).map(|group| sides(group)).unwrap_or_default();
        sides.into_iter().eq([Side::Test])
    };
    let in_test = |group: &&Vec<&Entry>| group.iter().any(|e| e.side == Some(Side::Test) && only_test(e));
    let row = |group: &Vec<&Entry>| TestImage {
        image: group[0].image.clone(),
        patient_id: group[0].patient_id.clone(),
        side: group[0].laterality,
        view: group[0].view,
        malignant: truth(group),
    };
    images.values().filter(in_test).map(row).collect()
}

/// Malignant if any entry is malignant, benign if the others are benign or unknown.
pub fn truth(group: &[&Entry]) -> Option<bool> {
    group.iter().filter_map(|entry| entry.malignant).reduce(|any, malignant| any | malignant)
}
