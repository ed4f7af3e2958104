//! Transfer syntaxes: names, coding of the data set, and detection of the coding.

use dicom_dictionary_std::uids;

use super::defect::Defect;
use super::walk::{Coding, Stop, Walk};
use mammo_core::refusal::DicomRefusal;

/// Retired, but still found in archives.
pub(super) const EXPLICIT_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// The syntaxes with uncompressed pixels.
pub(super) const NATIVE: [&str; 4] = [
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
];

/// The coding of the data set of a transfer syntax; other syntaxes are explicit little endian
/// (PS3.5 A.4).
pub(super) fn coding_of(transfer_syntax: &str) -> Result<Coding, Defect> {
    if !transfer_syntax.starts_with("1.2.840.10008.1.2") {
        let found = format!("transfer syntax '{transfer_syntax}'");
        return Err(Defect::new(DicomRefusal::UnsupportedTransferSyntax, found));
    }
    Ok(match transfer_syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => Coding::IMPLICIT,
        EXPLICIT_BIG_ENDIAN => Coding::BIG_ENDIAN,
        _ => Coding::EXPLICIT,
    })
}

/// The coding of a data set, detected from its first two elements; `None` when they are invalid in
/// every coding. `full` is the data set's length, of which `bytes` may be the beginning.
pub(super) fn recognise(bytes: &[u8], full: usize) -> Result<Option<Coding>, Stop> {
    // Two valid value types in succession are unlikely to be lengths, so explicit codings are tried first.
    for coding in [Coding::EXPLICIT, Coding::BIG_ENDIAN, Coding::IMPLICIT] {
        if Walk::new(bytes, full, coding).starts_well()? {
            return Ok(Some(coding));
        }
    }
    Ok(None)
}

/// The name of a transfer syntax.
pub(super) fn name_of(uid: &str) -> &'static str {
    match uid {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => "implicit little endian",
        uids::EXPLICIT_VR_LITTLE_ENDIAN => "explicit little endian",
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => "deflated explicit little endian",
        EXPLICIT_BIG_ENDIAN => "explicit big endian",
        uids::RLE_LOSSLESS => "RLE",
        uids::JPEG_BASELINE8_BIT => "JPEG baseline",
        uids::JPEG_EXTENDED12_BIT => "JPEG extended",
        uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => "JPEG lossless",
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => "JPEG-LS",
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => "JPEG 2000",
        "1.2.840.10008.1.2.4.52"
        | "1.2.840.10008.1.2.4.53"
        | "1.2.840.10008.1.2.4.54"
        | "1.2.840.10008.1.2.4.55"
        | "1.2.840.10008.1.2.4.56" => "retired progressive or hierarchical JPEG",
        uids::JPEG2000MC_LOSSLESS | uids::JPEG2000MC => "JPEG 2000 part 2",
        uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => "high-throughput JPEG 2000",
        uids::JPEGXL_LOSSLESS | uids::JPEGXL | uids::JPEGXLJPEG_RECOMPRESSION => "JPEG XL",
        _ if uid.starts_with("1.2.840.10008.1.2.4.10") => "MPEG video",
        _ => "an unknown syntax",
    }
}
