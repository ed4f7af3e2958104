//! Walks the tags and lengths of a data set (PS3.5 7) and copies the elements in use.
//!
//! Archives contain invalid private elements, which do not affect the mammogram. Only elements in use
//! ([`is_used`](super::elements::is_used)) are therefore read; others are skipped by their lengths.
//! Every length is compared with the remaining bytes, and nesting and work are bounded.

use std::cell::Cell;

use dicom_core::{Tag, VR};

use super::defect::Defect;
use super::elements::{Elements, is_used};
use mammo_core::refusal::DicomRefusal;

/// Largest number of bytes before the pixel data.
pub(super) const MAX_HEADER_BYTES: usize = 32 << 20;

/// Deepest nesting of sequences; mammograms need three.
const MAX_DEPTH: usize = 16;

/// Largest number of elements visited; some are in sequences that are tried in two codings.
const MAX_ELEMENTS: u32 = 1 << 22;

/// Largest number of items read of a sequence, and of elements in use read of an item: a mammogram
/// has at most three lookup tables and two codes.
const MAX_ITEMS: usize = 8;
const MAX_ELEMENTS_IN_ITEM: usize = 64;

pub(super) const UNDEFINED: u32 = u32::MAX;
pub(super) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// The sequence delimiter and its length, in little endian.
const SEQUENCE_END_BYTES: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];

/// The coding of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
}

impl Coding {
    pub(super) const EXPLICIT: Self = Self { explicit: true, big_endian: false };
    pub(super) const IMPLICIT: Self = Self { explicit: false, big_endian: false };
    pub(super) const BIG_ENDIAN: Self = Self { explicit: true, big_endian: true };
}

/// The pixel data element: start and length of its value.
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
    /// The file has a defect.
    Defect(Defect),
}

impl From<Defect> for Stop {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}

/// The header of one element.
pub(super) struct Element {
    pub(super) tag: Tag,
    /// The value type; `None` in implicit coding, for items, and for unknown value types.
    pub(super) vr: Option<VR>,
    pub(super) length: u32,
    pub(super) value_at: usize,
}

impl Element {
    /// End of the value; `None` when a delimiter ends it.
    pub(super) fn end(&self) -> Option<usize> {
        (self.length != UNDEFINED).then_some(self.value_at + self.length as usize)
    }
}

