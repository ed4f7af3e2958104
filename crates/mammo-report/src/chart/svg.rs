//! Charts as SVG, in the page's colours.

use std::fmt::Write;

use super::{Axis, Chart, Forest, Mark, Series};
use crate::palette;

const WIDTH: f64 = 440.0;
const SQUARE_HEIGHT: f64 = 392.0;
const WIDE_HEIGHT: f64 = 286.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 46.0;
const LEGEND_ROW: f64 = 18.0;
/// Width of a letter of the legend, about; to break its rows.
const LETTER: f64 = 6.3;
const FOREST_ROW: f64 = 24.0;

/// Anything that can be drawn.
pub trait Drawing {
    /// Name in file names and anchors.
    fn id(&self) -> &str;
    /// Heading.
    fn title(&self) -> &str;
    /// Text alternative.
    fn caption(&self) -> &str;
    /// Width and height in pixels at size 1, and what is inside of the `svg` element.
    fn body(&self) -> Body;
}

/// The inside of a drawing.
pub struct Body {
    width: f64,
    height: f64,
    /// Left, top, width, height of the plot.
    plot: [f64; 4],
    /// `xmin xmax ymin ymax` of the plot.
    range: [f64; 4],
    content: String,
}

/// The figure for a page that defines the colours.
pub fn inline(figure: &dyn Drawing) -> String {
    let Body { width, height, plot, range, content } = figure.body();
    let id = figure.id();
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" \
         data-plot=\"{}\" data-range=\"{}\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{content}</svg>",
        numbers(&plot),
        numbers(&range),
        escape(figure.title()),
        escape(figure.caption()),
    )
}

/// The figure as a file of its own, with a heading and both colour schemes.
pub fn standalone(figure: &dyn Drawing) -> String {
    let Body { width, height, content, .. } = figure.body();
    let top = 34.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" width=\"{width}\" height=\"{}\" role=\"img\">\
         <title>{title}</title><desc>{}</desc><style>{}{STYLE}svg{{background:var(--page)}}</style>\
         <text class=\"head\" x=\"14\" y=\"23\">{title}</text><g transform=\"translate(0 {top})\">{content}</g></svg>\n",
        height + top,
        height + top,
        escape(figure.caption()),
        palette::css(),
        title = escape(figure.title()),
    )
}

/// Rules for the parts of a figure, shared by page and files.
pub const STYLE: &str = "\
svg text{font:11px system-ui,-apple-system,'Segoe UI',Inter,Roboto,'Helvetica Neue',Arial,sans-serif;\
fill:var(--muted);font-variant-numeric:tabular-nums}\
svg .head{font-size:14px;font-weight:600;fill:var(--ink)}\
svg .key,svg .name{fill:var(--ink)}svg .strong{fill:var(--ink);font-weight:600}\
svg .grid{stroke:var(--grid);stroke-width:1}svg .axis{stroke:var(--neutral);stroke-width:1}\
svg .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
svg .dash{stroke-width:1.4;stroke-dasharray:4 4}svg .band{opacity:.16;stroke:none}\
svg .whisker{stroke-width:1.5}svg .dot{stroke:var(--page);stroke-width:1.5}\
svg .bar{opacity:.78}";

impl Drawing for Chart {
    fn id(&self) -> &str {
        &self.id
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn caption(&self) -> &str {
        &self.caption
    }

    fn body(&self) -> Body {
        let (legend, rows) = legend(&self.series);
        let top = 8.0 + rows as f64 * LEGEND_ROW;
        let height = if self.square { SQUARE_HEIGHT } else { WIDE_HEIGHT } + rows as f64 * LEGEND_ROW;
        let plot = [LEFT, top, WIDTH - LEFT - RIGHT, height - top - BOTTOM];
        let frame = Frame { plot, x: &self.x, y: &self.y };
        let mut content = legend;
        // Lines that leave the axes end there; one pixel more keeps those along an edge whole.
        let [x, y, w, h] = [plot[0] - 1.0, plot[1] - 1.0, plot[2] + 2.0, plot[3] + 2.0];
        let _ = write!(
            content,
            "<clipPath id=\"{}-clip\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/></clipPath>",
            self.id
        );
        frame.axes(&mut content);
        for (i, series) in self.series.iter().enumerate() {
            frame.series(&mut content, series, i, &format!(" clip-path=\"url(#{}-clip)\"", self.id));
        }
        let range = [self.x.min, self.x.max, self.y.min, self.y.max];
        Body { width: WIDTH, height, plot, range, content }
    }
}

/// Data to pixels.
struct Frame<'a> {
    plot: [f64; 4],
    x: &'a Axis,
    y: &'a Axis,
}

