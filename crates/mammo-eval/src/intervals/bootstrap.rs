//! Cluster bootstrap: intervals by resampling patients, not images.
//!
//! The images of one patient show the same breasts, the same density and often the same lesion.
//! Resampling single images would treat them as independent and give intervals that are too narrow,
//! so whole patients are drawn ( Davison & Hinkley 1997, *Bootstrap Methods and
//! their Application*, section 3.8; Rutter 2000, Acad. Radiol. 7:413–419, for ROC areas).

use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::defined::Defined;
use crate::intervals::interval::{Interval, Scale};
use crate::intervals::proportion::check_level;
use crate::{Error, Result};
use mammo_core::seed::{Rng, stream};

/// A resample without a value is redrawn up to this many times.
const MAX_DRAWS: usize = 100;

/// Settings of the bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapConfig {
    /// Number of resamples, at least 100; 2,000 give stable ends of a 95 % interval.
    pub n_resamples: usize,
    /// Confidence level, such as 0.95.
    pub level: f64,
    /// Equal seeds draw the same patients, for any statistic and any number of threads.
    pub seed: u64,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self { n_resamples: 2000, level: 0.95, seed: 0 }
    }
}

/// The patient of each case, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patients {
    of_case: Vec<u32>,
    n: usize,
}

impl Patients {
    /// Numbers the patients of the cases, one identifier per case.
    ///
    /// Patients are numbered in the order of their identifiers, so that intervals do not depend on
    /// the order of the images in a table.
    pub fn from_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut by_id: Vec<usize> = (0..ids.len()).collect();
        by_id.sort_by_key(|&case| ids[case]);
        let (mut of_case, mut n) = (vec![0; ids.len()], 0);
        for cases in by_id.chunk_by(|&a, &b| ids[a] == ids[b]) {
            for &case in cases {
                of_case[case] = n;
            }
            n += 1;
        }
        Self { of_case, n: n as usize }
    }

    /// The patient of every case.
    pub fn of_case(&self) -> &[u32] {
        &self.of_case
    }

    /// Number of patients.
    pub fn n(&self) -> usize {
        self.n
    }
}

/// Intervals of one or more statistics by resampling patients.
///
/// Each resample draws as many patients as the sample has, with replacement, each with all cases. The
/// standard deviation of a statistic over the resamples is its standard error, from which its
/// [`Scale`] computes the interval. All statistics are computed from the same resamples, so that the
/// difference of two statistics can be one of them.
///
/// # Inputs
/// - `scales`: one per statistic.
/// - `statistics`: takes how often each patient was drawn (all ones for the sample itself). The
///   counts are bytes because they are read in random order, and 250,000 bytes fit into the L2 cache
///   of a core. A count saturates at 255; a patient is drawn 256 times in one of 10⁵⁰⁰ resamples.
///
/// # Randomness
/// Resample `r` uses the random stream `("bootstrap", r)` of `config.seed`.
///
/// # Errors
/// [`Error::Undefined`] when the sample itself has no value, when there are fewer than two
/// patients, or when a resample has no value in 100 draws; [`Error::Setting`] for
/// an unusable `config`. Any other error of `statistics` is passed on.
///
/// # Example
/// The mean of three patients with one case each, and its interval:
/// ```
/// use mammo_eval::{BootstrapConfig, Scale, bootstrap};
///
/// let values = [1.0, 2.0, 6.0];
/// let mean = |times: &[u8]| {
///     let sum: f64 = times.iter().zip(values).map(|(&t, v)| f64::from(t) * v).sum();
///     Ok([sum / f64::from(times.iter().map(|&t| u32::from(t)).sum::<u32>())])
/// };
/// let [interval] = bootstrap(3, &BootstrapConfig::default(), [Scale::Open { n_patients: 3 }], mean)?;
/// assert_eq!(interval.estimate, 3.0);
/// // 4.30 (Student's t, two degrees of freedom) standard deviations over the root of three.
/// assert!((interval.high - 8.37).abs() < 0.2 && (interval.low + 2.37).abs() < 0.2);
/// # Ok::<(), mammo_core::Error>(())
/// ```
pub fn bootstrap<const N: usize>(
    n_patients: usize,
    config: &BootstrapConfig,
    scales: [Scale; N],
    statistics: impl Fn(&[u8]) -> Result<[f64; N]> + Sync,
) -> Result<[Interval; N]> {
    let intervals = bootstrap_each(
        n_patients,
        config,
        &scales,
        || (),
        |times, (), values| {
            values.copy_from_slice(&statistics(times)?.map(Ok));
            Ok(())
        },
    )?;
    let mut found = vec![];
    for interval in intervals {
        match interval {
            Defined::Value(interval) => found.push(interval),
            Defined::Undefined { undefined: reason } => return Err(undefined(reason)),
        }
    }
    <[Interval; N]>::try_from(found).map_err(|_| unreachable!("one interval per statistic"))
}

