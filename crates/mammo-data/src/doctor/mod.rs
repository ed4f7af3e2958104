//! Checks a data set for leaks, contradictory labels and confounders before training.
//!
//! In: a [`Manifest`](crate::manifest::Manifest), with or without a split, or the raw case
//! descriptions of CBIS-DDSM. Out: a [`Report`]. The doctor looks for leaks that inflate a test
//! score (the same patient, breast or image on two sides, also under another name), for labels that
//! contradict each other, and for scanners, sites and views that are associated with the label.
//!
//! | file | does |
//! |---|---|
//! | `source` | manifests and case descriptions → entries |
//! | `leaks`, `conflicts` | patients and images on two sides, contradictory labels |
//! | `balance` | classes and views per side |
//! | `association` | association of site and view with the label |
//! | `duplicates` | the same image under two names |
//! | `report` | the result as text, Markdown and the leak-free test list |

mod association;
mod balance;
mod conflicts;
mod duplicates;
mod leaks;
mod report;
mod source;
#[cfg(test)]
mod tests;

use serde::Serialize;

use mammo_core::record::{Laterality, Side, View};

pub use association::{Association, associate};
pub use balance::SideBalance;
pub use duplicates::{DuplicatePair, find_duplicates};
pub use leaks::TestImage;
pub use report::{SHOWN, write_report, write_test_list};
pub use source::{entries_of_cases, entries_of_manifest};

/// An image as one table names it; an image in two tables has two entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names the image: equal for entries of the same image.
    pub image: String,
    /// The table or list of the entry.
    pub list: String,
    /// The patient.
    pub patient_id: String,
    /// Which breast; `None` when it is not known.
    pub laterality: Option<Laterality>,
    /// Which projection; `None` when it is not known.
    pub view: Option<View>,
    /// Its side, if it has one.
    pub side: Option<Side>,
    /// The label in this entry.
    pub malignant: Option<bool>,
    /// Hospital or scanner.
    pub site: Option<String>,
}

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Scores on the test side are inflated.
    Leak,
    /// Two entries contradict each other.
    Conflict,
    /// A possible confounder.
    Warning,
    /// Information.
    Note,
}

/// One kind of problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable snake-case code.
    pub code: &'static str,
    /// Severity.
    pub severity: Severity,
    /// Number of cases.
    pub count: usize,
    /// What was counted, as a phrase that follows the count.
    pub what: String,
    /// All of them by name, in order.
    pub cases: Vec<String>,
}

/// The result of [`examine`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Different images.
    pub images: usize,
    /// Different patients.
    pub patients: usize,
    /// Findings, the most severe first.
    pub findings: Vec<Finding>,
    /// Classes and views per side; one row without a side when nothing is split.
    pub balance: Vec<SideBalance>,
    /// Associations of site and view with label and side.
    pub associations: Vec<Association>,
    /// Test images of patients on no other side.
    pub leak_free_test: Vec<TestImage>,
    /// Whether pixels of images were compared.
    pub pictures_compared: bool,
}

impl Report {
    /// Whether there are neither leaks nor conflicts.
    pub fn is_clean(&self) -> bool {
        !self.findings.iter().any(|f| matches!(f.severity, Severity::Leak | Severity::Conflict))
    }

    /// The finding of that code, if there is one.
    pub fn finding(&self, code: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code)
    }
}

/// Examines the entries; `duplicates` are pairs of files with the same image, or `None` when
/// pixels were not compared.
///
/// # Randomness
/// The permutation tests of the associations draw from a fixed seed.
pub fn examine(entries: &[Entry], duplicates: Option<&[DuplicatePair]>) -> Report {
    let images = leaks::group(entries, |entry| entry.image.clone());
    let patients = leaks::group(entries, |entry| entry.patient_id.clone());
    let mut findings = leaks::find(entries, &images, &patients);
    findings.extend(conflicts::find(&images));
    findings.extend(duplicates.map(|pairs| duplicates::find(pairs, &images)).unwrap_or_default());
    findings.extend(balance::find(entries));
    let associations = association::all(&images);
    findings.extend(association::find(&associations));
    findings.retain(|finding| finding.count > 0);
    findings.sort_by_key(|finding| finding.severity);
    Report {
        images: images.len(),
        patients: patients.len(),
        findings,
        balance: balance::of(&images),
        associations,
        leak_free_test: leaks::leak_free_test(&images, &patients),
        pictures_compared: duplicates.is_some(),
    }
}
