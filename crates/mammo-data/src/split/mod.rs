//! Splits of a data set into training, validation and test side, by patient.
//!
//! In: a [`Manifest`]. Out: a [`Split`], a separate file that refers to the manifest by digest. All
//! images of a patient are on one side: two views of one breast show the same lesion, and a network
//! trained on one view must not be tested on the other. `stratify` makes splits; this file stores,
//! checks and applies them.

use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::{Error, Result};
use mammo_core::json::{json_digest, read_versioned};
use mammo_core::record::Mammogram;
use mammo_core::text::count;
use mammo_core::write::write_json;

mod stratify;

pub use mammo_core::record::Side;
pub use stratify::{SplitConfig, k_fold, split_by_patient, split_official};

const FORMAT: &str = "mammo-split";
const VERSION: u32 = 1;
const EXPECTED: &str = "a complete split written by `mammo`; split the manifest again";

/// The side of every patient with a known truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// [`Manifest::digest`] of the manifest that was split.
    pub manifest_digest: String,
    /// The seed of the shuffle.
    pub seed: u64,
    /// Side by patient.
    pub assignment: BTreeMap<String, Side>,
}

/// The file format: a list, so that a patient added by hand on a second side is detected. From a
/// JSON object only the last entry would be read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    manifest_digest: String,
    seed: u64,
    patients: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    patient_id: String,
    side: Side,
}

impl Split {
    /// Reads a split. It may have been edited by hand; [`verify`](Self::verify) it against its
    /// manifest before use.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Leak`] when a patient is on two sides;
    /// [`Error::Table`] when a patient is listed twice on one side, or the file is truncated or has
    /// another format or version.
    pub fn read(path: &Path) -> Result<Self> {
        let stored: Stored = read_versioned(path, FORMAT, VERSION, EXPECTED)?;
        let mut assignment = BTreeMap::new();
        for Row { patient_id, side } in stored.patients {
            match assignment.entry(patient_id) {
                Entry::Vacant(place) => {
                    place.insert(side);
                }
                Entry::Occupied(place) if *place.get() == side => {
                    let found = format!("patient {} is listed twice on side {side}", place.key());
                    return Err(Error::table(path, None, found, "each patient once; delete one line"));
                }
                Entry::Occupied(place) => {
                    let sides = format!("{}, {side}", place.get());
                    return Err(Error::Leak { patient_id: place.key().clone(), sides });
                }
            }
        }
        Ok(Self { manifest_digest: stored.manifest_digest, seed: stored.seed, assignment })
    }

