//! Against scikit-learn, statsmodels, dcurves, R's pROC and MRMCaov, and slow implementations from
//! the definitions, with the values, the scripts that made them and the versions they used in
//! `fixtures/eval`.

use serde::Deserialize;

use crate::calibration::reliability::{CalibrationFigures, Estimate};
use crate::intervals::normal::{two_sided_p, two_sided_z};
use crate::readers::{ReaderDifference, compare_readings};
use crate::report::shortcut::Shortcut;
use crate::report::unit::{FrozenPoint, UnitFigures};
use crate::roc::curve_statistic::{CurveStatistic, index_of_threshold};
use crate::roc::curves::PrecisionRecallCurve;
use crate::roc::decision_curve::DecisionCurve;
use crate::roc::ranked::Roc;
use crate::tables::findings::Finding;
use crate::tables::grouping::Grouping;
use crate::tables::scores::tests::row;
use crate::tests::mammogram;
use crate::tests::{TwoClass, check, check_all, check_within, fixture, reference};
use crate::*;
use mammo_core::geometry::Rect;
use mammo_core::record::{Lesion, LesionKind, LesionShape, Pathology};

const PREVALENCE: f64 = 0.005;

#[derive(Deserialize)]
struct Statistics {
    two_class: Vec<Figures>,
    shortcut: Vec<ShortcutReference>,
    froc: FrocReference,
}

#[derive(Deserialize)]
struct Figures {
    average_precision: f64,
    precision_recall: Vec<(f64, f64, f64)>,
    partial_auc_standardised: f64,
    sensitivity_at_specificity: Vec<f64>,
    specificity_at_sensitivity: Vec<f64>,
    sensitivity_at_rate: Vec<f64>,
    logit_interval: (f64, f64),
    at_half: AtHalf,
    calibration: CalibrationReference,
    calibrators: CalibratorReference,
    net_benefit: Vec<(f64, f64, f64)>,
}

#[derive(Deserialize)]
struct AtHalf {
    ppv: f64,
    npv: f64,
    recall_rate: f64,
}

#[derive(Deserialize)]
struct CalibrationReference {
    observed: Vec<f64>,
    mean: Vec<f64>,
    counts: Vec<usize>,
    ece: f64,
    ece_by_chance_simulated: f64,
    reliability: f64,
    resolution: f64,
    uncertainty: f64,
    within_bins: f64,
    in_the_large: (f64, f64),
    intercept: (f64, f64),
    slope: (f64, f64),
    observed_over_expected: f64,
}

#[derive(Deserialize)]
struct CalibratorReference {
    at: Vec<f64>,
    platt: Vec<f64>,
    temperature: Vec<f64>,
    isotonic: Vec<f64>,
    prior_shift: Vec<f64>,
}

#[derive(Deserialize)]
struct ShortcutReference {
    within: f64,
    site_alone: f64,
    site_auc_benign: Vec<f64>,
}

#[derive(Deserialize)]
struct FrocReference {
    images: Vec<FrocImage>,
    points: Vec<(f64, f64)>,
    at: Vec<f64>,
    pointing_game: f64,
    mean_overlap: f64,
}

#[derive(Deserialize)]
struct FrocImage {
    patient: usize,
    lesions: Vec<[f64; 4]>,
    malignant: Vec<bool>,
    findings: Vec<[f64; 5]>,
}

#[derive(Deserialize)]
struct FromR {
    two_class: Vec<FiguresFromR>,
    van_dyke: Readings,
    van_dyke_with_model: Readings,
}

#[derive(Deserialize)]
struct FiguresFromR {
    auc: f64,
    delong_variance: f64,
    delong_low: f64,
    delong_high: f64,
    paired_p: f64,
    paired_interval: (f64, f64),
    partial_auc: f64,
    partial_auc_standardised: f64,
}

#[derive(Deserialize)]
struct Readings {
    malignant: Vec<bool>,
    first: Vec<Vec<f64>>,
    second: Vec<Vec<f64>>,
    random: DifferenceFromR,
    fixed: DifferenceFromR,
}

#[derive(Deserialize)]
struct DifferenceFromR {
    difference: f64,
    standard_error: f64,
    df: Option<f64>,
    low: f64,
    high: f64,
    p_value: f64,
}

fn statistics() -> Statistics {
    fixture("statistics.json", "the output of fixtures/eval/make_statistics.py")
}

fn from_r() -> FromR {
    fixture("statistics_r.json", "the output of fixtures/eval/make_statistics.R")
}

fn sample(case: &TwoClass) -> Sample {
    let ids: Vec<String> = case.patients.iter().map(|patient| format!("{patient:03}")).collect();
    let patients = Patients::from_ids(ids.iter().map(String::as_str));
    Sample { scores: case.first.clone(), malignant: case.malignant.clone(), patients }
}

