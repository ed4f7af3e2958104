//! What a row of a score table stands for.

use serde::{Deserialize, Serialize};

/// What a row of a score table stands for: the column `by`, without which rows are images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// One image.
    #[default]
    Image,
    /// One breast of a patient: all its images; or one image of unknown side.
    Breast,
    /// One patient: all images of both breasts.
    Patient,
}

mammo_core::words!(Unit, Image: "image", Breast: "breast", Patient: "patient");

impl Unit {
    /// The word for several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::Breast => "breasts",
            Self::Patient => "patients",
        }
    }
}
