//! What is wrong with a data set before anything is learned from it.
//!
//! In: a [`Manifest`](crate::manifest::Manifest), with or without a split, or the raw case
//! descriptions of CBIS-DDSM. Out: a [`Report`]. The doctor looks for what makes a test score
//! too good (the same woman, breast or picture on two sides, also under another name), for
//! labels that contradict each other, and for a scanner, site or view from which the label can
//! be guessed.
//!
//! | file | does |
//! |---|---|
//! | `source` | manifests and case descriptions → entries |
//! | `leaks`, `conflicts` | what stands on two sides, what says two things |
//! | `balance` | classes and views per side |
//! | `association` | whether site or view tells the label |
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
    /// The table or list that the entry stands in.
    pub list: String,
    /// The woman.
    pub patient_id: String,
    /// Which breast; `None` when it is not known.
    pub laterality: Option<Laterality>,
    /// Which projection; `None` when it is not known.
    pub view: Option<View>,
    /// Its side, if it has one.
    pub side: Option<Side>,
    /// Its truth, as this entry states it.
    pub malignant: Option<bool>,
    /// Hospital or scanner.
    pub site: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A score on this test side would be too good.
    Leak,
    /// Two statements about one thing contradict each other.
    Conflict,
    /// Something from which a network may learn the wrong thing.
    Warning,
    /// Worth knowing.
    Note,
}

/// One kind of trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable snake-case word.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// How many things are concerned.
    pub count: usize,
    /// What they are, as the end of a sentence that begins with the count.
    pub what: String,
    /// All of them by name, in order.
    pub cases: Vec<String>,
}

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Different images.
    pub images: usize,
    /// Different patients.
    pub patients: usize,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// Classes and views per side; one row without a side when nothing is split.
    pub balance: Vec<SideBalance>,
    /// Whether site or view tells the label or the side.
    pub associations: Vec<Association>,
    /// Test images of patients who stand on no other side.
    pub leak_free_test: Vec<TestImage>,
    /// Whether pictures were compared with each other.
    pub pictures_compared: bool,
}

impl Report {
    /// Whether nothing leaks and nothing contradicts.
    pub fn is_clean(&self) -> bool {
        !self.findings.iter().any(|f| matches!(f.severity, Severity::Leak | Severity::Conflict))
    }

    /// The finding of that code, if there is one.
    pub fn finding(&self, code: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code)
    }
}

/// Examines the entries; `twins` are pairs of images with the same picture, or `None` when
/// pictures were not compared.
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
