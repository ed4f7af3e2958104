//! A heat map as a picture: colours over the prepared image, with a legend and a scale.

use ab_glyph::{Font, FontRef, ScaleFont};
use colorgrad::Gradient;
use image::{Rgb, RgbImage, Rgba, RgbaImage, imageops};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_nn::inference::heatmap::{BreastFrame, HeatMap};

use crate::{Error, Result};

/// Printable ASCII of Inter, SIL Open Font License (`assets/OFL.txt`).
const FONT: &[u8] = include_bytes!("../../assets/inter-medium-subset.otf");

/// Pictures are enlarged by whole factors to at least this height.
const MIN_HEIGHT_PX: u32 = 720;
/// Height of the legend under the picture.
const LEGEND_PX: u32 = 64;
const MARGIN_PX: u32 = 16;
/// Opacity of the colours at the top of the scale; the tissue below stays visible.
const MAX_OPACITY: f32 = 0.62;

/// Share of the scale below which nothing is drawn.
const FAINT: f32 = 0.06;

const PAPER: Rgb<u8> = Rgb([16, 17, 20]);
const INK: Rgb<u8> = Rgb([232, 233, 236]);
const MUTED: Rgb<u8> = Rgb([160, 163, 170]);

/// Meaning of a map's values and range of its colours.
pub struct Scale {
    /// Its label in the legend.
    pub meaning: &'static str,
    /// Value of the last colour; the first one means 0.
    pub max: f32,
    /// Whether `max` is this image's own largest value: then two images cannot be compared.
    pub relative: bool,
}

impl Scale {
    /// Probabilities, from 0 to 1 in every image.
    pub fn probability(meaning: &'static str) -> Self {
        Self { meaning, max: 1.0, relative: false }
    }

    /// Values without a unit, up to the largest one of this map.
    pub fn relative(meaning: &'static str, map: &HeatMap) -> Self {
        Self { meaning, max: map.max(), relative: true }
    }
}

/// The colours of a map over a `width x height` input, transparent where the map is 0 and, with a
/// breast, outside of it.
///
/// The colours are matplotlib's plasma: even in lightness, and distinguishable for
/// colour-blind readers.
pub fn colour_layer(
    map: &HeatMap,
    scale: &Scale,
    breast: Option<&BreastFrame>,
    [width, height]: [usize; 2],
) -> RgbaImage {
    let colours = colorgrad::preset::plasma();
    let table: Vec<[u8; 4]> = (0..=255_u8).map(|i| colours.at(f32::from(i) / 255.0).to_rgba8()).collect();
    let mut layer = RgbaImage::new(width as u32, height as u32);
    for ((x, y, pixel), value) in layer.enumerate_pixels_mut().zip(map.over_input(width, height)) {
        if breast.is_some_and(|breast| !breast.holds(f64::from(x), f64::from(y))) {
            continue;
        }
        let share = if scale.max > 0.0 { (value / scale.max).clamp(0.0, 1.0) } else { 0.0 };
        let [r, g, b, _] = table[(share * 255.0).round() as usize];
        // Faint values fade out faster than they darken, so that background stays untouched.
        let opacity = MAX_OPACITY * ((share - FAINT) / 0.35).clamp(0.0, 1.0);
        *pixel = Rgba([r, g, b, (opacity * 255.0).round() as u8]);
    }
    layer
}

/// The prepared image in 8-bit grey.
pub fn grey_picture(image: &GreyImage) -> RgbImage {
    RgbImage::from_fn(image.width as u32, image.height as u32, |x, y| {
        Rgb([(image.pixels[y as usize * image.width + x as usize] >> 8) as u8; 3])
    })
}

