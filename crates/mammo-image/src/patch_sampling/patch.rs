//! A patch and its class.

use serde::{Deserialize, Serialize};

use mammo_core::record::{LesionKind, Pathology};
use mammo_core::words;

/// The class of a patch. The order is that of the network's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchClass {
    /// Breast tissue without any annotated lesion.
    Background,
    /// A benign mass.
    MassBenign,
    /// A malignant mass.
    MassMalignant,
    /// A benign calcification or cluster.
    CalcBenign,
    /// A malignant calcification or cluster.
    CalcMalignant,
}

// In the order of the network's outputs.
words!(PatchClass, Background: "background", MassBenign: "mass_benign", MassMalignant: "mass_malignant",
    CalcBenign: "calc_benign", CalcMalignant: "calc_malignant");

impl PatchClass {
    /// The class of a lesion; `None` when its pathology is not recorded.
    pub fn of(kind: LesionKind, pathology: Pathology) -> Option<Self> {
        match (kind, pathology) {
            (_, Pathology::Unknown) => None,
            (LesionKind::Mass, Pathology::Benign) => Some(Self::MassBenign),
            (LesionKind::Mass, Pathology::Malignant) => Some(Self::MassMalignant),
            (LesionKind::Calcification, Pathology::Benign) => Some(Self::CalcBenign),
            (LesionKind::Calcification, Pathology::Malignant) => Some(Self::CalcMalignant),
        }
    }
}

/// A square region of an input, with its class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The image, as named in its record.
    pub file: String,
    /// What it shows.
    pub class: PatchClass,
    /// Centre column in input pixels.
    pub center_x: f64,
    /// Centre row in input pixels.
    pub center_y: f64,
    /// Which lesion of the record it shows; none for background.
    pub lesion_index: Option<usize>,
    /// The larger of intersection over lesion area and intersection over patch area. For
    /// background, the share of the patch on lesions.
    pub overlap: f32,
}
