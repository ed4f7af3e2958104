//! Styles for the shapes that kuva draws: colours of the page, and groups that name the series.
//!
//! kuva accepts any CSS colour and returns its drawing as a list of shapes. Each series is drawn in a
//! placeholder colour, its token. This module finds the shapes by the token, replaces it by the real
//! colour, and wraps the shapes in a group that identifies the series.

use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene};

use super::Ink;
use super::canvas::{Colours, SMALL};
use super::svg::escape;

/// The style of the shapes of a series.
#[derive(Clone, Debug)]
pub(super) struct SeriesStyle {
    /// Placeholder colour given to kuva.
    pub(super) token: String,
    /// The real colour.
    pub(super) ink: Ink,
    /// Opacity of areas, 0 to 1.
    pub(super) opacity: f64,
    /// Whether areas have an outline, because their fill is faint.
    pub(super) outlined: bool,
    /// Attributes of the enclosing group, such as `data-series="0"`; `None` in a legend.
    pub(super) attributes: Option<String>,
}

/// Rounds the numbers of all tags to two decimals. kuva rounds to hundredths of a pixel but writes all
/// digits of the binary fraction, which makes curves 1.5 times as long. Text is not changed.
pub(super) fn in_hundredths(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    for piece in svg.split_inclusive('>') {
        let (text, tag) = piece.split_at(piece.find('<').unwrap_or(piece.len()));
        out.push_str(text);
        for word in tag.split_inclusive(|c: char| !(c.is_ascii_digit() || c == '.')) {
            let number = word.trim_end_matches(|c: char| !(c.is_ascii_digit() || c == '.'));
            let long = number.split_once('.').is_some_and(|(_, decimals)| decimals.len() > 2);
            match number.parse::<f64>() {
                Ok(value) if long => {
                    out.push_str(&format!("{}{}", (value * 100.0).round() / 100.0, &word[number.len()..]));
                }
                _ => out.push_str(word),
            }
        }
    }
    out
}

/// Applies to each shape the style whose token is its colour, and wraps the shapes of a series in a
/// group. Dots and their whiskers are moved to the end, outside of the clipping area, which would cut
/// off half of a dot on the edge of the plot.
pub(super) fn apply_styles(
    shapes: Vec<Primitive>,
    styles: &[SeriesStyle],
    colours: Colours,
) -> Vec<Primitive> {
    let (mut styled, mut dots) = (Vec::with_capacity(shapes.len() + 2 * styles.len()), Vec::new());
    for run in shapes.chunk_by(|a, b| token(a) == token(b)) {
        let style = token(&run[0]).and_then(|token| styles.iter().find(|style| style.token == token));
        let on_top = style.is_some_and(|style| style.attributes.is_some()) && run.iter().any(is_dot);
        let shapes = if on_top { &mut dots } else { &mut styled };
        let group = style.and_then(|style| style.attributes.clone());
        shapes.extend(group.clone().map(|attributes| Primitive::GroupStart {
            transform: None,
            title: None,
            extra_attrs: Some(attributes),
        }));
        shapes.extend(run.iter().cloned().map(|shape| match style {
            Some(style) => painted(shape, style, colours),
            None => muted(shape, colours),
        }));
        shapes.extend(group.map(|_| Primitive::GroupEnd));
    }
    styled.append(&mut dots);
    styled
}

fn is_dot(shape: &Primitive) -> bool {
    matches!(shape, Primitive::Circle { .. } | Primitive::CircleBatch { .. })
}

/// The placeholder colour of a shape.
fn token(shape: &Primitive) -> Option<&str> {
    let colour = match shape {
        Primitive::Circle { fill, .. }
        | Primitive::CircleBatch { fill, .. }
        | Primitive::Rect { fill, .. } => fill,
        Primitive::Line { stroke, .. } | Primitive::PolyLine { stroke, .. } => stroke,
        Primitive::Path(path) => path.fill.as_ref().unwrap_or(&path.stroke),
        _ => return None,
    };
    match colour {
        Color::Css(token) => Some(token),
        _ => None,
    }
}

fn painted(mut shape: Primitive, style: &SeriesStyle, colours: Colours) -> Primitive {
    let ink = || Color::from(colours.css(style.ink.variable()));
    match &mut shape {
        // A border in the page colour separates dots from lines under them.
        Primitive::Circle { fill, stroke, stroke_width, .. }
        | Primitive::CircleBatch { fill, stroke, stroke_width, .. } => {
            *fill = ink();
            *stroke = Some(Color::from(colours.css("page")));
            *stroke_width = Some(1.5);
        }
        Primitive::Line { stroke, .. } | Primitive::PolyLine { stroke, .. } => *stroke = ink(),
        Primitive::Path(path) => {
            path.fill = Some(ink());
            path.opacity = Some(style.opacity);
        }
        Primitive::Rect { fill, stroke, stroke_width, opacity, .. } => {
            *fill = ink();
            *opacity = Some(style.opacity);
            if style.outlined {
                *stroke = Some(ink());
                *stroke_width = Some(1.0);
            }
        }
        _ => {}
    }
    shape
}

/// Tick labels are muted.
fn muted(mut shape: Primitive, colours: Colours) -> Primitive {
    if let Primitive::Text { size: SMALL, color, .. } = &mut shape {
        *color = Some(Color::from(colours.css("muted")));
    }
    shape
}

/// Clips lines to the plot area, enlarged by one pixel so that lines along an edge keep their width.
/// The id is replaced because kuva numbers its clip paths per process, so that equal reports would
/// differ.
pub(super) fn clip(scene: &mut Scene, figure: &str) {
    let name = format!("{figure}-clip");
    for shape in &mut scene.elements {
        if let Primitive::ClipStart { x, y, width, height, id } = shape {
            *id = escape(&name);
            scene.defs = vec![format!(
                "<clipPath id=\"{id}\"><rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\"/></clipPath>",
                *x - 1.0,
                *y - 1.0,
                *width + 2.0,
                *height + 2.0
            )];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_coordinates_lose_their_noise() {
        let svg = "<path d=\"M 56.97 381.03000000000003 L -0.28999999999999998 10 \"/><text x=\"1.005\">0.123456</text>";
        let short = "<path d=\"M 56.97 381.03 L -0.29 10 \"/><text x=\"1\">0.123456</text>";
        assert_eq!(in_hundredths(svg), short);
    }
}
