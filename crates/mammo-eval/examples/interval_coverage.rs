//! Coverage of the 95 % intervals in simulated studies.
//!
//! Simulated studies of patients with four images each; the images of a patient and of a breast
//! resemble each other, and a cancer shows in the two views of one breast. For every statistic, the
//! share of studies whose interval contains the value of the population, together with percentile and
//! BCa intervals of the same resamples. A statistic that fewer than a quarter of the studies define
//! is not reported. docs/evaluation.md has the result.
//!
//! ```sh
//! cargo run --release -p mammo-eval --example interval_coverage             # 1,000 studies of each kind
//! cargo run --release -p mammo-eval --example interval_coverage 200 300     # fewer studies, resamples
//! ```

use mammo_core::seed::stream;
use mammo_eval::calibration::logistic::{Fitted, LogisticFit, logit, sigmoid};
use mammo_eval::calibration::reliability::{CalibrationFigures, Estimate};
use mammo_eval::intervals::area_difference::PairedAreas;
use mammo_eval::intervals::bootstrap::{NoValue, Resamples, resample};
use mammo_eval::roc::curve_statistic::{CurveStatistic, index_of_threshold};
use mammo_eval::roc::ranked::Roc;
use mammo_eval::{
    BootstrapConfig, Defined, Patients, Proportion, RankedScores, Sample, brier_score, delong_auc,
    delong_difference,
};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

/// Frozen threshold of the operating point.
const THRESHOLD: f64 = 0.3;
const PREVALENCE: f64 = 0.005;
const LEVEL: f64 = 0.95;

/// How much a cancer adds to the score: areas of 0.70, 0.85 and 0.96.
const SEPARATIONS: [f64; 3] = [0.75, 1.48, 2.5];
/// Patients with cancer: 38 and 15 of 100, as quantiles of the normal distribution.
const CANCERS: [(&str, f64); 2] = [("38 %", -0.3), ("15 %", -1.04)];
const STUDY_SIZES: [usize; 3] = [50, 100, 400];

type Ends = Option<(f64, f64)>;

fn main() -> mammo_core::Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let n_studies = numbers.first().copied().unwrap_or(1000);
    let n_resamples = numbers.get(1).copied().unwrap_or(400);
    println!("{n_studies} studies of each kind, {n_resamples} resamples; lowest to highest of three areas\n");
    let mut header = String::from("| interval |");
    // Per statistic, per column, the coverage at each separation.
    let mut table: Vec<(&'static str, Vec<Vec<f64>>)> = vec![];
    for (share, cut) in CANCERS {
        let truths: Vec<_> =
            SEPARATIONS.iter().map(|&s| truths(s, cut)).collect::<mammo_core::Result<_>>()?;
        for n_patients in STUDY_SIZES {
            header += &format!(" {n_patients} patients, {share} |");
            for (&separation, truth) in SEPARATIONS.iter().zip(&truths) {
                let studies: Vec<Vec<Ends>> = (0..n_studies)
                    .into_par_iter()
                    .map(|study| {
                        intervals(&Study::new(separation, cut, n_patients, 1 + study as u64), n_resamples)
                    })
                    .collect::<mammo_core::Result<_>>()?;
                for (statistic, (name, truth)) in truth.iter().enumerate() {
                    let defined: Vec<(f64, f64)> =
                        studies.iter().filter_map(|study| *study.get(statistic)?).collect();
                    let held = defined.iter().filter(|(low, high)| (*low..=*high).contains(truth)).count();
                    if table.len() <= statistic {
                        table.push((name, vec![]));
                    }
                    let columns = &mut table[statistic].1;
                    if separation == SEPARATIONS[0] {
                        columns.push(vec![]);
                    }
                    if let Some(column) = columns.last_mut()
                        && defined.len() >= n_studies / 4
                    {
                        column.push(100.0 * held as f64 / defined.len() as f64);
                    }
                }
            }
        }
    }
    println!("{header}\n|---|{}", "---|".repeat(CANCERS.len() * STUDY_SIZES.len()));
    for (name, columns) in table {
        let cell = |column: &Vec<f64>| -> String {
            if column.is_empty() {
                return " undefined |".into();
            }
            let (low, high) = column.iter().fold((100.0_f64, 0.0_f64), |(l, h), &v| (l.min(v), h.max(v)));
            format!(" {low:.1}–{high:.1} |")
        };
        println!("| {name} |{}", columns.iter().map(cell).collect::<String>());
    }
    Ok(())
}

