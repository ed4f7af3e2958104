//! What was odd about a file that was read all the same.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was odd, as a kind that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoteKind {
    /// No file meta information, or none that names a transfer syntax (PS3.10 7.1).
    NoTransferSyntax,
    /// The data set is not written in the transfer syntax that the file states.
    SyntaxDisagrees,
    /// A sequence whose items cannot be read.
    SequenceUnreadable,
    /// The pixel data sequence has no delimiter; its fragments are complete (PS3.5 A.4).
    NoEndMarker,
    /// The pixels are coded in another way than the transfer syntax says.
    CodingDisagrees,
    /// A lookup table that contradicts itself.
    LutDropped,
    /// A Rescale Slope or Intercept that is no usable number.
    RescaleDropped,
    /// A VOI LUT Function that PS3.3 C.11.2.1.3 does not know.
    UnknownVoiFunction,
    /// A window whose numbers cannot be used.
    WindowDropped,
    /// A Pixel Padding Value or Range Limit that Bits Stored cannot express.
    PaddingDropped,
    /// Modality is absent; the SOP class says that it is a mammogram.
    ModalityBySopClass,
    /// Neither Modality nor SOP class says what the object is; the caller does.
    AssumedMammogram,
    /// A digitised film, or a copy of an image, stored as Secondary Capture.
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

/// A kind, and what was found in this file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What was odd.
    pub kind: NoteKind,
    /// What the file holds, and what was done.
    pub found: String,
}

impl Note {
    /// What was found may quote a damaged file, whose control characters would break a table.
    pub(super) fn new(kind: NoteKind, found: impl Into<String>) -> Self {
        Self { kind, found: found.into().replace(char::is_control, "?") }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.found)
    }
}
