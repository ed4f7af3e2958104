//! Synthetic mammograms with known truth, to test the whole method without patient data.
//!
//! A phantom patient has one breast (sometimes both) in two views. `breast`, `projection` and `tissue`
//! model the normal anatomy, `lesion`, `mass` and `calcification` the lesions, `film` and `digital` the
//! image receptors. [`write_dataset`] writes a data set in the open table format, which is processed
//! like a real one.
//!
//! Three properties make the data a meaningful test:
//!
//! * **No shortcut.** Breasts, exposure and labels come from random streams independent of lesions;
//!   benign and malignant lesions have the same distribution of size and contrast. They differ only in
//!   shape, margin and distribution, and about one in ten has the appearance of the other class.
//! * **Distractors.** Parenchymal islands, crossing strands, nodes, nipples out of profile,
//!   specks and dust resemble lesions, and dense tissue obscures lesions.
//! * **Millimetres.** All sizes are lengths in the breast. A seed gives the same patient at any
//!   resolution. With one exception: a calcification finer than a pixel keeps at least half of its
//!   contrast, because at 0.8 mm per pixel it would otherwise be invisible in small demonstrations.
//!
//! Not modelled: scatter, spectra, and the three-dimensional structure of the parenchyma (the two views
//! have the same size and density of the breast, but independent texture).

mod breast;
mod calcification;
mod canvas;
mod dataset;
mod digital;
mod film;
mod frame;
mod image;
pub mod layout;
mod lesion;
mod marker;
mod mass;
mod noise;
mod parenchyma;
mod plan;
mod projection;
#[cfg(test)]
mod tests;
mod tissue;

use serde::{Deserialize, Serialize};

pub use self::dataset::{PhantomSummary, write_dataset};
pub use self::layout::{ArchiveLayout, write_layout};
use self::plan::PatientPlan;
use mammo_core::image::GreyImage;
use mammo_core::record::{Laterality, Mammogram, View};
use mammo_core::words;
pub use mammo_core::{Error, Result};
use mammo_dicom::image_file::{MAX_PIXELS, MIN_SIDE_PX};

/// The site of the images. A model trained at one site needs fine-tuning for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// Site A: digitised screen film, dense tissue bright, 16-bit range, labels and edges.
    #[default]
    Film,
    /// Site B: digital detector, dense tissue dark, 12-bit range, few labels.
    Digital,
}

impl Site {
    /// Letter that begins the site's patient identifiers.
    pub fn letter(self) -> char {
        match self {
            Self::Film => 'A',
            Self::Digital => 'B',
        }
    }
}

words!(Site, Film: "film", Digital: "digital");

/// Settings of a phantom data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhantomConfig {
    /// Number of patients.
    pub n_patients: usize,
    /// The site. The same seed gives different patients at the two sites.
    pub site: Site,
    /// Seed of every random decision.
    pub seed: u64,
    /// Rows of every image.
    pub height_px: usize,
    /// Columns of every image. The field of 240 mm x 187 mm is fitted into the image.
    pub width_px: usize,
    /// Share of patients with a malignant lesion.
    pub malignant_share: f64,
    /// Share of patients with benign lesions only; the rest have none.
    pub benign_share: f64,
    /// Share of lesions that are calcifications, not masses.
    pub calcification_share: f64,
    /// Share of patients with both breasts imaged; the other breast is benign or normal.
    pub both_breasts_share: f64,
    /// Factor on every length of a lesion: extent, margin, spicules, grains; 1 is natural size.
    /// A small image does not resolve the margins and grains by which readers tell benign from
    /// malignant; a larger scale compensates for the lower resolution.
    pub lesion_scale: f64,
    /// Factor on the contrast of masses; 1 is near that of real ones.
    pub mass_contrast: f64,
    /// Views of each breast.
    pub views: Vec<View>,
}

impl Default for PhantomConfig {
    fn default() -> Self {
        Self {
            n_patients: 200,
            site: Site::Film,
            seed: 0,
            height_px: 1152,
            width_px: 896,
            malignant_share: 0.45,
            benign_share: 0.35,
            calcification_share: 0.4,
            both_breasts_share: 0.15,
            lesion_scale: 1.0,
            mass_contrast: 1.0,
            views: vec![View::Cc, View::Mlo],
        }
    }
}

impl PhantomConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] names the first setting out of range.
    pub fn check(&self) -> Result<()> {
        let must = |holds: bool, setting: &str, found: String, expected: String| {
            if holds { Ok(()) } else { Err(Error::setting(setting, found, expected)) }
        };
        must(self.n_patients > 0, "n_patients", "0".into(), "at least one patient".into())?;
        let (height, width) = (self.height_px as u64, self.width_px as u64);
        must(
            height.min(width) >= u64::from(MIN_SIDE_PX) && height.saturating_mul(width) <= MAX_PIXELS,
            "height_px, width_px",
            format!("{height}x{width}"),
            format!("at least {MIN_SIDE_PX} pixels on each side and at most {MAX_PIXELS} in all"),
        )?;
        for (setting, share) in [
            ("malignant_share", self.malignant_share),
            ("benign_share", self.benign_share),
            ("calcification_share", self.calcification_share),
            ("both_breasts_share", self.both_breasts_share),
        ] {
            must((0.0..=1.0).contains(&share), setting, share.to_string(), "a share from 0 to 1".into())?;
        }
        let lesions = self.malignant_share + self.benign_share;
        must(
            lesions <= 1.0 + 1e-9,
            "benign_share",
            format!("{lesions} with malignant_share"),
            "at most 1".into(),
        )?;
        for (setting, factor) in [("lesion_scale", self.lesion_scale), ("mass_contrast", self.mass_contrast)]
        {
            must((0.5..=2.0).contains(&factor), setting, factor.to_string(), "0.5 to 2".into())?;
        }
        let twice = self.views.iter().enumerate().any(|(i, view)| self.views[..i].contains(view));
        must(!self.views.is_empty() && !twice, "views", format!("{:?}", self.views), "each view once".into())
    }
}

/// One image of a phantom patient.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomImage {
    /// Names, truth and lesions, as an import of the data set would find them.
    pub record: Mammogram,
    /// Which breast.
    pub laterality: Laterality,
    /// Which view.
    pub view: View,
    /// The image as stored.
    pub pixels: GreyImage,
    /// One mask per lesion of the record, in its order: 65535 inside, 0 outside.
    pub masks: Vec<GreyImage>,
}

/// One patient with all images.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomPatient {
    /// Site letter and five digits or more.
    pub patient_id: String,
    /// Left before right, views in the order of the configuration.
    pub images: Vec<PhantomImage>,
}

/// One patient in memory, for tests and examples.
///
/// The pixels depend only on the configuration without `n_patients` and on the index.
///
/// # Example
/// ```
/// use mammo_phantom::{PhantomConfig, patient};
///
/// let config = PhantomConfig { height_px: 144, width_px: 112, ..PhantomConfig::default() };
/// let patient = patient(&config, 7);
/// assert_eq!(patient.patient_id, "A_00007");
/// assert!(patient.images.iter().all(|image| image.pixels.height == 144));
/// ```
pub fn patient(config: &PhantomConfig, index: usize) -> PhantomPatient {
    let plan = PatientPlan::new(config, index);
    let images = plan
        .images
        .iter()
        .map(|image| PhantomImage {
            record: image.record.clone(),
            laterality: image.laterality,
            view: image.view,
            pixels: image.render(config),
            masks: image.masks.clone(),
        })
        .collect();
    PhantomPatient { patient_id: plan.patient_id, images }
}