/// One simulated study: two models' probabilities, truths and patients.
struct Study {
    item: u64,
    first: Sample,
    second: Vec<f64>,
}

impl Study {
    fn new(separation: f64, cut: f64, n_patients: usize, item: u64) -> Self {
        let mut rng = stream(1, "example interval coverage", item);
        let mut normal = |deviation: f64| -> f64 {
            let z: f64 = StandardNormal.sample(&mut rng);
            deviation * z
        };
        let (mut first, mut second, mut malignant, mut ids) = (vec![], vec![], vec![], vec![]);
        for patient in 0..n_patients {
            let cancer = normal(1.0) < cut;
            let of_patient = normal(0.6);
            for breast in 0..2 {
                let of_breast = normal(0.5);
                for _view in 0..2 {
                    let here = cancer && breast == 0;
                    let signal = if here { separation } else { 0.0 };
                    let shared = of_patient + of_breast + normal(0.4);
                    first.push(sigmoid(-1.8 + signal + shared + normal(0.5)));
                    second.push(sigmoid(-1.8 + 1.15 * signal + shared + normal(0.5)));
                    malignant.push(here);
                    ids.push(format!("{patient:07}"));
                }
            }
        }
        let patients = Patients::from_ids(ids.iter().map(String::as_str));
        Self { item, first: Sample { scores: first, malignant, patients }, second }
    }
}

fn curve_statistics(ranked: &RankedScores) -> Vec<(&'static str, CurveStatistic)> {
    let index = index_of_threshold(ranked, THRESHOLD);
    let benefit = CurveStatistic::NetBenefit { index, threshold: THRESHOLD, prevalence: None };
    vec![
        ("area", CurveStatistic::Auc),
        ("partial area above specificity 0.8", CurveStatistic::PartialAuc { min_specificity: 0.8 }),
        ("average precision", CurveStatistic::AveragePrecision),
        ("sensitivity at specificity 0.9", CurveStatistic::SensitivityAt(0.9)),
        ("specificity at sensitivity 0.9", CurveStatistic::SpecificityAt(0.9)),
        ("ROC band at false-positive rate 0.2", CurveStatistic::OnCurve(0.2)),
        ("sensitivity at a frozen threshold", CurveStatistic::Sensitivity { index }),
        ("specificity at a frozen threshold", CurveStatistic::Specificity { index }),
        ("PPV at prevalence 0.005", CurveStatistic::Ppv { index, prevalence: Some(PREVALENCE) }),
        ("NPV at prevalence 0.005", CurveStatistic::Npv { index, prevalence: Some(PREVALENCE) }),
        ("net benefit at threshold 0.3", benefit),
    ]
}

