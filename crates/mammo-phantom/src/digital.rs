//! Site B: full-field digital mammograms.
//!
//! The detector is linear; the console takes the logarithm, compensates the decreasing thickness
//! towards the skin, sharpens, and applies a power law. Stored as 12-bit values (0 to 4095) in 16-bit
//! files with dense tissue **dark**: contrast, noise, sharpness, range and polarity all differ from
//! [`film`](super::film), so that a model needs fine-tuning.

use rand::RngExt;

use super::breast::normal;
use super::canvas::Canvas;
use super::marker::add_lead_letters;
use super::tissue::{FAT_PER_MM, Tissue, smooth_step};
use mammo_core::record::{Laterality, View};
use mammo_core::seed::Rng;

/// Largest stored value.
const WHITE: f32 = 4095.0;

/// Lower end of the output range, as a share of the full range.
const BLACK_LEVEL: f32 = 0.045;

/// Exponent of the display curve.
const GAMMA: f32 = 1.25;

/// Share of the thickness loss that the console compensates.
const THICKNESS_COMPENSATION: f32 = 0.8;

/// Exposes and post-processes one view; values are stored ones, 0 to 4095.
///
/// # Randomness
/// `setting` decides window and labels, which do not depend on the pixel size; `noise` draws
/// per pixel.
pub fn expose(
    tissue: &Tissue,
    laterality: Laterality,
    view: View,
    setting: &mut Rng,
    noise: &mut Rng,
) -> Canvas {
    let frame = tissue.attenuation.frame;
    let reference = tissue.reference_attenuation();
    let full_mm = tissue.thickness.values.iter().copied().fold(0.0, f32::max);

    // Quanta per pixel decrease with attenuation, so noise is larger in dense tissue.
    let quantum_sd = 0.0045 / frame.spacing_mm;
    let mut raw = tissue.attenuation.clone();
    for (value, &thickness) in raw.values.iter_mut().zip(&tissue.thickness.values) {
        let mottle = quantum_sd * (0.5 * (*value - reference)).exp() * normal(noise);
        let missing_mm = (full_mm - thickness) * smooth_step(thickness, 0.0, 0.25 * full_mm);
        *value += mottle + THICKNESS_COMPENSATION * FAT_PER_MM * missing_mm;
    }

    let smooth = raw.blurred(0.9);
    let (lowest, highest) =
        (reference - setting.random_range(1.15..1.45), reference + setting.random_range(1.1..1.4));
    for (value, smooth) in raw.values.iter_mut().zip(&smooth.values) {
        let sharpened = *value + 0.55 * (*value - smooth);
        let window = ((sharpened - lowest) / (highest - lowest)).clamp(0.0, 1.0);
        *value = BLACK_LEVEL + (1.0 - BLACK_LEVEL) * window.powf(GAMMA);
    }
    if setting.random_bool(0.3) {
        add_lead_letters(&mut raw, laterality, view, setting.random_range(0.6..0.9), setting);
    }
    raw.values.iter_mut().for_each(|v| *v = (1.0 - *v) * WHITE);
    raw
}
