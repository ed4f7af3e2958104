//! Where header and pixels lie in the bytes of a DICOM file (PS3.5, PS3.10).
//!
//! A walk over tags and lengths alone, before anything is decoded. Every length is checked
//! against the bytes that are there, and nesting has a bound: `dicom-object`, which decodes
//! the header afterwards, allocates whatever a length says and recurses into sequences, so
//! that four bytes of a damaged file could cost four gibibytes. The walk also saves copying
//! the pixels into an element value.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, uids};

use super::refusal::{Flaw, Refusal, Sound};

/// Largest header, in bytes: text values grow up to 24-fold when they are decoded.
const MAX_HEADER_BYTES: usize = 32 << 20;

/// Largest data set that a deflated file may unfold to, in bytes.
const MAX_INFLATED_BYTES: u64 = 256 << 20;

/// Deepest nesting of sequences; mammograms need three.
const MAX_DEPTH: usize = 16;

/// Retired, and still in archives.
pub(super) const EXPLICIT_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

const UNDEFINED: u32 = u32::MAX;
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Coding {
    explicit: bool,
    big_endian: bool,
}

/// A file taken apart.
pub(super) struct Layout<'a> {
    /// Transfer syntax UID, without padding.
    pub(super) transfer_syntax: String,
    /// The data set, unfolded when it was deflated.
    pub(super) data_set: Cow<'a, [u8]>,
    /// Where the pixel data element starts in it; everything before is header.
    pub(super) header_end: usize,
    /// Where the pixels lie, when there are any.
    pub(super) pixels: Option<PixelElement>,
}

/// The pixel data element: where its value starts, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PixelElement {
    value_at: usize,
    /// `None` for encapsulated pixels.
    length: Option<usize>,
}

/// Why a walk stopped.
pub(super) enum Stop {
    /// The bytes given are only the beginning of the file, and more are needed.
    NeedsMore,
    /// The file is not sound.
    Flaw(Flaw),
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

/// Whether these bytes start as a DICOM file does.
pub(super) fn is_dicom(bytes: &[u8]) -> bool {
    meta_start(bytes).is_some()
}

/// The file meta group follows `DICM`, or starts the file in old archives.
fn meta_start(bytes: &[u8]) -> Option<usize> {
    if bytes.get(128..132) == Some(b"DICM") {
        return Some(132);
    }
    // (0002,0000) UL 4 or (0002,0001) OB, explicit little endian.
    let start = bytes.get(..6)?;
    let bare = start[..2] == [2, 0] && start[3] == 0 && (&start[4..] == b"UL" || &start[4..] == b"OB");
    bare.then_some(0)
}

/// Takes a file apart. `file_len` is its full length; `bytes` may be only its beginning.
pub(super) fn layout(bytes: &[u8], file_len: usize) -> Result<Layout<'_>, Stop> {
    let Some(start) = meta_start(bytes) else {
        return Err(Flaw::new(Refusal::NotDicom, "no DICM at byte 128 and no file meta group").into());
    };
    let (transfer_syntax, data_start) = file_meta(bytes, start, file_len)?;
    let coding = coding(&transfer_syntax)?;
    if transfer_syntax != uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let walk = Walk { bytes: &bytes[data_start..], full: file_len - data_start, coding };
        let (header_end, pixels) = walk.data_set()?;
        let data_set = Cow::Borrowed(walk.bytes);
        return Ok(Layout { transfer_syntax, data_set, header_end, pixels });
    }
    if bytes.len() < file_len {
        return Err(Stop::NeedsMore);
    }
    let data_set = inflate(&bytes[data_start..])?;
    let walk = Walk { bytes: &data_set, full: data_set.len(), coding };
    let (header_end, pixels) = walk.data_set()?;
    Ok(Layout { transfer_syntax, data_set: Cow::Owned(data_set), header_end, pixels })
}

