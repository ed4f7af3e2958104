//! Everything that a score table says about a model, in one structure.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::aggregate::{Case, Pooling, by_breast, by_patient};
use super::bootstrap::{BootstrapConfig, Patients, bootstrap};
use super::comparison::Comparison;
use super::curves::ScoreHistogram;
use super::decision_curve::DecisionCurve;
use super::figure::{Figure, Report};
use super::froc::{HitRule, Localisation};
use super::measured::Measured;
use super::operating_point::OperatingPoint;
use super::readers::ReaderStudy;
use super::reliability::{CalibrationFigures, Recalibrated};
use super::roc::RankedScores;
use super::scores::ScoreRow;
use super::shortcut::Shortcut;
use super::subgroup::Subgroups;
use super::unit::UnitFigures;
use crate::{Error, Result};

/// How a score table is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// How intervals are drawn.
    pub bootstrap: BootstrapConfig,
    /// How the views of a breast become one score: their mean.
    pub views: Pooling,
    /// How the breasts of a woman become one score: the higher one, because one suspicious
    /// breast is enough to recall her.
    pub breasts: Pooling,
    /// Prevalence where the model is to be used, for predictive values and net benefit; without
    /// one, those of the sample are given.
    pub prevalence: Option<f64>,
    /// Lower end of the range of specificity of the partial area.
    pub min_specificity: f64,
    /// Specificities and sensitivities at which the other one is given.
    pub fixed_at: Vec<f64>,
    /// Bins of the reliability curve and of the histograms.
    pub n_bins: usize,
    /// When a finding hits a lesion.
    pub hit_rule: HitRule,
    /// Columns that group the images; empty for all that have 2 to 12 values.
    pub subgroups: Vec<String>,
    /// Columns to test for a shortcut, where the table has them.
    pub shortcuts: Vec<String>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            bootstrap: BootstrapConfig::default(),
            views: Pooling::Mean,
            breasts: Pooling::Max,
            prevalence: None,
            min_specificity: 0.8,
            fixed_at: vec![0.8, 0.9, 0.95],
            n_bins: 10,
            hit_rule: HitRule::CentreInBox,
            subgroups: vec![],
            shortcuts: ["site", "vendor", "scanner"].map(String::from).to_vec(),
        }
    }
}

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
    /// Calibration after each calibrator learned on the validation scores; empty without them.
    pub recalibrated: Vec<Recalibrated>,
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

/// Evaluates a score table, at an operating point too if one was chosen on validation data.
///
/// # Errors
/// [`Error::Table`] for an image scored twice or a probability outside `[0, 1]`;
/// [`Error::Undefined`] when no row has a label; [`Error::Setting`] for an unusable `config`.
/// An area that the labels do not define is reported as such and is no error.
pub fn evaluate_scores(
    rows: &[ScoreRow],
    operating_point: Option<&OperatingPoint>,
    config: &EvalConfig,
) -> Result<Evaluation> {
    let images = labelled_images(rows)?;
    let breasts = by_breast(rows, config.views);
    let patients = by_patient(&breasts, config.breasts);
    let probabilities: Vec<f64> = images.iter().map(|image| image.score).collect();
    let malignant: Vec<bool> = images.iter().map(|image| image.malignant).collect();
    let _ = (probabilities, malignant, operating_point);
    Ok(Evaluation {
        format: "mammo-evaluation".into(),
        version: 1,
        models: vec![],
        n_unlabelled: rows.len() - images.len(),
        images: unit_figures(&images, &config.bootstrap)?,
        breasts: Some(unit_figures(&breasts, &config.bootstrap)?),
        patients: unit_figures(&patients, &config.bootstrap)?,
        poolings: vec![],
        calibration: Measured::undefined("not yet"),
        recalibrated: vec![],
        decision_curve: Measured::undefined("not yet"),
        subgroups: vec![],
        shortcuts: vec![],
        localisation: None,
        readers: None,
        comparisons: vec![],
        config: config.clone(),
    })
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
        if !(0.0..=1.0).contains(&row.probability) {
            let found = format!("probability {}", row.probability);
            return Err(Error::table(&row.file, None, found, "a probability between 0 and 1"));
        }
    }
    let images: Vec<Case> = rows.iter().filter_map(Case::of_image).collect();
    if images.is_empty() {
        let reason = format!("none of {} rows has a label", rows.len());
        return Err(Error::Undefined { statistic: "evaluation", reason });
    }
    Ok(images)
}

fn unit_figures(cases: &[Case], config: &BootstrapConfig) -> Result<UnitFigures> {
    let scores: Vec<f64> = cases.iter().map(|case| case.score).collect();
    let malignant: Vec<bool> = cases.iter().map(|case| case.malignant).collect();
    let patients = Patients::from_ids(cases.iter().map(|case| case.patient_id.as_str()));
    let ranked = RankedScores::new(&scores, &malignant, patients.of_case())?;
    let auc = |times: &[u32]| Ok([ranked.auc(|patient| f64::from(times[patient as usize]))?]);
    let auc = Measured::of(bootstrap(patients.n(), config, auc).map(|[interval]| interval))?;
    let later = || "not yet".to_string();
    Ok(UnitFigures {
        n: cases.len(),
        n_malignant: malignant.iter().filter(|&&m| m).count(),
        n_patients: patients.n(),
        auc,
        delong: Measured::undefined(later()),
        partial_auc: Measured::undefined(later()),
        average_precision: Measured::undefined(later()),
        sensitivity_at_specificity: vec![],
        specificity_at_sensitivity: vec![],
        operating_points: vec![],
        roc: Measured::undefined(later()),
        precision_recall: Measured::undefined(later()),
        histogram: ScoreHistogram { edges: vec![], malignant: vec![], benign: vec![] },
    })
}

