//! Localisation: are the lesions found, at how many false marks per image?

use serde::{Deserialize, Serialize};

use super::bootstrap::Interval;
use super::curves::BandPoint;
use super::measured::Measured;

/// When a finding counts as a hit of a lesion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitRule {
    /// The finding's centre lies in the lesion's box, edges included.
    CentreInBox,
    /// Intersection over union of the two boxes is at least this.
    BoxOverlap(f64),
}

/// How well findings mark malignant lesions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Localisation {
    /// When a finding is a hit.
    pub hit_rule: HitRule,
    /// Images that findings were looked for in, those without any finding included.
    pub n_images: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Malignant lesions in them.
    pub n_lesions: usize,
    /// Findings.
    pub n_findings: usize,
    /// The FROC curve.
    pub froc: Measured<FrocCurve>,
    /// Share of images with a malignant lesion whose most probable finding hits one; an image
    /// without findings misses.
    pub pointing_game: Measured,
    /// Mean over the malignant lesions of the intersection over union with the most probable
    /// finding that hits it; 0 for a missed lesion.
    pub mean_overlap: Measured,
    /// Share of lesions that any finding hits, by mass and calcification.
    pub by_kind: Vec<LesionKindFigures>,
}

/// The free-response ROC curve (Bunch et al. 1978).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrocCurve {
    /// By falling threshold, thinned like an ROC curve.
    pub points: Vec<FrocPoint>,
    /// Lesion sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 false positives per image (`at`).
    pub at: Vec<BandPoint>,
    /// Mean of the sensitivities in `at`.
    pub mean_sensitivity: Interval,
}

/// A point of a [`FrocCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrocPoint {
    /// Findings of at least this probability are shown; `None` for the point at which none is.
    pub threshold: Option<f64>,
    /// Shown findings that hit no malignant lesion, over all images.
    pub false_positives_per_image: f64,
    /// Share of the malignant lesions that a shown finding hits.
    pub sensitivity: f64,
}

/// Lesions of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LesionKindFigures {
    /// `mass` or `calcification`.
    pub kind: String,
    /// Malignant lesions of this kind.
    pub n_lesions: usize,
    /// Sensitivity at 1 false positive per image, the threshold being that of all lesions.
    pub sensitivity_at_one: Measured,
}