/// A picture under its [`colour_layer`], with numbered boxes (in input pixels) and a legend.
pub fn draw(image: &GreyImage, layer: &RgbaImage, scale: &Scale, boxes: &[Rect]) -> Result<RgbImage> {
    let font = FontRef::try_from_slice(FONT).map_err(|e| Error::Format(format!("the built-in font: {e}")))?;
    let factor = MIN_HEIGHT_PX.div_ceil(image.height as u32);
    let mut picture = grey_picture(image);
    for (pixel, colour) in picture.pixels_mut().zip(layer.pixels()) {
        let opacity = f32::from(colour[3]) / 255.0;
        for channel in 0..3 {
            let mixed = f32::from(pixel[channel]) * (1.0 - opacity) + f32::from(colour[channel]) * opacity;
            pixel[channel] = mixed.round() as u8;
        }
    }
    let (width, height) = (picture.width() * factor, picture.height() * factor);
    let picture = imageops::resize(&picture, width, height, imageops::FilterType::CatmullRom);
    let mut sheet = RgbImage::from_pixel(width, height + LEGEND_PX, PAPER);
    imageops::replace(&mut sheet, &picture, 0, 0);
    for (i, bounds) in boxes.iter().enumerate() {
        let enlarged = Rect::new(
            bounds.x * f64::from(factor),
            bounds.y * f64::from(factor),
            bounds.width * f64::from(factor),
            bounds.height * f64::from(factor),
        );
        draw_box(&mut sheet, &enlarged, height, &font, i + 1);
    }
    draw_legend(&mut sheet, &font, height, scale);
    Ok(sheet)
}

/// A light frame with a dark one around it, seen on any tissue, and its number.
fn draw_box(sheet: &mut RgbImage, bounds: &Rect, height: u32, font: &FontRef, number: usize) {
    let frame = |sheet: &mut RgbImage, grow: f64, colour| {
        let edge = |v: f64, limit: u32| (v.round().max(0.0) as u32).min(limit - 1);
        let (left, right) =
            (edge(bounds.x - grow, sheet.width()), edge(bounds.right() + grow, sheet.width()));
        let (top, bottom) = (edge(bounds.y - grow, height), edge(bounds.bottom() + grow, height));
        (left..=right).for_each(|x| [top, bottom].iter().for_each(|&y| sheet.put_pixel(x, y, colour)));
        (top..=bottom).for_each(|y| [left, right].iter().for_each(|&x| sheet.put_pixel(x, y, colour)));
    };
    frame(sheet, 1.0, PAPER);
    frame(sheet, -2.0, PAPER);
    frame(sheet, 0.0, INK);
    frame(sheet, -1.0, INK);
    let (x, y) = (bounds.x as f32 + 6.0, bounds.y as f32 + 18.0);
    write_text(sheet, font, (x + 1.0, y + 1.0), 16.0, PAPER, &number.to_string());
    write_text(sheet, font, (x, y), 16.0, INK, &number.to_string());
}

/// The colour bar with its meaning above and its ends below.
fn draw_legend(sheet: &mut RgbImage, font: &FontRef, top: u32, scale: &Scale) {
    let colours = colorgrad::preset::plasma();
    let width = sheet.width().saturating_sub(2 * MARGIN_PX).min(420);
    let (left, bar_top, bar_height) = (MARGIN_PX, top + 27, 10);
    write_text(sheet, font, (left as f32, (top + 19) as f32), 13.0, INK, scale.meaning);
    for x in 0..width {
        let share = x as f32 / (width - 1).max(1) as f32;
        let [r, g, b, _] = colours.at(share).to_rgba8();
        (0..bar_height).for_each(|y| sheet.put_pixel(left + x, bar_top + y, Rgb([r, g, b])));
    }
    let note = if scale.relative { " (largest here)" } else { "" };
    let ends = [(0.0, String::from("0")), (0.5, tick(scale.max / 2.0)), (1.0, tick(scale.max) + note)];
    for (share, text) in ends {
        let wide = text_width(font, 12.0, &text);
        let x = left as f32 + share * width as f32 - share * wide;
        write_text(sheet, font, (x, (bar_top + bar_height + 16) as f32), 12.0, MUTED, &text);
    }
}

