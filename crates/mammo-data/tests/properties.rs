//! Laws of splits and folds, over random data sets.
//!
//! A failing input is kept as a seed in `proptest-regressions/`, which is committed: every later run tries it first.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use mammo_core::record::{Laterality, Mammogram, Pathology, Side, View};
use mammo_data::manifest::Manifest;
use mammo_data::split::{Split, SplitConfig, k_fold, split_by_patient};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/properties.txt",
        ))),
        ..ProptestConfig::default()
    }
}

/// What is drawn of one patient: density, and the truth of each image.
type Drawn = (Option<u8>, Vec<Pathology>);

fn pathology() -> impl Strategy<Value = Pathology> {
    prop_oneof![
        4 => Just(Pathology::Benign),
        2 => Just(Pathology::Malignant),
        1 => Just(Pathology::Unknown),
    ]
}

/// From a few patients to many, with one to four images each; some without any recorded truth.
fn manifest() -> impl Strategy<Value = Manifest> {
    let patient = (prop::option::of(1..=4_u8), vec(pathology(), 1..=4));
    vec(patient, 1..160).prop_map(|patients: Vec<Drawn>| {
        let images = patients.iter().enumerate().flat_map(|(p, (density, truths))| {
            truths.iter().enumerate().map(move |(i, truth)| {
                let (file, patient) = (format!("{p}_{i}.png"), format!("P{p:03}"));
                let mut image = Mammogram::new(&file, &patient, Laterality::Left, View::Cc);
                (image.pathology, image.density) = (*truth, *density);
                image
            })
        });
        Manifest::new("data", images.collect())
    })
}

/// Shares in hundredths, so that they sum to one; the test side may have none.
fn shares() -> impl Strategy<Value = [f64; 3]> {
    (1..60_u32, 0..40_u32).prop_map(|(validation, test)| {
        [100 - validation - test, validation, test].map(|hundredths| f64::from(hundredths) / 100.0)
    })
}

fn by_shares(manifest: &Manifest, [train, validation, test]: [f64; 3], seed: u64) -> Option<Split> {
    // A side that would get no patient of a class is refused; the unit tests look at the refusal.
    split_by_patient(manifest, &SplitConfig { train, validation, test, seed }).ok()
}

/// Patients with a known truth, by whether one of their images is malignant.
fn classes(manifest: &Manifest) -> BTreeMap<String, bool> {
    let class = |(id, images): (&str, Vec<&Mammogram>)| {
        let malignant = images.iter().filter_map(|image| image.malignant()).reduce(|a, b| a | b)?;
        Some((id.to_string(), malignant))
    };
    manifest.patients().into_iter().filter_map(class).collect()
}

/// Patients of a side, found from its images.
fn patients_of(split: &Split, manifest: &Manifest, side: Side) -> BTreeSet<String> {
    split.images(manifest, side).iter().map(|image| image.patient_id.clone()).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_patient_stands_on_one_side_and_no_image_is_lost(
        manifest in manifest(), shares in shares(), seed in any::<u64>(),
    ) {
        let split = by_shares(&manifest, shares, seed);
        prop_assume!(split.is_some());
        let split = split.unwrap();
        split.verify(&manifest).unwrap();
        let sides = Side::ALL.map(|side| patients_of(&split, &manifest, side));
        let known: BTreeSet<String> = classes(&manifest).into_keys().collect();
        prop_assert_eq!(sides.iter().map(BTreeSet::len).sum::<usize>(), known.len());
        prop_assert_eq!(sides.concat_sets(), known);
        let images: usize = Side::ALL.iter().map(|side| split.images(&manifest, *side).len()).sum();
        prop_assert_eq!(images, manifest.images.iter().filter(|image| image.malignant().is_some()).count());
    }

    #[test]
    fn every_side_is_within_one_patient_of_its_share_of_each_class(
        manifest in manifest(), shares in shares(), seed in any::<u64>(),
    ) {
        let split = by_shares(&manifest, shares, seed);
        prop_assume!(split.is_some());
        let split = split.unwrap();
        let classes = classes(&manifest);
        for malignant in [false, true] {
            let n = classes.values().filter(|class| **class == malignant).count() as f64;
            for (side, share) in Side::ALL.into_iter().zip(shares) {
                let of_class = |(id, to): &(&String, &Side)| **to == side && classes[*id] == malignant;
                let found = split.assignment.iter().filter(of_class).count() as f64;
                prop_assert!((found - share * n).abs() < 1.0, "{side}: {found} for {share} of {n}");
                prop_assert!(share == 0.0 || found > 0.0, "{side} has a share and no patient");
            }
        }
    }

    #[test]
    fn the_seed_alone_decides_and_the_order_of_the_images_does_not(
        manifest in manifest(), shares in shares(), seed in any::<u64>(),
    ) {
        let split = by_shares(&manifest, shares, seed);
        prop_assert_eq!(&by_shares(&manifest, shares, seed), &split);
        let mut backwards = manifest.clone();
        backwards.images.reverse();
        prop_assert_eq!(by_shares(&backwards, shares, seed).map(|s| s.assignment), split.map(|s| s.assignment));
    }

    #[test]
    fn folds_are_disjoint_cover_all_patients_and_differ_by_one_at_most(
        manifest in manifest(), k in 3..7_usize, seed in any::<u64>(),
    ) {
        let folds: Option<Vec<Split>> = (0..k).map(|fold| k_fold(&manifest, k, fold, seed).ok()).collect();
        prop_assume!(folds.is_some());
        let folds = folds.unwrap();
        let tested: Vec<BTreeSet<String>> =
            folds.iter().map(|split| patients_of(split, &manifest, Side::Test)).collect();
        let classes = classes(&manifest);
        prop_assert_eq!(tested.iter().map(BTreeSet::len).sum::<usize>(), classes.len());
        prop_assert_eq!(tested.concat_sets(), classes.keys().cloned().collect::<BTreeSet<_>>());
        for malignant in [false, true] {
            let of_class = |fold: &BTreeSet<String>| fold.iter().filter(|id| classes[*id] == malignant).count();
            let sizes: Vec<usize> = tested.iter().map(of_class).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
        for (fold, split) in folds.iter().enumerate() {
            // The next fold validates; nobody is tested and trained on at once.
            prop_assert_eq!(&patients_of(split, &manifest, Side::Validation), &tested[(fold + 1) % k]);
            prop_assert!(patients_of(split, &manifest, Side::Train).is_disjoint(&tested[fold]));
        }
    }
}

/// The union of sets.
trait ConcatSets {
    fn concat_sets(&self) -> BTreeSet<String>;
}

impl ConcatSets for [BTreeSet<String>] {
    fn concat_sets(&self) -> BTreeSet<String> {
        self.iter().flatten().cloned().collect()
    }
}