/// Tags and lengths of a data set.
pub(super) struct Walk<'a> {
    pub(super) bytes: &'a [u8],
    /// Length of the data set when `bytes` are only its beginning.
    pub(super) full: usize,
    pub(super) coding: Coding,
    elements_left: Cell<u32>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8], full: usize, coding: Coding) -> Self {
        Self { bytes, full, coding, elements_left: Cell::new(MAX_ELEMENTS) }
    }

    /// The same bytes in another coding.
    pub(super) fn recoded(&self, coding: Coding) -> Self {
        Self { coding, elements_left: self.elements_left.clone(), ..*self }
    }

    /// Walks the top level up to the pixel data; returns the elements in use and the pixel data element.
    pub(super) fn data_set(&self) -> Result<(Elements, Option<PixelElement>), Stop> {
        let (mut at, mut elements) = (0, Elements::of(self.coding));
        // Fewer than eight bytes are padding.
        while self.full >= at + 8 {
            let element = self.element(at, self.full)?;
            if element.tag == PIXEL_DATA {
                let length = element.end().map(|end| end - element.value_at);
                return Ok((elements, Some(PixelElement { value_at: element.value_at, length })));
            }
            // Some writers also end sequences of defined length with a delimiter.
            if element.tag.0 == 0xFFFE {
                at = element.value_at;
                continue;
            }
            if element.tag > PIXEL_DATA {
                break;
            }
            let end = self.end_of(&element, self.full, 0)?;
            elements.take(self, &element, end)?;
            at = end;
        }
        Ok((elements, None))
    }

    /// The end of an element, including its delimiter if it has one.
    pub(super) fn end_of(&self, element: &Element, end: usize, depth: usize) -> Result<usize, Stop> {
        if let Some(end) = element.end() {
            return Ok(end);
        }
        if depth == MAX_DEPTH {
            return Err(Defect::damaged(format!("sequences nested more than {MAX_DEPTH} deep")).into());
        }
        let mut failed = None;
        for coding in Self::inner_codings(element.vr, self.coding) {
            let walk = self.recoded(coding);
            let found = walk.end_of_items(element.value_at, end, depth);
            self.elements_left.set(walk.elements_left.get());
            match found {
                Err(Stop::Defect(defect)) => failed = failed.or(Some(defect)),
                other => return other,
            }
        }
        // An element that is not in use may have any content up to its delimiter.
        let rest = self.bytes.get(element.value_at..end.min(self.bytes.len())).unwrap_or_default();
        match rest.windows(8).position(|eight| eight == SEQUENCE_END_BYTES) {
            Some(at) => Ok(element.value_at + at + 8),
            None if self.bytes.len() < end.min(MAX_HEADER_BYTES) => Err(Stop::NeedsMore),
            None => {
                Err(failed.unwrap_or_else(|| Defect::damaged(format!("{} has no end", element.tag))).into())
            }
        }
    }

    /// The possible codings of an element's items, the most likely first: those of UN are implicit
    /// little endian (PS3.5 6.2.2), but some writers leave them explicit.
    pub(super) fn inner_codings(vr: Option<VR>, coding: Coding) -> impl Iterator<Item = Coding> {
        let (first, second) = match vr {
            Some(VR::UN) => (Coding::IMPLICIT, Some(Coding::EXPLICIT)),
            _ => (coding, None),
        };
        [Some(first), second].into_iter().flatten()
    }

    /// End of the items of a sequence of undefined length, or of fragments of nested pixel data (PS3.5 A.4).
    fn end_of_items(&self, mut at: usize, end: usize, depth: usize) -> Result<usize, Stop> {
        loop {
            let item = self.element(at, end)?;
            at = match item.tag {
                SEQUENCE_END => return Ok(item.value_at),
                ITEM => self.end_of_item(&item, end, depth)?,
                other => return Err(Defect::damaged(format!("{other} in place of a sequence item")).into()),
            }
        }
    }

    fn end_of_item(&self, item: &Element, end: usize, depth: usize) -> Result<usize, Stop> {
        if let Some(end) = item.end() {
            return Ok(end);
        }
        let mut at = item.value_at;
        loop {
            let element = self.element(at, end)?;
            if element.tag == ITEM_END {
                return Ok(element.value_at);
            }
            at = self.end_of(&element, end, depth + 1)?;
        }
    }

    /// The elements in use of the first items of a sequence, each with its end.
    pub(super) fn items(&self, sequence: &Element, end: usize) -> Result<Vec<Vec<(Element, usize)>>, Stop> {
        let (mut at, mut items) = (sequence.value_at, Vec::new());
        while at + 8 <= end && items.len() < MAX_ITEMS {
            let item = self.element(at, end)?;
            match item.tag {
                SEQUENCE_END => break,
                ITEM => {}
                other => return Err(Defect::damaged(format!("{other} in place of a sequence item")).into()),
            }
            let (item_end, mut in_use) = (item.end().unwrap_or(end), Vec::new());
            at = item.value_at;
            while at + 8 <= item_end && in_use.len() < MAX_ELEMENTS_IN_ITEM {
                let element = self.element(at, item_end)?;
                if element.tag == ITEM_END {
                    at = element.value_at;
                    break;
                }
                at = self.end_of(&element, item_end, 0)?;
                if is_used(element.tag) {
                    in_use.push((element, at));
                }
            }
            at = item.end().unwrap_or(at);
            items.push(in_use);
        }
        Ok(items)
    }

    /// The element header at `at`, whose value must end by `end`.
    pub(super) fn element(&self, at: usize, end: usize) -> Result<Element, Stop> {
        let left = self.elements_left.get().checked_sub(1);
        self.elements_left.set(left.ok_or_else(|| Defect::damaged("millions of elements"))?);
        let tag = self.tag(at)?;
        if tag.0 == 0xFFFE || !self.coding.explicit {
            return self.checked(Element { tag, vr: None, length: self.u32(at + 4)?, value_at: at + 8 }, end);
        }
        match VR::from_binary(self.take::<2>(at + 4)?) {
            None => self.of_unknown_type(at, tag, end),
            Some(vr) if has_long_length(vr) => {
                let length = self.u32(at + 8)?;
                self.checked(Element { tag, vr: Some(vr), length, value_at: at + 12 }, end)
            }
            Some(vr) => {
                let length = self.u16(at + 6)?.into();
                self.checked(Element { tag, vr: Some(vr), length, value_at: at + 8 }, end)
            }
        }
    }

    fn checked(&self, element: Element, end: usize) -> Result<Element, Stop> {
        let room = end.checked_sub(element.value_at);
        let length = element.length;
        if room.is_none_or(|room| length != UNDEFINED && length as usize > room) {
            let (tag, room) = (element.tag, room.unwrap_or(0));
            return Err(Defect::damaged(format!("{tag} declares {length} bytes, {room} are left")).into());
        }
        Ok(element)
    }

    /// An element of explicit coding with an unknown value type: with a 32-bit length (PS3.5 6.2), or
    /// without a type as in implicit coding, or with a 16-bit length. The first variant after which
    /// another element or the end follows is used.
    fn of_unknown_type(&self, at: usize, tag: Tag, end: usize) -> Result<Element, Stop> {
        let long = (self.u16(at + 6)? == 0).then(|| self.u32(at + 8).map(|length| (length, at + 12)));
        let implicit = Some(self.u32(at + 4).map(|length| (length, at + 8)));
        let short = Some(self.u16(at + 6).map(|length| (length.into(), at + 8)));
        for form in [long, implicit, short].into_iter().flatten() {
            let (length, value_at) = form?;
            let element = Element { tag, vr: None, length, value_at };
            if let Ok(element) = self.checked(element, end)
                && self.leads_on(&element, end)?
            {
                return Ok(element);
            }
        }
        let vr = self.take::<2>(at + 4)?;
        Err(Defect::damaged(format!("{tag} has the unknown value type {vr:02X?} and no length that fits"))
            .into())
    }

    /// Whether another element or the end follows an element.
    fn leads_on(&self, element: &Element, end: usize) -> Result<bool, Stop> {
        let next = element.end().unwrap_or(element.value_at);
        if end < next + 8 {
            return Ok(true);
        }
        // A length beyond the file is rejected without reading.
        if next > MAX_HEADER_BYTES {
            return Ok(false);
        }
        let tag = self.tag(next)?;
        if element.length == UNDEFINED {
            return Ok(tag == ITEM || tag == SEQUENCE_END);
        }
        let is_typed = VR::from_binary(self.take::<2>(next + 4)?).is_some();
        Ok(tag == ITEM_END || tag > element.tag && (is_typed || tag.0 == element.tag.0))
    }

    /// Whether a data set may start here in this coding: two element headers, the first of a low group
    /// and the second with a larger tag. Value types distinguish the codings.
    pub(super) fn starts_well(&self) -> Result<bool, Stop> {
        /// Data sets start in group 8, media directories in group 4.
        const LAST_GROUP: u16 = 0x0028;
        let typed = |at: usize| Ok::<_, Stop>(VR::from_binary(self.take::<2>(at + 4)?).is_some());
        let without_defect = |found: Result<bool, Stop>| match found {
            Err(Stop::Defect(_)) => Ok(false),
            other => other,
        };
        without_defect((|| {
            let first = self.tag(0)?;
            if first.0 > LAST_GROUP || self.coding.explicit != typed(0)? {
                return Ok(false);
            }
            let element = self.element(0, self.full)?;
            let Some(next) = element.end().filter(|&next| next <= MAX_HEADER_BYTES) else {
                return Ok(element.length == UNDEFINED);
            };
            if self.full < next + 8 {
                return Ok(true);
            }
            Ok(self.tag(next)? > first && (!self.coding.explicit || typed(next)?))
        })())
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
        if at > MAX_HEADER_BYTES {
            let found = format!("a header of more than {} MiB", MAX_HEADER_BYTES >> 20);
            return Err(Defect::new(DicomRefusal::TooLarge, found).into());
        }
        match self.bytes.get(at..at + N).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Ok(bytes),
            None if at + N <= self.full => Err(Stop::NeedsMore),
            None => Err(Defect::damaged(format!("the file ends inside an element at byte {at}")).into()),
        }
    }

    /// The value of an element.
    pub(super) fn value(&self, element: &Element, end: usize) -> Result<&'a [u8], Stop> {
        self.bytes.get(element.value_at..end).ok_or(Stop::NeedsMore)
    }
}

/// Value types with two reserved bytes and a 32-bit length (PS3.5 7.1.2).
pub(super) fn has_long_length(vr: VR) -> bool {
    use VR::{OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV};
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}
