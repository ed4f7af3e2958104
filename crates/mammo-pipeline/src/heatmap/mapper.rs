//! A model file ready to draw maps of images, for the commands that show them.

use std::path::Path;

use image::RgbaImage;
use mammo_core::record::Mammogram;
use mammo_dicom::{SpacingSource, StoredImage};
use mammo_image::input_check::polarity_shown;
use mammo_image::preprocess::{Prepared, Preprocessing};
use mammo_nn::device::Device;
use mammo_nn::inference::heatmap::{
    BreastFrame, Finding, FindingRule, HeatMap, ImageExplainer, PatchMapper, find,
};
use mammo_nn::model_file::{self, ModelCard, ModelFile, Network};
use mammo_nn::networks::image_classifier::MapLayer;

use super::overlay::{Scale, colour_layer};
use crate::error::refuse;
use crate::{Error, Result};

/// The map of a whole-image model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Its heatmap: class probabilities of every window, with findings, as of a patch model.
    Heatmap,
    /// An attribution of its output.
    Attribution(Attribution),
}

/// Which part of the image the output depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// Grad-CAM of the top's last feature map.
    GradCam,
    /// Grad-CAM of the trunk's features: finer, but farther from the output.
    GradCamTrunk,
    /// Slope of the log odds of cancer with each pixel.
    Saliency,
}

/// A model ready to draw maps.
pub struct Mapper {
    /// Steps from a stored image to the network's input.
    pub preprocessing: Preprocessing,
    /// Digest of the model file.
    pub digest: String,
    kind: Kind,
}

/// The kind of map.
// One mapper exists per run: boxing the larger variant would save nothing.
#[allow(clippy::large_enum_variant)]
enum Kind {
    Patch(PatchMapper),
    Image(ImageExplainer, Attribution),
}

/// The map of one image with all that belongs to it.
pub struct ImageMap {
    /// The network input.
    pub prepared: Prepared,
    /// The map, tied to the stored image.
    pub map: HeatMap,
    /// Its colours.
    pub scale: Scale,
    /// Findings in input pixels, the surest first; none for whole-image models.
    pub findings: Vec<Finding>,
    /// The breast, if the map has no meaning outside of it: a patch model was not trained on background.
    pub breast: Option<BreastFrame>,
    /// The plane in which the spacing of the map's grid was measured, if it is known.
    pub spacing_source: Option<SpacingSource>,
}

impl ImageMap {
    /// The map as colours over the input.
    pub fn colours(&self) -> RgbaImage {
        let input = &self.prepared.image;
        colour_layer(&self.map, &self.scale, self.breast.as_ref(), [input.width, input.height])
    }
}

/// The heatmap of a model whose top reads one, else Grad-CAM.
fn default_method(card: &ModelCard) -> Method {
    match card.map_classes() {
        [] => Method::Attribution(Attribution::GradCam),
        _ => Method::Heatmap,
    }
}

impl Mapper {
    /// Builds the network of a model file for one method; `stride` is the distance of a patch model's windows.
    ///
    /// # Errors
    /// A file that is not a model with classes; a method or stride that its kind does not have.
    pub fn load(path: &Path, method: Option<Method>, stride: Option<usize>, device: &Device) -> Result<Self> {
        Self::of(model_file::load(path)?, method, stride, device)
    }

    /// The same with a model file in memory.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn of(
        file: ModelFile,
        method: Option<Method>,
        stride: Option<usize>,
        device: &Device,
    ) -> Result<Self> {
        let path = &file.path;
        let kind = match &file.card.network {
            Network::Trunk(_) => {
                refuse!("{}: a trunk alone, without classes; give a trained model", path.display())
            }
            Network::Patch(_) if method.is_some() => {
                refuse!("{}: a patch model; --method is for whole-image models", path.display())
            }
            Network::Patch(_) => Kind::Patch(PatchMapper::load(&file, stride, device)?),
            Network::Image(_) => match method.unwrap_or_else(|| default_method(&file.card)) {
                Method::Heatmap => Kind::Patch(PatchMapper::load(&file, stride, device)?),
                Method::Attribution(_) if stride.is_some() => {
                    refuse!(
                        "{}: --stride is for the windows of a heat map, not for attribution",
                        path.display()
                    )
                }
                Method::Attribution(attribution) => {
                    Kind::Image(ImageExplainer::load(&file, device)?, attribution)
                }
            },
        };
        Ok(Self { preprocessing: file.card.preprocessing, digest: file.digest, kind })
    }

    /// Whether the maps come with findings.
    pub fn finds(&self) -> bool {
        matches!(self.kind, Kind::Patch(_))
    }

    /// Prepares one image file and maps it; findings below `min_score` are left out.
    ///
    /// # Errors
    /// An image that cannot be read or prepared.
    pub fn map(&self, root: &Path, image: &Mammogram, min_score: f64) -> Result<ImageMap> {
        let path = root.join(&image.file);
        let StoredImage { header, image: stored, .. } = StoredImage::open(&path, self.preprocessing.voi)?;
        let polarity = polarity_shown(&stored, image.polarity);
        let prepared = self.preprocessing.apply_file(&path, stored, polarity)?;
        let pixels = &prepared.image.pixels;
        let (map, scale, findings, breast) = match &self.kind {
            Kind::Patch(mapper) => {
                let map = mapper.map(pixels)?;
                let rule = FindingRule::new(min_score, mapper.window.patch_px);
                let breast = BreastFrame::of(&prepared);
                let findings = find(&map, &breast, &rule);
                (
                    map.windows.malignant(),
                    Scale::probability("Probability of a malignant lesion"),
                    findings,
                    Some(breast),
                )
            }
            Kind::Image(explainer, attribution) => {
                let (map, meaning) = match attribution {
                    Attribution::GradCam => {
                        (explainer.grad_cam(MapLayer::Top, pixels)?, "Grad-CAM, top blocks")
                    }
                    Attribution::GradCamTrunk => {
                        (explainer.grad_cam(MapLayer::Trunk, pixels)?, "Grad-CAM, trunk")
                    }
                    Attribution::Saliency => (explainer.saliency(pixels), "Saliency: slope of the log odds"),
                };
                let scale = Scale::relative(meaning, &map);
                (map, scale, Vec::new(), None)
            }
        };
        // Only DICOM files state it; other image files have no such header.
        let spacing = header.and_then(|header| header.spacing);
        let spacing_mm = spacing.map(|spacing| [spacing.column_mm, spacing.row_mm]);
        let grid = map.grid.of_stored(&prepared.input_from_stored, spacing_mm);
        let no_way_back = || Error::Refused(format!("{}: its preparation cannot be undone", image.file));
        let grid = grid.ok_or_else(no_way_back)?;
        let spacing_source = spacing.map(|spacing| spacing.source);
        Ok(ImageMap { map: HeatMap { grid, ..map }, prepared, scale, findings, spacing_source, breast })
    }
}