fn quick() -> BootstrapConfig {
    BootstrapConfig { n_resamples: 100, ..Default::default() }
}

/// The cases with their reference values.
fn cases() -> impl Iterator<Item = (TwoClass, Figures)> {
    reference().two_class.into_iter().zip(statistics().two_class)
}

#[test]
fn curve_statistics_agree_with_scikit_learn() {
    for (case, expected) in cases() {
        let sample = sample(&case);
        let ranked = sample.ranked().unwrap();
        let point = OperatingPoint {
            threshold: 0.5,
            rule: OperatingRule::Fixed(0.5),
            sensitivity: 0.0,
            specificity: 0.0,
        };
        let frozen = [FrozenPoint { origin: Origin::ValidationScores, point }];
        let config = EvalConfig { prevalence: Some(PREVALENCE), bootstrap: quick(), ..Default::default() };
        let (unit, _) = UnitFigures::of(&sample, &ranked, &frozen, &[], &config).unwrap();
        let estimate = |measured: &Defined| measured.value().unwrap().estimate;
        check("average precision", estimate(&unit.average_precision), expected.average_precision);
        let partial = unit.partial_auc.value().unwrap();
        check("partial area", partial.standardised.estimate, expected.partial_auc_standardised);
        let mut roc = Roc::default();
        ranked.curve(&vec![1; sample.patients.n()], &mut roc).unwrap();
        let on_curve = |statistic: fn(f64) -> CurveStatistic| {
            config.fixed_at.iter().map(move |&at| statistic(at)).collect::<Vec<_>>()
        };
        for (what, statistics, found, expected) in [
            (
                "sensitivities",
                on_curve(CurveStatistic::SensitivityAt),
                &unit.sensitivity_at_specificity,
                &expected.sensitivity_at_specificity,
            ),
            (
                "specificities",
                on_curve(CurveStatistic::SpecificityAt),
                &unit.specificity_at_sensitivity,
                &expected.specificity_at_sensitivity,
            ),
        ] {
            check_all(what, statistics.iter().map(|statistic| statistic.of(&roc).unwrap()), expected);
            for ((statistic, found), expected) in statistics.iter().zip(found).zip(expected) {
                match statistic.check_patients(ranked.units_by_class()) {
                    Ok(()) => check(what, estimate(&found.value), *expected),
                    Err(reason) => assert_eq!(found.value.reason(), Some(&reason[..])),
                }
            }
        }
        let values = unit.operating_points[0].at_prevalence.as_ref().unwrap();
        check("PPV", estimate(&values.ppv), expected.at_half.ppv);
        check("NPV", estimate(&values.npv), expected.at_half.npv);
        check("recall rate", estimate(&values.recall_rate), expected.at_half.recall_rate);
        let delong = unit.delong.value().unwrap();
        let logit = delong.logit.value().unwrap();
        check("logit low", logit.low, expected.logit_interval.0);
        check("logit high", logit.high, expected.logit_interval.1);
    }
}

#[test]
fn curves_agree_with_scikit_learn() {
    for (case, expected) in cases() {
        let sample = sample(&case);
        let (ranked, mut roc) = (sample.ranked().unwrap(), Roc::default());
        ranked.curve(&vec![1; sample.patients.n()], &mut roc).unwrap();
        let at = [0.051, 0.333, 0.777].map(|rate| CurveStatistic::OnCurve(rate).of(&roc).unwrap());
        check_all("sensitivity at a rate", at, &expected.sensitivity_at_rate);
        check("average precision", roc.average_precision(), expected.average_precision);
        check("area", roc.auc(), case.reference.auc_first);
        let curve = PrecisionRecallCurve::of(&ranked, &roc);
        // Ours leaves out thresholds that only add false positives.
        let mut theirs = expected.precision_recall.clone();
        theirs.dedup_by(|next, before| next.1 == before.1);
        check_all("thresholds", curve.points.iter().map(|p| p.threshold), &column(&theirs, |p| p.0));
        check_all("recall", curve.points.iter().map(|p| p.recall), &column(&theirs, |p| p.1));
        check_all("precision", curve.points.iter().map(|p| p.precision), &column(&theirs, |p| p.2));
    }
}

fn column<T>(rows: &[T], of: impl Fn(&T) -> f64) -> Vec<f64> {
    rows.iter().map(of).collect()
}

