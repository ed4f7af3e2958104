//! A [`Chart`] drawn: axes, marks, and the names of the series above.

use std::fmt::Write;

use super::axes::Frame;
use super::svg::{Body, Drawing, label, line, round};
use super::{Chart, Head, Mark, Series};

const WIDTH: f64 = 440.0;
const SQUARE_HEIGHT: f64 = 392.0;
const WIDE_HEIGHT: f64 = 286.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 46.0;
const LEGEND_ROW: f64 = 18.0;
/// Width of a letter of the legend, about; to break its rows.
const LETTER: f64 = 6.3;
/// Length of a line in the legend: one period of the longest pattern.
const KEY_LINE: f64 = 20.0;

impl Drawing for Chart {
    fn head(&self) -> &Head {
        &self.head
    }

    fn in_words(&self) -> String {
        self.words()
    }

    fn body(&self) -> Body {
        let (legend, rows) = legend(&self.series);
        let top = 8.0 + rows as f64 * LEGEND_ROW;
        let height = if self.square { SQUARE_HEIGHT } else { WIDE_HEIGHT } + rows as f64 * LEGEND_ROW;
        let widest = self.y.ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        let left = LEFT.max(30.0 + widest as f64 * LETTER);
        let plot = [left, top, WIDTH - left - RIGHT, height - top - BOTTOM];
        let frame = Frame { plot, x: &self.x, y: &self.y };
        let mut content = legend;
        // Lines that leave the axes end there; one pixel more keeps those along an edge whole.
        let [x, y, w, h] = [plot[0] - 1.0, plot[1] - 1.0, plot[2] + 2.0, plot[3] + 2.0];
        let _ = write!(
            content,
            "<clipPath id=\"{}-clip\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/></clipPath>",
            self.head.id
        );
        frame.axes(&mut content);
        for (i, series) in self.series.iter().enumerate() {
            frame.series(&mut content, series, i, &format!(" clip-path=\"url(#{}-clip)\"", self.head.id));
        }
        let range = [self.x.min, self.x.max, self.y.min, self.y.max];
        Body { width: WIDTH, height, plot, range, content }
    }
}

impl Frame<'_> {
    fn series(&self, out: &mut String, series: &Series, index: usize, clip: &str) {
        let ink = series.ink.variable();
        match &series.mark {
            Mark::Line { points, dashed } => {
                let d = self.path(points.iter().copied());
                let class = if *dashed { "line dash" } else { "line" };
                let _ = write!(
                    out,
                    "<path class=\"{class} {ink}\" data-series=\"{index}\"{clip} stroke=\"var(--{ink})\" d=\"{d}\"/>"
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
                    "<path class=\"line {ink}\" data-series=\"{index}\"{clip} stroke=\"var(--{ink})\" d=\"{d}\"/>"
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
                        "<rect class=\"bar {ink}\" data-series=\"{index}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"var(--{ink})\"/>",
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
        let wide = 26.0 + entry.name.chars().count() as f64 * LETTER + 14.0;
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
                    "<rect class=\"band\" x=\"{x}\" y=\"{}\" width=\"{KEY_LINE}\" height=\"10\" fill=\"var(--{ink})\"/>",
                    y - 5.0
                )
            }
            Mark::Bars { .. } => {
                write!(
                    out,
                    "<rect class=\"bar {ink}\" x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"var(--{ink})\"/>",
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
                write!(
                    out,
                    "<path class=\"{class} {ink}\" stroke=\"var(--{ink})\" d=\"M{x} {y}h{KEY_LINE}\"/>"
                )
            }
            Mark::Steps { .. } => {
                write!(out, "<path class=\"line {ink}\" stroke=\"var(--{ink})\" d=\"M{x} {y}h{KEY_LINE}\"/>")
            }
        };
        label(&mut out, "key", [x + 26.0, y + 3.8], "start", &entry.name);
        x += wide;
    }
    (out, if named.is_empty() { 0 } else { row + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::svg::standalone;
    use crate::chart::{Axis, Dot, Ink};

    fn chart() -> Chart {
        Chart {
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
