//! Pixel cells of a frame, whatever their transfer syntax: the one place that knows which
//! decoder reads what.

use dicom_dictionary_std::uids;

use super::header::Header;
use super::layout::Layout;
use super::refusal::{Flaw, Refusal, Sound};
use super::walk::EXPLICIT_BIG_ENDIAN;
use super::{jpeg, jpeg2000, jpegls, rle};

/// More pixels than this per byte of coded data are not decoded: no mammogram compresses
/// anywhere near as well, and a few bytes must not ask for gigabytes.
const MAX_PIXELS_PER_BYTE: usize = 1000;

/// The syntaxes whose pixels stand uncoded in the file.
const NATIVE: [&str; 4] = [
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
];

/// One cell per pixel, row by row; bits above the high bit may hold anything.
pub(super) fn decode(layout: &Layout<'_>, header: &Header) -> Sound<Vec<u16>> {
    header.check_pixels()?;
    if let Some(bytes) = layout.native()? {
        return native(bytes, header);
    }
    if NATIVE.contains(&layout.transfer_syntax.as_str()) {
        return Err(Flaw::damaged("fragments of pixels in a syntax without compression"));
    }
    let decoder = decoder(&layout.transfer_syntax)?;
    let coded = layout.frame()?;
    let n = header.n_pixels();
    if n / MAX_PIXELS_PER_BYTE > coded.len() {
        return Err(Flaw::damaged(format!("{n} pixels in {} coded bytes", coded.len())));
    }
    let frame = Frame {
        width: header.columns as usize,
        height: header.rows as usize,
        bytes_per_pixel: usize::from(header.bits_allocated / 8),
    };
    let cells = decoder(&coded, &frame)?;
    match cells.len() {
        found if found == n => Ok(cells),
        found => Err(Flaw::damaged(format!("{found} pixels decoded, the header says {n}"))),
    }
}

/// What a decoder may know beforehand.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bytes_per_pixel: usize,
}

impl Frame {
    /// Refuses coded data of another size than the header's, before anything is allocated.
    pub(super) fn check(&self, width: usize, height: usize) -> Sound<()> {
        if (width, height) == (self.width, self.height) {
            return Ok(());
        }
        let header = format!("{}x{}", self.width, self.height);
        Err(Flaw::damaged(format!("the coded picture has {width}x{height} pixels, the header says {header}")))
    }
}

type Decoder = fn(&[u8], &Frame) -> Sound<Vec<u16>>;

fn decoder(transfer_syntax: &str) -> Sound<Decoder> {
    Ok(match transfer_syntax {
        uids::RLE_LOSSLESS => rle::decode,
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => jpeg::decode,
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => jpegls::decode,
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => jpeg2000::decode,
        other => {
            let found = format!("pixels coded as {} ({other})", name(other));
            return Err(Flaw::new(Refusal::UnsupportedTransferSyntax, found));
        }
    })
}

/// The name of a transfer syntax that is not read.
fn name(uid: &str) -> &'static str {
    match uid {
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

fn native(bytes: &[u8], header: &Header) -> Sound<Vec<u16>> {
    if !NATIVE.contains(&header.transfer_syntax.as_str()) {
        return Err(Flaw::damaged("uncoded pixels in a compressed transfer syntax"));
    }
    let n = header.n_pixels();
    let expected = n * usize::from(header.bits_allocated / 8);
    let Some(bytes) = bytes.get(..expected) else {
        return Err(Flaw::damaged(format!("{} bytes of pixels, {expected} expected", bytes.len())));
    };
    let big_endian = header.transfer_syntax == EXPLICIT_BIG_ENDIAN;
    Ok(match (header.bits_allocated, big_endian) {
        // Pixels of 8 bits in big-endian OW words are not swapped by today's writers.
        (8, _) => bytes.iter().map(|&cell| u16::from(cell)).collect(),
        (_, false) => bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(),
        (_, true) => bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect(),
    })
}
