//! Counts of classes and views on each side.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::leaks::{Groups, truth};
use super::{Entry, Finding, Severity};
use mammo_core::record::{Laterality, Side, View};

/// Counts of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SideBalance {
    /// The side; `None` for images on no side.
    pub side: Option<Side>,
    /// Different patients.
    pub patients: usize,
    /// Those with a malignant image.
    pub malignant_patients: usize,
    /// Different images.
    pub images: usize,
    /// Malignant ones.
    pub malignant: usize,
    /// Benign ones.
    pub benign: usize,
    /// Those without a known truth.
    pub unknown: usize,
    /// Cranio-caudal ones.
    pub cc: usize,
    /// Medio-lateral oblique ones.
    pub mlo: usize,
    /// Breasts with only one of the two views; images of unknown side or view are not counted.
    pub breasts_with_one_view: usize,
    /// Images of unknown side or view.
    pub side_or_view_unknown: usize,
}

impl SideBalance {
    /// All counts, in the order of the fields.
    pub fn counts(&self) -> [usize; 10] {
        [
            self.patients,
            self.malignant_patients,
            self.images,
            self.malignant,
            self.benign,
            self.unknown,
            self.cc,
            self.mlo,
            self.breasts_with_one_view,
            self.side_or_view_unknown,
        ]
    }
}

/// Train, validation, test, then images without a side; empty rows are left out.
///
/// An image on two sides counts on both, with the truth that each side gives it.
pub fn of(images: &Groups) -> Vec<SideBalance> {
    let sides = Side::ALL.map(Some).into_iter().chain([None]);
    sides.map(|side| of_side(side, images)).filter(|balance| balance.images > 0).collect()
}

fn of_side(side: Option<Side>, images: &Groups) -> SideBalance {
    let mut balance = SideBalance { side, ..SideBalance::default() };
    let (mut patients, mut malignant_patients) = (BTreeSet::new(), BTreeSet::new());
    let mut views: BTreeMap<(&str, Laterality), BTreeSet<View>> = BTreeMap::new();
    for group in images.values() {
        let here: Vec<&Entry> = group.iter().copied().filter(|entry| entry.side == side).collect();
        let Some(entry) = here.first() else { continue };
        balance.images += 1;
        patients.insert(entry.patient_id.as_str());
        match truth(&here) {
            Some(true) => {
                balance.malignant += 1;
                malignant_patients.insert(entry.patient_id.as_str());
            }
            Some(false) => balance.benign += 1,
            None => balance.unknown += 1,
        }
        match entry.view {
            Some(View::Cc) => balance.cc += 1,
            Some(View::Mlo) => balance.mlo += 1,
            None => {}
        }
        match (entry.laterality, entry.view) {
            (Some(laterality), Some(view)) => {
                views.entry((&entry.patient_id, laterality)).or_default().insert(view);
            }
            _ => balance.side_or_view_unknown += 1,
        }
    }
    balance.patients = patients.len();
    balance.malignant_patients = malignant_patients.len();
    balance.breasts_with_one_view = views.values().filter(|views| views.len() == 1).count();
    balance
}

/// Sides with one class, on which the AUC is undefined.
pub fn find(entries: &[Entry]) -> Vec<Finding> {
    let one_class = |side: &Side| {
        let on_side = || entries.iter().filter(|entry| entry.side == Some(*side));
        let labels: BTreeSet<bool> = on_side().filter_map(|entry| entry.malignant).collect();
        on_side().next().is_some() && labels.len() < 2
    };
    let cases: Vec<String> = Side::ALL.iter().filter(|side| one_class(side)).map(Side::to_string).collect();
    vec![Finding {
        code: "side_with_one_class",
        severity: Severity::Warning,
        count: cases.len(),
        what: "sides with one class only, so that the AUC is undefined".to_string(),
        cases,
    }]
}
