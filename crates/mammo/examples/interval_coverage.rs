//! Do 95 % intervals hold the truth in 95 of 100 studies?
//!
//! Simulated studies of women with four images each; the images of a woman and of a breast
//! resemble each other, and a cancer shows in the two views of one breast. For every statistic, the
//! share of studies whose interval holds the value of the whole population. The result stands in
//! docs/evaluation.md.
//!
//! ```sh
//! cargo run --release -p mammo --example interval_coverage             # 1,000 studies of each size
//! cargo run --release -p mammo --example interval_coverage 200 300     # fewer studies, resamples
//! ```

use mammo::eval::curve_statistic::{CurveFigures, CurveStatistic, index_of_threshold};
use mammo::eval::logistic::{Fitted, LogisticFit, logit, sigmoid};
use mammo::eval::reliability::CalibrationFigures;
use mammo::eval::roc::Roc;
use mammo::eval::{
    BootstrapConfig, Measured, Patients, Proportion, Sample, brier_score, delong_auc, delong_difference,
};
use mammo::seed::stream;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// Frozen threshold of the operating point.
const THRESHOLD: f64 = 0.3;
const PREVALENCE: f64 = 0.005;
const LEVEL: f64 = 0.95;

fn main() -> mammo::Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let n_studies = numbers.first().copied().unwrap_or(1000);
    let n_resamples = numbers.get(1).copied().unwrap_or(500);
    println!("{n_studies} studies of each size, {n_resamples} resamples\n");
    let population = [(1.0, truths(1.0)?), (2.5, truths(2.5)?)];
    for ((separation, truth), n_women) in population.iter().flat_map(|p| [(p, 100), (p, 400)]) {
        let studies: Vec<Vec<Option<(f64, f64)>>> = (0..n_studies)
            .into_par_iter()
            .map(|study| intervals(&Study::new(*separation, n_women, 1 + study as u64), n_resamples))
            .collect::<mammo::Result<_>>()?;
        println!("{n_women} women, true area {:.3}", truth[0].1);
        for (statistic, (name, truth)) in truth.iter().enumerate() {
            let defined: Vec<(f64, f64)> = studies.iter().filter_map(|study| study[statistic]).collect();
            let held = defined.iter().filter(|(low, high)| (*low..=*high).contains(truth)).count();
            let coverage = 100.0 * held as f64 / defined.len() as f64;
            let undefined = n_studies - defined.len();
            println!("  {coverage:>5.1} %  {name:<52} truth {truth:>7.4}  undefined {undefined}");
        }
        println!();
    }
    Ok(())
}

/// One simulated study: two models' probabilities, truths and women.
struct Study {
    item: u64,
    first: Sample,
    second: Vec<f64>,
}

impl Study {
    fn new(separation: f64, n_women: usize, item: u64) -> Self {
        let mut rng = stream(1, "example interval coverage", item);
        let mut normal = |deviation: f64| -> f64 {
            let z: f64 = StandardNormal.sample(&mut rng);
            deviation * z
        };
        let (mut first, mut second, mut malignant, mut ids) = (vec![], vec![], vec![], vec![]);
        for woman in 0..n_women {
            let cancer = normal(1.0) < -0.3;
            let of_woman = normal(0.6);
            for breast in 0..2 {
                let of_breast = normal(0.5);
                for _view in 0..2 {
                    let here = cancer && breast == 0;
                    let signal = if here { separation } else { 0.0 };
                    let shared = of_woman + of_breast + normal(0.4);
                    first.push(sigmoid(-1.8 + signal + shared + normal(0.5)));
                    second.push(sigmoid(-1.8 + 1.15 * signal + shared + normal(0.5)));
                    malignant.push(here);
                    ids.push(format!("{woman:07}"));
                }
            }
        }
        let patients = Patients::from_ids(ids.iter().map(String::as_str));
        Self { item, first: Sample { scores: first, malignant, patients }, second }
    }
}

fn curve_statistics(sample: &Sample) -> mammo::Result<Vec<(&'static str, CurveStatistic)>> {
    let index = index_of_threshold(&sample.ranked()?, THRESHOLD);
    let benefit = CurveStatistic::NetBenefit { index, threshold: THRESHOLD, prevalence: None };
    Ok(vec![
        ("area, bootstrap of women", CurveStatistic::Auc),
        (
            "partial area above specificity 0.8, bootstrap",
            CurveStatistic::PartialAuc { min_specificity: 0.8 },
        ),
        ("average precision, bootstrap", CurveStatistic::AveragePrecision),
        ("sensitivity at specificity 0.9, bootstrap", CurveStatistic::SensitivityAt(0.9)),
        ("specificity at sensitivity 0.9, bootstrap", CurveStatistic::SpecificityAt(0.9)),
        ("ROC band at false-positive rate 0.2, bootstrap", CurveStatistic::OnCurve(0.2)),
        ("sensitivity at a frozen threshold, bootstrap", CurveStatistic::Sensitivity { index }),
        ("specificity at a frozen threshold, bootstrap", CurveStatistic::Specificity { index }),
        ("PPV at prevalence 0.005, bootstrap", CurveStatistic::Ppv { index, prevalence: PREVALENCE }),
        ("NPV at prevalence 0.005, bootstrap", CurveStatistic::Npv { index, prevalence: PREVALENCE }),
        ("net benefit at threshold 0.3, bootstrap", benefit),
    ])
}