impl Frame<'_> {
    fn x(&self, v: f64) -> f64 {
        self.plot[0] + (v - self.x.min) / (self.x.max - self.x.min) * self.plot[2]
    }

    fn y(&self, v: f64) -> f64 {
        self.plot[1] + (self.y.max - v) / (self.y.max - self.y.min) * self.plot[3]
    }

    fn axes(&self, out: &mut String) {
        let [left, top, width, height] = self.plot;
        let (right, bottom) = (left + width, top + height);
        for (v, text) in &self.y.ticks {
            let y = self.y(*v);
            line(out, "grid", [left, y, right, y], "");
            label(out, "", [left - 8.0, y + 3.8], "end", text);
        }
        for (v, text) in &self.x.ticks {
            let x = self.x(*v);
            line(out, "grid", [x, top, x, bottom], "");
            label(out, "", [x, bottom + 16.0], "middle", text);
        }
        line(out, "axis", [left, bottom, right, bottom], "");
        label(out, "name", [left + width / 2.0, bottom + 36.0], "middle", &self.x.label);
        let (x, y) = (13.0, top + height / 2.0);
        let _ = write!(
            out,
            "<text class=\"name\" text-anchor=\"middle\" transform=\"translate({x} {}) rotate(-90)\">{}</text>",
            round(y),
            escape(&self.y.label)
        );
    }

    fn path(&self, points: impl Iterator<Item = [f64; 2]>) -> String {
        let mut d = String::new();
        for (i, [x, y]) in points.enumerate() {
            let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, round(self.x(x)), round(self.y(y)));
        }
        d
    }

    fn series(&self, out: &mut String, series: &Series, index: usize, clip: &str) {
        let ink = series.ink.variable();
        match &series.mark {
            Mark::Line { points, dashed } => {
                let d = self.path(points.iter().copied());
                let class = if *dashed { "line dash" } else { "line" };
                let _ = write!(
                    out,
                    "<path class=\"{class}\" data-series=\"{index}\"{clip} stroke=\"var(--{ink})\" d=\"{d}\"/>"
                );
            }
            Mark::Steps { points } => {
                let mut corners: Vec<[f64; 2]> = Vec::new();
                for &[x, y] in points {
                    if let Some(&[_, before]) = corners.last() {
                        corners.push([x, before]);
                    }
                    corners.push([x, y]);
                }
                let d = self.path(corners.into_iter());
                let _ = write!(
                    out,
                    "<path class=\"line\" data-series=\"{index}\"{clip} stroke=\"var(--{ink})\" d=\"{d}\"/>"
                );
            }
            Mark::Band { points } => {
                let low = points.iter().map(|&[x, low, _]| [x, low]);
                let high = points.iter().rev().map(|&[x, _, high]| [x, high]);
                let d = self.path(low.chain(high));
                let _ = write!(
                    out,
                    "<path class=\"band\" data-series=\"{index}\"{clip} fill=\"var(--{ink})\" d=\"{d}Z\"/>"
                );
            }
            Mark::Dots { points } => {
                for dot in points {
                    let (x, y) = (self.x(dot.x), self.y(dot.y));
                    if let (Some(low), Some(high)) = (dot.low, dot.high) {
                        let stroke = format!(" stroke=\"var(--{ink})\"");
                        line(out, "whisker", [x, self.y(low), x, self.y(high)], &stroke);
                    }
                    let _ = write!(
                        out,
                        "<circle class=\"dot\" data-series=\"{index}\" cx=\"{}\" cy=\"{}\" r=\"4.5\" fill=\"var(--{ink})\"/>",
                        round(x),
                        round(y)
                    );
                }
            }
            Mark::Bars { bars } => {
                for &[from, to, height] in bars {
                    let (x0, x1, y) = (self.x(from), self.x(to), self.y(height));
                    let _ = write!(
                        out,
                        "<rect class=\"bar\" data-series=\"{index}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"var(--{ink})\"/>",
                        round(x0 + 0.5),
                        round(y),
                        round(x1 - x0 - 1.0),
                        round(self.y(0.0) - y)
                    );
                }
            }
        }
    }
}

/// The names of the series in rows over the plot, and how many rows they take.
fn legend(series: &[Series]) -> (String, usize) {
    let mut out = String::new();
    let (mut x, mut row) = (LEFT, 0_usize);
    // What is drawn last and lies on top is named first.
    let named: Vec<&Series> = series.iter().rev().filter(|s| !s.name.is_empty()).collect();
    for entry in &named {
        let wide = 22.0 + entry.name.chars().count() as f64 * LETTER + 14.0;
        if x > LEFT && x + wide > WIDTH {
            x = LEFT;
            row += 1;
        }
        let y = 10.0 + row as f64 * LEGEND_ROW;
        let ink = entry.ink.variable();
        let _ = match &entry.mark {
            Mark::Band { .. } => {
                write!(
                    out,
                    "<rect class=\"band\" x=\"{x}\" y=\"{}\" width=\"16\" height=\"10\" fill=\"var(--{ink})\"/>",
                    y - 5.0
                )
            }
            Mark::Bars { .. } => {
                write!(
                    out,
                    "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"var(--{ink})\"/>",
                    x + 3.0,
                    y - 5.0
                )
            }
            Mark::Dots { .. } => {
                write!(
                    out,
                    "<circle class=\"dot\" cx=\"{}\" cy=\"{y}\" r=\"4.5\" fill=\"var(--{ink})\"/>",
                    x + 8.0
                )
            }
            Mark::Line { dashed, .. } => {
                let class = if *dashed { "line dash" } else { "line" };
                write!(out, "<path class=\"{class}\" stroke=\"var(--{ink})\" d=\"M{x} {y}h16\"/>")
            }
            Mark::Steps { .. } => {
                write!(out, "<path class=\"line\" stroke=\"var(--{ink})\" d=\"M{x} {y}h16\"/>")
            }
        };
        label(&mut out, "key", [x + 22.0, y + 3.8], "start", &entry.name);
        x += wide;
    }
    (out, if named.is_empty() { 0 } else { row + 1 })
}