/// Why a statistic has no value in a sample or resample, such as "nothing is positive".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoValue(pub &'static str);

impl std::fmt::Display for NoValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NoValue {}

/// [`bootstrap`] of any number of statistics, each of which may have no value in some resamples.
///
/// # Inputs
/// As [`resample`]. A resample without a value of a statistic is left out of the interval of that
/// statistic, which is undefined if fewer than half of the resamples have a value.
///
/// # Errors
/// As [`bootstrap`], except that a statistic without value is [`Defined::Undefined`].
pub fn bootstrap_each<S>(
    n_patients: usize,
    config: &BootstrapConfig,
    scales: &[Scale],
    scratch: impl Fn() -> S + Sync,
    statistics: impl Fn(&[u8], &mut S, &mut [std::result::Result<f64, NoValue>]) -> Result<()> + Sync,
) -> Result<Vec<Defined<Interval>>> {
    let resamples = resample(n_patients, config, scales.len(), scratch, statistics)?;
    Ok(scales.iter().enumerate().map(|(i, &scale)| resamples.interval(i, scale, config)).collect())
}

/// A statistic with its bootstrap standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The statistic of the sample itself.
    pub estimate: f64,
    /// Its standard deviation over the resamples.
    pub standard_error: f64,
    /// Number of resamples in which it has a value.
    pub n: usize,
}

/// The values of all statistics in a sample and in its resamples.
pub struct Resamples {
    /// Values in the sample itself.
    pub estimates: Vec<std::result::Result<f64, NoValue>>,
    /// Values in each resample, in the same order.
    pub values: Vec<Vec<std::result::Result<f64, NoValue>>>,
    /// Number of resamples that were redrawn because no statistic had a value.
    pub n_redrawn: usize,
}

impl Resamples {
    /// The interval of a statistic on its scale.
    pub fn interval(&self, statistic: usize, scale: Scale, config: &BootstrapConfig) -> Defined<Interval> {
        self.spread(statistic, config).map(|Spread { estimate, standard_error, n }| {
            let (low, high) = scale.ends(estimate, standard_error, config.level);
            self.interval_between(estimate, (low, high), n, config)
        })
    }

    /// An interval with given ends and the counts of these resamples.
    pub(crate) fn interval_between(
        &self,
        estimate: f64,
        (low, high): (f64, f64),
        n: usize,
        config: &BootstrapConfig,
    ) -> Interval {
        let n_redrawn = self.n_redrawn + config.n_resamples - n;
        Interval { estimate, low, high, level: config.level, n_resamples: n, n_redrawn }
    }

    /// A statistic with its standard error.
    pub fn spread(&self, statistic: usize, config: &BootstrapConfig) -> Defined<Spread> {
        let estimate = match self.estimates[statistic] {
            Ok(estimate) => estimate,
            Err(NoValue(reason)) => return Defined::undefined(reason),
        };
        let values = || self.values.iter().filter_map(|values| values[statistic].ok());
        let n = values().count();
        if n < config.n_resamples.div_ceil(2) {
            let (left_out, all) = (config.n_resamples - n, config.n_resamples);
            let reason = format!("{left_out} of {all} resamples have no value");
            return Defined::undefined(reason);
        }
        let mean = values().sum::<f64>() / n as f64;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        Defined::Value(Spread { estimate, standard_error: variance.sqrt(), n })
    }
}

