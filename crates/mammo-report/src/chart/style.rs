//! The shapes that kuva draws, in the page's colours and with marks that tell whose they are.
//!
//! kuva takes any CSS colour and hands over its drawing as a list of shapes. So a series is drawn in
//! a colour that is its name, and here each shape of such a colour gets the ink that is meant and a
//! group around it that names the series.

use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene};

use super::Ink;
use super::canvas::{Colours, SMALL};
use super::svg::escape;

/// How the shapes of a series style, beyond what kuva was told.
#[derive(Clone, Debug)]
pub(super) struct SeriesStyle {
    /// The colour that kuva was given in place of the real one.
    pub(super) token: String,
    /// The real one.
    pub(super) ink: Ink,
    /// Share of the ground that areas hide.
    pub(super) opacity: f64,
    /// Whether areas are outlined, because they are faint.
    pub(super) outlined: bool,
    /// Attributes of the group around, such as `data-series="0"`; none in a legend.
    pub(super) attributes: Option<String>,
}

/// kuva rounds to hundredths of a pixel and then writes the noise of binary fractions behind them,
/// which makes curves half as long again; text is left alone.
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

/// Gives every shape that is drawn in a style's colour that style, and a group around those of one
/// series. Dots and their whiskers go on top: on an edge of the plot they would be cut in half.
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

/// The name that stands for a colour.
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
        // Dots stand out from lines under them.
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

/// Ticks are read after the names of the axes.
fn muted(mut shape: Primitive, colours: Colours) -> Primitive {
    if let Primitive::Text { size: SMALL, color, .. } = &mut shape {
        *color = Some(Color::from(colours.css("muted")));
    }
    shape
}

/// Lines that leave the axes end there; a pixel more keeps those along an edge whole. kuva numbers
/// its areas through the life of the program, which would make the same report differ.
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