/// The values of the population, from a sample so large that its error is negligible, in the order
/// of [`intervals`].
fn truths(separation: f64, cut: f64) -> mammo_core::Result<Vec<(&'static str, f64)>> {
    let study = Study::new(separation, cut, 400_000, 0);
    let sample = &study.first;
    let (mut roc, mut other_roc) = (Roc::default(), Roc::default());
    let (ranked, ones) = (sample.ranked()?, vec![1; sample.patients.n()]);
    ranked.curve(&ones, &mut roc)?;
    let other = Sample { scores: study.second.clone(), ..sample.clone() };
    other.ranked()?.curve(&ones, &mut other_roc)?;
    let mut truths: Vec<(&'static str, f64)> = curve_statistics(&ranked)
        .into_iter()
        .filter_map(|(name, statistic)| Some((name, statistic.of(&roc).ok()?)))
        .collect();
    let (auc, sensitivity) = (truths[0].1, truths[6].1);
    let difference = other_roc.auc() - auc;
    let logits: Vec<f64> = sample.scores.iter().map(|&p| logit(p)).collect();
    let fit = |fitted| LogisticFit::of(&logits, &sample.malignant, sample.patients.of_case(), fitted);
    truths.extend([
        ("difference of two areas", difference),
        ("Brier score", brier_score(&sample.scores, &sample.malignant)?),
        ("calibration slope, clustered sandwich", fit(Fitted::Both)?.slope),
        ("calibration in the large, clustered sandwich", fit(Fitted::Intercept)?.intercept),
        ("area, DeLong clustered, logit scale with t", auc),
        ("difference of two areas, DeLong clustered", difference),
        ("*not used:* difference of two areas, DeLong, normal", difference),
        ("*not used:* area, percentiles of the resamples", auc),
        ("*not used:* area, BCa", auc),
        ("*not used:* sensitivity at a frozen threshold, percentiles", sensitivity),
        ("*not used:* sensitivity at a frozen threshold, BCa", sensitivity),
        ("*not used:* area, DeLong clustered, plain", auc),
        ("*wrong:* area, DeLong as if images were independent", auc),
        ("*wrong:* sensitivity, Wilson as if images were independent", sensitivity),
    ]);
    Ok(truths)
}

/// The intervals of one study in the order of [`truths`]; `None` where it defines none.
fn intervals(study: &Study, n_resamples: usize) -> mammo_core::Result<Vec<Ends>> {
    let Study { item, first: sample, second } = study;
    let config = BootstrapConfig { n_resamples, level: LEVEL, seed: *item };
    let (scores, malignant, patients) = (&sample.scores, &sample.malignant, sample.patients.of_case());
    let ranked = sample.ranked()?;
    let ranked_second = RankedScores::new(second, malignant, patients)?;
    let by_class = ranked.units_by_class();
    if by_class[0] < 2 {
        return Ok(vec![]);
    }
    let curve: Vec<CurveStatistic> = curve_statistics(&ranked).into_iter().map(|(_, s)| s).collect();
    let all = |times: &[u8], roc: &mut Roc, values: &mut [std::result::Result<f64, NoValue>]| {
        ranked.curve(times, roc)?;
        curve.iter().zip(values.iter_mut()).for_each(|(statistic, value)| *value = statistic.of(roc));
        let other = ranked_second.resampled_auc(times)?;
        values[curve.len()] = Ok(other);
        values[curve.len() + 1] = Ok(other - roc.auc());
        Ok(())
    };
    let resamples = resample(sample.patients.n(), &config, curve.len() + 2, Roc::default, all)?;
    let ends = |i: usize, scale| resamples.interval(i, scale, &config).value().map(|v| (v.low, v.high));
    let of_curve = |(i, statistic): (usize, &CurveStatistic)| {
        statistic.check_patients(by_class).ok()?;
        ends(i, statistic.scale(by_class))
    };
    let mut found: Vec<Ends> = curve.iter().enumerate().map(of_curve).collect();
    let calibration = CalibrationFigures::of(sample, 10, &config)?;
    let estimate = |measured: &Defined<Estimate>| measured.value().map(|e| (e.low, e.high));
    let clustered = delong_auc(scores, malignant, patients, LEVEL).ok();
    let alone: Vec<u32> = (0..scores.len() as u32).collect();
    let independent = delong_auc(scores, malignant, &alone, LEVEL).ok();
    let hits = |&(&score, &malignant): &(&f64, &bool)| malignant && score >= THRESHOLD;
    let n_hits = scores.iter().zip(malignant).filter(hits).count();
    let closed_form = delong_difference(scores, second, malignant, patients, LEVEL).ok();
    let even = |estimate: f64, error: f64| (estimate - 1.959_964 * error, estimate + 1.959_964 * error);
    let jackknife = jackknifed(sample.patients.n(), &[curve[0], curve[6]], &ranked);
    found.extend([
        difference(&resamples, [0, curve.len(), curve.len() + 1], by_class, &config),
        calibration.brier.value().map(|brier| (brier.low, brier.high)),
        estimate(&calibration.slope),
        estimate(&calibration.in_the_large),
        clustered.as_ref().and_then(|auc| auc.logit.value().map(|ends| (ends.low, ends.high))),
        closed_form.map(|d| (d.low, d.high)),
        closed_form.map(|d| even(d.difference, d.standard_error)),
    ]);
    for (i, left_out) in [0, 6].into_iter().zip(&jackknife) {
        let mut values: Vec<f64> = resamples.values.iter().filter_map(|values| values[i].ok()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let tail = 0.5 * (1.0 - LEVEL);
        found.push(Some((quantile(&values, tail), quantile(&values, 1.0 - tail))));
        found.push(resamples.estimates[i].ok().and_then(|estimate| bca(estimate, &values, left_out)));
    }
    found.extend([
        clustered.as_ref().map(|auc| (auc.low, auc.high)),
        independent.as_ref().map(|auc| (auc.low, auc.high)),
        Proportion::wilson(n_hits, sample.n_malignant(), LEVEL).ok().map(|share| (share.low, share.high)),
    ]);
    Ok(found)
}

/// The interval of a difference of areas; `at` are the indices of both areas and of the difference.
fn difference(resamples: &Resamples, at: [usize; 3], by_class: [usize; 2], config: &BootstrapConfig) -> Ends {
    let [first, second, between] = at.map(|i| resamples.spread(i, config).into_result().ok());
    Some(PairedAreas::of_spreads([first?, second?, between?], by_class).ends(config.level))
}

/// Values of statistics with each patient left out in turn.
fn jackknifed(n_patients: usize, statistics: &[CurveStatistic], ranked: &RankedScores) -> Vec<Vec<f64>> {
    let (mut roc, mut values) = (Roc::default(), vec![vec![]; statistics.len()]);
    for patient in 0..n_patients {
        let mut times = vec![1; n_patients];
        times[patient] = 0;
        if ranked.curve(&times, &mut roc).is_ok() {
            for (list, statistic) in values.iter_mut().zip(statistics) {
                list.extend(statistic.of(&roc));
            }
        }
    }
    values
}

/// Bias-corrected and accelerated interval (Efron 1987); `None` when all values lie on one side.
fn bca(estimate: f64, ascending: &[f64], left_out: &[f64]) -> Ends {
    let normal = Normal::standard();
    let count = |holds: &dyn Fn(f64) -> bool| ascending.iter().filter(|&&value| holds(value)).count() as f64;
    let below = count(&|v| v < estimate) + 0.5 * count(&|v| v == estimate);
    let bias = normal.inverse_cdf(below / ascending.len() as f64);
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let power = |n| left_out.iter().map(|value| (mean - value).powi(n)).sum::<f64>();
    let acceleration = power(3) / (6.0 * power(2).powf(1.5));
    let end = |z: f64| {
        let share = normal.cdf(bias + (bias + z) / (1.0 - acceleration * (bias + z)));
        share.is_finite().then(|| quantile(ascending, share))
    };
    let z = normal.inverse_cdf(0.5 + 0.5 * LEVEL);
    Some((end(-z)?, end(z)?))
}

/// Quantile of ascending values, linear between neighbours (type 7 of Hyndman & Fan 1996).
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let position = share * (ascending.len() - 1) as f64;
    let (below, above) = (ascending[position.floor() as usize], ascending[position.ceil() as usize]);
    below + position.fract() * (above - below)
}
