//! Notes: irregularities of a file that was read nevertheless.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of an irregularity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoteKind {
    /// No file meta information, or none with a transfer syntax (PS3.10 7.1).
    NoTransferSyntax,
    /// The data set is not coded in the stated transfer syntax.
    SyntaxDisagrees,
    /// A sequence whose items cannot be read.
    SequenceUnreadable,
    /// The pixel data sequence has no delimiter; its fragments are complete (PS3.5 A.4).
    NoEndMarker,
    /// The pixels are not coded in the stated transfer syntax.
    CodingDisagrees,
    /// A lookup table that contradicts itself.
    LutDropped,
    /// A Rescale Slope or Intercept that is not a valid number.
    RescaleDropped,
    /// A VOI LUT Function that PS3.3 C.11.2.1.3 does not define.
    UnknownVoiFunction,
    /// A window with invalid numbers.
    WindowDropped,
    /// A Pixel Padding Value or Range Limit outside the range of Bits Stored.
    PaddingDropped,
    /// Modality is missing; the SOP class is that of a mammogram.
    ModalityBySopClass,
    /// Neither Modality nor SOP class identifies the object; the caller assumes a mammogram.
    AssumedMammogram,
    /// A digitised film or a copy of an image, stored as Secondary Capture.
    SecondaryCapture,
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoTransferSyntax => "the file does not state its transfer syntax",
            Self::SyntaxDisagrees => "the data set is not written in the stated transfer syntax",
            Self::SequenceUnreadable => "a sequence cannot be read and is passed over",
            Self::NoEndMarker => "the pixel data have no end marker",
            Self::CodingDisagrees => "the pixels are not coded as the transfer syntax says",
            Self::LutDropped => "a lookup table contradicts itself and is not used",
            Self::RescaleDropped => "a rescale value is not usable",
            Self::UnknownVoiFunction => "the VOI LUT Function is unknown",
            Self::WindowDropped => "a window is not usable",
            Self::PaddingDropped => "the pixel padding matches no pixel",
            Self::ModalityBySopClass => "no Modality; the SOP class is that of a mammogram",
            Self::AssumedMammogram => "taken for a mammogram because of --assume-mammography",
            Self::SecondaryCapture => "stored as a secondary capture, as digitised films are",
        })
    }
}

/// A note about one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its kind.
    pub kind: NoteKind,
    /// What was found, and how it was treated.
    pub found: String,
}

impl Note {
    /// Control characters are replaced, because `found` may quote a damaged file and is written to tables.
    pub(super) fn new(kind: NoteKind, found: impl Into<String>) -> Self {
        Self { kind, found: found.into().replace(char::is_control, "?") }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.found)
    }
}