impl Layout<'_> {
    /// The encoded header, up to the pixel data.
    pub(super) fn header(&self) -> &[u8] {
        &self.data_set[..self.header_end]
    }

    /// Native pixels, as bytes; `None` when they are encapsulated.
    pub(super) fn native(&self) -> Sound<Option<&[u8]>> {
        let pixels = self.pixel_element()?;
        let Some(length) = pixels.length else { return Ok(None) };
        let end = pixels.value_at.checked_add(length);
        end.and_then(|end| self.data_set.get(pixels.value_at..end))
            .map(Some)
            .ok_or_else(|| Flaw::damaged(format!("{length} bytes of pixels announced, fewer are there")))
    }

    /// The encapsulated fragments of a single frame, joined (PS3.5 A.4; the first item is the
    /// offset table).
    pub(super) fn frame(&self) -> Sound<Cow<'_, [u8]>> {
        let pixels = self.pixel_element()?;
        let fragments = self.fragments(pixels.value_at)?;
        match &fragments[..] {
            [] => Err(Flaw::damaged("encapsulated pixel data without a fragment")),
            [one] => Ok(Cow::Borrowed(&self.data_set[one.clone()])),
            many => {
                let joined = many.iter().flat_map(|range| &self.data_set[range.clone()]);
                Ok(Cow::Owned(joined.copied().collect()))
            }
        }
    }

    fn pixel_element(&self) -> Sound<PixelElement> {
        self.pixels.ok_or_else(|| Flaw::new(Refusal::NoPixelData, "no pixel data element (7FE0,0010)"))
    }

    fn fragments(&self, mut at: usize) -> Sound<Vec<Range<usize>>> {
        let cut = || Flaw::damaged("the pixel fragments stop before their end marker");
        let mut fragments = Vec::new();
        let mut is_offset_table = true;
        loop {
            let head: [u8; 8] =
                self.data_set.get(at..at + 8).and_then(|head| head.try_into().ok()).ok_or_else(cut)?;
            let tag = Tag(u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            at += 8;
            match tag {
                SEQUENCE_END => return Ok(fragments),
                ITEM if length <= self.data_set.len() - at => {
                    if !std::mem::take(&mut is_offset_table) {
                        fragments.push(at..at + length);
                    }
                    at += length;
                }
                ITEM => return Err(cut()),
                other => return Err(Flaw::damaged(format!("{other} between pixel fragments"))),
            }
        }
    }
}

/// Reads group 0002 and returns the transfer syntax and where the data set starts.
fn file_meta(bytes: &[u8], start: usize, file_len: usize) -> Result<(String, usize), Stop> {
    let walk = Walk { bytes, full: file_len, coding: Coding { explicit: true, big_endian: false } };
    let (mut at, mut transfer_syntax) = (start, None);
    while walk.full >= at + 8 && walk.tag(at)?.0 == 2 {
        let element = walk.element(at, walk.full)?;
        let end = element.end()?;
        if element.tag == Tag(2, 0x0010) {
            let value = bytes.get(element.value_at..end).ok_or(Stop::NeedsMore)?;
            transfer_syntax = Some(String::from_utf8_lossy(value).trim_end_matches(['\0', ' ']).to_string());
        }
        at = end;
    }
    let missing = || Flaw::damaged("no transfer syntax (0002,0010) in the file meta group");
    Ok((transfer_syntax.ok_or_else(missing)?, at))
}

/// How the data set of a transfer syntax is written; unknown syntaxes are explicit little
/// endian by rule (PS3.5 A.4).
fn coding(transfer_syntax: &str) -> Sound<Coding> {
    if !transfer_syntax.starts_with("1.2.840.10008.1.2") {
        let found = format!("transfer syntax '{transfer_syntax}'");
        return Err(Flaw::new(Refusal::UnsupportedTransferSyntax, found));
    }
    Ok(Coding {
        explicit: transfer_syntax != uids::IMPLICIT_VR_LITTLE_ENDIAN,
        big_endian: transfer_syntax == EXPLICIT_BIG_ENDIAN,
    })
}

fn inflate(bytes: &[u8]) -> Sound<Vec<u8>> {
    let mut data_set = Vec::new();
    flate2::read::DeflateDecoder::new(bytes)
        .take(MAX_INFLATED_BYTES + 1)
        .read_to_end(&mut data_set)
        .map_err(|error| Flaw::damaged(format!("the deflated data set does not unfold ({error})")))?;
    if data_set.len() as u64 > MAX_INFLATED_BYTES {
        let found = format!("a deflated data set of more than {} MiB", MAX_INFLATED_BYTES >> 20);
        return Err(Flaw::new(Refusal::TooLarge, found));
    }
    Ok(data_set)
}

/// One element's head.
struct Element {
    tag: Tag,
    vr: Option<VR>,
    length: u32,
    value_at: usize,
}

impl Element {
    fn end(&self) -> Sound<usize> {
        match self.length {
            UNDEFINED => Err(Flaw::damaged(format!("{} has no length", self.tag))),
            length => Ok(self.value_at + length as usize),
        }
    }

    fn is_sequence(&self) -> bool {
        let vr = self.vr.or_else(|| {
            let entry = StandardDataDictionary.by_tag(self.tag)?;
            Some(entry.vr().relaxed())
        });
        self.length == UNDEFINED || vr == Some(VR::SQ)
    }
}

/// Tags and lengths of a data set.
struct Walk<'a> {
    bytes: &'a [u8],
    /// Length of the data set when `bytes` are only its beginning.
    full: usize,
    coding: Coding,
}

