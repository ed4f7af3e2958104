//! The result table: rows of numbers, each with its position in `report.json`.

use mammo_eval::readers::ReaderDifference;
use mammo_eval::report::figure::p_in_words;
use mammo_eval::report::unit::OperatingShare;
use mammo_eval::{AucError, Defined, Evaluation, Interval, UnitFigures};

use crate::content::Report;

/// A number on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Num {
    /// Rounded text, with a minus sign (U+2212).
    pub text: String,
    /// Exact value.
    pub value: f64,
    /// Decimals of `text`.
    pub decimals: usize,
    /// Position in `report.json` (JSON pointer, RFC 6901).
    pub pointer: String,
}

/// A number as text, with a minus sign (U+2212) instead of a hyphen.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}").replace('-', "−")
}

impl Num {
    /// A number with this number of decimals.
    pub fn new(value: f64, decimals: usize, pointer: impl Into<String>) -> Self {
        let text = number(value, decimals);
        Self { text, value, decimals, pointer: pointer.into() }
    }

    /// A count.
    pub fn count(n: usize, pointer: impl Into<String>) -> Self {
        Self::new(n as f64, 0, pointer)
    }
}

/// A number with its interval, or the reason why there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The estimate.
    pub value: Option<Num>,
    /// Lower and upper end.
    pub interval: Option<(Num, Num)>,
    /// Counts, or the reason why the value is missing.
    pub note: String,
}

impl Cell {
    fn missing(note: impl Into<String>) -> Self {
        Self { note: note.into(), ..Self::default() }
    }

    fn plain(value: f64, decimals: usize, pointer: String) -> Self {
        Self { value: Some(Num::new(value, decimals, pointer)), ..Self::default() }
    }

    fn with_ends([estimate, low, high]: [f64; 3], pointer: &str) -> Self {
        let num = |value, name| Num::new(value, 3, format!("{pointer}/{name}"));
        Self {
            value: Some(num(estimate, "estimate")),
            interval: Some((num(low, "low"), num(high, "high"))),
            note: String::new(),
        }
    }

    /// An estimate with its bootstrap interval.
    pub fn measured(measured: &Defined<Interval>, pointer: &str) -> Self {
        match measured {
            Defined::Value(i) => Self::with_ends([i.estimate, i.low, i.high], pointer),
            Defined::Undefined { undefined } => Self::missing(undefined),
        }
    }

    /// A share at the operating point whose JSON pointer is `pointer`.
    fn share(share: &OperatingShare, pointer: &str) -> Self {
        let Some((estimate, low, high)) = share.ends() else { return Self::missing(share.note()) };
        let pointer = match share.clustered {
            Defined::Value(_) => format!("{pointer}/{}", share.name),
            Defined::Undefined { .. } => format!("{pointer}/result/{}", share.name),
        };
        Self { note: share.note(), ..Self::with_ends([estimate, low, high], &pointer) }
    }
}

/// One figure for every run.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the figure.
    pub label: String,
    /// One cell per run.
    pub cells: Vec<Cell>,
}