impl Report for Evaluation {
    fn figures(&self) -> Vec<Figure> {
        let area = |name: &str, unit: &UnitFigures| match &unit.auc {
            Measured::Value(interval) => Figure::interval(name, interval, unit.n),
            Measured::Undefined { undefined } => {
                Figure { note: format!("undefined: {undefined}"), ..Figure::value(name, None, unit.n) }
            }
        };
        let n = self.images.n;
        let figures = vec![Figure::count("n_images", n), area("auc_image", &self.images)];
        figures
    }

    fn level(&self) -> Option<f64> {
        Some(self.config.bootstrap.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::OperatingRule;
    use crate::eval::scores::tests::row;
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
                ScoreRow { laterality: Laterality::Right, ..right },
            ]
        });
        women.chain([row("extra", "w0", Unknown, 0.5)]).collect()
    }

    fn quick() -> EvalConfig {
        let bootstrap = BootstrapConfig { n_resamples: 200, ..Default::default() };
        EvalConfig { bootstrap, ..Default::default() }
    }

    #[test]
    fn units_are_counted_and_rows_without_label_left_out() {
        let evaluation = evaluate_scores(&rows(), None, &quick()).unwrap();
        let counts = |unit: &UnitFigures| (unit.n, unit.n_malignant);
        assert_eq!(evaluation.n_unlabelled, 1);
        assert_eq!(counts(&evaluation.images), (24, 4));
        assert_eq!(counts(&evaluation.breasts), (24, 4));
        assert_eq!(counts(&evaluation.patients), (12, 4));
        let Measured::Value(auc) = &evaluation.images.auc else { panic!("{:?}", evaluation.images.auc) };
        assert!(auc.low <= auc.estimate && auc.estimate <= auc.high && auc.low < auc.high);
    }

    #[test]
    fn the_order_of_rows_does_not_show() {
        let reversed: Vec<ScoreRow> = rows().into_iter().rev().collect();
        let (there, back) =
            (evaluate_scores(&rows(), None, &quick()), evaluate_scores(&reversed, None, &quick()));
        let (there, back) = (there.unwrap(), back.unwrap());
        assert_eq!((there.images, there.breasts, there.patients), (back.images, back.breasts, back.patients));
    }

    #[test]
    fn json_csv_and_table_tell_the_same() {
        let rows = rows();
        let (scores, malignant): (Vec<f64>, Vec<bool>) =
            rows.iter().filter_map(|r| Some((r.probability, r.malignant()?))).unzip();
        let point = OperatingPoint::choose(OperatingRule::MaxYouden, &scores, &malignant).unwrap();
        let evaluation = evaluate_scores(&rows, Some(&point), &quick()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        evaluation.write(folder.path(), "test").unwrap();
        let stored: Evaluation =
            crate::write::read_json(&folder.path().join("test.json"), "an evaluation").unwrap();
        assert_eq!(stored, evaluation);
        let csv = std::fs::read_to_string(folder.path().join("test.csv")).unwrap();
        let table = evaluation.to_markdown();
        for (figure, line) in evaluation.figures().iter().zip(csv.lines().skip(1)) {
            let value = figure.value.unwrap();
            assert!(line.starts_with(&format!("{},{value},", figure.name)), "{line}");
            assert!(table.contains(&format!("| {} ", figure.name)), "{table}");
        }
        assert_eq!(csv.lines().count(), evaluation.figures().len() + 1);
        assert!(table.contains("95 % interval"), "{table}");
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
        let evaluation = evaluate_scores(&healthy, Some(&point), &quick()).unwrap();
        assert!(
            matches!(&evaluation.images.auc, Measured::Undefined { undefined } if undefined.contains("no malignant"))
        );
        assert!(evaluation.operating_point.unwrap().specificity.is_some());
        assert!(evaluation.to_markdown().contains("undefined: no malignant cases"));
        let text = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
    }

    #[test]
    fn a_table_that_cannot_be_meant_is_an_error() {
        let mut twice = rows();
        twice.push(twice[0].clone());
        let error = evaluate_scores(&twice, None, &quick()).unwrap_err().to_string();
        assert!(error.starts_with("0-l: scored twice"), "{error}");
        let mut broken = rows();
        broken[3].probability = f64::NAN;
        assert!(matches!(evaluate_scores(&broken, None, &quick()), Err(Error::Table { .. })));
        let error = evaluate_scores(&[row("a", "p", Unknown, 0.5)], None, &quick()).unwrap_err();
        assert!(matches!(error, Error::Undefined { .. }), "{error}");
    }
}
