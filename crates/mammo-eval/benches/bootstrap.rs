//! The area under the curve of 10,000 scores, alone and with its interval: `cargo bench -p mammo-eval`.
#![allow(clippy::unwrap_used, missing_docs)]

use divan::Bencher;
use mammo_core::seed::stream;
use mammo_eval::{BootstrapConfig, Patients, Sample, roc_auc};
use rand::RngExt;

fn main() {
    divan::main();
}

const N_SCORES: usize = 10_000;
const N_PATIENTS: usize = N_SCORES / 4;

/// Four scores of each patient, one in ten malignant and higher on average.
fn sample() -> Sample {
    let mut rng = stream(0, "bench bootstrap", 0);
    let malignant: Vec<bool> = (0..N_SCORES).map(|_| rng.random_bool(0.1)).collect();
    let score = |malignant: &bool| rng.random::<f64>() + if *malignant { 0.4 } else { 0.0 };
    let scores = malignant.iter().map(score).collect();
    let ids: Vec<String> = (0..N_SCORES).map(|case| format!("p{}", case % N_PATIENTS)).collect();
    Sample { scores, malignant, patients: Patients::from_ids(ids.iter().map(String::as_str)) }
}

#[divan::bench]
fn area(bencher: Bencher) {
    let sample = sample();
    bencher.bench_local(|| roc_auc(&sample.scores, &sample.malignant).unwrap());
}

#[divan::bench(sample_count = 10, args = [200, 2000])]
fn interval_of_the_area(bencher: Bencher, n_resamples: usize) {
    let sample = sample();
    let config = BootstrapConfig { n_resamples, ..BootstrapConfig::default() };
    bencher.bench_local(|| sample.auc(&config).unwrap());
}