/// Two significant digits or more, without a tail of zeros.
fn tick(value: f32) -> String {
    if value == 0.0 || (1e-4..1e4).contains(&value) {
        let decimals = (1 - value.max(1e-4).log10().floor() as i32).max(0) as usize;
        let text = format!("{value:.decimals$}");
        let short = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        return short.to_string();
    }
    format!("{value:.1e}")
}

fn text_width(font: &FontRef, size: f32, text: &str) -> f32 {
    let font = font.as_scaled(size);
    text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
}

/// Writes a line of text whose baseline begins at `(x, y)`; what leaves the sheet is cut off.
fn write_text(
    sheet: &mut RgbImage,
    font: &FontRef,
    (x, y): (f32, f32),
    size: f32,
    colour: Rgb<u8>,
    text: &str,
) {
    let scaled = font.as_scaled(size);
    let mut pen = x;
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        let glyph = id.with_scale_and_position(size, ab_glyph::point(pen, y));
        pen += scaled.h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, cover| {
            let (px, py) = (corner.x + dx as f32, corner.y + dy as f32);
            if px < 0.0 || py < 0.0 || px >= sheet.width() as f32 || py >= sheet.height() as f32 {
                return;
            }
            let pixel = sheet.get_pixel_mut(px as u32, py as u32);
            for channel in 0..3 {
                let mixed = f32::from(pixel[channel]) * (1.0 - cover) + f32::from(colour[channel]) * cover;
                pixel[channel] = mixed.round() as u8;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_core::geometry::Affine;
    use mammo_image::preprocess::Mask;
    use mammo_nn::inference::heatmap::MapGrid;

    fn map(values: Vec<f32>) -> HeatMap {
        HeatMap { grid: MapGrid::on_input(1, 2, Affine::scale(50.0, 80.0)), values }
    }

    #[test]
    fn zero_is_transparent_and_the_top_of_the_scale_is_not() {
        let layer = colour_layer(&map(vec![0.0, 1.0]), &Scale::probability("p"), None, [100, 80]);
        assert_eq!(layer.get_pixel(0, 40)[3], 0);
        assert_eq!(layer.get_pixel(99, 40)[3], (MAX_OPACITY * 255.0).round() as u8);
        let empty = map(vec![0.0, 0.0]);
        let layer = colour_layer(&empty, &Scale::relative("slope", &empty), None, [100, 80]);
        assert!(layer.pixels().all(|pixel| pixel[3] == 0));
        let mask = Mask::filled(13, 10, false);
        let nowhere = BreastFrame { bounds: Rect::new(0.0, 0.0, 100.0, 80.0), mask, wall_left: true };
        let probability = Scale::probability("p");
        let layer = colour_layer(&map(vec![0.0, 1.0]), &probability, Some(&nowhere), [100, 80]);
        assert!(layer.pixels().all(|pixel| pixel[3] == 0));
    }

    #[test]
    fn a_picture_is_enlarged_and_has_its_legend_below() {
        let image = GreyImage::black(100, 80);
        let boxes = [Rect::new(90.0, 70.0, 40.0, 40.0)];
        let scale = Scale::probability("probability");
        let layer = colour_layer(&map(vec![0.2, 0.8]), &scale, None, [100, 80]);
        let sheet = draw(&image, &layer, &scale, &boxes).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (900, 720 + LEGEND_PX));
        let legend = (720..sheet.height()).flat_map(|y| (0..900).map(move |x| (x, y)));
        assert!(legend.filter(|&(x, y)| *sheet.get_pixel(x, y) != PAPER).count() > 1000);
    }

    #[test]
    fn ticks_are_short() {
        let values = [1.0, 0.5, 0.019, 0.0096, 120.0, 0.00002];
        assert_eq!(values.map(tick), ["1", "0.5", "0.019", "0.0096", "120", "2.0e-5"]);
    }
}
