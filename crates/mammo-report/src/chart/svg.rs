//! Figures as SVG, in the page's colours: the element around a drawing, and what drawings are made of.

use std::fmt::Write;

use super::Head;
use crate::palette;

/// Anything that can be drawn.
pub trait Drawing {
    /// Its name and words.
    fn head(&self) -> &Head;
    /// What it shows, in numbers.
    fn in_words(&self) -> String;
    /// Width and height in pixels at size 1, and what is inside of the `svg` element.
    fn body(&self) -> Body;
}

/// The inside of a drawing.
pub struct Body {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Left, top, width, height of the plot.
    pub(super) plot: [f64; 4],
    /// `xmin xmax ymin ymax` of the plot.
    pub(super) range: [f64; 4],
    pub(super) content: String,
}

/// The figure for a page that defines the colours.
pub fn inline(figure: &dyn Drawing) -> String {
    let Body { width, height, plot, range, content } = figure.body();
    let Head { id, title, caption } = figure.head();
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" \
         data-plot=\"{}\" data-range=\"{}\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{content}</svg>",
        numbers(&plot),
        numbers(&range),
        escape(title),
        escape(&format!("{caption} {}", figure.in_words())),
    )
}

/// The figure as a file of its own, with a heading and both colour schemes.
pub fn standalone(figure: &dyn Drawing) -> String {
    let Body { width, height, content, .. } = figure.body();
    let (Head { title, caption, .. }, top) = (figure.head(), 34.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" width=\"{width}\" height=\"{}\" role=\"img\">\
         <title>{title}</title><desc>{}</desc><style>{}{STYLE}svg{{background:var(--page)}}</style>\
         <text class=\"head\" x=\"14\" y=\"23\">{title}</text><g transform=\"translate(0 {top})\">{content}</g></svg>\n",
        height + top,
        height + top,
        escape(&format!("{caption} {}", figure.in_words())),
        palette::css(),
        title = escape(title),
    )
}

/// Rules for the parts of a figure, shared by page and files. Each ink has a pattern of its own, so
/// that nothing is told by colour alone.
pub const STYLE: &str = "\
svg text{font:11px system-ui,-apple-system,'Segoe UI',Inter,Roboto,'Helvetica Neue',Arial,sans-serif;\
fill:var(--muted);font-variant-numeric:tabular-nums}\
svg .head{font-size:14px;font-weight:600;fill:var(--ink)}\
svg .key,svg .name{fill:var(--ink)}svg .strong{fill:var(--ink);font-weight:600}\
svg .grid{stroke:var(--grid);stroke-width:1}svg .axis{stroke:var(--neutral);stroke-width:1}\
svg .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
svg .dash{stroke-width:1.4;stroke-dasharray:4 4}svg .band{opacity:.16;stroke:none}\
svg .whisker{stroke-width:1.5}svg .dot{stroke:var(--page);stroke-width:1.5}\
svg .bar{opacity:.78}svg .bar.neutral{fill-opacity:.2;stroke:var(--neutral);opacity:1}\
svg .line.second{stroke-dasharray:9 4}svg .line.third{stroke-dasharray:2 4.5}\
svg .line.fourth{stroke-dasharray:10 4 2 4}svg .line.neutral{stroke-dasharray:5 3 1 3}\
svg .line.dash{stroke-dasharray:4 4}";

pub(super) fn line(out: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4], more: &str) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(round);
    let _ = write!(out, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"{more}/>");
}

pub(super) fn label(out: &mut String, class: &str, [x, y]: [f64; 2], anchor: &str, text: &str) {
    // A number takes a minus sign, not a hyphen.
    let text = match text.strip_prefix('-') {
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => format!("−{number}"),
        _ => text.to_string(),
    };
    let (x, y, text) = (round(x), round(y), escape(&text));
    let _ = write!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// Hundredths of a pixel are enough and keep the file small.
pub(super) fn round(v: f64) -> f64 {
    (v * 100.0).round() / 100.0
}

fn numbers(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
