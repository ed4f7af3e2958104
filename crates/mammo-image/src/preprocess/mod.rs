//! Preprocessing: from stored pixels to network input, with the map between their frames.
//!
//! In: a [`GreyImage`](mammo_core::image::GreyImage) and its polarity. Out: a [`Prepared`] image of
//! the network's size. The steps ([`PreprocessingStep`]), in this order:
//!
//! 1. **voi**: the modality and VOI transformations of a DICOM file ([`mammo_dicom`]);
//! 2. **polarity**: an inverted image is inverted again, so that dense tissue is bright;
//! 3. **breast**: segmentation on a thumbnail ([`BreastDoubt`] when it is unreliable);
//! 4. **crop** to the breast and a margin;
//! 5. **resize** to the network's size, keeping or stretching the aspect ratio;
//! 6. **orient**: mirroring, so that the chest wall is on the left;
//! 7. **artifacts**: everything outside the breast becomes black;
//! 8. **window**: two grey values, fixed or percentiles inside the breast, become 0 and 65535;
//! 9. **normalise**: a linear function that the caller applies when copying pixels
//!    ([`Preprocessing::normalise`]).
//!
//! All settings are one [`Preprocessing`] value, which is saved with every model, so that prediction
//! uses the same preprocessing as training; [`Preprocessing::explain`] shows every step for one image.
//! After `import`, before [`cache`](crate::cache).

mod apply;
mod breast;
mod film;
mod mask;
mod morphology;
mod steps;

pub use apply::Prepared;
pub(crate) use breast::{BreastCandidate, find_candidate};
pub use breast::{BreastDoubt, ChestWall};
pub use mammo_core::resample::{Resample, resample};
pub use mask::{Mask, MaskSums};
pub(crate) use morphology::erode;
pub use steps::{ExplainedStep, PreprocessingStep};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use mammo_core::digest::short_hex;

use crate::{Error, Result};
use mammo_dicom::Voi;

/// Version of the steps in this module. Raised whenever the same settings give other pixels, so that
/// old models are refused instead of receiving different inputs.
pub const VERSION: u32 = 2;

/// The crop of the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Crop {
    /// The whole image, as in the paper.
    None,
    /// The breast's bounding box.
    Breast {
        /// Added on each side, as a share of the box's side.
        margin_fraction: f64,
    },
}

/// The orientation of the breast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orient {
    /// As in the file, as in the paper.
    AsStored,
    /// The chest wall is on the left. Determined from the pixels and not from the laterality, because
    /// a scan may be mirrored.
    ChestWallLeft,
}

/// The treatment of the aspect ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Kept; black is added opposite the chest wall, and equally above and below.
    Keep,
    /// Changed: each axis is scaled to fit, as in the paper.
    Stretch,
}

/// The window of grey values that is mapped to black and white.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Window {
    /// 0 and the largest value of the file's container, as in the paper.
    FullScale,
    /// Percentiles of the pixels inside the breast.
    Percentiles {
        /// The percentile mapped to black.
        low_percent: f64,
        /// The percentile mapped to white.
        high_percent: f64,
    },
}

/// A linear function from grey values (0..=65535) to network values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalise {
    /// Network units per grey value.
    pub scale: f32,
    /// Network value of black.
    pub offset: f32,
}

impl Normalise {
    /// The network value of a grey value.
    pub fn apply(self, grey: f32) -> f32 {
        grey * self.scale + self.offset
    }
}

