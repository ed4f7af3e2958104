//! Everything that a score table says about a model, in one structure.

use std::collections::{BTreeSet, HashSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::aggregate::{Case, Pooling, by_breast, by_patient};
use super::calibrator::Calibrator;
use super::comparison::{Comparison, compare_auc};
use super::config::EvalConfig;
use super::decision_curve::{self, DecisionCurve};
use super::findings::Finding;
use super::froc::Localisation;
use super::grouping::{chosen, groupings};
use super::measured::Measured;
use super::operating_point::{OperatingPoint, OperatingRule};
use super::readers::ReaderStudy;
use super::reliability::{CalibrationFigures, Recalibrated};
use super::sample::Sample;
use super::scores::{ScoreRow, ScoreTable};
use super::shortcut::Shortcut;
use super::subgroup::Subgroups;
use super::unit::{FrozenPoint, UnitFigures};
use crate::record::Mammogram;
use crate::{Error, Result};

/// Name and version of the layout of `evaluation.json`.
const FORMAT: (&str, u32) = ("mammo-evaluation", 2);

/// What is chosen on validation scores, for each kind of unit.
const RULES: [OperatingRule; 3] = [
    OperatingRule::MaxYouden,
    OperatingRule::SensitivityAtLeast(0.9),
    OperatingRule::SpecificityAtLeast(0.9),
];

/// The evaluation of one score table: what `evaluation.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// `mammo-evaluation`.
    pub format: String,
    /// Version of this layout.
    pub version: u32,
    /// Models that the table names, usually one.
    pub models: Vec<String>,
    /// Rows without a label; they play no part.
    pub n_unlabelled: usize,
    /// Per image.
    pub images: UnitFigures,
    /// Per breast; `None` when the table does not tell left from right.
    pub breasts: Option<UnitFigures>,
    /// Per patient.
    pub patients: UnitFigures,
    /// Area per breast for each way to pool its views, the learned one when validation scores
    /// were given; empty without breasts.
    pub poolings: Vec<PoolingFigures>,
    /// Calibration per image; undefined for scores that are no probabilities.
    pub calibration: Measured<CalibrationFigures>,
    /// Calibration after the model's own calibrator, after each one learned on the validation
    /// scores, and after correction for the prevalence; empty without any.
    pub recalibrated: Vec<Measured<Recalibrated>>,
    /// Net benefit per image.
    pub decision_curve: Measured<DecisionCurve>,
    /// The images by each column that groups them.
    pub subgroups: Vec<Subgroups>,
    /// Shortcut tests by each column asked for.
    pub shortcuts: Vec<Shortcut>,
    /// Localisation, when findings were given.
    pub localisation: Option<Localisation>,
    /// Readers, when the table holds their ratings.
    pub readers: Option<ReaderStudy>,
    /// Other models on the same images, each against this one.
    pub comparisons: Vec<Compared>,
    /// How all this was computed.
    pub config: EvalConfig,
}

/// The area per breast with one way to pool its views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolingFigures {
    /// How the views became one score.
    pub pooling: Pooling,
    /// Area under the ROC curve per breast.
    pub auc: Measured,
}

/// Another model on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Its name: the score table's file name without extension.
    pub name: String,
    /// This model as the first, the other one as the second.
    pub comparison: Comparison,
}

/// What an evaluation may use besides the score table.
#[derive(Clone, Copy, Default)]
pub struct EvalInputs<'a> {
    /// Operating point of the model, for images.
    pub operating_point: Option<&'a OperatingPoint>,
    /// Calibrator of the model. A table whose rows all have a calibrated probability is judged by
    /// those, else by the map of its probabilities.
    pub calibrator: Option<&'a Calibrator>,
    /// Scores of the validation side: operating points, pooling and calibrators are learned there.
    pub validation: Option<&'a ScoreTable>,
    /// Records of the images, for subgroups and lesions.
    pub images: &'a [Mammogram],
    /// Marks of the model in these images.
    pub findings: Option<&'a [Finding]>,
    /// Score tables of other models on the same images, with their names.
    pub others: &'a [(String, Vec<ScoreRow>)],
}

