//! Data augmentation: flips, rotation, shear, zoom, intensity shift, and optionally gamma and
//! sharpness.
//!
//! In: a prepared input and a [`Warp`] drawn from an [`Augmentation`]. Out: normalised
//! network values of a window of it. The paper trains with both flips, rotation of 25 degrees,
//! shear 0.2 rad, zoom 0.8 to 1.2 and a shift of 20 grey levels; these are the defaults. One sampler
//! serves patches and whole images, in one pass over the output. After
//! [`cache`](crate::cache) and [`patch_sampling`](crate::patch_sampling), before a network.
//!
//! Not in the paper and off by default: [`gamma`](Augmentation::gamma) and
//! [`sharpness`](Augmentation::sharpness), in which scanners and consoles differ most. A network
//! trained with these variations depends less on its training hospital. Colour and noise
//! augmentations are left out: a mammogram has one channel, and calcifications resemble noise.

mod cut;
mod sampler;
mod tone;

pub use cut::{LesionRows, keep_rows};

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::preprocess::Normalise;
use crate::{Error, Result};
use mammo_core::geometry::Affine;
use mammo_core::image::GreyView;
use mammo_core::seed::Rng;

/// Ranges of the random transformations. All draws are uniform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Mirror left and right in half of the draws.
    pub flip_horizontal: bool,
    /// Mirror up and down in half of the draws.
    pub flip_vertical: bool,
    /// Largest rotation either way, in degrees.
    pub rotation_deg: f64,
    /// Smallest and largest zoom, drawn for each axis independently. As in Keras the factor is that of
    /// the visible extent: 0.8 enlarges the image, 1.2 reduces it.
    pub zoom: [f64; 2],
    /// Largest shear angle either way, in radians.
    pub shear_rad: f64,
    /// Largest change of all grey values either way, as a share of full scale.
    pub intensity_shift: f64,
    /// Smallest and largest exponent of the display curve: grey values become
    /// `full_scale * (grey / full_scale)^gamma`. 1 changes nothing. The paper had none.
    pub gamma: [f64; 2],
    /// Smallest and largest factor of the fine detail (the image minus its 3x3 binomial blur) that is
    /// added: 0 changes nothing, -1 blurs, 1 doubles the detail. The paper had none.
    pub sharpness: [f64; 2],
}

impl Default for Augmentation {
    /// The paper's training augmentation.
    fn default() -> Self {
        Self {
            flip_horizontal: true,
            flip_vertical: true,
            rotation_deg: 25.0,
            zoom: [0.8, 1.2],
            shear_rad: 0.2,
            intensity_shift: 20.0 / 255.0,
            gamma: [1.0, 1.0],
            sharpness: [0.0, 0.0],
        }
    }
}

