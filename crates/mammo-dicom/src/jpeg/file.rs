//! JPEG files outside DICOM, whose size is stated only in the JPEG frame header.

use super::super::samples::Frame;
use super::Segments;

/// The frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// Low four bits of the frame marker, the `n` of SOFn (T.81 table B.1); `JPEG_LS` for the frame
    /// marker of JPEG-LS.
    pub process: u8,
    /// Bits per sample.
    pub precision: u8,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Number of components; one for grey.
    pub components: u8,
}

/// The frame marker of JPEG-LS (T.87, SOF55).
pub(crate) const JPEG_LS: u8 = 55;

/// The frame header of a JPEG file; `None` when there is none.
pub(crate) fn file_header(coded: &[u8]) -> Option<FileHeader> {
    let mut segments = Segments { coded, at: 0 };
    segments.take(2).ok().filter(|start| *start == [0xFF, 0xD8])?;
    loop {
        let (marker, body) = segments.next().ok()?;
        let process = match marker {
            // Huffman tables, extensions and arithmetic conditioning share the range.
            0xC4 | 0xC8 | 0xCC => continue,
            0xC0..=0xCF => marker - 0xC0,
            0xF7 => JPEG_LS,
            0xD9 | 0xDA => return None,
            _ => continue,
        };
        let &[precision, y1, y0, x1, x0, components, ..] = body else { return None };
        let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
        return Some(FileHeader {
            process,
            precision,
            width: side(x1, x0),
            height: side(y1, y0),
            components,
        });
    }
}

/// Decodes a grey file with the DICOM decoders: one value of `precision` bits per pixel.
///
/// # Errors
/// A message about damage or an unsupported process.
pub(crate) fn decode_file(coded: &[u8], header: &FileHeader) -> Result<Vec<u16>, String> {
    let frame = Frame {
        width: header.width as usize,
        height: header.height as usize,
        bytes_per_pixel: usize::from(header.precision.div_ceil(8)),
    };
    super::decode(coded, &frame).map_err(|defect| defect.found)
}