/// Draws resamples of patients and computes the statistics of each.
///
/// # Inputs
/// - `n_statistics`: length of the slice that `statistics` fills.
/// - `scratch`: allocates working memory; each thread reuses its own for all its resamples.
/// - `statistics`: takes how often each patient was drawn. If it returns [`Error::Undefined`], the
///   resample is redrawn.
///
/// # Errors
/// As [`bootstrap`].
pub fn resample<S>(
    n_patients: usize,
    config: &BootstrapConfig,
    n_statistics: usize,
    scratch: impl Fn() -> S + Sync,
    statistics: impl Fn(&[u8], &mut S, &mut [std::result::Result<f64, NoValue>]) -> Result<()> + Sync,
) -> Result<Resamples> {
    check_level(config.level)?;
    if config.n_resamples < 100 {
        return Err(Error::setting(
            "n_resamples",
            config.n_resamples.to_string(),
            "at least 100; 2000 is usual",
        ));
    }
    let blank = || vec![Err(NoValue("it was not computed")); n_statistics];
    let mut estimates: Vec<std::result::Result<f64, NoValue>> = blank();
    statistics(&vec![1; n_patients], &mut scratch(), &mut estimates)?;
    if n_patients < 2 {
        return Err(undefined("one patient gives no estimate of the variance among patients".into()));
    }
    let resamples: Vec<(Vec<std::result::Result<f64, NoValue>>, usize)> = (0..config.n_resamples)
        .into_par_iter()
        .map_init(
            || (vec![0; n_patients], scratch()),
            |(times_drawn, scratch), resample| {
                let mut rng = stream(config.seed, "bootstrap", resample as u64);
                let mut values = blank();
                let redrawn = resample_until_defined(&mut rng, times_drawn, |times| {
                    statistics(times, scratch, &mut values)
                })?;
                Ok((values, redrawn))
            },
        )
        .collect::<Result<_>>()?;
    let n_redrawn = resamples.iter().map(|(_, redrawn)| redrawn).sum();
    Ok(Resamples { estimates, values: resamples.into_iter().map(|(values, _)| values).collect(), n_redrawn })
}

/// Draws until `statistics` has values; returns the number of rejected draws.
fn resample_until_defined(
    rng: &mut Rng,
    times_drawn: &mut [u8],
    mut statistics: impl FnMut(&[u8]) -> Result<()>,
) -> Result<usize> {
    let mut reason = String::new();
    // `u32` takes half the random bits of `usize`; with many patients, drawing dominates the time.
    let n_patients = times_drawn.len() as u32;
    for redrawn in 0..MAX_DRAWS {
        times_drawn.fill(0);
        for _ in 0..n_patients {
            let times = &mut times_drawn[rng.random_range(0..n_patients) as usize];
            *times = times.saturating_add(1);
        }
        match statistics(times_drawn) {
            Ok(()) => return Ok(redrawn),
            Err(Error::Undefined { reason: why, .. }) => reason = why,
            Err(other) => return Err(other),
        }
    }
    Err(undefined(format!("{MAX_DRAWS} resamples in a row had no value ({reason})")))
}