    /// Writes the split, patients in alphabetical order.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let row = |(patient_id, side): (&String, &Side)| Row { patient_id: patient_id.clone(), side: *side };
        let stored = Stored {
            format: FORMAT.to_string(),
            version: VERSION,
            manifest_digest: self.manifest_digest.clone(),
            seed: self.seed,
            patients: self.assignment.iter().map(row).collect(),
        };
        write_json(path, &stored)
    }

    /// SHA-256, in hexadecimal, of the manifest's digest and the sides. It does not depend on the seed.
    pub fn digest(&self) -> String {
        json_digest(&(&self.manifest_digest, &self.assignment))
    }

    /// Checks that the split belongs to this manifest and covers it: the digests agree, every
    /// patient with a known truth has a side, every patient with a side exists.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the digest or the patients.
    pub fn verify(&self, manifest: &Manifest) -> Result<()> {
        let digest = manifest.digest();
        if self.manifest_digest != digest {
            let found = format!("made for the manifest with digest {}", self.manifest_digest);
            let expected = format!("digest {digest} of this manifest; split this manifest");
            return Err(Error::setting("split", found, expected));
        }
        let patients = manifest.patients();
        let without_side = patients
            .iter()
            .filter(|(id, images)| malignant_patient(images).is_some() && !self.assignment.contains_key(**id))
            .map(|(id, _)| *id);
        none(without_side, "on no side", "a side for every patient of the manifest with a known truth")?;
        let strangers = self.assignment.keys().map(String::as_str).filter(|id| !patients.contains_key(id));
        none(strangers, "not in the manifest", "patients of the manifest only")
    }

    /// The images of one side, in the manifest's order.
    ///
    /// Images without a known pathology are left out.
    pub fn images<'m>(&self, manifest: &'m Manifest, side: Side) -> Vec<&'m Mammogram> {
        let is_on_side = |image: &&Mammogram| self.assignment.get(&image.patient_id) == Some(&side);
        let is_labelled = |image: &&Mammogram| image.malignant().is_some();
        manifest.images.iter().filter(is_on_side).filter(is_labelled).collect()
    }

    /// Counts of each side, and the patients on no side.
    pub fn summary(&self, manifest: &Manifest) -> SplitSummary {
        let side_summary = |side| {
            let images = self.images(manifest, side);
            let malignant: Vec<_> = images.iter().filter(|image| image.malignant() == Some(true)).collect();
            SideSummary {
                side,
                patients: count_distinct(images.iter().map(|image| &image.patient_id)),
                malignant_patients: count_distinct(malignant.iter().map(|image| &image.patient_id)),
                images: images.len(),
                malignant_images: malignant.len(),
            }
        };
        let patients = manifest.patients();
        let unlabelled = patients.iter().filter(|(_, images)| malignant_patient(images).is_none());
        SplitSummary {
            sides: Side::ALL.map(side_summary),
            unlabelled_patients: unlabelled.map(|(id, _)| id.to_string()).collect(),
        }
    }
}

/// Counts of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SideSummary {
    /// The side.
    pub side: Side,
    /// Distinct patients.
    pub patients: usize,
    /// Patients with at least one malignant image.
    pub malignant_patients: usize,
    /// Images with a known truth.
    pub images: usize,
    /// Malignant ones among them.
    pub malignant_images: usize,
}

/// The result of [`Split::summary`]; prints as a small table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitSummary {
    /// Train, validation, test.
    pub sides: [SideSummary; 3],
    /// Patients without any image of known pathology; they are on no side.
    pub unlabelled_patients: Vec<String>,
}

impl fmt::Display for SplitSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10}  {:>8}  {:>9}  {:>8}  {:>9}",
            "side", "patients", "malignant", "images", "malignant"
        )?;
        for s in &self.sides {
            let (patients, images) = (s.patients, s.images);
            let (malignant_patients, malignant_images) = (s.malignant_patients, s.malignant_images);
            writeln!(
                f,
                "{:<10}  {patients:>8}  {malignant_patients:>9}  {images:>8}  {malignant_images:>9}",
                s.side
            )?;
        }
        let unlabelled = count(self.unlabelled_patients.len(), "patient");
        write!(f, "{unlabelled} without a known pathology, on no side")
    }
}

/// Whether any image of a patient is malignant; `None` when no image has a recorded truth.
fn malignant_patient(images: &[&Mammogram]) -> Option<bool> {
    images.iter().filter_map(|image| image.malignant()).reduce(|any, malignant| any | malignant)
}

fn count_distinct<'a>(words: impl Iterator<Item = &'a String>) -> usize {
    words.collect::<std::collections::BTreeSet<_>>().len()
}

