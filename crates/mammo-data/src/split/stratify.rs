//! Stratified splits of patients, by class and breast density.
//!
//! Within a class (any malignant image, or none) patients are shuffled and then sorted by breast
//! density. The number of patients per side follows the largest-remainder method. The sides are
//! interleaved along the sorted list, so that each side gets its exact share of every class and
//! nearly its share of every density.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{Side, Split, malignant_patient};
use crate::manifest::Manifest;
use crate::{Error, Result};
use mammo_core::record::Mammogram;
use mammo_core::seed::stream;

/// Shares of the sides and the seed.
///
/// The default shares are those of the paper: 85 % against 15 % for testing, then 90 %
/// against 10 % for validation. The seed of the paper's own split is not published, so its
/// list of patients cannot be reproduced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// Share of patients to train on, above zero.
    pub train: f64,
    /// Share of patients for choosing the epoch and the learning rate, above zero.
    pub validation: f64,
    /// Share of patients for the final test; zero when the test set is a separate data set.
    pub test: f64,
    /// Seed of the shuffle.
    pub seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { train: 0.765, validation: 0.085, test: 0.15, seed: 0 }
    }
}

/// The official split of the data set, without its leaks.
///
/// A patient whose images are all official test images is on the test side. A patient in two official
/// parts is on the training side, so that the test side is the one that the [doctor](crate::doctor)
/// calls leak-free. Without an official validation side, one is drawn from the training side as
/// [`split_by_patient`] does.
///
/// # Randomness
/// Which patients are on the validation side, from `seed`.
///
/// # Errors
/// [`Error::Setting`] when the manifest has no official sides, and those of
/// [`split_by_patient`] for the training side.
pub fn split_official(manifest: &Manifest, validation: f64, seed: u64) -> Result<Split> {
    let patients = manifest.patients();
    let official = |images: &[&Mammogram]| -> Option<Side> {
        let sides: BTreeSet<Option<Side>> = images.iter().map(|image| image.official_side).collect();
        if sides.len() == 1 { sides.into_iter().next().flatten() } else { Some(Side::Train) }
    };
    if manifest.images.iter().all(|image| image.official_side.is_none()) {
        let expected = "an archive whose makers split it, such as CBIS-DDSM; split by shares instead";
        return Err(Error::setting("official", "no image has an official side", expected));
    }
    let fixed: BTreeMap<String, Side> = patients
        .iter()
        .filter(|(_, images)| malignant_patient(images).is_some())
        .map(|(id, images)| (id.to_string(), official(images).unwrap_or(Side::Train)))
        .collect();
    let mut assignment = fixed.clone();
    if !fixed.values().any(|side| *side == Side::Validation) {
        let learned = manifest.subset(|image| fixed.get(&image.patient_id) == Some(&Side::Train));
        let config = SplitConfig { train: 1.0 - validation, validation, test: 0.0, seed };
        assignment.extend(split_by_patient(&learned, &config)?.assignment);
    }
    Ok(Split { manifest_digest: manifest.digest(), seed, assignment })
}

