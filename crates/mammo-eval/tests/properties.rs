//! Laws of the area under the ROC curve, of its interval, and of score tables, over random inputs.
//!
//! A failing input is kept as a seed in `proptest-regressions/`, which is committed: every later run tries it first.
#![allow(clippy::unwrap_used, missing_docs)]

use mammo_core::record::{Laterality, Pathology, View};
use mammo_eval::{
    BootstrapConfig, Domain, Line, Patients, Sample, ScoreRow, read_scores, roc_auc, roc_auc_weighted,
    roc_curve, score_table,
};
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

/// Scores and truths with both classes, with ties more often than chance would have them.
fn cases(most: usize) -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    let score = prop_oneof![(-20..20_i32).prop_map(|n| f64::from(n) / 4.0), -5.0..5.0_f64];
    vec((score, any::<bool>()), 4..most).prop_map(|drawn| {
        let (scores, mut malignant): (Vec<f64>, Vec<bool>) = drawn.into_iter().unzip();
        (malignant[0], malignant[1]) = (true, true);
        (malignant[2], malignant[3]) = (false, false);
        (scores, malignant)
    })
}

/// The share of pairs of a malignant and a benign case that are in the right order, half for a tie.
fn by_pairs(scores: &[f64], malignant: &[bool]) -> f64 {
    let of = |class: bool| {
        scores.iter().zip(malignant).filter(move |(_, m)| **m == class).map(|(score, _)| *score)
    };
    let (mut right, mut pairs) = (0.0, 0.0);
    for cancer in of(true) {
        for benign in of(false) {
            pairs += 1.0;
            right += if cancer > benign {
                1.0
            } else if cancer == benign {
                0.5
            } else {
                0.0
            };
        }
    }
    right / pairs
}

