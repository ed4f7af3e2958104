//! The `svg` element around a drawing, with its text alternative.

use super::Head;
use super::canvas::Colours;

/// A chart that can be drawn.
pub trait Drawing {
    /// Its identifier, title and caption.
    fn head(&self) -> &Head;
    /// Its data in words.
    fn in_words(&self) -> String;
    /// Size in pixels and the content of the `svg` element.
    fn body(&self, colours: Colours) -> Body;
}

/// The content of a drawing.
pub struct Body {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Left, top, width, height of the plot.
    pub(super) plot: [f64; 4],
    /// `xmin xmax ymin ymax` of the plot.
    pub(super) range: [f64; 4],
    pub(super) content: String,
}

/// Font of a standalone file; on the page a chart inherits the font of the page.
const FONT: &str =
    "font-family=\"system-ui,-apple-system,'Segoe UI',Inter,Roboto,'Helvetica Neue',Arial,sans-serif\"";

/// The chart as an element of a page that defines the colours.
pub fn inline(figure: &dyn Drawing) -> String {
    let Body { width, height, plot, range, content } = figure.body(Colours::Page);
    let Head { id, title, caption } = figure.head();
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" fill=\"{}\" \
         data-plot=\"{}\" data-range=\"{}\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{content}</svg>",
        Colours::Page.css("ink"),
        values(&plot),
        values(&range),
        escape(title),
        escape(&format!("{caption} {}", figure.in_words())),
    )
}

/// The chart as a standalone file with a heading, in the colours of the light scheme, for papers and
/// drawing programs.
pub fn standalone(figure: &dyn Drawing) -> String {
    let Body { width, height, content, .. } = figure.body(Colours::File);
    let (Head { title, caption, .. }, top) = (figure.head(), 34.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" width=\"{width}\" height=\"{total}\" \
         role=\"img\" {FONT} fill=\"{ink}\"><title>{title}</title><desc>{}</desc>\
         <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\
         <text x=\"14\" y=\"23\" font-size=\"14\" font-weight=\"bold\">{title}</text>\
         <g transform=\"translate(0 {top})\">{content}</g></svg>\n",
        escape(&format!("{caption} {}", figure.in_words())),
        Colours::File.css("page"),
        total = height + top,
        ink = Colours::File.css("ink"),
        title = escape(title),
    )
}

fn values(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
