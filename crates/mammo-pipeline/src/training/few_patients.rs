//! Training with few patients of another hospital (paper, transfer to INbreast).

use std::collections::{BTreeMap, HashSet};

use mammo_core::record::Mammogram;
use rand::seq::SliceRandom;

use crate::Result;
use crate::error::refuse;

/// The images of `n` patients drawn at random, half of them (at least one) with cancer.
pub(super) fn few_patients(images: Vec<&Mammogram>, n: usize, seed: u64) -> Result<Vec<&Mammogram>> {
    let mut patients: BTreeMap<&str, bool> = BTreeMap::new();
    for image in &images {
        *patients.entry(&image.patient_id).or_default() |= image.malignant() == Some(true);
    }
    let mut pools: [Vec<&str>; 2] = Default::default();
    patients.iter().for_each(|(patient, &malignant)| pools[usize::from(malignant)].push(patient));
    let n_malignant = (n / 2).max(1).min(pools[1].len());
    let n_benign = n.saturating_sub(n_malignant).min(pools[0].len());
    if n_benign == 0 || n_malignant == 0 || n_benign + n_malignant < n {
        refuse!(
            "--patients {n}: the training side has {} patients with and {} without cancer; \
             expected at least 2 patients, one of each, and no more than there are",
            pools[1].len(),
            pools[0].len()
        );
    }
    let mut rng = mammo_core::seed::stream(seed, "few patients", 0);
    pools.iter_mut().for_each(|pool| pool.shuffle(&mut rng));
    let chosen: HashSet<&str> =
        pools[0][..n_benign].iter().chain(&pools[1][..n_malignant]).copied().collect();
    Ok(images.into_iter().filter(|image| chosen.contains(image.patient_id.as_str())).collect())
}