/// Rows under a heading.
#[derive(Clone, Debug)]
pub struct Group {
    /// The heading.
    pub heading: &'static str,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The result table of a report.
pub fn groups(report: &Report) -> Vec<Group> {
    let columns: Vec<Vec<(&'static str, String, Cell)>> = report
        .runs
        .iter()
        .enumerate()
        .map(|(i, run)| column(&run.evaluation, &format!("/runs/{i}/evaluation")))
        .collect();
    let mut groups: Vec<Group> = Vec::new();
    for (heading, label) in columns.iter().flatten().map(|(heading, label, _)| (*heading, label)) {
        let at = groups.iter().position(|group| group.heading == heading).unwrap_or_else(|| {
            groups.push(Group { heading, rows: Vec::new() });
            groups.len() - 1
        });
        if groups[at].rows.iter().all(|row| row.label != *label) {
            let cell = |column: &Vec<(&str, String, Cell)>| {
                let found = column.iter().find(|(h, l, _)| *h == heading && l == label);
                found.map_or_else(|| Cell::missing("not evaluated"), |(_, _, cell)| cell.clone())
            };
            groups[at].rows.push(Row { label: label.clone(), cells: columns.iter().map(cell).collect() });
        }
    }
    groups
}

/// All figures of one evaluation: heading, label, value.
fn column(evaluation: &Evaluation, at: &str) -> Vec<(&'static str, String, Cell)> {
    let mut out: Vec<(&'static str, String, Cell)> = Vec::new();
    let units = [
        ("images", Some(&evaluation.images)),
        ("breasts", evaluation.breasts.as_ref()),
        ("patients", Some(&evaluation.patients)),
    ];
    for (name, unit) in units.into_iter().filter_map(|(name, unit)| Some((name, unit?))) {
        let here = format!("{at}/{name}");
        let singular = name.trim_end_matches('s');
        out.push((
            "Discrimination",
            format!("AUC per {singular}"),
            Cell::measured(&unit.auc, &format!("{here}/auc")),
        ));
    }
    for (i, figures) in evaluation.poolings.iter().enumerate() {
        let cell = Cell::measured(&figures.auc, &format!("{at}/poolings/{i}/auc"));
        let label = format!("AUC per breast, views by {}", figures.pooling.name());
        out.push(("Discrimination", label, cell));
    }
    let (images, here) = (&evaluation.images, format!("{at}/images"));
    out.extend(discrimination(images, &here));
    out.extend(operating(images, &here));
    out.extend(calibration(evaluation, at));
    out.extend(localisation(evaluation, at));
    out.extend(readers(evaluation, at));
    for (name, unit) in units.into_iter().filter_map(|(name, unit)| Some((name, unit?))) {
        let cell = Cell {
            note: format!("{} malignant", unit.n_malignant),
            value: Some(Num::count(unit.n, format!("{at}/{name}/n"))),
            interval: None,
        };
        out.push(("Cases", capital(name), cell));
    }
    out
}

fn capital(word: &str) -> String {
    word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect()
}

fn discrimination(images: &UnitFigures, at: &str) -> Vec<(&'static str, String, Cell)> {
    let heading = "Discrimination";
    let mut out = Vec::new();
    if let Defined::Value(delong) = &images.delong {
        let note = "closed form, clustered by patient, on the logit scale";
        out.push((
            heading,
            "AUC per image, DeLong".into(),
            closed_form(delong, &format!("{at}/delong"), note),
        ));
    }
    if let Defined::Value(partial) = &images.partial_auc {
        let i = &partial.standardised;
        let cell = Cell::with_ends([i.estimate, i.low, i.high], &format!("{at}/partial_auc/standardised"));
        let label = format!("Partial AUC, specificity from {} (standardised)", partial.min_specificity);
        out.push((heading, label, cell));
    }
    let precision = Cell::measured(&images.average_precision, &format!("{at}/average_precision"));
    out.push((heading, "Average precision".into(), precision));
    for (name, other, fixed) in [
        ("sensitivity_at_specificity", ["Sensitivity", "specificity"], &images.sensitivity_at_specificity),
        ("specificity_at_sensitivity", ["Specificity", "sensitivity"], &images.specificity_at_sensitivity),
    ] {
        for (i, point) in fixed.iter().enumerate() {
            let cell = Cell::measured(&point.value, &format!("{at}/{name}/{i}/value"));
            out.push((heading, format!("{} at {} {}", other[0], other[1], point.at), cell));
        }
    }
    out
}

/// An area with its interval on the logit scale, or the normal interval if that is undefined.
fn closed_form(area: &AucError, pointer: &str, note: &str) -> Cell {
    let num = |value, name: &str| Num::new(value, 3, format!("{pointer}/{name}"));
    let (auc, low, high) = area.best();
    let scale = if area.logit.value().is_some() { "logit/" } else { "" };
    let interval = (num(low, &format!("{scale}low")), num(high, &format!("{scale}high")));
    Cell { value: Some(num(auc, "auc")), interval: Some(interval), note: note.into() }
}

/// Sensitivity, specificity, predictive values and recall rate at the first operating point, each
/// with its label; empty without an operating point.
pub(crate) fn operating_shares(images: &UnitFigures, at: &str) -> Vec<(&'static str, Cell)> {
    let Some(point) = images.operating_points.first() else { return Vec::new() };
    let labels = ["Sensitivity", "Specificity", "PPV in this sample", "NPV in this sample", "Recall rate"];
    let cell = |share| Cell::share(&share, &format!("{at}/operating_points/0"));
    labels.into_iter().zip(point.shares().map(cell)).collect()
}

fn operating(images: &UnitFigures, at: &str) -> Vec<(&'static str, String, Cell)> {
    let heading = "At the threshold chosen on validation data";
    let Some(point) = images.operating_points.first() else {
        return vec![(heading, "Threshold".into(), Cell::missing("none was chosen on validation data"))];
    };
    let here = format!("{at}/operating_points/0");
    let mut threshold = Cell::plain(point.result.threshold, 3, format!("{here}/result/threshold"));
    threshold.note = format!("from {}", point.origin);
    let mut out = vec![(heading, "Threshold".into(), threshold)];
    out.extend(operating_shares(images, at).into_iter().map(|(label, cell)| (heading, label.into(), cell)));
    if let Some(stated) = &point.at_prevalence {
        for (name, label, value) in [("ppv", "PPV", &stated.ppv), ("npv", "NPV", &stated.npv)] {
            let cell = Cell::measured(value, &format!("{here}/at_prevalence/{name}"));
            out.push((heading, format!("{label} at prevalence {}", stated.prevalence), cell));
        }
    }
    out
}

fn calibration(evaluation: &Evaluation, at: &str) -> Vec<(&'static str, String, Cell)> {
    let heading = "Calibration";
    let figures = match &evaluation.calibration {
        Defined::Value(figures) => figures,
        Defined::Undefined { undefined } => {
            return vec![(heading, "Calibration".into(), Cell::missing(undefined))];
        }
    };
    let here = format!("{at}/calibration");
    let mut ece = Cell::plain(figures.ece, 3, format!("{here}/ece"));
    ece.note = format!("{:.3} expected by chance", figures.ece_by_chance);
    let line = |measured: &Defined<mammo_eval::calibration::reliability::Estimate>, name: &str| match measured
    {
        Defined::Value(e) => Cell::with_ends([e.estimate, e.low, e.high], &format!("{here}/{name}")),
        Defined::Undefined { undefined } => Cell::missing(undefined),
    };
    vec![
        (heading, "Brier score".into(), Cell::measured(&figures.brier, &format!("{here}/brier"))),
        (heading, "Log loss".into(), Cell::plain(figures.log_loss, 3, format!("{here}/log_loss"))),
        (heading, "Expected calibration error".into(), ece),
        (heading, "Calibration slope (1 is ideal)".into(), line(&figures.slope, "slope")),
        (
            heading,
            "Calibration in the large (0 is ideal)".into(),
            line(&figures.in_the_large, "in_the_large"),
        ),
    ]
}

fn localisation(evaluation: &Evaluation, at: &str) -> Vec<(&'static str, String, Cell)> {
    let heading = "Localisation";
    let Some(localisation) = &evaluation.localisation else { return Vec::new() };
    let here = format!("{at}/localisation");
    let mut out = Vec::new();
    if let Defined::Value(froc) = &localisation.froc {
        for (i, point) in
            froc.at.iter().enumerate().filter(|(_, point)| [0.5, 1.0, 2.0, 4.0].contains(&point.at))
        {
            let cell =
                Cell::with_ends([point.estimate, point.low, point.high], &format!("{here}/froc/at/{i}"));
            out.push((
                heading,
                format!("Lesion sensitivity at {} false positives per image", point.at),
                cell,
            ));
        }
    }
    let mut pointing = Cell::measured(&localisation.pointing_game, &format!("{here}/pointing_game"));
    pointing.note += &format!("most probable finding, {} images", localisation.n_images_with_lesion);
    out.push((heading, "Pointing game".into(), pointing));
    let overlap = Cell::measured(&localisation.mean_overlap, &format!("{here}/mean_overlap"));
    out.push((heading, "Mean overlap (IoU)".into(), overlap));
    out
}

/// Areas of the readers, and of the model minus their mean; empty without ratings.
fn readers(evaluation: &Evaluation, at: &str) -> Vec<(&'static str, String, Cell)> {
    let heading = "Comparison with readers";
    let Some(study) = &evaluation.readers else { return Vec::new() };
    let here = format!("{at}/readers");
    let area = |area: &Defined<AucError>, pointer: &str| match area {
        Defined::Value(area) => {
            let note = format!("{} images that all readers rated", study.n_images);
            closed_form(area, pointer, &note)
        }
        Defined::Undefined { undefined } => Cell::missing(undefined),
    };
    let difference = |difference: &Defined<ReaderDifference>, pointer: &str| match difference {
        Defined::Value(d) => {
            let num = |value, name: &str| Num::new(value, 3, format!("{pointer}/{name}"));
            Cell {
                value: Some(num(d.difference, "difference")),
                interval: Some((num(d.low, "low"), num(d.high, "high"))),
                note: format!("Obuchowski–Rockette, {}", p_in_words(d.p_value)),
            }
        }
        Defined::Undefined { undefined } => Cell::missing(undefined),
    };
    let mut out = vec![(heading, "AUC of the model".into(), area(&study.model, &format!("{here}/model")))];
    for (i, reader) in study.readers.iter().enumerate() {
        let cell = area(&reader.auc, &format!("{here}/readers/{i}/auc"));
        out.push((heading, format!("AUC of reader {}", reader.name), cell));
    }
    let mean = match &study.mean_auc {
        Defined::Value(mean) => Cell::plain(*mean, 3, format!("{here}/mean_auc")),
        Defined::Undefined { undefined } => Cell::missing(undefined),
    };
    out.push((heading, "Mean AUC of the readers".into(), mean));
    for (name, label, value) in [
        ("fixed_readers", "Model minus mean of the readers (fixed readers)", &study.fixed_readers),
        ("random_readers", "Model minus mean of the readers (random readers)", &study.random_readers),
    ] {
        out.push((heading, label.into(), difference(value, &format!("{here}/{name}"))));
    }
    out
}
