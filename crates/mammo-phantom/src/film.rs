//! Site A: screen-film mammograms, digitised.
//!
//! The film's characteristic curve reduces contrast of fat at its shoulder and of dense tissue at its
//! toe; grain and screen mottle are added, and the scan shows plates, lead letters, unexposed edges and
//! dust. Stored with dense tissue bright over the full 16-bit range.

use rand::RngExt;

use super::breast::normal;
use super::canvas::Canvas;
use super::frame::Point;
use super::marker::{add_lead_letters, add_plate, fill};
use super::tissue::Tissue;
use mammo_core::record::{Laterality, View};
use mammo_core::seed::Rng;

/// Base and fog, and what exposure can add to it, in optical density.
const FOG_OD: f32 = 0.18;
const RANGE_OD: f32 = 3.6;

/// Steepness of the curve: its largest gradient is `RANGE_OD * STEEPNESS / 4`.
const STEEPNESS: f32 = 3.3;

/// Optical density that the digitiser stores as black.
const BLACK_OD: f32 = 3.9;

/// Exposes, develops and scans one view; values are stored ones, 0 to 65535.
///
/// # Randomness
/// `setting` decides exposure, labels and dust, which do not depend on the pixel size; `noise`
/// draws per pixel.
pub fn expose(
    tissue: &Tissue,
    laterality: Laterality,
    view: View,
    setting: &mut Rng,
    noise: &mut Rng,
) -> Canvas {
    let frame = tissue.attenuation.frame;
    let reference = tissue.reference_attenuation();
    let mid_exposure = 0.12 + 0.05 * normal(setting).clamp(-2.0, 2.0);

    let mut mottle = Canvas::zeros(frame);
    // The white noise of a pixel is inversely proportional to its side; the screen then blurs it.
    let mottle_sd = 0.006 / frame.spacing_mm;
    mottle.values.iter_mut().for_each(|v| *v = mottle_sd * normal(noise));
    let mottle = mottle.blurred(0.2);

    let mut film = tissue.attenuation.blurred(0.16);
    let grain_sd = 0.007 / frame.spacing_mm;
    for (value, mottle) in film.values.iter_mut().zip(&mottle.values) {
        let log_exposure = (reference - *value + mottle) / std::f32::consts::LN_10;
        let response = 1.0 / (1.0 + (-STEEPNESS * (log_exposure - mid_exposure)).exp());
        let density = FOG_OD + RANGE_OD * response;
        let grained = density + grain_sd * density.sqrt() * normal(noise);
        *value = 1.0 - grained / BLACK_OD;
    }

    add_dust(&mut film, setting);
    if setting.random_bool(0.9) {
        add_lead_letters(&mut film, laterality, view, setting.random_range(0.75..0.94), setting);
    }
    if setting.random_bool(0.8) {
        add_plate(&mut film, laterality, setting);
    }
    add_edges(&mut film, setting);
    film.values.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0) * 65535.0);
    film
}

/// Specks and a scratch or two on the film.
fn add_dust(film: &mut Canvas, rng: &mut Rng) {
    let (width_mm, height_mm) = (film.frame.width_mm(), film.frame.height_mm());
    for _ in 0..rng.random_range(2..10) {
        let at = Point { x: rng.random_range(0.0..width_mm), y: rng.random_range(0.0..height_mm) };
        film.add_spot(at, rng.random_range(0.06..0.22), rng.random_range(-0.2..0.5), 0.0);
    }
    if rng.random_bool(0.3) {
        let x = rng.random_range(0.0..width_mm);
        let start = Point { x, y: rng.random_range(0.0..0.6 * height_mm) };
        let end = Point { x: x + 3.0 * normal(rng), y: start.y + rng.random_range(0.1..0.4) * height_mm };
        film.add_line(&[start, end], (0.08, 0.08), (0.12, 0.12));
    }
}

/// Unexposed strips along the border, slightly rotated.
fn add_edges(film: &mut Canvas, rng: &mut Rng) {
    let (width_mm, height_mm) = (film.frame.width_mm(), film.frame.height_mm());
    for side in 0..4 {
        if rng.random_bool(0.45) {
            continue;
        }
        let (strip_mm, skew, value) =
            (rng.random_range(0.8..3.2), rng.random_range(-0.008..0.008), rng.random_range(0.8..0.96));
        let within = |depth_mm: f32, along_mm: f32| (depth_mm < strip_mm + skew * along_mm).then_some(value);
        match side {
            0 => fill(film, Point { x: 0.0, y: 0.0 }, (8.0, height_mm), within),
            1 => fill(film, Point { x: width_mm - 8.0, y: 0.0 }, (8.0, height_mm), |x, y| within(8.0 - x, y)),
            2 => fill(film, Point { x: 0.0, y: 0.0 }, (width_mm, 8.0), |x, y| within(y, x)),
            _ => fill(film, Point { x: 0.0, y: height_mm - 8.0 }, (width_mm, 8.0), |x, y| within(8.0 - y, x)),
        }
    }
}
