//! A [`Forest`] as a kuva plot: dots with whiskers, and columns of text beside them.

use kuva::plot::ScatterPlot;
use kuva::plot::annotations::ReferenceLine;
use kuva::render::plots::Plot;
use kuva::render::render::{Primitive, TextAnchor};

use super::canvas::{self, Colours, LETTERS, SMALL};
use super::style::SeriesStyle;
use super::svg::{Body, Drawing};
use super::{Axis, Forest, ForestRow, Head, Ink};

const WIDTH: f64 = 720.0;
/// Height of a row in pixels.
const ROW: f64 = 24.0;
/// Margins in pixels: names and counts on the left, estimates on the right, column headers above.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 160.0;
const TOP: f64 = 26.0;
/// Horizontal positions of the columns in pixels.
const IMAGES: f64 = 250.0;
const MALIGNANT: f64 = 316.0;
const ESTIMATE: f64 = 706.0;

impl Drawing for Forest {
    fn head(&self) -> &Head {
        &self.head
    }

    fn in_words(&self) -> String {
        self.words()
    }

    fn body(&self, colours: Colours) -> Body {
        let n = self.rows.len() as f64;
        let [low, high] = self.range;
        let x =
            Axis { label: self.label.clone(), min: low, max: high, step: (high - low) / 4.0, decimals: 2 };
        let y = Axis { label: String::new(), min: 0.0, max: n, step: n, decimals: 0 };
        let mut layout = canvas::layout(&x, &y, colours).with_width(WIDTH).with_force_margins(LEFT, RIGHT);
        layout.suppress_y_ticks = true;
        layout.force_margin_top = Some(TOP);
        if let Some(overall) = self.overall {
            let line =
                ReferenceLine::vertical(overall).with_color(colours.css("neutral")).with_dasharray("4 4");
            layout = layout.with_reference_line(line);
        }
        let layout = canvas::with_plot_height(layout, |_| n * ROW);
        let (mut plots, mut styles, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (text, place) in
            [("images", IMAGES), ("malignant", MALIGNANT), ("estimate and interval", ESTIMATE)]
        {
            texts.push(words(text, [place, TOP - 10.0], TextAnchor::End, TextStyle::Column, colours));
        }
        for (i, row) in self.rows.iter().enumerate() {
            texts.extend(texts_of(row, TOP + (i as f64 + 0.5) * ROW, colours));
            if let Some([estimate, from, to]) = row.estimate {
                let style = row_style(i);
                let (at, y) = (estimate.clamp(low, high), n - i as f64 - 0.5);
                let dot = ScatterPlot::new().with_data([(at, y)]).with_size(5.0).with_color(&style.token);
                plots.push(Plot::Scatter(
                    dot.with_x_err_asymmetric([(at - from.max(low), to.min(high) - at)]),
                ));
                styles.push(style);
            }
        }
        // kuva draws no axes without a plot, and rows without estimate need them, too.
        if plots.is_empty() {
            plots.push(Plot::Scatter(ScatterPlot::new()));
        }
        canvas::body(&self.head.id, plots, layout, &styles, texts, colours)
    }
}

fn row_style(row: usize) -> SeriesStyle {
    SeriesStyle {
        token: format!("row {row}"),
        ink: Ink::Accent,
        opacity: 1.0,
        outlined: false,
        attributes: Some(format!("data-row=\"{row}\"")),
    }
}

/// Name, counts and estimate of a row.
fn texts_of(row: &ForestRow, middle: f64, colours: Colours) -> Vec<Primitive> {
    let y = middle + 3.8;
    let (style, indent) = if row.heading { (TextStyle::Heading, 8.0) } else { (TextStyle::Plain, 22.0) };
    let mut texts = vec![words(&row.label, [indent, y], TextAnchor::Start, style, colours)];
    for (n, place) in row.n.into_iter().flat_map(|[n, malignant]| [(n, IMAGES), (malignant, MALIGNANT)]) {
        texts.push(words(&n.to_string(), [place, y], TextAnchor::End, TextStyle::Plain, colours));
    }
    let values = match row.estimate {
        Some([estimate, from, to]) => (format!("{estimate:.3}  ({from:.3} to {to:.3})"), TextStyle::Plain),
        None => (row.note.clone(), TextStyle::Column),
    };
    if !values.0.is_empty() {
        texts.push(words(&values.0, [ESTIMATE, y], TextAnchor::End, values.1, colours));
    }
    texts
}

#[derive(Clone, Copy, PartialEq)]
enum TextStyle {
    Column,
    Heading,
    Plain,
}

fn words(text: &str, [x, y]: [f64; 2], anchor: TextAnchor, style: TextStyle, colours: Colours) -> Primitive {
    let muted = style == TextStyle::Column;
    Primitive::Text {
        x,
        y,
        content: canvas::literal(text),
        size: if muted { SMALL } else { LETTERS },
        anchor,
        rotate: None,
        bold: style == TextStyle::Heading,
        color: Some(colours.css(if muted { "muted" } else { "ink" }).into()),
    }
}
