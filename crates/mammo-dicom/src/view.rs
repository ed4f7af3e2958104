//! Projections and their modifiers (PS3.3 C.8.11.7.1.1, PS3.16 CID 4014 and 4015).

use serde::{Deserialize, Serialize};

use mammo_core::record::View;
use mammo_core::words;

/// The projection: CID 4014, named by its View Position terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// Cranio-caudal.
    Cc,
    /// Medio-lateral oblique.
    Mlo,
    /// Medio-lateral.
    Ml,
    /// Latero-medial.
    Lm,
    /// Latero-medial oblique.
    Lmo,
    /// Caudo-cranial, "from below".
    Fb,
    /// Superolateral to inferomedial oblique.
    Sio,
    /// Inferomedial to superolateral oblique.
    Iso,
    /// Cranio-caudal exaggerated laterally.
    Xccl,
    /// Cranio-caudal exaggerated medially.
    Xccm,
    /// A tissue specimen.
    Specimen,
}

words!(Projection, "CC, MLO, ML, LM, LMO, FB, SIO, ISO, XCCL, XCCM, specimen",
    Cc: "cc", Mlo: "mlo", Ml: "ml", Lm: "lm", Lmo: "lmo", Fb: "fb", Sio: "sio", Iso: "iso",
    Xccl: "xccl", Xccm: "xccm", Specimen: "specimen");

impl Projection {
    /// The screening view; `None` for other projections.
    pub fn view(self) -> Option<View> {
        match self {
            Self::Cc => Some(View::Cc),
            Self::Mlo => Some(View::Mlo),
            _ => None,
        }
    }

    /// By code value: SNOMED CT, or the SRT code of older files.
    pub(super) fn by_code(code: &str) -> Option<Self> {
        Some(match code {
            "399162004" | "R-10242" => Self::Cc,
            "399368009" | "R-10226" => Self::Mlo,
            "399260004" | "R-10224" => Self::Ml,
            "399352003" | "R-10228" => Self::Lm,
            "399099002" | "R-10230" => Self::Lmo,
            "399196006" | "R-10244" => Self::Fb,
            "399188001" | "R-102D0" => Self::Sio,
            "441555000" | "R-40AAA" => Self::Iso,
            "399192008" | "R-1024A" => Self::Xccl,
            "399101009" | "R-1024B" => Self::Xccm,
            "127457009" | "G-8310" => Self::Specimen,
            _ => return None,
        })
    }
}

/// A view modifier: CID 4015.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewModifier {
    /// Magnification.
    Magnification,
    /// Spot compression.
    SpotCompression,
    /// Tangential: the beam is tangential to the skin.
    Tangential,
    /// Cleavage: the medial parts of both breasts.
    Cleavage,
    /// Axillary tail.
    AxillaryTail,
    /// Axillary tissue.
    AxillaryTissue,
    /// Implant displaced out of the field.
    ImplantDisplaced,
    /// Rolled, in any direction.
    Rolled,
    /// Nipple in profile.
    NippleInProfile,
    /// Inframammary fold.
    InfraMammaryFold,
    /// Anterior compression.
    AnteriorCompression,
    /// A code that is not in CID 4015.
    Other,
}

impl ViewModifier {
    /// Whether the image shows only part of the breast or has another geometry.
    pub fn is_partial(self) -> bool {
        !matches!(
            self,
            Self::ImplantDisplaced
                | Self::Rolled
                | Self::NippleInProfile
                | Self::InfraMammaryFold
                | Self::Other
        )
    }

    /// By code value: SNOMED CT, or the SRT code of older files.
    pub(super) fn by_code(code: &str) -> Self {
        match code {
            "399163009" | "R-102D6" => Self::Magnification,
            "399055006" | "R-102D7" => Self::SpotCompression,
            "399110001" | "R-102C2" => Self::Tangential,
            "399161006" | "R-102D2" => Self::Cleavage,
            "399011000" | "R-102D1" => Self::AxillaryTail,
            "442580003" | "R-40AB2" => Self::AxillaryTissue,
            "399209000" | "R-102D5" => Self::ImplantDisplaced,
            "414493004" | "R-102CA" | "399197002" | "R-102D3" | "399226006" | "R-102D4" | "415670009"
            | "R-102C9" => Self::Rolled,
            "442581004" | "R-40AB3" => Self::NippleInProfile,
            "442593008" | "R-40ABE" => Self::InfraMammaryFold,
            "441752004" | "P2-00161" => Self::AnteriorCompression,
            _ => Self::Other,
        }
    }
}