impl Drawing for Forest {
    fn id(&self) -> &str {
        &self.id
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn caption(&self) -> &str {
        &self.caption
    }

    fn body(&self) -> Body {
        let (width, top) = (720.0, 26.0);
        let height = top + self.rows.len() as f64 * FOREST_ROW + BOTTOM;
        let plot = [330.0, top, 230.0, height - top - BOTTOM];
        let [low, high] = self.range;
        let step = (high - low) / 4.0;
        let ticks = (0..=4).map(|i| low + f64::from(i) * step).map(|v| (v, format!("{v:.2}"))).collect();
        let x = Axis { label: self.label.clone(), min: low, max: high, ticks };
        let y = Axis { label: String::new(), min: 0.0, max: self.rows.len() as f64, ticks: vec![] };
        let frame = Frame { plot, x: &x, y: &y };
        let mut out = String::new();
        frame.axes(&mut out);
        for (text, place, anchor) in
            [("images", 250.0, "end"), ("malignant", 316.0, "end"), ("estimate and interval", 706.0, "end")]
        {
            label(&mut out, "", [place, top - 10.0], anchor, text);
        }
        if let Some(overall) = self.overall {
            let x = frame.x(overall);
            line(&mut out, "line dash", [x, top, x, top + plot[3]], " stroke=\"var(--neutral)\"");
        }
        for (i, row) in self.rows.iter().enumerate() {
            let y = top + (i as f64 + 0.5) * FOREST_ROW;
            let (class, indent) = if row.heading { ("strong", 8.0) } else { ("name", 22.0) };
            label(&mut out, class, [indent, y + 3.8], "start", &row.label);
            if let Some([n, malignant]) = row.n {
                label(&mut out, "name", [250.0, y + 3.8], "end", &n.to_string());
                label(&mut out, "name", [316.0, y + 3.8], "end", &malignant.to_string());
            }
            match row.estimate {
                Some([estimate, from, to]) => {
                    let (a, b) = (frame.x(from.max(low)), frame.x(to.min(high)));
                    line(&mut out, "whisker", [a, y, b, y], " stroke=\"var(--accent)\"");
                    let _ = write!(
                        out,
                        "<circle class=\"dot\" data-row=\"{i}\" cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"var(--accent)\"/>",
                        round(frame.x(estimate.clamp(low, high))),
                        round(y)
                    );
                    let text = format!("{estimate:.3}  ({from:.3} to {to:.3})");
                    label(&mut out, "name", [706.0, y + 3.8], "end", &text);
                }
                None if !row.heading => label(&mut out, "", [706.0, y + 3.8], "end", &row.note),
                None => {}
            }
        }
        Body { width, height, plot, range: [low, high, 0.0, self.rows.len() as f64], content: out }
    }
}

fn line(out: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4], more: &str) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(round);
    let _ = write!(out, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"{more}/>");
}

fn label(out: &mut String, class: &str, [x, y]: [f64; 2], anchor: &str, text: &str) {
    // A number takes a minus sign, not a hyphen.
    let text = match text.strip_prefix('-') {
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => format!("−{number}"),
        _ => text.to_string(),
    };
    let (x, y, text) = (round(x), round(y), escape(&text));
    let _ = write!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// Hundredths of a pixel are enough and keep the file small.
fn round(v: f64) -> f64 {
    (v * 100.0).round() / 100.0
}

fn numbers(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Dot, Ink};

    fn chart() -> Chart {
        Chart {
            id: "roc".into(),
            title: "ROC <curve>".into(),
            caption: "a & b".into(),
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
        let body = chart().body();
        let [left, top, width, height] = body.plot;
        let d = format!("M{} {}L{} {}", left, round(top + height), left + width, top);
        assert!(body.content.contains(&d), "{}", body.content);
        let middle = format!("cx=\"{}\" cy=\"{}\"", round(left + width / 2.0), round(top + height / 2.0));
        assert!(body.content.contains(&middle), "{}", body.content);
    }

    #[test]
    fn a_file_of_its_own_has_colours_and_escaped_words() {
        let svg = standalone(&chart());
        assert!(svg.contains("ROC &lt;curve&gt;") && svg.contains("a &amp; b"));
        assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("--accent:#"));
    }
}
