//! A chart on the page: drawing, caption, and its data as tables.

use crate::chart::{self, Chart, Mark};
use crate::evaluation_charts::Slot;
use crate::table::number;

/// Most rows of a data table under a chart; longer series are thinned, `report.json` has all points.
const MAX_ROWS: usize = 21;

/// A chart with its caption and data.
pub(super) struct ChartView {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) svg: Option<String>,
    pub(super) text: String,
    pub(super) data: Vec<DataView>,
}

/// The data of one series.
pub(super) struct DataView {
    pub(super) name: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) thinned: bool,
}

impl ChartView {
    pub(super) fn new(slot: &Slot) -> Self {
        match slot.chart.value() {
            Some(figure) => Self {
                id: slot.id,
                title: slot.title,
                svg: Some(chart::inline(figure.drawing())),
                text: figure.drawing().head().caption.clone(),
                data: data(figure),
            },
            None => Self {
                id: slot.id,
                title: slot.title,
                svg: None,
                text: slot.chart.reason().unwrap_or_default().to_string(),
                data: Vec::new(),
            },
        }
    }
}

fn data(figure: &Chart) -> Vec<DataView> {
    let Chart::Xy(chart) = figure else { return Vec::new() };
    let number = |v: f64| number(v, 3);
    let ends = |v: Option<f64>| v.map(number).unwrap_or_default();
    chart
        .series
        .iter()
        .filter(|series| !series.name.is_empty())
        .map(|series| {
            let (columns, rows): (Vec<&str>, Vec<Vec<String>>) = match &series.mark {
                Mark::Line { points, .. } | Mark::Steps { points } => {
                    (vec!["x", "y"], points.iter().map(|p| p.map(number).to_vec()).collect())
                }
                Mark::Band { points } => {
                    (vec!["x", "low", "high"], points.iter().map(|p| p.map(number).to_vec()).collect())
                }
                Mark::Dots { points } => (
                    vec!["x", "y", "low", "high"],
                    points
                        .iter()
                        .map(|d| vec![number(d.x), number(d.y), ends(d.low), ends(d.high)])
                        .collect(),
                ),
                Mark::Bars { bars } => {
                    (vec!["from", "to", "height"], bars.iter().map(|b| b.map(number).to_vec()).collect())
                }
            };
            let n = rows.len();
            let every = n.div_ceil(MAX_ROWS).max(1);
            let kept = rows.into_iter().enumerate().filter(|(i, _)| i % every == 0 || i + 1 == n);
            DataView {
                name: series.name.clone(),
                columns,
                rows: kept.map(|(_, row)| row).collect(),
                thinned: every > 1,
            }
        })
        .collect()
}
