//! The steps of a [`Preprocessing`] by name, with their settings and intermediate images.

use super::{Aspect, Crop, Orient, Prepared, Preprocessing, Resample, Window};
use crate::Result;
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_core::words;
use mammo_dicom::Voi;

/// The steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PreprocessingStep {
    /// Modality and VOI stages of a DICOM file; other files have none.
    Voi,
    /// Dense tissue becomes bright.
    Polarity,
    /// The breast is segmented from film edges, labels and background.
    Breast,
    /// The image is cropped to the breast.
    Crop,
    /// The crop is resampled to the network's size.
    Resize,
    /// The image is mirrored so that the chest wall is on the left.
    Orient,
    /// Labels, film edges and background become black.
    Artifacts,
    /// A window of grey values is mapped to black and white.
    Window,
    /// Mean and standard deviation are normalised.
    Normalise,
}

words!(PreprocessingStep, Voi: "voi", Polarity: "polarity", Breast: "breast", Crop: "crop", Resize: "resize",
    Orient: "orient", Artifacts: "artifacts", Window: "window", Normalise: "normalise");

impl PreprocessingStep {
    /// The unit of its values.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Voi => "stored values to grey, 0 to 65535",
            Self::Polarity | Self::Artifacts | Self::Window => "grey, 0 to 65535",
            Self::Breast => "256ths of the longer side",
            Self::Crop => "shares of the breast's box",
            Self::Resize | Self::Orient => "input pixels",
            Self::Normalise => "grey levels, 0 to 255",
        }
    }
}

/// The result of a step for one image.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedStep {
    /// Which step.
    pub step: PreprocessingStep,
    /// Its setting, as text.
    pub setting: String,
    /// The image after it.
    pub image: GreyImage,
}

impl Preprocessing {
    /// The setting of a step, as text.
    pub fn setting(&self, step: PreprocessingStep) -> String {
        match step {
            PreprocessingStep::Voi => match self.voi {
                Voi::Apply => "first VOI LUT or window of the file".into(),
                Voi::Ignore => "none: full range of the stored bits".into(),
            },
            PreprocessingStep::Polarity => {
                "inverted images are inverted again; MONOCHROME1 when reading".into()
            }
            PreprocessingStep::Breast => "threshold, opening, largest region, skin line".into(),
            PreprocessingStep::Crop => match self.crop {
                Crop::None => "none".into(),
                Crop::Breast { margin_fraction } => format!("breast and a margin of {margin_fraction}"),
            },
            PreprocessingStep::Resize => {
                let aspect = match self.aspect {
                    Aspect::Keep => "aspect kept",
                    Aspect::Stretch => "stretched",
                };
                let kernel = match self.resample {
                    Resample::Area => "area",
                    Resample::Bilinear => "bilinear",
                    Resample::Cubic => "cubic",
                };
                format!("{}x{} rows x columns, {aspect}, {kernel}", self.height_px, self.width_px)
            }
            PreprocessingStep::Orient => match self.orient {
                Orient::AsStored => "as stored".into(),
                Orient::ChestWallLeft => "chest wall left".into(),
            },
            PreprocessingStep::Artifacts => {
                if self.remove_artifacts { "outside of the breast black" } else { "kept" }.into()
            }
            PreprocessingStep::Window => match self.window {
                Window::FullScale => "full scale".into(),
                Window::Percentiles { low_percent, high_percent } => {
                    format!("percentiles {low_percent} to {high_percent} inside the breast")
                }
            },
            PreprocessingStep::Normalise => format!("(level - {}) / {}", self.mean, self.std),
        }
    }

    /// Prepares an image that was read with this [`voi`](Self::voi) and keeps the image after every
    /// step. The last step only shifts and scales; its image is that of its input.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn explain(&self, image: GreyImage, polarity: Polarity) -> Result<(Prepared, Vec<ExplainedStep>)> {
        let of = |step, image| ExplainedStep { step, setting: self.setting(step), image };
        let mut explained = vec![of(PreprocessingStep::Voi, image.clone())];
        let prepared =
            self.apply_watched(image, polarity, &mut |step, draw| explained.push(of(step, draw())))?;
        explained.push(of(PreprocessingStep::Normalise, prepared.image.clone()));
        Ok((prepared, explained))
    }
}
