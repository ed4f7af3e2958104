//! The layout that all charts share: colours, font sizes and axes, and rendering by kuva to SVG.

use kuva::backend::svg::SvgBackend;
use kuva::render::layout::{ComputedLayout, Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::{Primitive, render_multiple};
use kuva::render::theme::Theme;

use super::Axis;
use super::style::{SeriesStyle, apply_styles, clip, in_hundredths};
use super::svg::Body;
use crate::palette;

/// Font sizes in pixels: of tick labels and other muted text, and of all other text.
pub(super) const SMALL: u32 = 11;
pub(super) const LETTERS: u32 = 12;

/// Blank space that kuva leaves under a legend, in pixels; it is cropped.
const BLANK: f64 = 16.0;
/// Length of the ticks in pixels, long enough that the labels of both axes do not overlap in the
/// corner.
const TICK: f64 = 7.0;

/// How colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// As CSS variables of the page, so that a chart follows its light and dark scheme.
    Page,
    /// As values of the light scheme, because most SVG viewers do not support CSS variables.
    File,
}

impl Colours {
    /// A colour of the palette as CSS.
    pub(super) fn css(self, name: &str) -> String {
        match self {
            Self::Page => format!("var(--{name})"),
            Self::File => format!("#{:06x}", palette::light(name)),
        }
    }
}

/// A layout with these axes and the fonts and colours of the page.
pub(super) fn layout(x: &Axis, y: &Axis, colours: Colours) -> Layout {
    let css = |name| colours.css(name);
    let theme = Theme {
        background: "none".into(),
        axis_color: css("neutral"),
        grid_color: css("grid"),
        tick_color: css("neutral"),
        text_color: css("ink"),
        legend_bg: "none".into(),
        legend_border: "none".into(),
        ..Theme::light()
    };
    let mut layout = Layout::new((x.min, x.max), (y.min, y.max))
        .with_x_axis_min(x.min)
        .with_x_axis_max(x.max)
        .with_y_axis_min(y.min)
        .with_y_axis_max(y.max)
        .with_x_tick_step(x.step)
        .with_y_tick_step(y.step)
        .with_x_tick_format(format_of(x))
        .with_y_tick_format(format_of(y))
        .with_x_label(&x.label)
        .with_theme(theme)
        .with_label_size(LETTERS)
        .with_body_size(LETTERS)
        .with_tick_size(SMALL)
        .with_tick_length(TICK)
        .with_legend_box(false);
    if !y.label.is_empty() {
        layout = layout.with_y_label(&y.label);
    }
    layout
}

/// Sets the total height so that the plot area is `height` pixels high, given its width; kuva computes
/// the margins.
pub(super) fn with_plot_height(layout: Layout, height: impl FnOnce(f64) -> f64) -> Layout {
    let frame = ComputedLayout::from_layout(&layout);
    layout.with_height(frame.height - frame.plot_height() + height(frame.plot_width()))
}

/// Tick labels with a minus sign (U+2212) instead of a hyphen.
fn format_of(axis: &Axis) -> TickFormat {
    let decimals = axis.decimals;
    TickFormat::Custom(std::sync::Arc::new(move |v| format!("{v:.decimals$}").replace('-', "−")))
}

/// Escapes dollar signs, between which kuva would parse a formula.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "\\$")
}

/// Renders with kuva and applies the styles; `texts` are drawn on top.
pub(super) fn body(
    id: &str,
    plots: Vec<Plot>,
    layout: Layout,
    styles: &[SeriesStyle],
    texts: Vec<Primitive>,
    colours: Colours,
) -> Body {
    let blank = if layout.show_legend { BLANK } else { 0.0 };
    let frame = ComputedLayout::from_layout(&layout);
    let plot = [frame.margin_left, frame.margin_top, frame.plot_width(), frame.plot_height()];
    let range = [frame.x_range.0, frame.x_range.1, frame.y_range.0, frame.y_range.1];
    let mut scene = render_multiple(plots, layout);
    scene.background_color = None;
    scene.elements = apply_styles(std::mem::take(&mut scene.elements), styles, colours);
    scene.elements.extend(texts);
    clip(&mut scene, id);
    let (width, height) = (scene.width, scene.height - blank);
    let svg = SvgBackend::new().render_scene(&scene);
    // `svg` writes the outer element, with the text alternative.
    let content = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
    let content = content.map(|(content, _)| in_hundredths(content)).unwrap_or_default();
    Body { width, height, plot, range, content }
}