/// The values of the population, from a sample so large that its error does not matter.
fn truths(separation: f64) -> mammo::Result<Vec<(&'static str, f64)>> {
    let study = Study::new(separation, 400_000, 0);
    let sample = &study.first;
    let mut roc = Roc::default();
    sample.ranked()?.curve(&vec![1; sample.patients.n()], &mut roc)?;
    let mut truths: Vec<(&'static str, f64)> = curve_statistics(sample)?
        .into_iter()
        .filter_map(|(name, statistic)| Some((name, statistic.of(&roc).ok()?)))
        .collect();
    let auc = truths[0].1;
    let other = Sample { scores: study.second.clone(), ..sample.clone() };
    let mut roc_of_other = Roc::default();
    other.ranked()?.curve(&vec![1; sample.patients.n()], &mut roc_of_other)?;
    let sensitivity = roc.sensitivity(index_of_threshold(&sample.ranked()?, THRESHOLD));
    let logits: Vec<f64> = sample.scores.iter().map(|&p| logit(p)).collect();
    let fit = |fitted| LogisticFit::of(&logits, &sample.malignant, sample.patients.of_case(), fitted);
    truths.extend([
        ("area, DeLong clustered by woman", auc),
        ("area, DeLong clustered, logit scale", auc),
        ("area, DeLong as if images were independent (wrong)", auc),
        ("difference of two areas, DeLong clustered", roc_of_other.auc() - auc),
        ("sensitivity, Wilson as if independent (wrong)", sensitivity),
        ("Brier score, bootstrap", brier_score(&sample.scores, &sample.malignant)?),
        ("calibration slope, clustered sandwich", fit(Fitted::Both)?.slope),
        ("calibration in the large, clustered sandwich", fit(Fitted::Intercept)?.intercept),
    ]);
    Ok(truths)
}

/// The intervals of one study in the order of [`truths`]; `None` where it defines none.
fn intervals(study: &Study, n_resamples: usize) -> mammo::Result<Vec<Option<(f64, f64)>>> {
    let Study { item, first: sample, second } = study;
    let config = BootstrapConfig { n_resamples, level: LEVEL, seed: *item };
    let ranked = sample.ranked()?;
    let statistics: Vec<CurveStatistic> = curve_statistics(sample)?.into_iter().map(|(_, s)| s).collect();
    let figures = CurveFigures::bootstrap(&ranked, &sample.patients, statistics.clone(), &config)?;
    let mut found: Vec<Option<(f64, f64)>> =
        statistics.into_iter().map(|s| figures.of(s).value().map(|i| (i.low, i.high))).collect();

    let (scores, malignant, women) = (&sample.scores, &sample.malignant, sample.patients.of_case());
    let clustered = delong_auc(scores, malignant, women, LEVEL).ok();
    let alone: Vec<u32> = (0..scores.len() as u32).collect();
    let independent = delong_auc(scores, malignant, &alone, LEVEL).ok();
    let logit_scale = clustered.as_ref().and_then(|auc| auc.logit.value().map(|ends| (ends.low, ends.high)));
    let difference = delong_difference(scores, second, malignant, women, LEVEL).ok();
    let (hits, n) = scores
        .iter()
        .zip(malignant)
        .filter(|(_, malignant)| **malignant)
        .fold((0, 0), |(hits, n), (&score, _)| (hits + usize::from(score >= THRESHOLD), n + 1));
    let calibration = CalibrationFigures::of(sample, 10, &config)?;
    let estimate =
        |measured: &Measured<mammo::eval::reliability::Estimate>| measured.value().map(|e| (e.low, e.high));
    found.extend([
        clustered.as_ref().map(|auc| (auc.low, auc.high)),
        logit_scale,
        independent.as_ref().map(|auc| (auc.low, auc.high)),
        difference.map(|difference| (difference.low, difference.high)),
        Proportion::wilson(hits, n, LEVEL).ok().map(|share| (share.low, share.high)),
        calibration.brier.value().map(|brier| (brier.low, brier.high)),
        estimate(&calibration.slope),
        estimate(&calibration.in_the_large),
    ]);
    Ok(found)
}