/// An error with the number of patients and the first name, unless there are none.
fn none<'a>(mut patients: impl Iterator<Item = &'a str>, what: &str, expected: &str) -> Result<()> {
    let Some(first) = patients.next() else { return Ok(()) };
    let others = patients.count();
    let found = match others {
        0 => format!("patient {first} is {what}"),
        _ => format!("patient {first} and {others} more are {what}"),
    };
    Err(Error::setting("split", found, expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::mammogram;
    use mammo_core::record::Pathology::{Benign, Malignant, Unknown};

    /// Patients a (benign), b (malignant and benign), c (unknown), d (malignant and unknown).
    fn four_patients() -> Manifest {
        let images = vec![
            mammogram("a1", "a", Benign),
            mammogram("b1", "b", Malignant),
            mammogram("b2", "b", Benign),
            mammogram("c1", "c", Unknown),
            mammogram("d1", "d", Malignant),
            mammogram("d2", "d", Unknown),
        ];
        Manifest::new("data", images)
    }

    fn by_hand(manifest: &Manifest, sides: &[(&str, Side)]) -> Split {
        let assignment = sides.iter().map(|(id, side)| (id.to_string(), *side)).collect();
        Split { manifest_digest: manifest.digest(), seed: 3, assignment }
    }

    const SIDES: [(&str, Side); 3] = [("a", Side::Train), ("b", Side::Test), ("d", Side::Train)];

    #[test]
    fn images_follow_their_patient_and_unknown_ones_stay_away() {
        let manifest = four_patients();
        let split = by_hand(&manifest, &SIDES);
        split.verify(&manifest).unwrap();
        let files = |side| split.images(&manifest, side).iter().map(|i| i.file.as_str()).collect::<Vec<_>>();
        assert_eq!(files(Side::Train), ["a1", "d1"]);
        assert_eq!(files(Side::Validation), [""; 0]);
        assert_eq!(files(Side::Test), ["b1", "b2"]);
        let summary = split.summary(&manifest);
        let test = SideSummary {
            side: Side::Test,
            patients: 1,
            malignant_patients: 1,
            images: 2,
            malignant_images: 1,
        };
        assert_eq!(summary.sides[2], test);
        assert_eq!(summary.unlabelled_patients, ["c"]);
        assert!(
            summary.to_string().contains("test               1          1         2          1"),
            "{summary}"
        );
    }

    #[test]
    fn a_split_is_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.json");
        let split = by_hand(&four_patients(), &SIDES);
        split.write(&path).unwrap();
        assert_eq!(Split::read(&path).unwrap(), split);
        let moved = [&SIDES[..2], &[("d", Side::Validation)]].concat();
        assert_ne!(by_hand(&four_patients(), &moved).digest(), split.digest());
        assert_eq!(Split { seed: 4, ..split.clone() }.digest(), split.digest());
    }

    #[test]
    fn a_patient_added_by_hand_on_a_second_side_is_a_leak() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.json");
        by_hand(&four_patients(), &SIDES).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read_with = |side: &str| {
            let row = format!("\"patients\": [ {{\"patient_id\": \"b\", \"side\": \"{side}\"}},");
            std::fs::write(&path, text.replace("\"patients\": [", &row)).unwrap();
            Split::read(&path).unwrap_err()
        };
        let leak = read_with("train");
        assert!(matches!(&leak, Error::Leak { patient_id, .. } if patient_id == "b"), "{leak}");
        let twice = read_with("test");
        assert!(twice.to_string().contains("patient b is listed twice on side test"), "{twice}");
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(matches!(Split::read(&path), Err(Error::Table { .. })));
    }

    #[test]
    fn a_split_that_does_not_fit_its_manifest_is_refused() {
        let manifest = four_patients();
        let check = |split: Split, manifest: &Manifest, says: &str| {
            let error = split.verify(manifest).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        check(by_hand(&manifest, &SIDES[..1]), &manifest, "patient b and 1 more are on no side");
        let stranger = [&SIDES[..], &[("x", Side::Test)]].concat();
        check(by_hand(&manifest, &stranger), &manifest, "patient x is not in the manifest");
        let smaller = manifest.subset(|image| image.file != "b2");
        check(by_hand(&manifest, &SIDES), &smaller, "made for the manifest with digest");
        // A patient without a truth may be given a side by hand; the images are not used.
        by_hand(&manifest, &[&SIDES[..], &[("c", Side::Test)]].concat()).verify(&manifest).unwrap();
    }
}
