//! A walk over the tags and lengths of a data set, before anything is decoded (PS3.5 7).
//!
//! Every length is checked against the bytes that are there, and nesting has a bound:
//! `dicom-object`, which decodes the header afterwards, allocates whatever a length says and
//! recurses into sequences, so that four bytes of a damaged file could cost four gibibytes. The
//! walk also saves copying the pixels into an element value.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, uids};

use super::refusal::{Flaw, Refusal, Sound};

/// Largest header, in bytes: text values grow up to 24-fold when they are decoded.
const MAX_HEADER_BYTES: usize = 32 << 20;

/// Deepest nesting of sequences; mammograms need three.
const MAX_DEPTH: usize = 16;

/// Retired, and still in archives.
pub(super) const EXPLICIT_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

const UNDEFINED: u32 = u32::MAX;
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    explicit: bool,
    big_endian: bool,
}

impl Coding {
    /// The file meta group, and most data sets.
    pub(super) const EXPLICIT_LITTLE_ENDIAN: Self = Self { explicit: true, big_endian: false };

    /// How the data set of a transfer syntax is written; unknown syntaxes are explicit little
    /// endian by rule (PS3.5 A.4).
    pub(super) fn of(transfer_syntax: &str) -> Sound<Self> {
        if !transfer_syntax.starts_with("1.2.840.10008.1.2") {
            let found = format!("transfer syntax '{transfer_syntax}'");
            return Err(Flaw::new(Refusal::UnsupportedTransferSyntax, found));
        }
        Ok(Self {
            explicit: transfer_syntax != uids::IMPLICIT_VR_LITTLE_ENDIAN,
            big_endian: transfer_syntax == EXPLICIT_BIG_ENDIAN,
        })
    }
}

/// The pixel data element: where its value starts, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PixelElement {
    pub(super) value_at: usize,
    /// `None` for encapsulated pixels.
    pub(super) length: Option<usize>,
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

/// One element's head.
pub(super) struct Element {
    pub(super) tag: Tag,
    vr: Option<VR>,
    length: u32,
    pub(super) value_at: usize,
}

impl Element {
    pub(super) fn end(&self) -> Sound<usize> {
        match self.length {
            UNDEFINED => Err(Flaw::damaged(format!("{} has no length", self.tag))),
            length => Ok(self.value_at + length as usize),
        }
    }

    /// As written, or else as the dictionary says.
    fn value_type(&self) -> Option<VR> {
        let known = || StandardDataDictionary.by_tag(self.tag).map(|entry| entry.vr().relaxed());
        self.vr.or_else(known)
    }

    fn is_sequence(&self) -> bool {
        self.length == UNDEFINED || self.value_type() == Some(VR::SQ)
    }

    /// Refuses numbers that do not fill their value: `dicom-object` would read the rest of it as
    /// the next element, with whatever length that gives.
    fn check_whole(&self) -> Sound<()> {
        let unit = match self.value_type() {
            Some(VR::US | VR::SS | VR::OW) => 2,
            Some(VR::AT | VR::UL | VR::SL | VR::FL | VR::OL | VR::OF) => 4,
            Some(VR::FD | VR::OD | VR::SV | VR::UV | VR::OV) => 8,
            _ => return Ok(()),
        };
        if self.length == UNDEFINED || self.length.is_multiple_of(unit) {
            return Ok(());
        }
        let found = format!("{} has {} bytes, which are no numbers of {unit} bytes", self.tag, self.length);
        Err(Flaw::damaged(found))
    }
}

/// Tags and lengths of a data set.
pub(super) struct Walk<'a> {
    pub(super) bytes: &'a [u8],
    /// Length of the data set when `bytes` are only its beginning.
    pub(super) full: usize,
    pub(super) coding: Coding,
}

impl Walk<'_> {
    /// Walks the top level up to the pixel data; returns where that starts, and what it is.
    pub(super) fn data_set(&self) -> Result<(usize, Option<PixelElement>), Stop> {
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
            element.check_whole()?;
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
    pub(super) fn element(&self, at: usize, end: usize) -> Result<Element, Stop> {
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

    pub(super) fn tag(&self, at: usize) -> Result<Tag, Stop> {
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
