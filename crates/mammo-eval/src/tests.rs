//! Against scikit-learn, statsmodels and a numpy implementation by matrices, with the values,
//! the script that made them and the versions it used in `fixtures/eval`.

use mammo_core::record::{Laterality, Mammogram, Pathology, View};
use serde::Deserialize;

use crate::*;

/// A left CC image of one patient, 100 x 80 pixels, without lesions.
pub(crate) fn mammogram(file: &str, patient_id: &str, pathology: Pathology) -> Mammogram {
    Mammogram {
        pathology,
        width_px: 100,
        height_px: 80,
        ..Mammogram::new(file, patient_id, Laterality::Left, View::Cc)
    }
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) two_class: Vec<TwoClass>,
    several_class: Vec<SeveralClass>,
    wilson: Vec<Wilson>,
}

#[derive(Deserialize)]
pub(crate) struct TwoClass {
    pub(crate) first: Vec<f64>,
    pub(crate) second: Vec<f64>,
    pub(crate) malignant: Vec<bool>,
    weights: Vec<f64>,
    pub(crate) patients: Vec<u32>,
    pub(crate) reference: TwoClassReference,
}

#[derive(Deserialize)]
pub(crate) struct TwoClassReference {
    pub(crate) auc_first: f64,
    auc_second: f64,
    auc_weighted: f64,
    brier: f64,
    log_loss: f64,
    curve_thresholds: Vec<f64>,
    curve_sensitivity: Vec<f64>,
    curve_specificity: Vec<f64>,
    delong: StandardErrors,
    clustered: StandardErrors,
}