impl Augmentation {
    /// The identity, for validation and prediction.
    pub fn none() -> Self {
        Self {
            flip_horizontal: false,
            flip_vertical: false,
            rotation_deg: 0.0,
            zoom: [1.0, 1.0],
            shear_rad: 0.0,
            intensity_shift: 0.0,
            gamma: [1.0, 1.0],
            sharpness: [0.0, 0.0],
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first invalid one.
    pub fn check(&self) -> Result<()> {
        let [least, most] = self.zoom;
        let ([flattest, steepest], [softest, sharpest]) = (self.gamma, self.sharpness);
        let rules = [
            ("rotation_deg", self.rotation_deg, (0.0..=180.0).contains(&self.rotation_deg), "0 to 180"),
            ("zoom", least, 0.1 <= least && least <= most, "0.1 or more, the smaller first"),
            ("zoom", most, most <= 10.0, "10 or less"),
            ("shear_rad", self.shear_rad, (0.0..=1.0).contains(&self.shear_rad), "0 to 1"),
            ("intensity_shift", self.intensity_shift, (0.0..=1.0).contains(&self.intensity_shift), "0 to 1"),
            ("gamma", flattest, 0.1 <= flattest && flattest <= steepest, "0.1 or more, the smaller first"),
            ("gamma", steepest, steepest <= 10.0, "10 or less"),
            ("sharpness", softest, -1.0 <= softest && softest <= sharpest, "-1 or more, the smaller first"),
            ("sharpness", sharpest, sharpest <= 5.0, "5 or less"),
        ];
        match rules.iter().find(|rule| !rule.2) {
            Some((setting, found, _, expected)) => {
                Err(Error::setting(format!("augmentation.{setting}"), found.to_string(), *expected))
            }
            None => Ok(()),
        }
    }

    /// Draws one random transformation.
    ///
    /// # Randomness
    /// Always nine draws, so that disabling one transformation does not change the others.
    pub fn draw(&self, rng: &mut Rng) -> Warp {
        let flip_horizontal = rng.random::<bool>() && self.flip_horizontal;
        let flip_vertical = rng.random::<bool>() && self.flip_vertical;
        let mut between = |low: f64, high: f64| low + (high - low) * rng.random::<f64>();
        let rotation_rad = between(-self.rotation_deg, self.rotation_deg).to_radians();
        let shear_rad = between(-self.shear_rad, self.shear_rad);
        let zoom_y = between(self.zoom[0], self.zoom[1]);
        let zoom_x = between(self.zoom[0], self.zoom[1]);
        let intensity_shift = between(-self.intensity_shift, self.intensity_shift);
        let gamma = between(self.gamma[0], self.gamma[1]);
        let sharpness = between(self.sharpness[0], self.sharpness[1]);
        let mirror = |flip: bool| if flip { -1.0 } else { 1.0 };
        let flip = Affine::scale(mirror(flip_horizontal), mirror(flip_vertical));
        let zoom = Affine::scale(zoom_x, zoom_y);
        // In (row, column) order this is the matrix [[1, -sin], [0, cos]] of Keras.
        let shear = Affine { xx: shear_rad.cos(), yx: -shear_rad.sin(), ..Affine::IDENTITY };
        // Keras rotates rows towards columns, which is the opposite direction for (x, y).
        let rotation = Affine::rotate(-rotation_rad);
        let input_from_output = flip.then(&zoom).then(&shear).then(&rotation);
        Warp { input_from_output, intensity_shift, gamma, sharpness }
    }
}

/// One transformation: a linear map about the window's centre, then a change of the grey values.
///
/// The map from output to input coordinates flips, zooms, shears and rotates, in this order; the
/// image is therefore rotated first and flipped last. The order is that of Keras'
/// `ImageDataGenerator`, which the paper used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// Maps output offsets to input offsets, both relative to the window's centre.
    pub input_from_output: Affine,
    /// Added to every grey value, as a share of full scale; the sum is clipped to full scale.
    pub intensity_shift: f64,
    /// Exponent of the display curve, after the shift.
    pub gamma: f64,
    /// Factor of the fine detail added at the end; the sum is clipped to full scale.
    pub sharpness: f64,
}

/// The part of an input that is sampled: a patch or the whole image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatchWindow {
    /// Input column that the window is centred on.
    pub center_x: f64,
    /// Input row that the window is centred on.
    pub center_y: f64,
    /// Columns of the output.
    pub width: usize,
    /// Rows of the output.
    pub height: usize,
}

impl PatchWindow {
    /// The whole input at its own size.
    pub fn whole(input: &GreyView) -> Self {
        Self {
            center_x: input.width as f64 / 2.0,
            center_y: input.height as f64 / 2.0,
            width: input.width,
            height: input.height,
        }
    }
}

impl Warp {
    /// No transformation.
    pub const IDENTITY: Self =
        Self { input_from_output: Affine::IDENTITY, intensity_shift: 0.0, gamma: 1.0, sharpness: 0.0 };

    /// Fills `out` (`height * width`, row-major) with the normalised values of one window by bilinear
    /// interpolation; points outside the input are black. [`Warp::IDENTITY`] and flips reproduce the
    /// pixels exactly.
    ///
    /// # Panics
    /// When the length of `out` or of the input's pixels does not match the size.
    pub fn window(&self, input: GreyView, window: &PatchWindow, normalise: Normalise, out: &mut [f32]) {
        if self.gamma == 1.0 && self.sharpness == 0.0 {
            return sampler::fill(self, input, window, normalise, out);
        }
        sampler::fill(self, input, window, Normalise { scale: 1.0, offset: 0.0 }, out);
        tone::bend(out, self.gamma as f32);
        tone::sharpen(out, window.width, self.sharpness as f32);
        out.iter_mut().for_each(|grey| *grey = normalise.apply(*grey));
    }
}

#[cfg(test)]
mod tests;
