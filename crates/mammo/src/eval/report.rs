//! Everything that a score table says about a model, in one structure.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::aggregate::{Case, Pooling, by_breast, by_patient};
use super::bootstrap::{BootstrapConfig, Interval, Patients, bootstrap};
use super::calibration::{brier_score, log_loss};
use super::figure::{Figure, Report};
use super::operating_point::{OperatingPoint, OperatingResult};
use super::roc::RankedScores;
use super::scores::ScoreRow;
use crate::{Error, Result};

/// How a score table is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// How intervals are drawn.
    pub bootstrap: BootstrapConfig,
    /// How the views of a breast become one score: their mean.
    pub views: Pooling,
    /// How the breasts of a woman become one score: the higher one, because one suspicious
    /// breast is enough to recall her.
    pub breasts: Pooling,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self { bootstrap: BootstrapConfig::default(), views: Pooling::Mean, breasts: Pooling::Max }
    }
}

/// A statistic, or why the data do not define it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measured {
    /// Its value with an interval.
    Value(Interval),
    /// It has none.
    Undefined {
        /// Why not.
        undefined: String,
    },
}

/// Counts and area for one kind of unit: images, breasts or patients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitFigures {
    /// Labelled units.
    pub n: usize,
    /// Those that are malignant.
    pub n_malignant: usize,
    /// Area under the ROC curve, its interval by resampling patients.
    pub auc: Measured,
}

/// The evaluation of one score table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Rows without a label; they play no part.
    pub n_unlabelled: usize,
    /// Per image.
    pub images: UnitFigures,
    /// Per breast.
    pub breasts: UnitFigures,
    /// Per patient.
    pub patients: UnitFigures,
    /// Mean squared error of the probabilities, per image.
    pub brier: f64,
    /// Mean log loss of the probabilities in nats, per image.
    pub log_loss: f64,
    /// What the given operating point does, per image.
    pub operating_point: Option<OperatingResult>,
    /// How all this was computed.
    pub config: EvalConfig,
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
    let apply = |point: &OperatingPoint| point.apply(&probabilities, &malignant, config.bootstrap.level);
    Ok(Evaluation {
        n_unlabelled: rows.len() - images.len(),
        images: unit_figures(&images, &config.bootstrap)?,
        breasts: unit_figures(&breasts, &config.bootstrap)?,
        patients: unit_figures(&patients, &config.bootstrap)?,
        brier: brier_score(&probabilities, &malignant)?,
        log_loss: log_loss(&probabilities, &malignant)?,
        operating_point: operating_point.map(apply).transpose()?,
        config: *config,
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
    let auc = match bootstrap(patients.n(), config, auc) {
        Ok([interval]) => Measured::Value(interval),
        Err(Error::Undefined { reason, .. }) => Measured::Undefined { undefined: reason },
        Err(other) => return Err(other),
    };
    Ok(UnitFigures { n: cases.len(), n_malignant: malignant.iter().filter(|&&m| m).count(), auc })
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
        let mut figures = vec![
            Figure::count("n_images", n),
            Figure::count("n_images_malignant", self.images.n_malignant),
            Figure::count("n_images_unlabelled", self.n_unlabelled),
            Figure::count("n_breasts", self.breasts.n),
            Figure::count("n_breasts_malignant", self.breasts.n_malignant),
            Figure::count("n_patients", self.patients.n),
            Figure::count("n_patients_malignant", self.patients.n_malignant),
            area("auc_image", &self.images),
            area("auc_breast", &self.breasts),
            area("auc_patient", &self.patients),
            Figure::value("brier", Some(self.brier), n),
            Figure::value("log_loss", Some(self.log_loss), n),
        ];
        if let Some(result) = &self.operating_point {
            figures.extend([
                Figure { n: None, ..Figure::value("threshold", Some(result.threshold), n) },
                Figure::proportion("sensitivity", result.sensitivity.as_ref()),
                Figure::proportion("specificity", result.specificity.as_ref()),
                Figure::proportion("ppv", result.ppv.as_ref()),
                Figure::proportion("npv", result.npv.as_ref()),
            ]);
        }
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
