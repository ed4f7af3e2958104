//! Lead letters and identification plates, and their positions on the film.

use rand::RngExt;

use super::canvas::Canvas;
use super::frame::Point;
use mammo_core::record::{Laterality, View};
use mammo_core::seed::Rng;

/// Rows of a 5 x 7 letter, most significant of five bits first.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        'C' => [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'O' | '0' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        '3' => [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        _ => [0; 7],
    }
}

/// Width of a line of text, in units of its height.
fn text_aspect(text: &str) -> f32 {
    (6 * text.len()).saturating_sub(1) as f32 / 7.0
}

/// Sets the pixels of the letters to `value`.
fn write_text(canvas: &mut Canvas, text: &str, corner: Point, height_mm: f32, value: f32) {
    let dot_mm = height_mm / 7.0;
    fill(canvas, corner, (text_aspect(text) * height_mm, height_mm), |x_mm, y_mm| {
        let (column, row) = ((x_mm / dot_mm) as usize, ((y_mm / dot_mm) as usize).min(6));
        let letter = text.chars().nth(column / 6)?;
        let lit = column % 6 < 5 && glyph(letter)[row] >> (4 - column % 6) & 1 == 1;
        lit.then_some(value)
    });
}

/// Sets the pixels of a rectangle to `value(x, y)`, in millimetres from its corner.
pub fn fill(
    canvas: &mut Canvas,
    corner: Point,
    (width_mm, height_mm): (f32, f32),
    value: impl Fn(f32, f32) -> Option<f32>,
) {
    let frame = canvas.frame;
    let pixels = |from_mm: f32, length_mm: f32, end: usize| {
        let index = |mm: f32| (mm / frame.spacing_mm).round().clamp(0.0, end as f32) as usize;
        index(from_mm)..index(from_mm + length_mm)
    };
    for row in pixels(corner.y, height_mm, frame.height_px) {
        for column in pixels(corner.x, width_mm, frame.width_px) {
            let (x_mm, y_mm) = (frame.centre_mm(column) - corner.x, frame.centre_mm(row) - corner.y);
            if let Some(value) = value(x_mm.max(0.0), y_mm.max(0.0)) {
                canvas.values[row * frame.width_px + column] = value;
            }
        }
    }
}

/// The side and view in lead letters, in a corner away from the chest wall.
pub fn add_lead_letters(canvas: &mut Canvas, laterality: Laterality, view: View, value: f32, rng: &mut Rng) {
    let text = match laterality {
        Laterality::Left => format!("L{view}"),
        Laterality::Right => format!("R{view}"),
    };
    let text = text.to_uppercase();
    let height_mm = rng.random_range(5.5..8.5);
    let corner = away_from_chest(canvas, laterality, (text_aspect(&text) * height_mm, height_mm), 0.12, rng);
    write_text(canvas, &text, corner, height_mm, value);
}

/// A bright identification plate with numbers printed on it.
pub fn add_plate(canvas: &mut Canvas, laterality: Laterality, rng: &mut Rng) {
    let size_mm = (rng.random_range(26.0..44.0_f32), rng.random_range(11.0..19.0_f32));
    let corner = away_from_chest(canvas, laterality, size_mm, 0.88, rng);
    let (paper, ink) = (rng.random_range(0.72..0.95), rng.random_range(0.05..0.3));
    fill(canvas, corner, size_mm, |_, _| Some(paper));
    let height_mm = 3.4;
    let mut y = 1.8;
    while y + height_mm < size_mm.1 - 1.0 {
        let n_letters = rng.random_range(4..=((size_mm.0 - 4.0) / (height_mm * 6.0 / 7.0)) as usize);
        let text: String = (0..n_letters).map(|_| char::from(b'0' + rng.random_range(0..10_u8))).collect();
        write_text(canvas, &text, Point { x: corner.x + 2.0, y: corner.y + y }, height_mm, ink);
        y += height_mm + 1.6;
    }
}

/// The corner of a label of `size_mm` opposite the chest wall, near the given share of the height;
/// lateral labels are above or below the breast.
fn away_from_chest(
    canvas: &Canvas,
    laterality: Laterality,
    size_mm: (f32, f32),
    height_share: f32,
    rng: &mut Rng,
) -> Point {
    let margin_mm = rng.random_range(6.0..16.0);
    let x = match laterality {
        Laterality::Left => canvas.frame.width_mm() - size_mm.0 - margin_mm,
        Laterality::Right => margin_mm,
    };
    let y = (height_share + rng.random_range(-0.05..0.05)) * canvas.frame.height_mm() - 0.5 * size_mm.1;
    Point { x: x.max(0.0), y }
}