#[test]
fn calibration_agrees_with_scikit_learn_and_statsmodels() {
    for (case, Figures { calibration: expected, .. }) in cases() {
        let found = CalibrationFigures::of(&sample(&case), 10, &quick()).unwrap();
        check_all("observed", found.bins.iter().map(|bin| bin.observed.estimate), &expected.observed);
        check_all("mean", found.bins.iter().map(|bin| bin.mean_probability), &expected.mean);
        assert_eq!(found.bins.iter().map(|bin| bin.observed.n).collect::<Vec<_>>(), expected.counts);
        check("ECE", found.ece, expected.ece);
        check("reliability", found.brier_parts.reliability, expected.reliability);
        check("resolution", found.brier_parts.resolution, expected.resolution);
        check("uncertainty", found.brier_parts.uncertainty, expected.uncertainty);
        check("within bins", found.brier_parts.within_bins, expected.within_bins);
        let ratio = *found.observed_over_expected.value().unwrap();
        check("observed over expected", ratio, expected.observed_over_expected);
        // The normal approximation against 20,000 simulated sets of labels.
        let chance = found.ece_by_chance / expected.ece_by_chance_simulated;
        assert!((0.95..1.08).contains(&chance), "ECE by chance is {chance} of the simulated one");
        for (what, found, (estimate, standard_error)) in [
            ("in the large", &found.in_the_large, expected.in_the_large),
            ("intercept", &found.intercept, expected.intercept),
            ("slope", &found.slope, expected.slope),
        ] {
            let Estimate { estimate: ours, standard_error: error, .. } = *found.value().unwrap();
            check_within(1e-9, what, ours, estimate);
            check_within(1e-9, what, error, standard_error);
        }
    }
}

#[test]
fn calibrators_agree_with_scikit_learn_and_scipy() {
    for (case, Figures { calibrators: expected, .. }) in cases() {
        let sample = sample(&case);
        let calibrators = [
            ("Platt", Calibrator::platt(&sample), expected.platt, 1e-7),
            ("temperature", Calibrator::temperature(&sample), expected.temperature, 1e-6),
            ("isotonic", Calibrator::isotonic(&sample), expected.isotonic, 1e-12),
            ("prior shift", Calibrator::prior_shift(0.5, PREVALENCE), expected.prior_shift, 1e-12),
        ];
        for (what, calibrator, theirs, tolerance) in calibrators {
            let calibrator = calibrator.unwrap();
            for (&at, theirs) in expected.at.iter().zip(theirs) {
                check_within(tolerance, what, calibrator.apply(at), theirs);
            }
        }
    }
}

#[test]
fn net_benefit_agrees_with_dcurves() {
    for (case, expected) in cases() {
        let sample = sample(&case);
        let ranked = sample.ranked().unwrap();
        let further = crate::roc::decision_curve::statistics(&ranked, None);
        let config = EvalConfig { bootstrap: quick(), ..Default::default() };
        let (_, figures) = UnitFigures::of(&sample, &ranked, &[], &further, &config).unwrap();
        let curve = DecisionCurve::of(&sample, &ranked, &figures, None);
        for (threshold, benefit, recall_all) in expected.net_benefit {
            let points = &curve.value().unwrap().points;
            let point = points.iter().find(|point| (point.threshold - threshold).abs() < 1e-12).unwrap();
            check("net benefit", point.net_benefit, benefit);
            check("net benefit of all", point.recall_all, recall_all);
            assert_eq!(
                index_of_threshold(&ranked, threshold),
                ranked.thresholds().iter().filter(|&&s| s >= threshold).count()
            );
        }
    }
}

#[test]
fn areas_and_tests_agree_with_proc() {
    for (case, expected) in reference().two_class.into_iter().zip(from_r().two_class) {
        let alone: Vec<u32> = (0..case.first.len() as u32).collect();
        let found = delong_auc(&case.first, &case.malignant, &alone, 0.95).unwrap();
        check("area", found.auc, expected.auc);
        check("variance", found.standard_error.powi(2), expected.delong_variance);
        check("low", found.low, expected.delong_low);
        check("high", found.high, expected.delong_high);
        // pROC compares with the normal distribution; the same difference and standard error give both.
        let paired = delong_difference(&case.first, &case.second, &case.malignant, &alone, 0.95).unwrap();
        let AucDifference { difference, standard_error, .. } = paired;
        check("p-value", two_sided_p(difference / standard_error), expected.paired_p);
        let half_width = two_sided_z(0.95) * standard_error;
        check("low of the difference", difference - half_width, expected.paired_interval.0);
        check("high of the difference", difference + half_width, expected.paired_interval.1);
        assert!(paired.p_value >= expected.paired_p && paired.p_value < 1.25 * expected.paired_p + 0.02);
        let (sample, mut roc) = (sample(&case), Roc::default());
        sample.ranked().unwrap().curve(&vec![1; sample.patients.n()], &mut roc).unwrap();
        check("partial area", roc.partial_auc(0.8), expected.partial_auc);
        let standardised = 0.5 * (1.0 + (roc.partial_auc(0.8) - 0.02) / (0.2 - 0.02));
        check("standardised", standardised, expected.partial_auc_standardised);
    }
}

