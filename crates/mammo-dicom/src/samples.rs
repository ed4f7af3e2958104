//! Decodes the pixel cells of a frame, with the decoder of its transfer syntax.

use dicom_dictionary_std::uids;

use super::defect::Defect;
use super::fragments::Frame as Fragments;
use super::header::Header;
use super::note::{Note, NoteKind};
use super::parsed_file::ParsedFile;
use super::syntax::{EXPLICIT_BIG_ENDIAN, NATIVE, name_of};
use super::{jpeg, jpeg2000, jpegls, rle};
use mammo_core::refusal::DicomRefusal;

/// Largest number of pixels per byte of coded data. No mammogram compresses that well, and a small
/// file must not cause an allocation of gigabytes.
const MAX_PIXELS_PER_BYTE: usize = 1000;

/// One cell per pixel, row by row, and notes; bits above the high bit are undefined.
pub(super) fn decode(parsed: &ParsedFile<'_>, header: &Header) -> Result<(Vec<u16>, Vec<Note>), Defect> {
    header.check_pixels()?;
    if let Some(bytes) = parsed.native()? {
        return Ok((native(bytes, header)?, Vec::new()));
    }
    let fragments = parsed.frame()?;
    let stated = Coder::of_syntax(&parsed.transfer_syntax)?;
    let found = Coder::of_content(&fragments.coded);
    let mut notes = Vec::new();
    let coder = match (stated, found) {
        (Some(stated), None) => stated,
        (Some(stated), Some(found)) if stated == found => found,
        (_, Some(found)) => {
            let what = format!("{} stated, {} found", name_of(&parsed.transfer_syntax), found.name());
            notes.push(Note::new(NoteKind::CodingDisagrees, what));
            found
        }
        (None, None) => return Err(Defect::damaged("fragments of pixels in a syntax without compression")),
    };
    let cells = coder.decode_frame(&fragments, header).map_err(|defect| match notes.first() {
        Some(Note { found, .. }) => Defect::new(defect.refusal, format!("{found}; {}", defect.found)),
        None => defect,
    })?;
    if !fragments.has_end {
        notes.push(Note::new(NoteKind::NoEndMarker, "all fragments are complete"));
    }
    Ok((cells, notes))
}

/// The frame as declared in the DICOM header.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bytes_per_pixel: usize,
}

impl Frame {
    /// Refuses coded data whose size differs from the header's, before anything is allocated.
    pub(super) fn check(&self, width: usize, height: usize) -> Result<(), Defect> {
        if (width, height) == (self.width, self.height) {
            return Ok(());
        }
        let header = format!("{}x{}", self.width, self.height);
        Err(Defect::damaged(format!("the coded image has {width}x{height} pixels, the header says {header}")))
    }
}

/// A supported compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coder {
    Rle,
    /// Baseline, extended and lossless, distinguished by their frame headers.
    Jpeg,
    JpegLs,
    Jpeg2000,
}

impl Coder {
    /// By the transfer syntax; `None` for one without compression.
    fn of_syntax(transfer_syntax: &str) -> Result<Option<Self>, Defect> {
        Ok(Some(match transfer_syntax {
            uids::RLE_LOSSLESS => Self::Rle,
            uids::JPEG_BASELINE8_BIT
            | uids::JPEG_EXTENDED12_BIT
            | uids::JPEG_LOSSLESS
            | uids::JPEG_LOSSLESS_SV1 => Self::Jpeg,
            uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => Self::JpegLs,
            uids::JPEG2000_LOSSLESS | uids::JPEG2000 => Self::Jpeg2000,
            native if NATIVE.contains(&native) => return Ok(None),
            other => {
                let found = format!("pixels coded as {} ({other})", name_of(other));
                return Err(Defect::new(DicomRefusal::UnsupportedTransferSyntax, found));
            }
        }))
    }

    /// By the first bytes of the coded frame; RLE has no signature.
    fn of_content(coded: &[u8]) -> Option<Self> {
        const JP2_SIGNATURE: &[u8] = b"\0\0\0\x0CjP  \r\n\x87\n";
        if coded.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) || coded.starts_with(JP2_SIGNATURE) {
            return Some(Self::Jpeg2000);
        }
        if !coded.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return None;
        }
        // The frame header of JPEG-LS is SOF55; segments before it are skipped.
        let mut at = 2;
        loop {
            let &[0xFF, marker, high, low] = coded.get(at..)?.first_chunk::<4>()? else { return None };
            match marker {
                0xF7 => return Some(Self::JpegLs),
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Some(Self::Jpeg),
                0xFF => at += 1,
                _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rle => "RLE",
            Self::Jpeg => "JPEG",
            Self::JpegLs => "JPEG-LS",
            Self::Jpeg2000 => "JPEG 2000",
        }
    }

    /// Whether coded data have their end marker FF D9, which all compressions but RLE have.
    fn is_whole(self, coded: &[u8]) -> bool {
        let end = coded.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self == Self::Rle || coded[..end].ends_with(&[0xFF, 0xD9])
    }

    /// Decodes a frame after comparing the declared size with the length of the data.
    fn decode_frame(self, fragments: &Fragments<'_>, header: &Header) -> Result<Vec<u16>, Defect> {
        let coded = &fragments.coded[..];
        if !fragments.has_end && !self.is_whole(coded) {
            return Err(Defect::damaged("the coded pixels end before their end marker"));
        }
        let n = header.n_pixels();
        if n / MAX_PIXELS_PER_BYTE > coded.len() {
            return Err(Defect::damaged(format!("{n} pixels in {} coded bytes", coded.len())));
        }
        let frame = Frame {
            width: header.columns as usize,
            height: header.rows as usize,
            bytes_per_pixel: usize::from(header.bits_allocated / 8),
        };
        let cells = self.decode(coded, &frame)?;
        match cells.len() {
            found if found == n => Ok(cells),
            found => Err(Defect::damaged(format!("{found} pixels decoded, the header says {n}"))),
        }
    }

    fn decode(self, coded: &[u8], frame: &Frame) -> Result<Vec<u16>, Defect> {
        match self {
            Self::Rle => rle::decode(coded, frame),
            Self::Jpeg => jpeg::decode(coded, frame),
            Self::JpegLs => jpegls::decode(coded, frame),
            Self::Jpeg2000 => jpeg2000::decode(coded, frame),
        }
    }
}

fn native(bytes: &[u8], header: &Header) -> Result<Vec<u16>, Defect> {
    if !NATIVE.contains(&header.transfer_syntax.as_str()) {
        return Err(Defect::damaged("uncoded pixels in a compressed transfer syntax"));
    }
    let n = header.n_pixels();
    let expected = n * usize::from(header.bits_allocated / 8);
    let Some(bytes) = bytes.get(..expected) else {
        return Err(Defect::damaged(format!("{} bytes of pixels, {expected} expected", bytes.len())));
    };
    let big_endian = header.transfer_syntax == EXPLICIT_BIG_ENDIAN;
    Ok(match (header.bits_allocated, big_endian) {
        // Current writers do not byte-swap 8-bit pixels in big-endian OW words.
        (8, _) => bytes.iter().map(|&cell| u16::from(cell)).collect(),
        (_, false) => bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(),
        (_, true) => bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect(),
    })
}