/// All settings between a file's pixels and a network's input.
///
/// # Example
/// ```
/// use mammo_image::preprocess::Preprocessing;
///
/// let paper = Preprocessing::paper();
/// assert_eq!(paper.normalise(0), -52.18);
/// assert!((paper.normalise(65535) - (255.0 - 52.18)).abs() < 1e-3);
/// assert_ne!(paper.digest(), Preprocessing::default().digest());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preprocessing {
    /// Version of the steps, [`VERSION`] for this build.
    pub version: u32,
    /// Rows of the input. Default 1152 (paper).
    pub height_px: usize,
    /// Columns of the input. Default 896 (paper).
    pub width_px: usize,
    /// Whether everything outside the breast becomes black. Default yes: a burnt-in marker can identify
    /// the hospital and with it the prevalence. The paper kept labels.
    pub remove_artifacts: bool,
    /// Default the breast with a margin of 0.02. Differs from the paper, which kept the whole film:
    /// cropping uses more of the input's pixels for tissue.
    pub crop: Crop,
    /// Default chest wall left. Differs from the paper, which flipped at random instead.
    pub orient: Orient,
    /// Default keep. Differs from the paper, which stretches round masses to ovals.
    pub aspect: Aspect,
    /// Default the percentiles 0.5 and 99.9 inside the breast. Differs from the paper: with a fixed
    /// window the brightness depends on the scanner.
    pub window: Window,
    /// Default area averaging. Differs from the paper, whose cubic kernel aliases in reduction.
    pub resample: Resample,
    /// Whether the VOI transformation of a DICOM file is applied. Default yes. Differs from the paper,
    /// which used stored values over their full range.
    pub voi: Voi,
    /// Mean of the training inputs, in grey levels of 0 to 255. Default measured on the mass
    /// training images of CBIS-DDSM with the other defaults.
    pub mean: f32,
    /// Standard deviation of the training inputs, in the same grey levels. Default measured likewise.
    pub std: f32,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            version: VERSION,
            height_px: 1152,
            width_px: 896,
            remove_artifacts: true,
            crop: Crop::Breast { margin_fraction: 0.02 },
            orient: Orient::ChestWallLeft,
            aspect: Aspect::Keep,
            window: Window::Percentiles { low_percent: 0.5, high_percent: 99.9 },
            resample: Resample::Area,
            voi: Voi::Apply,
            mean: 67.7,
            std: 75.5,
        }
    }
}

impl Preprocessing {
    /// The paper's preprocessing: the whole film stretched to 1152 x 896 by cubic interpolation, 16 bit
    /// times 255 / 65535, minus the mean 52.18 of DDSM. Models of the paper's authors need exactly this.
    pub fn paper() -> Self {
        Self {
            remove_artifacts: false,
            crop: Crop::None,
            orient: Orient::AsStored,
            aspect: Aspect::Stretch,
            window: Window::FullScale,
            resample: Resample::Cubic,
            voi: Voi::Ignore,
            mean: 52.18,
            std: 1.0,
            ..Self::default()
        }
    }

    /// Network value of one input pixel: its grey level of 0 to 255, minus the mean, divided by the
    /// standard deviation.
    pub fn normalise(&self, pixel: u16) -> f32 {
        self.normaliser().apply(f32::from(pixel))
    }

    /// The same as a [`Normalise`] value.
    pub fn normaliser(&self) -> Normalise {
        Normalise { scale: 255.0 / (65535.0 * self.std), offset: -self.mean / self.std }
    }

    /// Identifies all settings: the first 16 hexadecimal digits of the SHA-256 of their JSON (fields in
    /// declared order, no spaces). Stored with every model and result.
    pub fn digest(&self) -> String {
        digest(self)
    }

    /// Identifies the pixels: the [`digest`](Self::digest) without mean and standard deviation, which
    /// are measured on the cached pixels.
    pub fn pixel_digest(&self) -> String {
        digest(&Self { mean: 0.0, std: 1.0, ..self.clone() })
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first invalid one.
    pub fn check(&self) -> Result<()> {
        let require = |ok: bool, setting: &str, found: String, expected: &str| {
            if ok { Ok(()) } else { Err(Error::setting(format!("preprocessing.{setting}"), found, expected)) }
        };
        let version = format!("{VERSION}; use the release that the model was trained with");
        require(self.version == VERSION, "version", self.version.to_string(), &version)?;
        for (setting, side) in [("height_px", self.height_px), ("width_px", self.width_px)] {
            require((32..=8192).contains(&side), setting, side.to_string(), "32 to 8192")?;
        }
        if let Crop::Breast { margin_fraction: margin } = self.crop {
            require((0.0..=1.0).contains(&margin), "crop.margin_fraction", margin.to_string(), "0 to 1")?;
        }
        if let Window::Percentiles { low_percent: low, high_percent: high } = self.window {
            let ordered = 0.0 <= low && low < high && high <= 100.0;
            require(ordered, "window", format!("{low} to {high}"), "0 <= low_percent < high_percent <= 100")?;
        }
        require(self.mean.is_finite(), "mean", self.mean.to_string(), "a finite grey level")?;
        let positive = self.std.is_finite() && self.std > 0.0;
        require(positive, "std", self.std.to_string(), "a positive number of grey levels")
    }
}

fn digest(settings: &Preprocessing) -> String {
    // Serialising numbers and words cannot fail.
    let json = serde_json::to_vec(settings).unwrap_or_default();
    short_hex(&Sha256::digest(json))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::phantom_for_tests;
