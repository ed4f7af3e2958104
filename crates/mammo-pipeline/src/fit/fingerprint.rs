//! The fingerprint of a data set: the facts from which a training is planned.

use std::collections::BTreeMap;
use std::time::Instant;

use mammo_core::record::{Lesion, Mammogram, Side};
use mammo_core::seed::stream;
use mammo_core::write::write_json;
use mammo_data::archive::image_files::header_of;
use mammo_image::patch_sampling::PatchClass;
use mammo_image::preprocess::{Aspect, Preprocessing};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::error::refuse;
use crate::{Observer, Result};

/// Images of the training side that are opened to measure breasts.
const MEASURED: usize = 160;

/// Height over width of breasts in undistorted mammograms, about: that of CBIS-DDSM, INbreast and the phantoms lies
/// between 1.6 and 2.2.
pub const USUAL_ASPECT: f64 = 1.7;

/// Breasts of a smaller median height over width, in square images without a known spacing, were squeezed.
const LEAST_ASPECT: f64 = 1.5;

/// Five values of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The smallest value.
    pub least: f64,
    /// A fifth of the values are smaller.
    pub lower_fifth: f64,
    /// Half of the values are smaller.
    pub median: f64,
    /// Four fifths of the values are smaller.
    pub upper_fifth: f64,
    /// The largest value.
    pub most: f64,
}

impl Quantiles {
    /// The quantiles of some values, by linear interpolation; `None` without values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)? as f64;
        let at = |share: f64| {
            let (low, part) = ((share * last).floor(), (share * last).fract());
            let (low, high) = (sorted[low as usize], sorted[(share * last).ceil() as usize]);
            low + part * (high - low)
        };
        Some(Self {
            least: at(0.0),
            lower_fifth: at(0.2),
            median: at(0.5),
            upper_fifth: at(0.8),
            most: at(1.0),
        })
    }
}

/// Counts of one side of the split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideCounts {
    /// Patients.
    pub patients: usize,
    /// Those of them with an image with cancer.
    pub patients_with_cancer: usize,
    /// Images with a known truth.
    pub images: usize,
    /// Those of them with cancer.
    pub images_with_cancer: usize,
    /// Images of a known truth with an annotated lesion.
    pub images_with_lesion: usize,
    /// Lesions of known pathology that are annotated in them.
    pub lesions: usize,
}

/// Lesions of the training side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LesionFacts {
    /// Number of each class, as patches name them.
    pub classes: BTreeMap<String, usize>,
    /// The longer side over the height of the breast, both without the distortion of squeezed images.
    pub share_of_breast_height: Quantiles,
    /// The longer side in stored pixels.
    pub stored_px: Quantiles,
    /// The longer side in mm, of images whose spacing is known.
    pub mm: Option<Quantiles>,
}

/// The facts of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Digest of the manifest.
    pub manifest_digest: String,
    /// Images, with those of unknown truth.
    pub images: usize,
    /// Images of unknown truth, which are not used.
    pub images_of_unknown_truth: usize,
    /// Training, validation and test side.
    pub train: SideCounts,
    /// The same of the validation side.
    pub validation: SideCounts,
    /// The same of the test side.
    pub test: SideCounts,
    /// Images of each view; `unknown` for those that do not say.
    pub views: BTreeMap<String, usize>,
    /// Images of each site that the tables name.
    pub sites: BTreeMap<String, usize>,
    /// Scanners of the images that were opened, by manufacturer and model, where the files state them.
    pub scanners: BTreeMap<String, usize>,
    /// Rows of the stored images.
    pub stored_height_px: Quantiles,
    /// Columns of the stored images.
    pub stored_width_px: Quantiles,
    /// How many images of the training side were opened for what follows.
    pub measured: usize,
    /// Rows of the breast and a margin, in stored pixels.
    pub breast_height_px: Quantiles,
    /// Height over width of the breast and a margin.
    pub breast_aspect: Quantiles,
    /// Whether the images were squeezed to squares, so that their aspect says nothing.
    pub aspect_lost: bool,
    /// Distance between pixel centres in mm, of the files that state it.
    pub spacing_mm: Option<Quantiles>,
    /// Lesions with an outline; `None` without any.
    pub lesions: Option<LesionFacts>,
}

