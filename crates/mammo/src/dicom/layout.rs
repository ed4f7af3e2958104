//! Where header and pixels lie in the bytes of a DICOM file (PS3.5, PS3.10): the file meta
//! group, the data set, unfolded where it was deflated, and the pixel data in it.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use dicom_core::Tag;
use dicom_dictionary_std::uids;

use super::refusal::{Flaw, Refusal, Sound};
use super::walk::{Coding, ITEM, PixelElement, SEQUENCE_END, Stop, Walk};

/// Largest data set that a deflated file may unfold to, in bytes.
const MAX_INFLATED_BYTES: u64 = 256 << 20;

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
    let coding = Coding::of(&transfer_syntax)?;
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
    let walk = Walk { bytes, full: file_len, coding: Coding::EXPLICIT_LITTLE_ENDIAN };
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
