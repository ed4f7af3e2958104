//! The evaluation of a score table, and its figures as tables.
//!
//! | module | what |
//! |---|---|
//! | [`mod@unit`] | discrimination per image, breast or patient |
//! | [`subgroup`], [`shortcut`] | figures by group; whether the score depends on the site |
//! | [`comparison`] | two models on the same images |
//! | [`figure`] | named figures as CSV and as Markdown |

pub mod comparison;
mod evaluation_figures;
pub mod figure;
mod levels;
mod recalibration;
pub mod shortcut;
pub mod subgroup;
#[cfg(test)]
mod tests;
pub mod unit;

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::calibration::calibrator::Calibrator;
use crate::calibration::reliability::{CalibrationFigures, Recalibrated};
use crate::config::EvalConfig;
use crate::defined::Defined;
use crate::localisation::froc::Localisation;
use crate::origin::Origin;
use crate::readers::ReaderStudy;
use crate::report::comparison::{Comparison, compare_auc};
use crate::report::shortcut::Shortcut;
use crate::report::subgroup::Subgroups;
use crate::report::unit::{FrozenPoint, UnitFigures};
use crate::roc::decision_curve;
use crate::roc::decision_curve::DecisionCurve;
use crate::roc::operating_point::OperatingPoint;
use crate::tables::aggregate::{Case, Pooling};
use crate::tables::findings::Finding;
use crate::tables::grouping::{chosen, groupings};
use crate::tables::sample::Sample;
use crate::tables::scores::{ScoreRow, ScoreTable};
use crate::tables::unit::Unit;
use crate::{Error, Result};
pub(crate) use levels::labelled_images;
use levels::{Levels, check_unit, choose_points, poolings};
use mammo_core::record::Mammogram;
use recalibration::{by_model_file, calibration, not_probabilities, recalibrated};

/// Name and version of the format of `evaluation.json`.
const FORMAT: (&str, u32) = ("mammo-evaluation", 2);

/// The evaluation of one score table: what `evaluation.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// `mammo-evaluation`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Models that the table names, usually one.
    pub models: Vec<String>,
    /// What a row of the table stands for.
    #[serde(default)]
    pub unit: Unit,
    /// Number of rows without a label; they are left out.
    pub n_unlabelled: usize,
    /// Number of labelled images of unknown side; they are left out of `breasts` and `poolings`.
    #[serde(default)]
    pub n_without_side: usize,
    /// Per row of the table: per image, or what `unit` says.
    pub images: UnitFigures,
    /// Per breast; `None` if no image has a known side, and for a table whose rows are breasts or patients.
    pub breasts: Option<UnitFigures>,
    /// Per patient, pooled from images or breasts.
    pub patients: UnitFigures,
    /// Area per breast for each pooling of its views, with the fitted one if validation scores were
    /// given; empty without breasts.
    pub poolings: Vec<PoolingFigures>,
    /// Calibration per image; undefined for scores that are not probabilities.
    pub calibration: Defined<CalibrationFigures>,
    /// Calibration after the calibrator of the model, after each one fitted on the validation scores,
    /// and after correction for the prevalence; empty without any.
    pub recalibrated: Vec<Defined<Recalibrated>>,
    /// Net benefit per image.
    pub decision_curve: Defined<DecisionCurve>,
    /// Subgroups by each grouping column.
    pub subgroups: Vec<Subgroups>,
    /// Shortcut tests for the columns in the settings.
    pub shortcuts: Vec<Shortcut>,
    /// Localisation, when findings were given.
    pub localisation: Option<Localisation>,
    /// Readers, when the table holds their ratings.
    pub readers: Option<ReaderStudy>,
    /// Other models on the same images, each against this one.
    pub comparisons: Vec<Compared>,
    /// Settings of the evaluation.
    pub config: EvalConfig,
}

/// The area per breast with one pooling of its views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolingFigures {
    /// How the scores of the views are combined.
    pub pooling: Pooling,
    /// Area under the ROC curve per breast.
    pub auc: Defined,
}

/// Another model on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Its name: the score table's file name without extension.
    pub name: String,
    /// This model as the first, the other one as the second.
    pub comparison: Comparison,
}