#[test]
fn several_readers_agree_with_mrmcaov_on_the_data_of_van_dyke() {
    let FromR { van_dyke, van_dyke_with_model, .. } = from_r();
    for readings in [van_dyke, van_dyke_with_model] {
        let alone: Vec<u32> = (0..readings.malignant.len() as u32).collect();
        let slices = |lists: &[Vec<f64>]| lists.iter().map(|list| list.to_vec()).collect::<Vec<_>>();
        let (first, second) = (slices(&readings.first), slices(&readings.second));
        let first: Vec<&[f64]> = first.iter().map(Vec::as_slice).collect();
        let second: Vec<&[f64]> = second.iter().map(Vec::as_slice).collect();
        // Ours is the second minus the first, theirs the first minus the second.
        let found = compare_readings(&second, &first, &readings.malignant, &alone, 0.95).unwrap();
        check_difference(found.random_readers.value().unwrap(), &readings.random);
        check_difference(found.fixed_readers.value().unwrap(), &readings.fixed);
    }
}

#[track_caller]
fn check_difference(ours: &ReaderDifference, theirs: &DifferenceFromR) {
    check("difference", ours.difference, theirs.difference);
    check("standard error", ours.standard_error, theirs.standard_error);
    if let Some(df) = theirs.df {
        check_within(1e-9, "degrees of freedom", ours.degrees_of_freedom.unwrap(), df);
    }
    check_within(1e-9, "low", ours.low, theirs.low);
    check_within(1e-9, "high", ours.high, theirs.high);
    check_within(1e-9, "p-value", ours.p_value, theirs.p_value);
}

#[test]
fn shortcut_areas_agree_with_all_pairs() {
    for (case, expected) in reference().two_class.into_iter().zip(statistics().shortcut) {
        let images: Vec<Case> = (0..case.first.len())
            .map(|i| Case {
                patient_id: format!("{:03}", case.patients[i]),
                laterality: None,
                malignant: case.malignant[i],
                score: case.first[i],
                n_images: 1,
            })
            .collect();
        let grouping = Grouping {
            column: "site".into(),
            values: case.patients.iter().map(|patient| Some((patient % 3).to_string())).collect(),
            order: ["0", "1", "2"].map(String::from).to_vec(),
            without_lesion: vec![false; images.len()],
        };
        let found = Shortcut::of(&grouping, &images, &quick()).unwrap();
        check("within", found.within_auc.value().unwrap().estimate, expected.within);
        check("site alone", *found.site_alone_auc.value().unwrap(), expected.site_alone);
        let of_sites = found.sites.iter().map(|site| site.site_auc_benign.value().unwrap().estimate);
        check_all("site among benign", of_sites, &expected.site_auc_benign);
    }
}

#[test]
fn localisation_agrees_with_a_search_over_all_thresholds() {
    let expected = statistics().froc;
    let (mut rows, mut records, mut findings) = (vec![], vec![], vec![]);
    for (number, image) in expected.images.iter().enumerate() {
        let (file, patient) = (format!("{number:02}"), format!("p{}", image.patient));
        rows.push(row(&file, &patient, Pathology::Benign, 0.5));
        let mut record = mammogram(&file, &patient, Pathology::Benign);
        for (&[x, y, width, height], &malignant) in image.lesions.iter().zip(&image.malignant) {
            let pathology = if malignant { Pathology::Malignant } else { Pathology::Benign };
            let shape = LesionShape::Box(Rect::new(x, y, width, height));
            record.lesions.push(Lesion { kind: LesionKind::Mass, pathology, shape });
        }
        records.push(record);
        findings.extend(image.findings.iter().map(|&[x, y, width, height, probability]| Finding {
            file: file.clone(),
            bounds: Rect::new(x, y, width, height),
            probability,
        }));
    }
    let config = EvalConfig { bootstrap: quick(), ..Default::default() };
    let found = crate::localisation::froc::Localisation::of(&rows, &records, &findings, &config).unwrap();
    let curve = found.froc.value().unwrap();
    check_all("sensitivity at a rate", curve.at.iter().map(|at| at.estimate), &expected.at);
    // Ours keeps corners alone: each of them is among the thresholds tried.
    for point in &curve.points {
        let same = |&&(rate, sensitivity): &&(f64, f64)| {
            (rate - point.false_positives_per_image).abs() < 1e-12
                && (sensitivity - point.sensitivity).abs() < 1e-12
        };
        assert!(expected.points.iter().any(|theirs| same(&theirs)), "{point:?}");
    }
    let last = curve.points.last().unwrap();
    let theirs = expected.points.last().unwrap();
    check_all("end", [last.false_positives_per_image, last.sensitivity], &[theirs.0, theirs.1]);
    check("pointing game", found.pointing_game.value().unwrap().estimate, expected.pointing_game);
    check("mean overlap", found.mean_overlap.value().unwrap().estimate, expected.mean_overlap);
}
