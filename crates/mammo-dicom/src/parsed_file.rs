//! Parses the structure of a DICOM file (PS3.5, PS3.10): the file meta group, the data set, inflated
//! if it was deflated, and the position of the pixel data.

use std::borrow::Cow;
use std::io::Read;

use dicom_core::Tag;
use dicom_dictionary_std::uids;

use super::attributes;
use super::defect::Defect;
use super::elements::Elements;
use super::fragments::{self, Frame};
use super::note::{Note, NoteKind};
use super::syntax::{EXPLICIT_BIG_ENDIAN, coding_of, name_of, recognise};
use super::walk::{Coding, PixelElement, Stop, Walk};
use mammo_core::refusal::DicomRefusal;

/// Bytes of a deflated data set that are inflated before its size is known.
const INFLATED_PIECE_BYTES: u64 = 33 << 20;

/// Media Storage Directory: the index file of a CD (PS3.10 8.6).
const DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// A DICOM file after parsing, before attributes and pixels are decoded.
pub(super) struct ParsedFile<'a> {
    /// Transfer syntax UID, without padding; that of the data set's coding when the file states none or
    /// a wrong one.
    pub(super) transfer_syntax: String,
    /// The data set, inflated if it was deflated.
    data_set: Cow<'a, [u8]>,
    /// The elements in use.
    pub(super) elements: Elements,
    /// Position of the pixel data, if any.
    pub(super) pixels: Option<PixelElement>,
    /// Irregularities so far.
    pub(super) notes: Vec<Note>,
}

/// The file meta group.
struct Meta {
    transfer_syntax: Option<String>,
    sop_class: Option<String>,
    /// Where the data set starts.
    end: usize,
}

/// Whether these bytes are the beginning of a DICOM file.
pub(super) fn is_dicom(bytes: &[u8]) -> bool {
    meta_start(bytes).is_some()
}

/// Whether these bytes, the first thousand of a file, are the beginning of a DICOMDIR.
pub(super) fn is_directory(bytes: &[u8]) -> bool {
    let meta = meta_start(bytes).and_then(|start| file_meta(bytes, start, usize::MAX / 2).ok());
    meta.is_some_and(|meta| meta.sop_class.as_deref() == Some(DIRECTORY))
}

/// Start of the file meta group or the data set: after `DICM`, at the first byte in old archives, or
/// after a preamble without `DICM`.
fn meta_start(bytes: &[u8]) -> Option<usize> {
    if bytes.get(128..132) == Some(b"DICM") {
        return Some(132);
    }
    [0, 128].into_iter().find(|&start| bytes.get(start..).is_some_and(starts_group))
}

/// Whether a file meta group starts here, or a data set with group 8. The check is stricter than
/// after `DICM`, so that other kinds of files are not taken for DICOM.
fn starts_group(bytes: &[u8]) -> bool {
    // (0002,0000) UL 4 or (0002,0001) OB, explicit little endian.
    let is_meta = bytes.starts_with(&[2, 0]) && matches!(bytes.get(3..6), Some(b"\0UL" | b"\0OB"));
    let is_group_8 = bytes.starts_with(&[8, 0]) || bytes.starts_with(&[0, 8]);
    // Bytes after those given count as a second element.
    is_meta || is_group_8 && recognise(bytes, bytes.len()).is_ok_and(|coding| coding.is_some())
}

/// Parses a file. `file_len` is its full length; `bytes` may be only its beginning.
pub(super) fn parse_file(bytes: &[u8], file_len: usize) -> Result<ParsedFile<'_>, Stop> {
    let Some(start) = meta_start(bytes) else {
        let found = "no DICM at byte 128, no file meta group and no data set of group 8";
        return Err(Defect::new(DicomRefusal::NotDicom, found).into());
    };
    let meta = file_meta(bytes, start, file_len)?;
    let (rest, full) = (&bytes[meta.end.min(bytes.len())..], file_len.saturating_sub(meta.end));
    let stated = meta.transfer_syntax.as_deref();
    let found = recognise(rest, full)?;
    if stated == Some(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN) && found.is_none() {
        if bytes.len() < file_len {
            return Err(Stop::NeedsMore);
        }
        return deflated(rest);
    }
    let Agreed { transfer_syntax, coding, note } = agree(stated, found)?;
    let (elements, pixels) = Walk::new(rest, full, coding).data_set()?;
    Ok(ParsedFile {
        transfer_syntax,
        data_set: Cow::Borrowed(rest),
        elements,
        pixels,
        notes: note.into_iter().collect(),
    })
}

/// Transfer syntax and coding after comparison of the stated with the detected one.
struct Agreed {
    transfer_syntax: String,
    coding: Coding,
    note: Option<Note>,
}