fn row() -> impl Strategy<Value = ScoreRow> {
    let words = || "[a-zA-Z0-9_,;\"' /äß→-]{1,12}".prop_map(|word| word.trim().to_string());
    let name = || words().prop_map(|word| format!("n{word}"));
    let laterality = prop::option::of(prop_oneof![Just(Laterality::Left), Just(Laterality::Right)]);
    let view = prop::option::of(prop_oneof![Just(View::Cc), Just(View::Mlo)]);
    let label = prop_oneof![Just(Pathology::Benign), Just(Pathology::Malignant), Just(Pathology::Unknown)];
    let scores = (0.0..=1.0_f64, prop::option::of(0.0..=1.0_f64), 0.0..1e4_f64);
    ((name(), name(), laterality, view, label), (words(), words(), words()), scores).prop_map(
        |((file, patient_id, laterality, view, label), (model, preprocessing, tta), scores)| {
            let (probability, calibrated, seconds) = scores;
            ScoreRow {
                file,
                patient_id,
                laterality,
                view,
                label,
                probability,
                calibrated,
                model,
                preprocessing,
                tta,
                seconds,
            }
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_area_is_the_count_of_ordered_pairs((scores, malignant) in cases(60)) {
        let area = roc_auc(&scores, &malignant).unwrap();
        prop_assert!((area - by_pairs(&scores, &malignant)).abs() < 1e-12, "{area}");
    }

    #[test]
    fn any_strictly_increasing_map_keeps_the_area_and_the_curve(
        (scores, malignant) in cases(60), factor in 0.1..9.0_f64, offset in -9.0..9.0_f64,
    ) {
        let area = roc_auc(&scores, &malignant).unwrap();
        let points = |scores: &[f64]| -> Vec<(f64, f64)> {
            let curve = roc_curve(scores, &malignant).unwrap();
            curve.iter().map(|point| (1.0 - point.specificity, point.sensitivity)).collect()
        };
        // Rounding may merge neighbours, so each map goes to the ranks of its own values.
        let maps: [fn(f64) -> f64; 3] = [|x| x, f64::exp, |x| x.powi(3)];
        for map in maps {
            let mapped: Vec<f64> = scores.iter().map(|score| factor * map(*score) + offset).collect();
            let still_distinct = scores.iter().enumerate().all(|(i, a)| {
                scores[..i].iter().zip(&mapped).all(|(b, mapped_b)| a.total_cmp(b) == mapped[i].total_cmp(mapped_b))
            });
            prop_assume!(still_distinct);
            prop_assert_eq!(roc_auc(&mapped, &malignant).unwrap(), area);
            prop_assert_eq!(points(&mapped), points(&scores));
        }
    }

    #[test]
    fn negated_scores_have_the_rest_of_the_area((scores, malignant) in cases(60)) {
        let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
        let sum = roc_auc(&scores, &malignant).unwrap() + roc_auc(&negated, &malignant).unwrap();
        prop_assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        let swapped: Vec<bool> = malignant.iter().map(|malignant| !malignant).collect();
        let sum = roc_auc(&scores, &malignant).unwrap() + roc_auc(&scores, &swapped).unwrap();
        prop_assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn a_case_of_weight_two_counts_as_two_cases((scores, malignant) in cases(40), twice in vec(any::<bool>(), 40)) {
        let weights: Vec<f64> = scores.iter().zip(&twice).map(|(_, twice)| 1.0 + f64::from(u8::from(*twice))).collect();
        let (mut more_scores, mut more_malignant) = (scores.clone(), malignant.clone());
        for case in (0..scores.len()).filter(|case| twice[*case]) {
            more_scores.push(scores[case]);
            more_malignant.push(malignant[case]);
        }
        let weighted = roc_auc_weighted(&scores, &malignant, &weights).unwrap();
        prop_assert!((weighted - roc_auc(&more_scores, &more_malignant).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn the_curve_rises_from_nothing_to_everything((scores, malignant) in cases(60)) {
        let curve = roc_curve(&scores, &malignant).unwrap();
        let at = |index: usize| (1.0 - curve[index].specificity, curve[index].sensitivity);
        prop_assert_eq!(at(0), (0.0, 0.0));
        prop_assert_eq!(at(curve.len() - 1), (1.0, 1.0));
        for index in 1..curve.len() {
            prop_assert!(at(index).0 >= at(index - 1).0 && at(index).1 >= at(index - 1).1);
            prop_assert!(curve[index].threshold < curve[index - 1].threshold);
        }
    }

    #[test]
    fn an_interval_holds_its_estimate_and_a_wider_level_holds_the_narrower(
        (scores, malignant) in cases(40), seed in any::<u64>(), per_patient in 1..3_usize,
    ) {
        let ids: Vec<String> = (0..scores.len()).map(|case| format!("p{}", case / per_patient)).collect();
        let patients = Patients::from_ids(ids.iter().map(String::as_str));
        let sample = Sample { scores, malignant, patients };
        let interval = |level: f64| sample.auc(&BootstrapConfig { n_resamples: 100, level, seed });
        // So few patients may leave an interval undefined; that is an error, not a number.
        let (narrow, wide) = (interval(0.8), interval(0.95));
        prop_assume!(narrow.is_ok());
        let (narrow, wide) = (narrow.unwrap(), wide.unwrap());
        for interval in [&narrow, &wide] {
            let (low, estimate, high) = (interval.low, interval.estimate, interval.high);
            prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high), "{interval:?}");
            prop_assert!(low <= estimate && estimate <= high, "{interval:?}");
        }
        prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high, "{narrow:?} {wide:?}");
        prop_assert_eq!(interval(0.8).unwrap(), narrow, "the seed alone decides");
    }

    #[test]
    fn a_score_table_is_read_as_it_was_written(rows in vec(row(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let scored = rows.iter().map(|row| Line::scored(row, Domain::Inside, String::new()));
        std::fs::write(&path, score_table(scored).unwrap()).unwrap();
        prop_assert_eq!(read_scores(&path).unwrap(), rows);
    }
}