/// What opening one image says.
struct Measured<'m> {
    image: &'m Mammogram,
    /// Crop around the breast in stored pixels.
    width_px: f64,
    height_px: f64,
    spacing_mm: Option<f64>,
    scanner: Option<String>,
}

impl Fingerprint {
    /// Measures a data set; also returns the seconds in which all threads together read and prepare an image.
    ///
    /// Only images of the training side are opened, so that no choice depends on the test side.
    ///
    /// # Errors
    /// No image that can be opened.
    pub fn of(data: &Data, seed: u64, observer: &dyn Observer) -> Result<(Self, f64)> {
        let started = Instant::now();
        let measured = measure(data, seed, observer)?;
        let prepare_s = started.elapsed().as_secs_f64() / measured.len() as f64;
        let images = &data.manifest.images;
        let quantiles = |values: &mut dyn Iterator<Item = f64>| match Quantiles::of(values) {
            Some(quantiles) => Ok(quantiles),
            None => refuse!("{}: no image", data.path.display()),
        };
        let spacing_mm = Quantiles::of(measured.iter().filter_map(|m| m.spacing_mm));
        let breast_aspect = quantiles(&mut measured.iter().map(|m| m.height_px / m.width_px))?;
        let squares = images.iter().filter(|image| image.width_px == image.height_px).count();
        let aspect_lost =
            squares == images.len() && spacing_mm.is_none() && breast_aspect.median < LEAST_ASPECT;
        let squeezed_by = if aspect_lost { USUAL_ASPECT / breast_aspect.median } else { 1.0 };
        let side = |side| SideCounts::of(&data.side(side));
        let fingerprint = Self {
            manifest_digest: data.manifest.digest(),
            images: images.len(),
            images_of_unknown_truth: images.iter().filter(|image| image.malignant().is_none()).count(),
            train: side(Side::Train),
            validation: side(Side::Validation),
            test: side(Side::Test),
            views: counted(images.iter().map(|image| match image.view {
                Some(view) => view.to_string(),
                None => "unknown".to_string(),
            })),
            sites: counted(images.iter().filter_map(|image| image.site.clone())),
            scanners: counted(measured.iter().filter_map(|m| m.scanner.clone())),
            stored_height_px: quantiles(&mut images.iter().map(|image| f64::from(image.height_px)))?,
            stored_width_px: quantiles(&mut images.iter().map(|image| f64::from(image.width_px)))?,
            measured: measured.len(),
            breast_height_px: quantiles(&mut measured.iter().map(|m| m.height_px))?,
            breast_aspect,
            aspect_lost,
            spacing_mm,
            lesions: LesionFacts::of(data, &measured, squeezed_by),
        };
        Ok((fingerprint, prepare_s))
    }

    /// Images on all sides that are prepared and used.
    pub fn used_images(&self) -> usize {
        self.train.images + self.validation.images + self.test.images
    }

    /// Writes the fingerprint.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &std::path::Path) -> Result<()> {
        Ok(write_json(path, self)?)
    }
}

impl SideCounts {
    fn of(images: &[&Mammogram]) -> Self {
        let mut patients: BTreeMap<&str, bool> = BTreeMap::new();
        for image in images {
            *patients.entry(&image.patient_id).or_default() |= image.malignant() == Some(true);
        }
        Self {
            patients: patients.len(),
            patients_with_cancer: patients.values().filter(|&&cancer| cancer).count(),
            images: images.len(),
            images_with_cancer: images.iter().filter(|image| image.malignant() == Some(true)).count(),
            images_with_lesion: images.iter().filter(|image| !image.lesions.is_empty()).count(),
            lesions: images.iter().flat_map(|image| &image.lesions).filter_map(class_of).count(),
        }
    }
}