/// Splits whole patients by shares, stratified by class and, within it, by breast density.
///
/// The counts of each class follow the largest-remainder method, so every count is within one
/// patient of its share. Counts of a density group within a class are within three patients of their
/// share. Patients without any recorded truth are on no side;
/// [`Split::summary`] names them.
///
/// # Randomness
/// Which patients, from `config.seed`. The counts are not random.
///
/// # Errors
/// [`Error::Setting`] when the shares do not sum to one, or a side with a share would get no
/// malignant or no benign patient: a score on it would be undefined.
pub fn split_by_patient(manifest: &Manifest, config: &SplitConfig) -> Result<Split> {
    let shares = [config.train, config.validation, config.test];
    let are_shares = shares.iter().all(|share| share.is_finite() && *share >= 0.0);
    let sum_to_one = (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9;
    if !are_shares || !sum_to_one || config.train == 0.0 || config.validation == 0.0 {
        let found = format!("train {}, validation {}, test {}", shares[0], shares[1], shares[2]);
        let expected = "shares that sum to 1, train and validation above 0, test 0 or above";
        return Err(Error::setting("split", found, expected));
    }
    assign_sides(manifest, config.seed, &shares, |group| Side::ALL[group])
}

/// One split of a k-fold cross-validation: fold `fold` is the test side, the next one (the
/// first after the last) the validation side, all others are the training side.
///
/// Every patient with a known truth is on the test side of exactly one of the `k` splits. Folds are
/// stratified as in [`split_by_patient`]; in each class and in each density group of a class
/// they differ by at most one patient.
///
/// # Randomness
/// Which patients share a fold, from `seed`; the same for every `fold`.
///
/// # Errors
/// [`Error::Setting`] when `k` is below 3, `fold` is not below `k`, or a fold would get no
/// malignant or no benign patient.
pub fn k_fold(manifest: &Manifest, k: usize, fold: usize, seed: u64) -> Result<Split> {
    if k < 3 {
        let expected = "3 or more: one fold to test, one to validate, the rest to train";
        return Err(Error::setting("k", k.to_string(), expected));
    }
    if fold >= k {
        return Err(Error::setting("fold", fold.to_string(), format!("0 to {}, as k is {k}", k - 1)));
    }
    let validation_fold = (fold + 1) % k;
    let side_of = |group| match group {
        group if group == fold => Side::Test,
        group if group == validation_fold => Side::Validation,
        _ => Side::Train,
    };
    assign_sides(manifest, seed, &vec![1.0 / k as f64; k], side_of)
}

/// Divides each class into groups of the given shares; `side_of` gives the side of a group.
fn assign_sides(
    manifest: &Manifest,
    seed: u64,
    shares: &[f64],
    side_of: impl Fn(usize) -> Side,
) -> Result<Split> {
    let mut split = Split { manifest_digest: manifest.digest(), seed, assignment: BTreeMap::new() };
    for (class, malignant) in [("malignant", true), ("benign", false)] {
        let patients = shuffled_patients(manifest, malignant, seed);
        let counts = side_counts(patients.len(), shares);
        let empty = shares.iter().zip(&counts).position(|(share, count)| *share > 0.0 && *count == 0);
        if let Some(group) = empty {
            let found = format!(
                "a share of {:.3} of {} {class} patients rounds to zero patients for {}",
                shares[group],
                patients.len(),
                side_of(group)
            );
            let expected = "a malignant and a benign patient in every share: raise the small \
                            share, use fewer folds, or add patients";
            return Err(Error::setting("split", found, expected));
        }
        let sides = interleave(&counts).into_iter().map(&side_of);
        split.assignment.extend(patients.into_iter().zip(sides));
    }
    Ok(split)
}

/// The patients of one class, shuffled, then sorted by density; unknown density comes first.
fn shuffled_patients(manifest: &Manifest, malignant: bool, seed: u64) -> Vec<String> {
    let mut patients: Vec<(Option<u8>, String)> = manifest
        .patients()
        .into_iter()
        .filter(|(_, images)| malignant_patient(images) == Some(malignant))
        .map(|(id, images)| (images.iter().filter_map(|image| image.density).max(), id.to_string()))
        .collect();
    // One random stream per class: another patient in one class does not change the other.
    patients.shuffle(&mut stream(seed, "split", u64::from(malignant)));
    patients.sort_by_key(|(density, _)| *density);
    patients.into_iter().map(|(_, id)| id).collect()
}

/// The number of `n` patients for each share, by the largest-remainder method; of equal remainders
/// the earlier share is rounded up.
fn side_counts(n: usize, shares: &[f64]) -> Vec<usize> {
    // Rounding errors of decimal shares: 0.15 * 20 must count as three whole patients.
    let whole = |share: &f64| (share * n as f64 + 1e-9).floor();
    let mut counts: Vec<usize> = shares.iter().map(|share| whole(share) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    let remainder = |at: &usize| shares[*at] * n as f64 - whole(&shares[*at]);
    by_remainder.sort_by(|a, b| remainder(b).total_cmp(&remainder(a)));
    let left = n - counts.iter().sum::<usize>();
    for &at in by_remainder.iter().take(left) {
        counts[at] += 1;
    }
    counts
}

/// The group of each position of the density-sorted list. The patients of a group of `n` are at the
/// relative positions (1/2)/n, (3/2)/n, …, so that each group is spread evenly over the list.
fn interleave(counts: &[usize]) -> Vec<usize> {
    let position = |group: usize, i: usize| (i as f64 + 0.5) / counts[group] as f64;
    let mut positions: Vec<(f64, usize)> = (0..counts.len())
        .flat_map(|group| (0..counts[group]).map(move |i| (position(group, i), group)))
        .collect();
    positions.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    positions.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::mammogram;
    use mammo_core::record::Pathology;

    const DEFAULT: SplitConfig = SplitConfig { train: 0.6, validation: 0.2, test: 0.2, seed: 1 };

    /// Patients with two images each: every third malignant (in one image), densities unknown
    /// and 1 to 4 in uneven numbers.
    fn patients(n: usize) -> Manifest {
        let images = (0..n).flat_map(|p| {
            let truth = if p % 3 == 0 { Pathology::Malignant } else { Pathology::Benign };
            let density = [None, Some(1), Some(2), Some(2), Some(2), Some(3), Some(4)][p * p % 7];
            [Pathology::Benign, truth].into_iter().enumerate().map(move |(view, truth)| {
                let mut image = mammogram(&format!("{p:04}_{view}.png"), &format!("P{p:04}"), truth);
                image.density = density;
                image
            })
        });
        Manifest::new("data", images.collect())
    }

    /// Patients by class, density and side.
    fn table(manifest: &Manifest, split: &Split) -> BTreeMap<(bool, Option<u8>), [f64; 3]> {
        let mut table: BTreeMap<_, [f64; 3]> = BTreeMap::new();
        for (id, images) in manifest.patients() {
            let stratum = (malignant_patient(&images).unwrap(), images[0].density);
            table.entry(stratum).or_default()[split.assignment[id] as usize] += 1.0;
        }
        table
    }

    #[test]
    fn every_patient_is_on_exactly_one_side() {
        for n in [15, 40, 101, 250] {
            let manifest = patients(n);
            for seed in 0..25 {
                let split = split_by_patient(&manifest, &SplitConfig { seed, ..DEFAULT }).unwrap();
                split.verify(&manifest).unwrap();
                assert_eq!(split.assignment.len(), n);
                let files = Side::ALL.map(|side| split.images(&manifest, side).len());
                assert_eq!(files.iter().sum::<usize>(), 2 * n);
                for patient in Side::ALL.map(|side| split.images(&manifest, side)).concat() {
                    let sides = Side::ALL.iter().filter(|side| {
                        let images = split.images(&manifest, **side);
                        images.iter().any(|image| image.patient_id == patient.patient_id)
                    });
                    assert_eq!(sides.count(), 1, "{}", patient.patient_id);
                }
            }
        }
    }

    #[test]
    fn every_class_is_within_one_patient_and_every_density_within_three() {
        for n in [15, 64, 333] {
            let manifest = patients(n);
            for (train, validation, test) in [(0.6, 0.2, 0.2), (0.7, 0.1, 0.2), (0.9, 0.1, 0.0)] {
                let config = SplitConfig { train, validation, test, seed: n as u64 };
                let Ok(split) = split_by_patient(&manifest, &config) else {
                    assert_eq!(n, 15, "only a tenth of five patients can be none");
                    continue;
                };
                let table = table(&manifest, &split);
                for malignant in [false, true] {
                    let mut class = [0.0; 3];
                    for (stratum, sides) in table.iter().filter(|(stratum, _)| stratum.0 == malignant) {
                        check_shares(sides, &config, 3.0, &format!("{stratum:?} of {n}"));
                        (0..3).for_each(|side| class[side] += sides[side]);
                    }
                    check_shares(&class, &config, 1.0, &format!("malignant {malignant} of {n}"));
                }
            }
        }
    }

    fn check_shares(sides: &[f64; 3], config: &SplitConfig, within: f64, what: &str) {
        let total: f64 = sides.iter().sum();
        for (found, share) in sides.iter().zip([config.train, config.validation, config.test]) {
            assert!((found - share * total).abs() < within, "{what}: {sides:?} for {config:?}");
        }
    }

    #[test]
    fn side_counts_and_interleaving_by_hand() {
        for (n, shares, expected) in [
            (20, vec![0.70, 0.15, 0.15], vec![14, 3, 3]),
            (7, vec![0.5, 0.25, 0.25], vec![3, 2, 2]),
            (5, vec![0.8, 0.1, 0.1], vec![4, 1, 0]),
            (8, vec![1.0 / 3.0; 3], vec![3, 3, 2]),
            (0, vec![0.5, 0.5], vec![0, 0]),
        ] {
            assert_eq!(side_counts(n, &shares), expected, "{n} by {shares:?}");
        }
        assert_eq!(interleave(&[2, 2, 1]), [0, 1, 2, 0, 1]);
        assert_eq!(interleave(&[6, 1, 1]), [0, 0, 0, 1, 2, 0, 0, 0]);
    }

    #[test]
    fn the_same_seed_gives_the_same_split_and_another_seed_another() {
        let manifest = patients(60);
        let split = |seed| split_by_patient(&manifest, &SplitConfig { seed, ..DEFAULT }).unwrap();
        assert_eq!(split(5), split(5));
        assert_ne!(split(5).assignment, split(6).assignment);
        let mut backwards = manifest.clone();
        backwards.images.reverse();
        let config = SplitConfig { seed: 5, ..DEFAULT };
        assert_eq!(split_by_patient(&backwards, &config).unwrap(), split(5), "row order must not matter");
    }

    #[test]
    fn every_patient_is_tested_once_and_folds_are_even() {
        let manifest = patients(97);
        for k in [3, 5, 8] {
            let splits: Vec<Split> = (0..k).map(|fold| k_fold(&manifest, k, fold, 11).unwrap()).collect();
            for id in manifest.patients().keys() {
                let count = |side| splits.iter().filter(|split| split.assignment[*id] == side).count();
                assert_eq!([count(Side::Test), count(Side::Validation), count(Side::Train)], [1, 1, k - 2]);
            }
            let tested: Vec<_> = splits.iter().map(|split| table(&manifest, split)).collect();
            for stratum in tested[0].keys() {
                let counts = tested.iter().map(|table| table[stratum][Side::Test as usize]);
                let (min, max) =
                    counts.fold((f64::MAX, 0.0), |(min, max): (f64, f64), n| (min.min(n), max.max(n)));
                assert!(max - min <= 1.0, "{stratum:?}: {min} to {max} with k {k}");
            }
            let validated_next = |fold: usize| {
                let next = &splits[(fold + 1) % k];
                let sides = splits[fold].assignment.iter().zip(next.assignment.values());
                sides
                    .into_iter()
                    .all(|((_, side), after)| (*side == Side::Validation) == (*after == Side::Test))
            };
            assert!((0..k).all(validated_next));
        }
    }

    #[test]
    fn patients_without_a_truth_are_on_no_side() {
        let mut images = patients(15).images;
        images.push(mammogram("x.png", "X", Pathology::Unknown));
        let manifest = Manifest::new("data", images);
        let split = split_by_patient(&manifest, &DEFAULT).unwrap();
        assert!(!split.assignment.contains_key("X"));
        split.verify(&manifest).unwrap();
        assert_eq!(split.summary(&manifest).unlabelled_patients, ["X"]);
    }

    #[test]
    fn a_side_without_one_class_is_refused() {
        let check = |result: Result<Split>, says: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        // Six patients: two malignant, four benign.
        let few = patients(6);
        check(split_by_patient(&few, &DEFAULT), "0.200 of 2 malignant patients rounds to zero patients");
        check(k_fold(&few, 3, 0, 1), "0.333 of 2 malignant patients rounds to zero patients");
        let only_benign = patients(60).subset(|image| image.malignant() == Some(false));
        check(split_by_patient(&only_benign, &DEFAULT), "of 0 malignant patients");
        check(k_fold(&few, 2, 0, 1), "3 or more");
        check(k_fold(&few, 3, 3, 1), "0 to 2");
        for (train, validation, test) in
            [(0.5, 0.2, 0.2), (1.0, 0.0, 0.0), (1.2, -0.4, 0.2), (f64::NAN, 0.5, 0.5)]
        {
            let config = SplitConfig { train, validation, test, seed: 0 };
            check(split_by_patient(&patients(30), &config), "shares that sum to 1");
        }
        let no_test = SplitConfig { train: 0.8, validation: 0.2, test: 0.0, seed: 0 };
        let split = split_by_patient(&patients(30), &no_test).unwrap();
        assert!(split.images(&patients(30), Side::Test).is_empty(), "a share of zero is meant");
    }

    #[test]
    fn an_official_split_loses_its_leaks_and_gets_a_validation_side() {
        let mut manifest = patients(60);
        for image in &mut manifest.images {
            let number: usize = image.patient_id[1..].parse().unwrap();
            let is_second = image.file.ends_with("_1.png");
            image.official_side = match number % 4 {
                3 => Some(Side::Test),
                // A leak: one image in each part.
                2 if number < 12 => Some(if is_second { Side::Test } else { Side::Train }),
                _ => Some(Side::Train),
            };
        }
        let split = split_official(&manifest, 0.2, 1).unwrap();
        split.verify(&manifest).unwrap();
        for (id, images) in manifest.patients() {
            let only_test = images.iter().all(|image| image.official_side == Some(Side::Test));
            assert_eq!(split.assignment[id] == Side::Test, only_test, "{id}");
        }
        let count = |side| split.assignment.values().filter(|s| **s == side).count();
        assert_eq!((count(Side::Test), count(Side::Validation)), (15, 9));
        let entries = crate::doctor::entries_of_manifest(&manifest, Some(&split));
        assert!(crate::doctor::examine(&entries, None).is_clean());
        manifest.images.iter_mut().for_each(|image| image.official_side = None);
        assert!(
            split_official(&manifest, 0.2, 1)
                .unwrap_err()
                .to_string()
                .contains("no image has an official side")
        );
    }
}
