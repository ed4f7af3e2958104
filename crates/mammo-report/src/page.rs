//! The page: one self-contained HTML file.

mod chart_view;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mammo_core::write::{write_atomically, write_json};
use mammo_core::{Error, Result};
use mammo_eval::Defined;
use serde::Serialize;

use crate::chart::{self, Chart};
use crate::content::{CaseKind, FlowStep, GalleryCase, Picture, Report};
use crate::evaluation_charts::{Section, Slot, percent, slots};
use crate::palette;
use crate::table::{Cell, Group, Num, groups, operating_shares};
use chart_view::ChartView;

const STYLE: &str = include_str!("../templates/style.css");

/// Name of the page.
pub const PAGE_FILE: &str = "report.html";

/// Writes `report.html`, `report.json` and the charts into a folder; returns the path of the page.
///
/// # Errors
/// [`Error::Io`] if a file cannot be written.
pub fn write(report: &Report, folder: &Path) -> Result<PathBuf> {
    let slots = slots(report);
    for slot in &slots {
        if let Some(figure) = slot.chart.value() {
            let file = |extension: &str| folder.join("figures").join(format!("{}.{extension}", slot.id));
            write_atomically(&file("svg"), chart::standalone(figure.drawing()).as_bytes())?;
            write_json(&file("json"), figure)?;
        }
    }
    write_json(&folder.join("report.json"), &PageData::new(report, &slots))?;
    let page = folder.join(PAGE_FILE);
    write_atomically(&page, render_with(report, &slots)?.as_bytes())?;
    Ok(page)
}

/// The page as text.
///
/// # Errors
/// [`Error::Table`] when a number cannot be written as JSON.
pub fn render(report: &Report) -> Result<String> {
    render_with(report, &slots(report))
}

/// The content of `report.json`, which the page embeds: the report and its charts by name.
#[derive(Serialize)]
struct PageData<'a> {
    #[serde(flatten)]
    report: &'a Report,
    figures: BTreeMap<&'a str, &'a Chart>,
}

impl<'a> PageData<'a> {
    fn new(report: &'a Report, slots: &'a [Slot]) -> Self {
        let figures = slots.iter().filter_map(|slot| Some((slot.id, slot.chart.value()?))).collect();
        Self { report, figures }
    }
}

fn render_with(report: &Report, slots: &[Slot]) -> Result<String> {
    let unwritable = |e: String| Error::table("report.html", None, e, "numbers that JSON can hold");
    let json = serde_json::to_string(&PageData::new(report, slots)).map_err(|e| unwritable(e.to_string()))?;
    let charts = |section| slots.iter().filter(|slot| slot.section == section).map(ChartView::new).collect();
    let page = Page {
        report,
        style: format!("{}{STYLE}", palette::css()),
        // Escaped, so that no text of a report can close the script element.
        json: json.replace("</", "<\\/"),
        level: report.runs.first().map_or(95.0, |run| percent(run.evaluation.config.bootstrap.level)),
        headlines: headlines(report),
        groups: groups(report),
        comparisons: comparisons(report),
        pairs: charts(Section::Results),
        wide: charts(Section::Subgroups),
        training: charts(Section::Training),
        shortcuts: shortcuts(report),
        flow: flow(report),
        panels: panels(report),
        gallery: gallery(report),
        missing: missing(report, slots),
    };
    page.render().map_err(|e| unwritable(e.to_string()))
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    style: String,
    json: String,
    level: f64,
    headlines: Vec<Headline>,
    groups: Vec<Group>,
    comparisons: Vec<ComparisonView>,
    pairs: Vec<ChartView>,
    wide: Vec<ChartView>,
    training: Vec<ChartView>,
    shortcuts: Vec<ShortcutView>,
    flow: Vec<StepView<'a>>,
    panels: Vec<PanelView>,
    gallery: Vec<GalleryView<'a>>,
    missing: Vec<(String, String)>,
}

/// A number at the top of the page.
struct Headline {
    label: &'static str,
    cell: Cell,
}

fn headlines(report: &Report) -> Vec<Headline> {
    let Some(run) = report.runs.first() else { return Vec::new() };
    let evaluation = &run.evaluation;
    let at = "/runs/0/evaluation";
    let mut out = vec![Headline {
        label: "AUC per image",
        cell: Cell::measured(&evaluation.images.auc, &format!("{at}/images/auc")),
    }];
    let shares = operating_shares(&evaluation.images, &format!("{at}/images"));
    out.extend(shares.into_iter().take(2).map(|(label, cell)| Headline { label, cell }));
    out.push(Headline {
        label: "Images",
        cell: Cell {
            value: Some(Num::count(evaluation.images.n, format!("{at}/images/n"))),
            interval: None,
            note: format!(
                "{} malignant, {} patients",
                evaluation.images.n_malignant, evaluation.images.n_patients
            ),
        },
    });
    out
}

/// One paired comparison.
struct ComparisonView {
    name: String,
    /// Area of the other run, area of the first run, difference.
    cells: Vec<Cell>,
    p_value: Option<Num>,
    note: String,
}