impl Walk<'_> {
    /// Walks the top level up to the pixel data; returns where that starts, and what it is.
    fn data_set(&self) -> Result<(usize, Option<PixelElement>), Stop> {
        let mut at = 0;
        // Fewer than eight bytes are padding.
        while self.full >= at + 8 {
            let element = self.element(at, self.full)?;
            if element.tag >= PIXEL_DATA {
                let length = (element.length != UNDEFINED).then_some(element.length as usize);
                let pixels = PixelElement { value_at: element.value_at, length };
                return Ok((at, (element.tag == PIXEL_DATA).then_some(pixels)));
            }
            at = self.after(&element, self.full, 0, self.coding)?;
            if at > MAX_HEADER_BYTES {
                let found = format!("a header of more than {} MiB", MAX_HEADER_BYTES >> 20);
                return Err(Flaw::new(Refusal::TooLarge, found).into());
            }
        }
        Ok((at.min(self.bytes.len()), None))
    }

    /// The end of an element, after checking all that it holds.
    fn after(&self, element: &Element, end: usize, depth: usize, coding: Coding) -> Result<usize, Stop> {
        let bounded = match element.length {
            UNDEFINED => None,
            length => Some(element.value_at + length as usize),
        };
        if !element.is_sequence() {
            return Ok(bounded.unwrap_or(end));
        }
        if depth == MAX_DEPTH {
            return Err(Flaw::damaged(format!("sequences nested more than {MAX_DEPTH} deep")).into());
        }
        // The content of UN with undefined length is implicit little endian (PS3.5 6.2.2).
        let inner = match element.vr {
            Some(VR::UN) => Coding { explicit: false, big_endian: false },
            _ => coding,
        };
        let walk = Walk { coding: inner, ..*self };
        walk.items(element.value_at, bounded, end, depth)
    }

    fn items(&self, mut at: usize, bounded: Option<usize>, end: usize, depth: usize) -> Result<usize, Stop> {
        let end = bounded.unwrap_or(end);
        while bounded.is_none_or(|bounded| at < bounded) {
            let item = self.element(at, end)?;
            match item.tag {
                SEQUENCE_END if bounded.is_none() => return Ok(item.value_at),
                ITEM => at = self.item(&item, end, depth)?,
                other => return Err(Flaw::damaged(format!("{other} where a sequence item belongs")).into()),
            }
        }
        Ok(end)
    }

    fn item(&self, item: &Element, end: usize, depth: usize) -> Result<usize, Stop> {
        let bounded = (item.length != UNDEFINED).then(|| item.value_at + item.length as usize);
        let end = bounded.unwrap_or(end);
        let mut at = item.value_at;
        while bounded.is_none_or(|bounded| at < bounded) {
            let element = self.element(at, end)?;
            if element.tag == ITEM_END && bounded.is_none() {
                return Ok(element.value_at);
            }
            at = self.after(&element, end, depth + 1, self.coding)?;
        }
        Ok(end)
    }

    /// The head at `at`, whose value must end by `end`.
    fn element(&self, at: usize, end: usize) -> Result<Element, Stop> {
        let tag = self.tag(at)?;
        let (vr, length, value_at) = if tag.0 == 0xFFFE || !self.coding.explicit {
            (None, self.u32(at + 4)?, at + 8)
        } else {
            let vr = self.take::<2>(at + 4)?;
            let vr = VR::from_binary(vr)
                .ok_or_else(|| Flaw::damaged(format!("{tag} has the unknown value type {vr:02X?}")))?;
            match vr {
                VR::OB
                | VR::OD
                | VR::OF
                | VR::OL
                | VR::OV
                | VR::OW
                | VR::SQ
                | VR::SV
                | VR::UC
                | VR::UN
                | VR::UR
                | VR::UT
                | VR::UV => (Some(vr), self.u32(at + 8)?, at + 12),
                _ => (Some(vr), u32::from(self.u16(at + 6)?), at + 8),
            }
        };
        let room = end.checked_sub(value_at);
        if room.is_none_or(|room| length != UNDEFINED && length as usize > room) {
            let found = format!("{tag} announces {length} bytes, {} are left", room.unwrap_or(0));
            return Err(Flaw::damaged(found).into());
        }
        Ok(Element { tag, vr, length, value_at })
    }

    fn tag(&self, at: usize) -> Result<Tag, Stop> {
        Ok(Tag(self.u16(at)?, self.u16(at + 2)?))
    }

    fn u16(&self, at: usize) -> Result<u16, Stop> {
        let bytes = self.take(at)?;
        Ok(if self.coding.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Result<u32, Stop> {
        let bytes = self.take(at)?;
        Ok(if self.coding.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn take<const N: usize>(&self, at: usize) -> Result<[u8; N], Stop> {
        match self.bytes.get(at..at + N).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Ok(bytes),
            None if at + N <= self.full => Err(Stop::NeedsMore),
            None => Err(Flaw::damaged(format!("the file ends inside an element at byte {at}")).into()),
        }
    }
}
