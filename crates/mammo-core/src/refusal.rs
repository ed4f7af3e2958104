//! Codes of the reasons for which a DICOM file is refused.
//!
//! Defined here and not in mammo-dicom because the error type of all crates contains them.

use serde::{Deserialize, Serialize};

use crate::words;

/// Why a DICOM file is not read or not accepted as a screening mammogram.
///
/// The first group is about bytes and pixels and always applies. The second is about the kind of
/// object; `mammo_dicom::read_any` does not check it, because the tables of an archive state what
/// its objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DicomRefusal {
    /// Not a DICOM file: no `DICM` at byte 128 and no file meta group.
    NotDicom,
    /// Truncated, or its lengths and codes contradict each other.
    Damaged,
    /// Larger than any mammogram: a wrong header, or another kind of file.
    TooLarge,
    /// A transfer syntax that this build does not decode.
    UnsupportedTransferSyntax,
    /// No pixel data: a report, a presentation state, a structured dose report.
    NoPixelData,
    /// Pixels that are not integers of 8 or 16 bits.
    UnsupportedPixels,
    /// More than one sample per pixel, or a palette.
    Colour,
    /// More than one frame.
    MultiFrame,
    /// A breast tomosynthesis object or one of its slices.
    Tomosynthesis,
    /// A secondary capture that is not a digitised film: a screenshot, a printed sheet, a scanned page.
    SecondaryCapture,
    /// Another modality than MG, or a specimen.
    NotMammography,
    /// Neither Modality nor SOP class identifies the kind of object.
    UnknownObject,
    /// FOR PROCESSING: raw detector values, not processed for display.
    ForProcessing,
}

impl DicomRefusal {
    /// What was expected, and what to do.
    pub fn expected(self) -> &'static str {
        match self {
            Self::NotDicom => "a DICOM file (PS3.10)",
            Self::Damaged => "a complete DICOM file whose header and pixels agree; copy or export it again",
            Self::TooLarge => "one mammogram of at most 200 million pixels",
            Self::UnsupportedTransferSyntax => {
                "a transfer syntax of docs/dicom.md; convert it, for example with dcmdjpeg or gdcmconv --raw"
            }
            Self::NoPixelData => "an image object",
            Self::UnsupportedPixels => "unsigned or signed pixels of 8 or 16 bits",
            Self::Colour => "MONOCHROME1 or MONOCHROME2 with one sample per pixel",
            Self::MultiFrame => "a single frame",
            Self::Tomosynthesis => "a two-dimensional mammogram of the same study",
            Self::SecondaryCapture => "the mammogram itself, or a digitised film without burnt-in text",
            Self::NotMammography => "modality MG of a breast",
            Self::UnknownObject => {
                "modality MG or a mammography SOP class; if these are mammograms, give --assume-mammography"
            }
            Self::ForProcessing => "the FOR PRESENTATION image of the same view",
        }
    }
}

words!(DicomRefusal.code,
    NotDicom: "not_dicom", Damaged: "damaged", TooLarge: "too_large",
    UnsupportedTransferSyntax: "unsupported_transfer_syntax", NoPixelData: "no_pixel_data",
    UnsupportedPixels: "unsupported_pixels", Colour: "colour", MultiFrame: "multi_frame",
    Tomosynthesis: "tomosynthesis", SecondaryCapture: "secondary_capture",
    NotMammography: "not_mammography", UnknownObject: "unknown_object", ForProcessing: "for_processing");
