//! An [`XyChart`] as kuva plots.

use kuva::plot::legend::{LegendEntry, LegendPosition, LegendShape};
use kuva::plot::{BandPlot, Histogram, LinePlot, LineStyle, ScatterPlot};
use kuva::render::plots::Plot;

use super::canvas::{self, Colours};
use super::style::SeriesStyle;
use super::svg::{Body, Drawing};
use super::{Dot, Head, Ink, Mark, Series, XyChart};

const WIDTH: f64 = 440.0;
/// Height of a plot area that is not square, in pixels.
const LOW: f64 = 232.0;

impl Drawing for XyChart {
    fn head(&self) -> &Head {
        &self.head
    }

    fn in_words(&self) -> String {
        self.words()
    }

    fn body(&self, colours: Colours) -> Body {
        let (mut plots, mut styles, mut legend) = (Vec::new(), Vec::new(), Vec::new());
        for (i, series) in self.series.iter().enumerate() {
            let of_series =
                series_style(series, format!("series {i}"), Some(format!("data-series=\"{i}\"{ROUND}")));
            plots.extend(plot(series, &of_series.token));
            styles.push(of_series);
            if !series.name.is_empty() {
                let in_legend = series_style(series, format!("key {i}"), None);
                legend.push(key(series, &in_legend.token));
                styles.push(in_legend);
            }
        }
        // The series drawn last, which lies on top, comes first in the legend.
        legend.reverse();
        let layout = canvas::layout(&self.x, &self.y, colours)
            .with_width(WIDTH)
            .with_legend_position(LegendPosition::OutsideBottomColumns)
            .with_legend_entries(legend);
        let layout = canvas::with_plot_height(layout, |width| if self.square { width } else { LOW });
        canvas::body(&self.head.id, plots, layout, &styles, Vec::new(), colours)
    }
}

/// Longest name in a legend, in characters.
const LONGEST_NAME: usize = 46;
/// Round joins and ends of lines.
const ROUND: &str = " stroke-linejoin=\"round\" stroke-linecap=\"round\"";

fn series_style(series: &Series, token: String, attributes: Option<String>) -> SeriesStyle {
    let outlined = series.ink == Ink::Neutral && matches!(series.mark, Mark::Bars { .. });
    let opacity = match series.mark {
        Mark::Band { .. } => 0.16,
        Mark::Bars { .. } if outlined => 0.2,
        Mark::Bars { .. } => 0.78,
        _ => 1.0,
    };
    SeriesStyle { token, ink: series.ink, opacity, outlined, attributes }
}

fn plot(series: &Series, token: &str) -> Option<Plot> {
    let line = |points: &[[f64; 2]], step| LinePlot {
        step,
        line_style: line_style(series),
        ..LinePlot::new()
            .with_data(points.iter().map(|p| (p[0], p[1])))
            .with_stroke_width(if is_reference(&series.mark) { 1.4 } else { 2.0 })
            .with_color(token)
    };
    Some(match &series.mark {
        Mark::Line { points, .. } => Plot::Line(line(points, false)),
        Mark::Steps { points } => Plot::Line(line(points, true)),
        Mark::Band { points } => {
            let column = |i: usize| points.iter().map(move |p| p[i]);
            Plot::Band(BandPlot::new(column(0), column(1), column(2)).with_color(token))
        }
        Mark::Dots { points } => Plot::Scatter(dots(points).with_color(token)),
        Mark::Bars { bars } => Plot::Histogram(histogram(bars)?.with_color(token)),
    })
}

fn dots(points: &[Dot]) -> ScatterPlot {
    let mut plot = ScatterPlot::new().with_data(points.iter().map(|dot| (dot.x, dot.y))).with_size(4.5);
    for (point, dot) in plot.data.iter_mut().zip(points) {
        point.y_err = dot.low.zip(dot.high).map(|(low, high)| (dot.y - low, high - dot.y));
    }
    plot
}

/// Bars with gaps; kuva represents a gap as a bin of height 0.
fn histogram(bars: &[[f64; 3]]) -> Option<Histogram> {
    let mut edges = vec![bars.first()?[0]];
    let mut heights = Vec::new();
    for &[from, to, height] in bars {
        if edges.last().is_some_and(|&end| from > end) {
            edges.push(from);
            heights.push(0.0);
        }
        edges.push(to);
        heights.push(height);
    }
    Some(Histogram::from_bins(edges, heights))
}

fn is_reference(mark: &Mark) -> bool {
    matches!(mark, Mark::Line { dashed: true, .. })
}

/// Each ink has its own dash pattern, so that series do not differ by colour alone.
fn line_style(series: &Series) -> LineStyle {
    let pattern = match series.ink {
        _ if is_reference(&series.mark) => "4 4",
        Ink::Accent => return LineStyle::Solid,
        Ink::Second => "9 4",
        Ink::Third => "2 4.5",
        Ink::Fourth => "10 4 2 4",
        Ink::Neutral => "5 3 1 3",
    };
    LineStyle::Custom(pattern.into())
}

/// A name shortened for the legend; the data tables of the page have the full name.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.into(),
    }
}

fn key(series: &Series, token: &str) -> LegendEntry {
    let (shape, dasharray) = match series.mark {
        Mark::Line { .. } | Mark::Steps { .. } => (LegendShape::Line, line_style(series).dasharray()),
        Mark::Band { .. } | Mark::Bars { .. } => (LegendShape::Rect, None),
        Mark::Dots { .. } => (LegendShape::Circle, None),
    };
    LegendEntry { label: canvas::literal(&shortened(&series.name)), color: token.into(), shape, dasharray }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Axis;
    use crate::chart::svg::standalone;

    fn chart() -> XyChart {
        XyChart {
            head: Head { id: "roc".into(), title: "ROC <curve>".into(), caption: "a & b".into() },
            x: Axis::share("false positives"),
            y: Axis::share("sensitivity"),
            series: vec![
                Series::new(
                    "chance",
                    Ink::Neutral,
                    Mark::Line { points: vec![[0.0, 0.0], [1.0, 1.0]], dashed: true },
                ),
                Series::new(
                    "",
                    Ink::Accent,
                    Mark::Dots { points: vec![Dot { x: 0.5, y: 0.5, low: None, high: None }] },
                ),
            ],
            square: true,
        }
    }

    #[test]
    fn points_land_where_the_axes_say() {
        let body = chart().body(Colours::Page);
        let [left, top, width, height] = body.plot;
        let round = |v: f64| (v * 100.0).round() / 100.0;
        let d = format!("M {} {} L {} {}", round(left), round(top + height), round(left + width), round(top));
        assert!(body.content.contains(&d), "{}", body.content);
        let middle = format!("cx=\"{}\" cy=\"{}\"", round(left + width / 2.0), round(top + height / 2.0));
        assert!(body.content.contains(&middle), "{}", body.content);
    }

    #[test]
    fn a_name_stands_in_the_legend_as_it_is_until_it_is_too_long() {
        let named = |name: &str| {
            let mut chart = chart();
            chart.series[0].name = name.into();
            chart.body(Colours::File).content
        };
        assert!(named("costs $5 or $6").contains(">costs $5 or $6<"));
        assert!(named("é".repeat(60).as_str()).contains(&format!(">{}…<", "é".repeat(LONGEST_NAME))));
    }

    #[test]
    fn a_file_of_its_own_has_colours_and_escaped_words() {
        let svg = standalone(&chart());
        assert!(svg.contains("ROC &lt;curve&gt;") && svg.contains("a &amp; b"));
        assert!(svg.contains("#0a5fb4") && !svg.contains("var("), "{svg}");
    }
}