/// Evaluates a score table.
///
/// # Errors
/// [`Error::Table`] for an image scored twice or tables that do not fit together;
/// [`Error::Undefined`] when no row has a label, or the validation scores define no operating
/// point; [`Error::Setting`] for an unusable `config`. A statistic that the labels do not define
/// is reported as such and is no error.
pub fn evaluate_scores(table: &ScoreTable, inputs: &EvalInputs, config: &EvalConfig) -> Result<Evaluation> {
    config.check()?;
    let labelled = table.labelled();
    let images = labelled_images(&labelled.rows)?;
    let validation = inputs.validation.map(|table| labelled_images(&table.rows)).transpose()?;
    let (levels, chosen_on) =
        (Levels::of(&images, config), validation.as_ref().map(|images| Levels::of(images, config)));
    let frozen = |of: fn(&Levels) -> Option<&Sample>| match chosen_on.as_ref().and_then(of) {
        Some(sample) => choose_points(sample),
        None => Ok(vec![]),
    };

    let mut image_points = frozen(|levels| Some(&levels.images))?;
    if let Some(&point) = inputs.operating_point {
        image_points.insert(0, FrozenPoint { origin: "model file", point });
    }
    let unit = |sample: &Sample, frozen: Vec<FrozenPoint>| {
        UnitFigures::of(sample, &sample.ranked()?, &frozen, &[], config).map(|(unit, _)| unit)
    };
    let of_images = || image_figures(&levels.images, &image_points, config);
    let of_breasts = || {
        let of_sample = |sample| unit(sample, frozen(|levels| levels.breasts.as_ref())?);
        levels.breasts.as_ref().map(of_sample).transpose()
    };
    let of_patients = || unit(&levels.patients, frozen(|levels| Some(&levels.patients))?);
    // Each sorts and sums up on one thread before its resamples take all threads.
    let (image_part, (breasts, patients)) = rayon::join(of_images, || rayon::join(of_breasts, of_patients));
    let ((image_figures, decision_curve), breasts) = (image_part?, breasts?);
    let all_groupings = groupings(&labelled, inputs.images);
    let point = image_points.first().map(|frozen| &frozen.point);
    let subgroups = chosen(&all_groupings, &config.subgroups)?;
    let sites = all_groupings.iter().filter(|grouping| config.shortcuts.contains(&grouping.column));
    Ok(Evaluation {
        format: FORMAT.0.into(),
        version: FORMAT.1,
        models: models(&labelled.rows),
        n_unlabelled: table.rows.len() - images.len(),
        images: image_figures,
        patients: patients?,
        poolings: poolings(&images, breasts.as_ref(), validation.as_deref(), config)?,
        breasts,
        calibration: calibration(&levels.images, config)?,
        recalibrated: [
            by_model_file(&levels.images, &labelled.rows, inputs.calibrator, config)?,
            recalibrated(&levels.images, chosen_on.as_ref().map(|levels| &levels.images), config)?,
        ]
        .concat(),
        decision_curve,
        subgroups: subgroups
            .par_iter()
            .map(|grouping| Subgroups::of(grouping, &images, point, &config.bootstrap))
            .collect::<Result<_>>()?,
        shortcuts: sites
            .map(|grouping| Shortcut::of(grouping, &images, &config.bootstrap))
            .collect::<Result<_>>()?,
        localisation: inputs
            .findings
            .map(|findings| {
                // A map may show findings where the gate let no score pass.
                let scored = |finding: &&Finding| !table.refused.contains(&finding.file);
                let findings: Vec<Finding> = findings.iter().filter(scored).cloned().collect();
                Localisation::of(&table.rows, inputs.images, &findings, config)
            })
            .transpose()?,
        readers: ReaderStudy::of(&labelled, config.bootstrap.level)?,
        comparisons: inputs
            .others
            .iter()
            .map(|(name, rows)| {
                let comparison = compare_auc(&table.rows, rows, &config.bootstrap)?;
                Ok(Compared { name: name.clone(), comparison })
            })
            .collect::<Result<_>>()?,
        config: config.clone(),
    })
}

/// The same images as samples of images, breasts and patients.
struct Levels {
    images: Sample,
    breasts: Option<Sample>,
    patients: Sample,
}