#[derive(Deserialize)]
struct StandardErrors {
    standard_error_first: f64,
    standard_error_second: f64,
    difference: f64,
    standard_error_difference: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct SeveralClass {
    n_classes: usize,
    truth: Vec<usize>,
    probabilities: Vec<f64>,
    reference: SeveralClassReference,
}

#[derive(Deserialize)]
struct SeveralClassReference {
    confusion: Vec<Vec<usize>>,
    accuracy: f64,
    balanced_accuracy: f64,
    recall: Vec<f64>,
    precision: Vec<f64>,
    auc: Vec<f64>,
    macro_auc: f64,
}

#[derive(Deserialize)]
struct Wilson {
    successes: usize,
    n: usize,
    level: f64,
    low: f64,
    high: f64,
}

pub(crate) fn reference() -> Reference {
    fixture("reference.json", "the output of fixtures/eval/make_reference.py")
}

/// A file of `fixtures/eval`.
pub(crate) fn fixture<T: serde::de::DeserializeOwned>(name: &str, expected: &str) -> T {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/eval");
    mammo_core::write::read_json(&std::path::Path::new(folder).join(name), expected).unwrap()
}

/// Equal up to the rounding of differently ordered sums.
#[track_caller]
pub(crate) fn check(what: &str, ours: f64, theirs: f64) {
    check_within(1e-12, what, ours, theirs);
}

/// Equal up to a tolerance, absolute below 1 and relative above.
#[track_caller]
pub(crate) fn check_within(tolerance: f64, what: &str, ours: f64, theirs: f64) {
    let allowed = tolerance * (1.0 + 10.0 * theirs.abs());
    // Seen with --no-capture: the differences that docs/evaluation.md lists.
    println!("off by {:e}: {what}", (ours - theirs).abs());
    assert!((ours - theirs).abs() <= allowed, "{what}: {ours} here, {theirs} there");
}

#[track_caller]
pub(crate) fn check_all(what: &str, ours: impl IntoIterator<Item = f64>, theirs: &[f64]) {
    let ours: Vec<f64> = ours.into_iter().collect();
    assert_eq!(ours.len(), theirs.len(), "{what}");
    ours.iter().zip(theirs).for_each(|(&ours, &theirs)| check(what, ours, theirs));
}

#[test]
fn areas_and_losses_agree_with_scikit_learn() {
    for TwoClass { first, second, malignant, weights, reference, .. } in reference().two_class {
        check("first area", roc_auc(&first, &malignant).unwrap(), reference.auc_first);
        check("second area", roc_auc(&second, &malignant).unwrap(), reference.auc_second);
        let weighted = roc_auc_weighted(&first, &malignant, &weights).unwrap();
        check("weighted area", weighted, reference.auc_weighted);
        check("Brier score", brier_score(&first, &malignant).unwrap(), reference.brier);
        check("log loss", log_loss(&first, &malignant).unwrap(), reference.log_loss);
    }
}

#[test]
fn the_curve_agrees_with_scikit_learn() {
    for TwoClass { first, malignant, reference, .. } in reference().two_class {
        let curve = roc_curve(&first, &malignant).unwrap();
        let observed = &curve[1..];
        check_all("thresholds", observed.iter().map(|p| p.threshold), &reference.curve_thresholds);
        check_all("sensitivity", observed.iter().map(|p| p.sensitivity), &reference.curve_sensitivity);
        check_all("specificity", observed.iter().map(|p| p.specificity), &reference.curve_specificity);
    }
}

#[test]
fn standard_errors_agree_with_the_definition_by_matrices() {
    for case in reference().two_class {
        let each_alone: Vec<u32> = (0..case.first.len() as u32).collect();
        for (patients, expected) in
            [(&each_alone, &case.reference.delong), (&case.patients, &case.reference.clustered)]
        {
            let alone = |scores: &[f64]| delong_auc(scores, &case.malignant, patients, 0.95).unwrap();
            check("first error", alone(&case.first).standard_error, expected.standard_error_first);
            check("second error", alone(&case.second).standard_error, expected.standard_error_second);
            let test = delong_difference(&case.first, &case.second, &case.malignant, patients, 0.95).unwrap();
            check("difference", test.difference, expected.difference);
            check("error of the difference", test.standard_error, expected.standard_error_difference);
            let normal = crate::intervals::normal::two_sided_p(test.difference / test.standard_error);
            check("normal p-value", normal, expected.p_value);
        }
    }
}

#[test]
fn bootstrap_and_closed_form_agree_on_the_spread() {
    for case in reference().two_class {
        let patients: Vec<String> = case.patients.iter().map(u32::to_string).collect();
        let patients = Patients::from_ids(patients.iter().map(String::as_str));
        let ranked = RankedScores::new(&case.first, &case.malignant, patients.of_case()).unwrap();
        let auc = |times: &[u8]| Ok([ranked.auc(|patient| f64::from(times[patient as usize]))?]);
        let scale = Scale::Open { n_patients: 1_000_000 };
        let [interval] = bootstrap(patients.n(), &BootstrapConfig::default(), [scale], auc).unwrap();
        let closed = delong_auc(&case.first, &case.malignant, patients.of_case(), 0.95).unwrap();
        let ratio = (interval.high - interval.low) / (2.0 * 1.96 * closed.standard_error);
        assert!((0.8..1.2).contains(&ratio), "the bootstrap interval is {ratio} times as wide");
    }
}

#[test]
fn several_classes_agree_with_scikit_learn() {
    for SeveralClass { n_classes, truth, probabilities, reference } in reference().several_class {
        let names = ["a", "b", "c", "d", "e"];
        let evaluation = evaluate_patches(&names[..n_classes], &truth, &probabilities).unwrap();
        assert_eq!(evaluation.confusion.counts, reference.confusion);
        check("accuracy", evaluation.accuracy, reference.accuracy);
        check("balanced accuracy", evaluation.balanced_accuracy, reference.balanced_accuracy);
        let per_class = evaluation.confusion.per_class();
        check_all("recall", per_class.iter().filter_map(|c| c.recall), &reference.recall);
        check_all("precision", per_class.iter().filter_map(|c| c.precision), &reference.precision);
        check_all("areas", evaluation.one_versus_rest.per_class.into_iter().flatten(), &reference.auc);
        check("macro area", evaluation.one_versus_rest.macro_auc, reference.macro_auc);
    }
}

#[test]
fn wilson_intervals_agree_with_statsmodels() {
    for Wilson { successes, n, level, low, high } in reference().wilson {
        let ours = Proportion::wilson(successes, n, level).unwrap();
        check("low", ours.low, low);
        check("high", ours.high, high);
    }
}