fn comparisons(report: &Report) -> Vec<ComparisonView> {
    let view = |(i, test): (usize, &crate::content::RunComparison)| {
        let at = format!("/comparisons/{i}/result");
        let Some(result) = test.result.value() else {
            let note = test.result.reason().unwrap_or_default().to_string();
            return ComparisonView { name: test.name.clone(), cells: Vec::new(), p_value: None, note };
        };
        let cell = |interval: &mammo_eval::Interval, name: &str| {
            Cell::measured(&Defined::Value(*interval), &format!("{at}/{name}"))
        };
        ComparisonView {
            name: test.name.clone(),
            cells: vec![
                cell(&result.first, "first"),
                cell(&result.second, "second"),
                cell(&result.difference, "difference"),
            ],
            p_value: result.p_value.map(|p| Num::new(p, 4, format!("{at}/p_value"))),
            note: format!("{} images of {} patients", result.n_images, result.n_patients),
        }
    };
    report.comparisons.iter().enumerate().map(view).collect()
}

/// A test for shortcut learning.
struct ShortcutView {
    column: String,
    overall: Cell,
    within: Cell,
    alone: Cell,
}

fn shortcuts(report: &Report) -> Vec<ShortcutView> {
    let Some(run) = report.runs.first() else { return Vec::new() };
    let view = |(i, shortcut): (usize, &mammo_eval::report::shortcut::Shortcut)| {
        let at = format!("/runs/0/evaluation/shortcuts/{i}");
        let alone = match &shortcut.site_alone_auc {
            Defined::Value(auc) => {
                Cell { value: Some(Num::new(*auc, 3, format!("{at}/site_alone_auc"))), ..Cell::default() }
            }
            Defined::Undefined { undefined } => Cell { note: undefined.clone(), ..Cell::default() },
        };
        ShortcutView {
            column: shortcut.column.clone(),
            overall: Cell::measured(&shortcut.overall_auc, &format!("{at}/overall_auc")),
            within: Cell::measured(&shortcut.within_auc, &format!("{at}/within_auc")),
            alone,
        }
    };
    run.evaluation.shortcuts.iter().enumerate().map(view).collect()
}

/// A step of the image flow.
struct StepView<'a> {
    step: &'a FlowStep,
    n: Num,
    left_out: Vec<(&'a str, Num)>,
}

fn flow(report: &Report) -> Vec<StepView<'_>> {
    let Some(flow) = report.flow.value() else { return Vec::new() };
    flow.steps
        .iter()
        .enumerate()
        .map(|(i, step)| {
            let at = format!("/flow/steps/{i}");
            let left_out = step
                .left_out
                .iter()
                .enumerate()
                .map(|(j, out)| (out.reason.as_str(), Num::count(out.n, format!("{at}/left_out/{j}/n"))));
            StepView {
                step,
                left_out: left_out.collect(),
                n: Num::count(step.n_images, format!("{at}/n_images")),
            }
        })
        .collect()
}

/// A picture with its caption.
struct PanelView {
    caption: String,
    uri: String,
    width: u32,
    height: u32,
}

fn panels(report: &Report) -> Vec<PanelView> {
    let Some(sheet) = report.preprocessing.value() else { return Vec::new() };
    let view = |panel: &crate::content::Panel| PanelView {
        caption: panel.caption.clone(),
        uri: uri(&panel.picture),
        width: panel.picture.width,
        height: panel.picture.height,
    };
    sheet.panels.iter().map(view).collect()
}

/// The gallery cases of one kind.
struct GalleryView<'a> {
    heading: &'static str,
    cases: Vec<CaseView<'a>>,
}

struct CaseView<'a> {
    case: &'a GalleryCase,
    /// File name without folder and extension.
    name: String,
    id: usize,
    score: Num,
    uri: String,
    layer: Option<String>,
}

fn gallery(report: &Report) -> Vec<GalleryView<'_>> {
    let Some(cases) = report.gallery.value() else { return Vec::new() };
    let of_kind = |kind: CaseKind| {
        cases.iter().enumerate().filter(move |(_, case)| case.kind == kind).map(|(i, case)| CaseView {
            case,
            name: Path::new(&case.file).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            id: i,
            score: Num::new(case.probability, 3, format!("/gallery/{i}/probability")),
            uri: uri(&case.picture),
            layer: case.layer.as_ref().map(uri),
        })
    };
    CaseKind::ALL
        .into_iter()
        .map(|kind| GalleryView { heading: kind.heading(), cases: of_kind(kind).collect() })
        .filter(|view| !view.cases.is_empty())
        .collect()
}

/// The parts that are missing, with the reason.
fn missing(report: &Report, slots: &[Slot]) -> Vec<(String, String)> {
    let parts = [
        ("Data flow", report.flow.reason()),
        ("Preprocessing", report.preprocessing.reason()),
        ("Cases", report.gallery.reason()),
    ];
    let figures = slots.iter().map(|slot| (slot.title, slot.chart.reason()));
    let cards = report.runs.iter().map(|run| ("Model card", run.card.reason()));
    parts
        .into_iter()
        .chain(figures)
        .chain(cards)
        .filter_map(|(what, reason)| Some((what.to_string(), reason?.to_string())))
        .collect()
}

fn uri(picture: &Picture) -> String {
    format!("data:{};base64,{}", picture.media_type, STANDARD.encode(&picture.bytes))
}