fn undefined(reason: String) -> Error {
    Error::Undefined { statistic: "bootstrap interval", reason }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::{RankedScores, delong_auc, roc_auc};

    /// `n_patients` patients with four images each; the images of a patient share most of their
    /// score (correlation 0.8) and all of their truth. The true area is Φ(1/√2) = 0.760.
    fn correlated_sample(item: u64, n_patients: usize) -> (Vec<f64>, Vec<bool>, Vec<String>) {
        let mut rng = stream(2, "test correlated", item);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let (mut scores, mut malignant, mut ids) = (vec![], vec![], vec![]);
        for patient in 0..n_patients {
            let (shared, cancer) = (normal(), patient % 2 == 0);
            for _ in 0..4 {
                let noise = 0.8_f64.sqrt() * shared + 0.2_f64.sqrt() * normal();
                scores.push(f64::from(u8::from(cancer)) + noise);
                malignant.push(cancer);
                ids.push(format!("p{patient:03}"));
            }
        }
        (scores, malignant, ids)
    }

    fn auc_interval(scores: &[f64], malignant: &[bool], patients: &Patients, n_resamples: usize) -> Interval {
        let ranked = RankedScores::new(scores, malignant, patients.of_case()).unwrap();
        let config = BootstrapConfig { n_resamples, ..Default::default() };
        let auc = |times: &[u8]| Ok([ranked.auc(|patient| f64::from(times[patient as usize]))?]);
        bootstrap(patients.n(), &config, [Scale::area(ranked.units_by_class())], auc).unwrap()[0]
    }

    fn each_image_alone(n: usize) -> Patients {
        Patients { of_case: (0..n as u32).collect(), n }
    }

    #[test]
    fn a_resample_by_weights_is_a_resample_of_repeated_rows() {
        let (scores, malignant, ids) = correlated_sample(0, 30);
        let patients = Patients::from_ids(ids.iter().map(String::as_str));
        let interval = auc_interval(&scores, &malignant, &patients, 200);
        let values: Vec<f64> = (0..200)
            .map(|resample| {
                let mut rng = stream(0, "bootstrap", resample);
                let drawn: Vec<usize> = (0..30).map(|_| rng.random_range(0..30_u32) as usize).collect();
                let rows: Vec<usize> = drawn.iter().flat_map(|&p| 4 * p..4 * p + 4).collect();
                let scores: Vec<f64> = rows.iter().map(|&r| scores[r]).collect();
                let malignant: Vec<bool> = rows.iter().map(|&r| malignant[r]).collect();
                roc_auc(&scores, &malignant).unwrap()
            })
            .collect();
        let estimate = roc_auc(&scores, &malignant).unwrap();
        let mean = values.iter().sum::<f64>() / 200.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 199.0;
        let ends = Scale::area([15, 15]).ends(estimate, variance.sqrt(), 0.95);
        assert_eq!((interval.estimate, (interval.low, interval.high)), (estimate, ends));
    }

    #[test]
    fn patients_cover_the_truth_where_single_images_do_not() {
        let truth = 0.5 * libm::erfc(-0.5);
        let (mut covered, mut covered_by_images, mut wider) = (0, 0, 0);
        let n_samples = 100;
        for item in 0..n_samples {
            let (scores, malignant, ids) = correlated_sample(item, 60);
            let patients = Patients::from_ids(ids.iter().map(String::as_str));
            let clustered = auc_interval(&scores, &malignant, &patients, 200);
            let naive = auc_interval(&scores, &malignant, &each_image_alone(scores.len()), 200);
            covered += u32::from((clustered.low..=clustered.high).contains(&truth));
            covered_by_images += u32::from((naive.low..=naive.high).contains(&truth));
            wider += u32::from(clustered.high - clustered.low > naive.high - naive.low);
        }
        assert!(covered >= 88, "{covered} of {n_samples} intervals by patient hold the truth");
        assert!(covered_by_images <= 80, "{covered_by_images} of {n_samples} intervals by image do");
        assert_eq!(wider, n_samples as u32);
    }

    /// A small version of examples/interval_coverage.rs, whose result is in docs/evaluation.md.
    #[test]
    fn closed_form_intervals_by_patient_cover_as_they_say() {
        let truth = 0.5 * libm::erfc(-0.5);
        let n_samples = 1000;
        let (mut logit, mut as_if_independent) = (0, 0);
        for item in 0..n_samples {
            let (scores, malignant, ids) = correlated_sample(1000 + item, 60);
            let patients = Patients::from_ids(ids.iter().map(String::as_str));
            let by_patient = delong_auc(&scores, &malignant, patients.of_case(), 0.95).unwrap();
            let ends = *by_patient.logit.value().unwrap();
            logit += u32::from((ends.low..=ends.high).contains(&truth));
            let alone = each_image_alone(scores.len());
            let by_image = delong_auc(&scores, &malignant, alone.of_case(), 0.95).unwrap();
            as_if_independent += u32::from((by_image.low..=by_image.high).contains(&truth));
        }
        assert!((930..=970).contains(&logit), "{logit} of {n_samples}");
        assert!(as_if_independent < 800, "{as_if_independent} of {n_samples}");
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let (scores, malignant, ids) = correlated_sample(1, 25);
        let patients = Patients::from_ids(ids.iter().map(String::as_str));
        let with_threads = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| auc_interval(&scores, &malignant, &patients, 300))
        };
        assert_eq!(with_threads(1), with_threads(5));
    }

    #[test]
    fn resamples_without_cancer_are_drawn_anew_and_counted() {
        let scores = [0.9, 0.2, 0.4, 0.3];
        let interval = auc_interval(&scores, &[true, false, false, false], &each_image_alone(4), 1000);
        // The only cancer is missed with probability (3/4)^4 and drawn alone with (1/4)^4, so a
        // resample needs 0.47 redraws on average.
        assert!((400..550).contains(&interval.n_redrawn), "{}", interval.n_redrawn);
        // With a single cancer the interval is very wide.
        assert!(interval.low < 0.1 && interval.high == 1.0, "{interval:?}");
    }

    #[test]
    fn a_statistic_without_value_ends_with_a_reason() {
        let config = BootstrapConfig::default();
        let only_the_sample = |times: &[u8]| {
            if times.iter().all(|&t| t == 1) { Ok([1.0]) } else { Err(undefined("never".into())) }
        };
        let error = bootstrap(20, &config, [Scale::Open { n_patients: 20 }], only_the_sample)
            .unwrap_err()
            .to_string();
        assert!(error.contains("100 resamples in a row had no value (never)"), "{error}");
        assert!(matches!(
            bootstrap(1, &config, [Scale::Open { n_patients: 20 }], |_| Ok([1.0])),
            Err(Error::Undefined { .. })
        ));
        let few = BootstrapConfig { n_resamples: 5, ..config };
        assert!(matches!(
            bootstrap(9, &few, [Scale::Open { n_patients: 20 }], |_| Ok([1.0])),
            Err(Error::Setting { .. })
        ));
    }
}
