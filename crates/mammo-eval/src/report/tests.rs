use super::*;
use crate::Error;
use crate::tables::scores::tests::row;
use crate::{BootstrapConfig, FigureTable, OperatingRule, by_breast};
use mammo_core::record::Laterality;
use mammo_core::record::Pathology::{Benign, Malignant, Unknown};

/// Twelve patients with two images each; every third has a cancer, in the left breast only.
fn rows() -> Vec<ScoreRow> {
    let patients = (0..12).flat_map(|w| {
        let (left, probability) = if w % 3 == 0 { (Malignant, 0.6) } else { (Benign, 0.3) };
        let jitter = f64::from(w * 7 % 12) / 30.0;
        let right = row(&format!("{w}-r"), &format!("w{w}"), Benign, 0.2 + jitter);
        [
            row(&format!("{w}-l"), &format!("w{w}"), left, probability + jitter),
            ScoreRow { laterality: Some(Laterality::Right), ..right },
        ]
    });
    patients.chain([row("extra", "w0", Unknown, 0.5)]).collect()
}

fn quick() -> EvalConfig {
    let bootstrap = BootstrapConfig { n_resamples: 200, ..Default::default() };
    EvalConfig { bootstrap, ..Default::default() }
}

fn evaluate(rows: Vec<ScoreRow>, inputs: &EvalInputs) -> Result<Evaluation> {
    evaluate_scores(&rows.into(), inputs, &quick())
}

#[test]
fn units_are_counted_and_rows_without_label_left_out() {
    let evaluation = evaluate(rows(), &EvalInputs::default()).unwrap();
    let counts = |unit: &UnitFigures| (unit.n, unit.n_malignant);
    assert_eq!(evaluation.n_unlabelled, 1);
    assert_eq!(counts(&evaluation.images), (24, 4));
    assert_eq!(counts(evaluation.breasts.as_ref().unwrap()), (24, 4));
    assert_eq!(counts(&evaluation.patients), (12, 4));
    let auc = evaluation.images.auc.value().unwrap();
    assert!(auc.low <= auc.estimate && auc.estimate <= auc.high && auc.low < auc.high);
    let sides = evaluation.subgroups.iter().find(|groups| groups.column == "laterality").unwrap();
    assert!(sides.groups[1].auc.reason().unwrap().contains("no malignant"), "{sides:?}");
}

#[test]
fn images_of_unknown_side_are_in_no_breast_and_counted() {
    let mut some = rows();
    let known = evaluate(some.clone(), &EvalInputs::default()).unwrap();
    assert_eq!(known.n_without_side, 0);
    some.iter_mut()
        .filter(|row| row.file.starts_with("1-") || row.file == "0-l")
        .for_each(|row| row.laterality = None);
    let evaluation = evaluate(some, &EvalInputs::default()).unwrap();
    assert_eq!((evaluation.n_without_side, evaluation.images.n), (3, 24));
    assert_eq!(evaluation.breasts.as_ref().map(|breasts| (breasts.n, breasts.n_malignant)), Some((21, 3)));
    assert_eq!((evaluation.patients.n, evaluation.patients.n_malignant), (12, 4));
    assert!(evaluation.to_markdown().contains("n_images_side_unknown"));
    assert!(!known.to_markdown().contains("n_images_side_unknown"));
}

#[test]
fn the_order_of_rows_does_not_show() {
    let reversed: Vec<ScoreRow> = rows().into_iter().rev().collect();
    let there = evaluate(rows(), &EvalInputs::default()).unwrap();
    let back = evaluate(reversed, &EvalInputs::default()).unwrap();
    assert_eq!((there.images, there.breasts, there.patients), (back.images, back.breasts, back.patients));
}

