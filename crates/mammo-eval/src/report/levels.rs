//! One table as images, breasts and patients; operating points and poolings for them.

use std::collections::HashSet;

use super::{EvalInputs, PoolingFigures};
use crate::config::EvalConfig;
use crate::defined::Defined;
use crate::origin::Origin;
use crate::report::unit::{FrozenPoint, UnitFigures};
use crate::roc::operating_point::{OperatingPoint, OperatingRule};
use crate::tables::aggregate::{Case, Pooling, by_breast, by_patient, parts_of_patients};
use crate::tables::sample::Sample;
use crate::tables::scores::{ScoreRow, ScoreTable};
use crate::tables::unit::Unit;
use crate::{Error, Result};

/// Rules for the operating points on validation scores, for images, breasts and patients each.
const RULES: [OperatingRule; 3] = [
    OperatingRule::MaxYouden,
    OperatingRule::SensitivityAtLeast(0.9),
    OperatingRule::SpecificityAtLeast(0.9),
];

/// Checks the rows and returns the labelled ones as cases.
pub(crate) fn labelled_images(rows: &[ScoreRow]) -> Result<Vec<Case>> {
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

/// Checks that rows of breasts or patients are not combined with what belongs to images, and that none occurs twice.
pub(super) fn check_unit(table: &ScoreTable, inputs: &EvalInputs) -> Result<()> {
    let unit = table.unit;
    if let Some(validation) = inputs.validation.filter(|validation| validation.unit != unit) {
        let found = format!("one row per {}", validation.unit);
        let expected = format!("one row per {unit}, as in the table to be evaluated");
        return Err(Error::setting("validation scores", found, expected));
    }
    if unit == Unit::Image {
        return Ok(());
    }
    if !inputs.images.is_empty() || inputs.findings.is_some() {
        let found = format!("a score table with one row per {unit}");
        let expected = "one row per image; score without --by, or leave manifest and findings out";
        return Err(Error::setting("manifest", found, expected));
    }
    let mut known = HashSet::new();
    let rows = table.rows.iter().filter(|row| unit == Unit::Patient || row.laterality.is_some());
    for row in rows {
        if !known.insert((&row.patient_id, row.laterality.filter(|_| unit == Unit::Breast))) {
            let found = format!("a second row of this {unit} of patient {}", row.patient_id);
            return Err(Error::table(&row.file, None, found, format!("one row per {unit}")));
        }
    }
    Ok(())
}

/// The same images as samples of images, breasts and patients.
pub(super) struct Levels {
    pub(super) images: Sample,
    pub(super) breasts: Option<Sample>,
    pub(super) patients: Sample,
}

impl Levels {
    /// The levels of cases that are the rows of a table; `images` holds the rows whatever they stand for.
    pub(super) fn of(images: &[Case], unit: Unit, config: &EvalConfig) -> Self {
        if unit != Unit::Image {
            // A row of a breast table without side is an image of unknown side, which is in no breast.
            let rows = images.iter().filter(|row| unit == Unit::Patient || row.laterality.is_some());
            let patients = by_patient(images, config.breasts);
            return Self { images: Sample::of(rows), breasts: None, patients: Sample::of(&patients) };
        }
        let breasts = by_breast(images, config.views);
        let patients = by_patient(&parts_of_patients(images, breasts.as_deref()), config.breasts);
        Self {
            images: Sample::of(images),
            breasts: breasts.as_ref().map(Sample::of),
            patients: Sample::of(&patients),
        }
    }
}

/// One operating point for each rule.
pub(super) fn choose_points(validation: &Sample) -> Result<Vec<FrozenPoint>> {
    let choose = |rule| {
        let point = OperatingPoint::choose(rule, &validation.scores, &validation.malignant)?;
        Ok(FrozenPoint { origin: Origin::ValidationScores, point })
    };
    RULES.into_iter().map(choose).collect()
}

/// The area per breast for each pooling of its views; `breasts` are pooled as in the settings.
pub(super) fn poolings(
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
                Defined::of(Sample::of(&pooled).auc(&config.bootstrap))?
            }
            _ => breasts.auc.clone(),
        };
        figures.push(PoolingFigures { pooling, auc });
    }
    Ok(figures)
}