/// Optional inputs of an evaluation besides the score table.
#[derive(Clone, Copy, Default)]
pub struct EvalInputs<'a> {
    /// Operating point of the model, for the rows of the table.
    pub operating_point: Option<&'a OperatingPoint>,
    /// Calibrator of the model. If all rows have a calibrated probability, those are evaluated, else
    /// the calibrator is applied to the probabilities.
    pub calibrator: Option<&'a Calibrator>,
    /// Scores of the validation set, on which operating points, pooling and calibrators are fitted.
    pub validation: Option<&'a ScoreTable>,
    /// Records of the images, for subgroups and lesions.
    pub images: &'a [Mammogram],
    /// Findings of the model in these images.
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
/// is [`Defined::Undefined`] and not an error.
pub fn evaluate_scores(table: &ScoreTable, inputs: &EvalInputs, config: &EvalConfig) -> Result<Evaluation> {
    config.check()?;
    check_unit(table, inputs)?;
    let labelled = table.labelled();
    let all = labelled_images(&labelled.rows)?;
    let (unit_of_rows, n_unlabelled) = (table.unit, table.rows.len() - all.len());
    // Rows of no breast count for their patients only, in a table of breasts as in one of images.
    let labelled = labelled.with_rows(|row| unit_of_rows != Unit::Breast || row.laterality.is_some());
    if labelled.rows.is_empty() {
        return Err(Error::Undefined {
            statistic: "evaluation per breast",
            reason: "no row has a side".into(),
        });
    }
    let images: Vec<Case> = labelled.rows.iter().filter_map(Case::of_image).collect();
    let validation = inputs.validation.map(|table| labelled_images(&table.rows)).transpose()?;
    let levels_of = |cases: &[Case]| Levels::of(cases, unit_of_rows, config);
    let (levels, chosen_on) = (levels_of(&all), validation.as_ref().map(|images| levels_of(images)));
    let frozen = |of: fn(&Levels) -> Option<&Sample>| match chosen_on.as_ref().and_then(of) {
        Some(sample) => choose_points(sample),
        None => Ok(vec![]),
    };

    let mut image_points = frozen(|levels| Some(&levels.images))?;
    if let Some(&point) = inputs.operating_point {
        image_points.insert(0, FrozenPoint { origin: Origin::ModelFile, point });
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
    // In parallel, because each part sorts on one thread before its resamples use all threads.
    let (image_part, (breasts, patients)) = rayon::join(of_images, || rayon::join(of_breasts, of_patients));
    let ((image_figures, decision_curve), breasts) = (image_part?, breasts?);
    let n_without_side = match unit_of_rows {
        Unit::Image | Unit::Breast => all.iter().filter(|row| row.laterality.is_none()).count(),
        Unit::Patient => 0,
    };
    let all_groupings = groupings(&labelled, inputs.images);
    let point = image_points.first().map(|frozen| &frozen.point);
    let subgroups = chosen(&all_groupings, &config.subgroups)?;
    let sites = all_groupings.iter().filter(|grouping| config.shortcuts.contains(&grouping.column));
    Ok(Evaluation {
        format: FORMAT.0.into(),
        version: FORMAT.1,
        models: models(&labelled.rows),
        unit: unit_of_rows,
        n_unlabelled,
        n_without_side,
        images: image_figures,
        patients: patients?,
        poolings: poolings(&images, breasts.as_ref(), validation.as_deref(), config)?,
        breasts,
        calibration: calibration(&levels.images, config)?,
        recalibrated: [
            by_model_file(&levels.images, &labelled, inputs.calibrator, config)?,
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
                // Findings of images that the input check rejected have no score.
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

/// The figures and the net benefit of the images, from the same resamples.
fn image_figures(
    images: &Sample,
    frozen: &[FrozenPoint],
    config: &EvalConfig,
) -> Result<(UnitFigures, Defined<DecisionCurve>)> {
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

/// The distinct model names of the rows.
fn models(rows: &[ScoreRow]) -> Vec<String> {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.model.as_str()).collect();
    names.into_iter().filter(|name| !name.is_empty()).map(String::from).collect()
}