#[test]
fn json_csv_and_table_tell_the_same() {
    let validation = ScoreTable::from(rows());
    let others = [("other".to_string(), rows())];
    let inputs = EvalInputs { validation: Some(&validation), others: &others, ..Default::default() };
    let config = EvalConfig { prevalence: Some(0.01), ..quick() };
    let evaluation = evaluate_scores(&rows().into(), &inputs, &config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    evaluation.write(folder.path(), "test").unwrap();
    let stored: Evaluation =
        mammo_core::write::read_json(&folder.path().join("test.json"), "an evaluation").unwrap();
    assert_eq!(stored, evaluation);
    let csv = std::fs::read_to_string(folder.path().join("test.csv")).unwrap();
    let table = evaluation.to_markdown();
    for (figure, line) in evaluation.figures().iter().zip(csv.lines().skip(1)) {
        let value = figure.value.map(|value| value.to_string()).unwrap_or_default();
        assert!(line.starts_with(&format!("{},{value},", figure.name)), "{line}");
        assert!(table.contains(&format!("| {} ", figure.name)), "{table}");
    }
    assert_eq!(csv.lines().count(), evaluation.figures().len() + 1);
    assert!(table.contains("95 % interval") && table.contains("few of a class"), "{table}");
    for shown in ["breast_threshold", "patient_specificity", "net_benefit_at_0.05", "net_benefit_at_0.3"] {
        assert!(table.contains(&format!("| {shown} ")), "{shown}: {table}");
    }
}

#[test]
fn what_was_chosen_on_validation_scores_is_applied_unchanged() {
    let validation = ScoreTable::from(rows());
    let shifted: Vec<ScoreRow> =
        rows().into_iter().map(|row| ScoreRow { probability: 0.5 * row.probability, ..row }).collect();
    let inputs = EvalInputs { validation: Some(&validation), ..Default::default() };
    let evaluation = evaluate(shifted, &inputs).unwrap();
    let frozen = &evaluation.images.operating_points;
    let of_validation = evaluate(rows(), &inputs).unwrap().images.operating_points;
    let points = |figures: &[crate::report::unit::OperatingFigures]| {
        figures.iter().map(|figures| figures.point).collect::<Vec<_>>()
    };
    assert_eq!(points(frozen), points(&of_validation));
    assert_eq!(frozen.len(), 3);
    assert!(frozen[1].result.true_positives < of_validation[1].result.true_positives);
    assert!(matches!(evaluation.poolings[2].pooling, Pooling::Learned { .. }), "{:?}", evaluation.poolings);
}

#[test]
fn the_models_own_calibration_is_judged_by_its_column_or_by_its_map() {
    let map = Calibrator::Platt { intercept: -1.0, slope: 0.5 };
    let inputs = EvalInputs { calibrator: Some(&map), ..Default::default() };
    let brier = |rows: Vec<ScoreRow>| {
        let evaluation = evaluate(rows, &inputs).unwrap();
        let [first] = &evaluation.recalibrated[..] else { panic!("{:?}", evaluation.recalibrated) };
        first.clone().map(|r| (r.origin, r.figures.brier.value().unwrap().estimate))
    };
    let mapped = |row: ScoreRow| ScoreRow { calibrated: Some(map.apply(row.probability)), ..row };
    let by_map = brier(rows());
    assert_eq!(by_map.value().unwrap().0, Origin::ModelFile);
    assert_eq!(brier(rows().into_iter().map(mapped).collect()), by_map);
    // By hand: the mean squared distance of the column from the truth.
    let rows_with = |p: f64, tta: &str| -> Vec<ScoreRow> {
        let tta = tta.to_string();
        let column = |row| ScoreRow { calibrated: Some(p), tta: tta.clone(), ..row };
        rows().into_iter().map(column).collect()
    };
    let expected = (4.0 * 0.75f64.powi(2) + 20.0 * 0.25f64.powi(2)) / 24.0;
    let found = brier(rows_with(0.25, "flips"));
    assert!((found.value().unwrap().1 - expected).abs() < 1e-12, "{found:?}");
    let averaged = rows().into_iter().map(|row| ScoreRow { tta: "flips".into(), ..row }).collect();
    assert!(brier(averaged).reason().unwrap().contains("single images"));
}

#[test]
fn one_class_leaves_the_area_undefined_and_the_rest_intact() {
    let healthy: Vec<ScoreRow> = rows().into_iter().filter(|r| r.label == Benign).collect();
    let point = OperatingPoint {
        threshold: 0.5,
        rule: OperatingRule::Fixed(0.5),
        sensitivity: 1.0,
        specificity: 1.0,
    };
    let inputs = EvalInputs { operating_point: Some(&point), ..Default::default() };
    let evaluation = evaluate(healthy, &inputs).unwrap();
    assert!(evaluation.images.auc.reason().unwrap().contains("no malignant"));
    assert!(evaluation.images.operating_points[0].result.specificity.is_some());
    assert!(evaluation.to_markdown().contains("undefined: no malignant cases"));
    let text = serde_json::to_string(&evaluation).unwrap();
    assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
    assert!(!text.contains("null,null"), "{text}");
}

#[test]
fn scores_on_another_scale_have_areas_and_no_calibration() {
    let logits =
        rows().into_iter().map(|row| ScoreRow { probability: 9.0 * row.probability, ..row }).collect();
    let evaluation = evaluate(logits, &EvalInputs::default()).unwrap();
    let same = evaluate(rows(), &EvalInputs::default()).unwrap();
    assert_eq!(evaluation.images.auc, same.images.auc);
    for reason in [evaluation.calibration.reason(), evaluation.decision_curve.reason()] {
        assert!(reason.unwrap().contains("not probabilities"));
    }
    assert!(evaluation.to_markdown().contains("| net_benefit "));
}

#[test]
fn without_sides_there_are_images_and_patients() {
    let rows = rows().into_iter().map(|row| ScoreRow { laterality: None, view: None, ..row }).collect();
    let evaluation = evaluate(rows, &EvalInputs::default()).unwrap();
    assert_eq!((evaluation.breasts, evaluation.poolings.len()), (None, 0));
    assert_eq!(evaluation.patients.n, 12);
}

#[test]
fn a_table_that_cannot_be_meant_is_an_error() {
    let mut twice = rows();
    twice.push(twice[0].clone());
    let error = evaluate(twice, &EvalInputs::default()).unwrap_err().to_string();
    assert!(error.starts_with("0-l: scored twice"), "{error}");
    let mut broken = rows();
    broken[3].probability = f64::NAN;
    assert!(matches!(evaluate(broken, &EvalInputs::default()), Err(Error::Table { .. })));
    let error = evaluate(vec![row("a", "p", Unknown, 0.5)], &EvalInputs::default()).unwrap_err();
    assert!(matches!(error, Error::Undefined { .. }), "{error}");
    let setting = EvalConfig { prevalence: Some(5.0), ..quick() };
    let error = evaluate_scores(&rows().into(), &EvalInputs::default(), &setting).unwrap_err();
    assert!(error.to_string().starts_with("prevalence: 5"), "{error}");
}

/// The rows of [`rows`] pooled into breasts by their mean, as a table of breasts.
fn breasts_of(rows: &[ScoreRow]) -> ScoreTable {
    let cases: Vec<Case> = rows.iter().filter_map(Case::of_image).collect();
    let breast = |case: Case| {
        let label = if case.malignant { Malignant } else { Benign };
        let file = format!("{}-{:?}", case.patient_id, case.laterality);
        ScoreRow {
            laterality: case.laterality,
            view: None,
            ..row(&file, &case.patient_id, label, case.score)
        }
    };
    let rows = by_breast(&cases, Pooling::Mean).unwrap().into_iter().map(breast).collect();
    ScoreTable { unit: Unit::Breast, rows, ..ScoreTable::default() }
}

#[test]
fn a_table_of_breasts_has_the_figures_of_its_images_pooled_per_breast() {
    let mlo = |row: ScoreRow| ScoreRow {
        file: format!("{}-mlo", row.file),
        view: Some(mammo_core::record::View::Mlo),
        probability: (row.probability * 7.0) % 1.0,
        ..row
    };
    let images: Vec<ScoreRow> = rows().into_iter().flat_map(|row| [row.clone(), mlo(row)]).collect();
    let of_images = evaluate(images.clone(), &EvalInputs::default()).unwrap();
    let mut table = breasts_of(&images);
    let of_breasts = evaluate_scores(&table, &EvalInputs::default(), &quick()).unwrap();
    let expected = of_images.breasts.as_ref().unwrap();
    assert_eq!((&of_breasts.images.auc, of_breasts.images.n), (&expected.auc, expected.n));
    assert_eq!(of_breasts.patients.auc, of_images.patients.auc);
    assert_eq!((of_breasts.unit, &of_breasts.breasts), (Unit::Breast, &None));
    let text = of_breasts.to_markdown();
    assert!(
        text.contains("| auc_breast ") && text.contains("| n_breasts ") && text.contains("| auc_patient ")
    );
    assert!(!text.contains("auc_image") && !text.contains("n_images "), "{text}");
    // An image of unknown side is in no breast and counts for its patient.
    let own = ScoreRow { laterality: None, ..row("x", &table.rows[0].patient_id, Malignant, 1.0) };
    table.rows.push(own);
    let with_own = evaluate_scores(&table, &EvalInputs::default(), &quick()).unwrap();
    assert_eq!((&with_own.images.auc, with_own.n_without_side), (&expected.auc, 1));
    assert_eq!(with_own.patients.n, of_images.patients.n);

    let patients = ScoreTable { unit: Unit::Patient, ..table.clone() };
    let error = evaluate_scores(&patients, &EvalInputs::default(), &quick()).unwrap_err().to_string();
    assert!(error.contains("a second row of this patient"), "{error}");
    let twice = ScoreRow { file: "again".into(), ..table.rows[0].clone() };
    let twice = ScoreTable { rows: [table.rows.clone(), vec![twice]].concat(), ..table.clone() };
    let error = evaluate_scores(&twice, &EvalInputs::default(), &quick()).unwrap_err().to_string();
    assert!(error.contains("a second row of this breast"), "{error}");
    let images: ScoreTable = images.into();
    let inputs = EvalInputs { validation: Some(&images), ..EvalInputs::default() };
    let error = evaluate_scores(&table, &inputs, &quick()).unwrap_err().to_string();
    assert!(error.contains("one row per image") && error.contains("one row per breast"), "{error}");
    let records = [crate::tests::mammogram("x", "p", Benign)];
    let inputs = EvalInputs { images: &records, ..EvalInputs::default() };
    let error = evaluate_scores(&table, &inputs, &quick()).unwrap_err().to_string();
    assert!(error.starts_with("manifest") && error.contains("without --by"), "{error}");
}

#[test]
fn a_table_of_patients_is_evaluated_once() {
    let rows = (0..12)
        .map(|i| {
            let label = if i % 3 == 0 { Malignant } else { Benign };
            let row = row(&format!("f{i}"), &format!("p{i}"), label, f64::from(i * 5 % 12) / 12.0);
            ScoreRow { laterality: None, view: None, ..row }
        })
        .collect();
    let table = ScoreTable { unit: Unit::Patient, rows, ..ScoreTable::default() };
    let evaluation = evaluate_scores(&table, &EvalInputs::default(), &quick()).unwrap();
    let names: Vec<String> = evaluation.figures().into_iter().map(|figure| figure.name).collect();
    assert_eq!(names.iter().filter(|name| *name == "auc_patient").count(), 1, "{names:?}");
    assert!(names.iter().all(|name| !name.contains("image") && !name.contains("breast")), "{names:?}");
    let estimate = |of: &UnitFigures| of.auc.value().unwrap().estimate;
    assert_eq!(estimate(&evaluation.images), estimate(&evaluation.patients));
}