impl Levels {
    fn of(images: &[Case], config: &EvalConfig) -> Self {
        let breasts = by_breast(images, config.views);
        let patients = by_patient(breasts.as_deref().unwrap_or(images), config.breasts);
        Self {
            images: Sample::of(images),
            breasts: breasts.as_ref().map(Sample::of),
            patients: Sample::of(&patients),
        }
    }
}

fn choose_points(validation: &Sample) -> Result<Vec<FrozenPoint>> {
    let choose = |rule| {
        let point = OperatingPoint::choose(rule, &validation.scores, &validation.malignant)?;
        Ok(FrozenPoint { origin: "validation scores", point })
    };
    RULES.into_iter().map(choose).collect()
}

/// The figures of the images with their net benefit, over the same resamples.
fn image_figures(
    images: &Sample,
    frozen: &[FrozenPoint],
    config: &EvalConfig,
) -> Result<(UnitFigures, Measured<DecisionCurve>)> {
    let ranked = images.ranked()?;
    let benefits = decision_curve::statistics(&ranked, config.prevalence);
    let (unit, figures) = UnitFigures::of(images, &ranked, frozen, &benefits, config)?;
    let decision_curve = if images.scores_are_probabilities() {
        DecisionCurve::of(images, &ranked, &figures, config.prevalence)
    } else {
        not_probabilities()
    };
    Ok((unit, decision_curve))
}

fn not_probabilities<T>() -> Measured<T> {
    Measured::undefined("the scores are no probabilities between 0 and 1")
}

fn calibration(images: &Sample, config: &EvalConfig) -> Result<Measured<CalibrationFigures>> {
    if !images.scores_are_probabilities() {
        return Ok(not_probabilities());
    }
    Measured::of(CalibrationFigures::of(images, config.n_bins, &config.bootstrap))
}

/// Calibration after the map in the model's file.
fn by_model_file(
    images: &Sample,
    rows: &[ScoreRow],
    calibrator: Option<&Calibrator>,
    config: &EvalConfig,
) -> Result<Vec<Measured<Recalibrated>>> {
    let Some(calibrator) = calibrator.filter(|_| images.scores_are_probabilities()) else {
        return Ok(vec![]);
    };
    let calibrated = match rows.iter().map(|row| row.calibrated).collect() {
        Some(scores) => Sample { scores, ..images.clone() },
        None if rows.iter().any(|row| !["", "none"].contains(&row.tta.as_str())) => {
            let reason = "model file: fitted to single images, the scores are means over flips; \
                          score the images again, which adds a column of calibrated probabilities";
            return Ok(vec![Measured::undefined(reason)]);
        }
        None => calibrator.apply_to(images),
    };
    let figures = CalibrationFigures::of(&calibrated, config.n_bins, &config.bootstrap)?;
    Ok(vec![Measured::Value(Recalibrated {
        calibrator: calibrator.clone(),
        origin: "model file".into(),
        figures,
    })])
}

/// Calibration after each map that can be had.
fn recalibrated(
    images: &Sample,
    validation: Option<&Sample>,
    config: &EvalConfig,
) -> Result<Vec<Measured<Recalibrated>>> {
    let mut calibrators = vec![];
    if let Some(validation) = validation.filter(|validation| validation.scores_are_probabilities()) {
        calibrators.extend([
            ("platt", Calibrator::platt(validation)),
            ("temperature", Calibrator::temperature(validation)),
            ("isotonic", Calibrator::isotonic(validation)),
        ]);
    }
    let of_validation = validation.map(|sample| sample.n_malignant() as f64 / sample.n() as f64);
    if let (Some(trained_at), Some(used_at)) =
        (config.training_prevalence, config.prevalence.or(of_validation))
    {
        calibrators.push(("prior_shift", Calibrator::prior_shift(trained_at, used_at)));
    }
    if !images.scores_are_probabilities() {
        return Ok(vec![]);
    }
    let after = |(method, calibrator): (&str, Result<Calibrator>)| {
        let calibrator = match calibrator {
            Ok(calibrator) => calibrator,
            Err(Error::Undefined { reason, .. }) => {
                return Ok(Measured::undefined(format!("{method}: {reason}")));
            }
            Err(other) => return Err(other),
        };
        let figures = CalibrationFigures::of(&calibrator.apply_to(images), config.n_bins, &config.bootstrap)?;
        let origin = match calibrator {
            Calibrator::PriorShift { .. } => "prevalence",
            _ => "validation scores",
        };
        Ok(Measured::Value(Recalibrated { calibrator, origin: origin.into(), figures }))
    };
    calibrators.into_iter().map(after).collect()
}