impl LesionFacts {
    fn of(data: &Data, measured: &[Measured], squeezed_by: f64) -> Option<Self> {
        let (mut shares, mut stored, mut mm) = (Vec::new(), Vec::new(), Vec::new());
        for m in measured {
            for lesion in m.image.lesions.iter().filter(|lesion| class_of(lesion).is_some()) {
                let bounds = lesion.shape.bounds();
                shares.push(bounds.height.max(bounds.width / squeezed_by) / m.height_px);
                stored.push(bounds.height.max(bounds.width));
                mm.extend(m.spacing_mm.map(|spacing| bounds.height.max(bounds.width) * spacing));
            }
        }
        let train = data.side(Side::Train);
        let lesions = train.iter().flat_map(|image| &image.lesions);
        Some(Self {
            classes: counted(lesions.filter_map(class_of).map(|class| class.to_string())),
            share_of_breast_height: Quantiles::of(shares)?,
            stored_px: Quantiles::of(stored)?,
            mm: Quantiles::of(mm),
        })
    }
}

fn class_of(lesion: &Lesion) -> Option<PatchClass> {
    PatchClass::of(lesion.kind, lesion.pathology)
}

fn counted(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

/// Opens some images of the training side, those with lesions first.
fn measure<'d>(data: &'d Data, seed: u64, observer: &dyn Observer) -> Result<Vec<Measured<'d>>> {
    let mut images = data.side(Side::Train);
    images.shuffle(&mut stream(seed, "fingerprint", 0));
    images.sort_by_key(|image| image.lesions.is_empty());
    images.truncate(MEASURED);
    // The size plays no role: the map from stored pixels tells the crop.
    let preprocessing =
        Preprocessing { height_px: 256, width_px: 256, aspect: Aspect::Stretch, ..Preprocessing::default() };
    let task = observer.begin("measuring images", images.len());
    let results: Vec<_> = images.par_iter().map(|&image| measure_one(data, image, &preprocessing)).collect();
    let mut measured = Vec::new();
    for (image, result) in images.iter().zip(results) {
        match result {
            Ok(one) => measured.push(one),
            Err(error) => task.left_out("left out", &image.file, &error.to_string()),
        }
    }
    if measured.is_empty() {
        refuse!("{}: none of {} images could be opened", data.path.display(), images.len());
    }
    Ok(measured)
}

fn measure_one<'m>(data: &Data, image: &'m Mammogram, preprocessing: &Preprocessing) -> Result<Measured<'m>> {
    let path = data.manifest.image_path(image);
    let header = header_of(&path).ok().flatten();
    let prepared = preprocessing.read(&path, image.polarity)?;
    // Along the axes of the input, which may be mirrored.
    let one = prepared.input_from_stored.apply_rect(&mammo_core::geometry::Rect::new(0.0, 0.0, 1.0, 1.0));
    let scanner = header.as_ref().map(|header| format!("{} {}", header.manufacturer, header.model));
    Ok(Measured {
        image,
        width_px: preprocessing.width_px as f64 / one.width,
        height_px: preprocessing.height_px as f64 / one.height,
        spacing_mm: header.and_then(|header| header.spacing).map(|spacing| spacing.row_mm),
        scanner: scanner.map(|name| name.trim().to_string()).filter(|name| !name.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated_and_nothing_has_none() {
        assert_eq!(Quantiles::of([]), None);
        assert_eq!(Quantiles::of([f64::NAN]), None);
        let of = Quantiles::of((0..=10).map(f64::from)).unwrap();
        assert_eq!(
            [of.least, of.lower_fifth, of.median, of.upper_fifth, of.most],
            [0.0, 2.0, 5.0, 8.0, 10.0]
        );
        assert_eq!(Quantiles::of([3.0, 4.0]).unwrap().median, 3.5);
    }
}