fn agree(stated: Option<&str>, found: Option<Coding>) -> Result<Agreed, Defect> {
    let plain = |coding| match coding {
        Coding { explicit: false, .. } => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        Coding { big_endian: true, .. } => EXPLICIT_BIG_ENDIAN,
        _ => uids::EXPLICIT_VR_LITTLE_ENDIAN,
    };
    let Some(stated) = stated else {
        let missing = || Defect::damaged("no transfer syntax (0002,0010), and the data set does not show it");
        let coding = found.ok_or_else(missing)?;
        let note = Note::new(NoteKind::NoTransferSyntax, format!("read as {}", name_of(plain(coding))));
        return Ok(Agreed { transfer_syntax: plain(coding).to_string(), coding, note: Some(note) });
    };
    let by_statement = coding_of(stated)?;
    let is_deflated = stated == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
    let Some(coding) = found.filter(|&coding| coding != by_statement || is_deflated) else {
        return Ok(Agreed { transfer_syntax: stated.to_string(), coding: by_statement, note: None });
    };
    let what = format!("{stated}, {}, stated; {} found", name_of(stated), name_of(plain(coding)));
    // The coding of the header does not change the coding of compressed pixels.
    let is_plain = is_deflated || stated == plain(by_statement);
    let transfer_syntax = if is_plain { plain(coding) } else { stated }.to_string();
    Ok(Agreed { transfer_syntax, coding, note: Some(Note::new(NoteKind::SyntaxDisagrees, what)) })
}

/// A deflated file: the header is parsed first and gives the number of bytes needed.
fn deflated(bytes: &[u8]) -> Result<ParsedFile<'static>, Stop> {
    let mut inflated = inflate(bytes, INFLATED_PIECE_BYTES)?;
    let is_whole = (inflated.len() as u64) < INFLATED_PIECE_BYTES;
    let full = if is_whole { inflated.len() } else { u32::MAX as usize };
    let (elements, mut pixels) = match Walk::new(&inflated, full, Coding::EXPLICIT).data_set() {
        Err(Stop::NeedsMore) => return Err(Defect::damaged("a header without end").into()),
        walked => walked?,
    };
    if let Some(pixels) = pixels.as_mut().filter(|_| !is_whole) {
        let header =
            attributes::Attributes::decode(&elements)?.header(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
        header.check_pixels()?;
        let needed = header.n_pixels() * usize::from(header.bits_allocated / 8);
        // Bytes after the frame are not needed.
        pixels.length = pixels.length.map(|length| length.min(needed));
        inflated = inflate(bytes, (pixels.value_at + needed) as u64)?;
    }
    Ok(ParsedFile {
        transfer_syntax: uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN.to_string(),
        data_set: Cow::Owned(inflated),
        elements,
        pixels,
        notes: Vec::new(),
    })
}

impl ParsedFile<'_> {
    /// Native pixels, as bytes; `None` when they are encapsulated.
    pub(super) fn native(&self) -> Result<Option<&[u8]>, Defect> {
        let pixels = self.pixel_element()?;
        let Some(length) = pixels.length else { return Ok(None) };
        let end = pixels.value_at.checked_add(length);
        end.and_then(|end| self.data_set.get(pixels.value_at..end)).map(Some).ok_or_else(|| {
            Defect::damaged(format!("{length} bytes of pixels declared, but the file has fewer"))
        })
    }

    /// The encapsulated frame.
    pub(super) fn frame(&self) -> Result<Frame<'_>, Defect> {
        fragments::frame(&self.data_set, self.pixel_element()?.value_at)
    }

    fn pixel_element(&self) -> Result<PixelElement, Defect> {
        self.pixels.ok_or_else(|| Defect::new(DicomRefusal::NoPixelData, "no pixel data element (7FE0,0010)"))
    }
}

/// Reads group 0002, which may be missing.
fn file_meta(bytes: &[u8], start: usize, file_len: usize) -> Result<Meta, Stop> {
    let walk = Walk::new(bytes, file_len, Coding::EXPLICIT);
    let mut meta = Meta { transfer_syntax: None, sop_class: None, end: start };
    while walk.full >= meta.end + 8 && walk.tag(meta.end)?.0 == 2 {
        let element = walk.element(meta.end, walk.full)?;
        let Some(end) = element.end() else {
            return Err(Defect::damaged(format!("{} has no length", element.tag)).into());
        };
        let text = || {
            let value = String::from_utf8_lossy(walk.value(&element, end)?);
            let value = value.trim_matches(['\0', ' ']).to_string();
            Ok::<_, Stop>(Some(value).filter(|value| !value.is_empty()))
        };
        match element.tag {
            Tag(2, 0x0002) => meta.sop_class = text()?,
            Tag(2, 0x0010) => meta.transfer_syntax = text()?,
            _ => {}
        }
        meta.end = end;
    }
    Ok(meta)
}

/// At most `limit` bytes of a deflated data set.
fn inflate(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Defect> {
    let mut data_set = Vec::with_capacity(limit.min(1 << 20) as usize);
    flate2::read::DeflateDecoder::new(bytes)
        .take(limit)
        .read_to_end(&mut data_set)
        .map_err(|error| Defect::damaged(format!("the deflated data set cannot be inflated ({error})")))?;
    Ok(data_set)
}