/// The area per breast for each way to pool its views; `breasts` are those of the setting.
fn poolings(
    images: &[Case],
    breasts: Option<&UnitFigures>,
    validation: Option<&[Case]>,
    config: &EvalConfig,
) -> Result<Vec<PoolingFigures>> {
    let Some(breasts) = breasts else { return Ok(vec![]) };
    let learned = match validation.map(Pooling::learn) {
        Some(Ok(pooling)) => Some(pooling),
        Some(Err(Error::Undefined { .. })) | None => None,
        Some(Err(other)) => return Err(other),
    };
    let mut figures = vec![];
    for pooling in [Some(Pooling::Mean), Some(Pooling::Max), learned].into_iter().flatten() {
        let auc = match by_breast(images, pooling) {
            Some(pooled) if pooling != config.views => {
                Measured::of(Sample::of(&pooled).auc(&config.bootstrap))?
            }
            _ => breasts.auc.clone(),
        };
        figures.push(PoolingFigures { pooling, auc });
    }
    Ok(figures)
}

/// The models that the rows name.
fn models(rows: &[ScoreRow]) -> Vec<String> {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.model.as_str()).collect();
    names.into_iter().filter(|name| !name.is_empty()).map(String::from).collect()
}

/// The labelled rows as cases of one image each, checked.
pub(super) fn labelled_images(rows: &[ScoreRow]) -> Result<Vec<Case>> {
    let mut files = HashSet::new();
    for row in rows {
        if !files.insert(&row.file) {
            return Err(Error::table(
                &row.file,
                None,
                "scored twice in one table",
                "one row per image; evaluate the scores of each model by themselves",
            ));
        }
        if !row.probability.is_finite() {
            let found = format!("score {}", row.probability);
            return Err(Error::table(&row.file, None, found, "a finite number"));
        }
    }
    let images: Vec<Case> = rows.iter().filter_map(Case::of_image).collect();
    if images.is_empty() {
        let reason = format!("none of {} rows has a label", rows.len());
        return Err(Error::Undefined { statistic: "evaluation", reason });
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::scores::tests::row;
    use crate::eval::{BootstrapConfig, Report};
    use crate::record::Laterality;
    use crate::record::Pathology::{Benign, Malignant, Unknown};

    /// Twelve women with two images each; every third has a cancer, in the left breast only.
    fn rows() -> Vec<ScoreRow> {
        let women = (0..12).flat_map(|w| {
            let (left, probability) = if w % 3 == 0 { (Malignant, 0.6) } else { (Benign, 0.3) };
            let jitter = f64::from(w * 7 % 12) / 30.0;
            let right = row(&format!("{w}-r"), &format!("w{w}"), Benign, 0.2 + jitter);
            [
                row(&format!("{w}-l"), &format!("w{w}"), left, probability + jitter),
                ScoreRow { laterality: Some(Laterality::Right), ..right },
            ]
        });
        women.chain([row("extra", "w0", Unknown, 0.5)]).collect()
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
            crate::write::read_json(&folder.path().join("test.json"), "an evaluation").unwrap();
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
        for shown in ["breast_threshold", "patient_specificity", "net_benefit_at_0.05", "net_benefit_at_0.3"]
        {
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
        let points = |figures: &[super::super::unit::OperatingFigures]| {
            figures.iter().map(|figures| figures.point).collect::<Vec<_>>()
        };
        assert_eq!(points(frozen), points(&of_validation));
        assert_eq!(frozen.len(), 3);
        assert!(frozen[1].result.true_positives < of_validation[1].result.true_positives);
        assert!(
            matches!(evaluation.poolings[2].pooling, Pooling::Learned { .. }),
            "{:?}",
            evaluation.poolings
        );
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
        assert_eq!(by_map.value().unwrap().0, "model file");
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
            assert!(reason.unwrap().contains("no probabilities"));
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
}
