//! Copies the elements in use from a data set to a valid one.
//!
//! `dicom-object` decodes values and character sets. It allocates by the stated lengths, recurses
//! into sequences and stops at the first invalid element. It therefore receives a copy: explicit
//! coding, valid lengths, elements in use only, at most [`MAX_BYTES`] bytes.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::defect::Defect;
use super::note::{Note, NoteKind};
use super::walk::{Coding, Element, ITEM, SEQUENCE_END, Stop, UNDEFINED, Walk, has_long_length};
use mammo_core::refusal::DicomRefusal;

/// Largest size of all elements in use: three lookup tables of 65,536 entries are 384 KiB. Text of
/// many values grows up to 24-fold when it is decoded.
const MAX_BYTES: usize = 2 << 20;

/// Largest size of one text in bytes.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// Deepest nesting of sequences in use: that of view modifiers.
const MAX_DEPTH: usize = 3;

/// All elements that `attributes` and `grey` read, at any level.
const USED: [Tag; 50] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::MODALITY,
    tags::CONVERSION_TYPE,
    tags::PRESENTATION_INTENT_TYPE,
    tags::MANUFACTURER,
    tags::CODE_VALUE,
    tags::SERIES_DESCRIPTION,
    tags::MANUFACTURER_MODEL_NAME,
    tags::ANATOMIC_REGION_SEQUENCE,
    tags::PATIENT_ID,
    tags::PATIENT_AGE,
    tags::BODY_PART_EXAMINED,
    tags::DETECTOR_TYPE,
    tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR,
    tags::IMAGER_PIXEL_SPACING,
    tags::NOMINAL_SCANNED_PIXEL_SPACING,
    tags::VIEW_POSITION,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::PATIENT_ORIENTATION,
    tags::LATERALITY,
    tags::IMAGE_LATERALITY,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::PIXEL_SPACING_CALIBRATION_TYPE,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::BURNED_IN_ANNOTATION,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::VOILUT_FUNCTION,
    tags::BREAST_IMPLANT_PRESENT,
    tags::MODALITY_LUT_SEQUENCE,
    tags::LUT_DESCRIPTOR,
    tags::LUT_DATA,
    tags::VOILUT_SEQUENCE,
    tags::VIEW_CODE_SEQUENCE,
    tags::VIEW_MODIFIER_CODE_SEQUENCE,
];

/// Whether an element is read.
pub(super) fn is_used(tag: Tag) -> bool {
    USED.contains(&tag)
}

/// A valid data set of the elements in use.
pub(super) struct Elements {
    /// Explicit, in the byte order of the file.
    pub(super) bytes: Vec<u8>,
    pub(super) big_endian: bool,
    pub(super) notes: Vec<Note>,
}

impl Elements {
    /// Empty, for a data set in this coding.
    pub(super) fn of(coding: Coding) -> Self {
        Self { bytes: Vec::new(), big_endian: coding.big_endian, notes: Vec::new() }
    }

    /// Copies an element of the top level, if it is in use.
    pub(super) fn take(&mut self, walk: &Walk<'_>, element: &Element, end: usize) -> Result<(), Stop> {
        if is_used(element.tag) { self.copy(walk, element, end, 0) } else { Ok(()) }
    }

    fn copy(&mut self, walk: &Walk<'_>, element: &Element, end: usize, depth: usize) -> Result<(), Stop> {
        let known = StandardDataDictionary.by_tag(element.tag).map(|entry| entry.vr().relaxed());
        match (known, element.vr) {
            (Some(VR::SQ), None | Some(VR::SQ | VR::UN)) => self.copy_sequence(walk, element, end, depth),
            // Text under the tag of a sequence, or a sequence under the tag of a text.
            (Some(VR::SQ), _) | (_, Some(VR::SQ)) | (None, _) => Ok(()),
            // Items of UN are little endian in a big endian file as well; numbers would be byte-swapped.
            _ if element.length == UNDEFINED || walk.coding.big_endian != self.big_endian => Ok(()),
            (Some(known), stated) => {
                let vr = stated.filter(|&vr| vr != VR::UN).unwrap_or(known);
                check_length(element, vr)?;
                let value = walk.value(element, end)?;
                self.push_head(element.tag, vr, value.len() as u32);
                self.bytes.extend_from_slice(value);
                self.check_size().map_err(Stop::Defect)
            }
        }
    }

    fn copy_sequence(
        &mut self,
        walk: &Walk<'_>,
        element: &Element,
        end: usize,
        depth: usize,
    ) -> Result<(), Stop> {
        if depth == MAX_DEPTH {
            return Ok(());
        }
        let mut failed = None;
        for coding in Walk::inner_codings(element.vr, walk.coding) {
            let inner = walk.recoded(coding);
            let items = match inner.items(element, end) {
                Ok(items) => items,
                Err(Stop::NeedsMore) => return Err(Stop::NeedsMore),
                Err(Stop::Defect(defect)) => {
                    failed = failed.or(Some(defect));
                    continue;
                }
            };
            self.push_head(element.tag, VR::SQ, UNDEFINED);
            for item in items {
                self.push_delimiter(ITEM, UNDEFINED);
                for (element, end) in item {
                    self.copy(&inner, &element, end, depth + 1)?;
                }
                self.push_delimiter(Tag(0xFFFE, 0xE00D), 0);
            }
            self.push_delimiter(SEQUENCE_END, 0);
            return self.check_size().map_err(Stop::Defect);
        }
        let why = failed.map(|defect| defect.found).unwrap_or_default();
        self.notes.push(Note::new(NoteKind::SequenceUnreadable, format!("{}: {why}", element.tag)));
        Ok(())
    }

    fn check_size(&self) -> Result<(), Defect> {
        if self.bytes.len() <= MAX_BYTES {
            return Ok(());
        }
        let found = format!("more than {} MiB of attributes", MAX_BYTES >> 20);
        Err(Defect::new(DicomRefusal::TooLarge, found))
    }

    fn push_head(&mut self, tag: Tag, vr: VR, length: u32) {
        self.push_u16(tag.0);
        self.push_u16(tag.1);
        self.bytes.extend_from_slice(vr.to_string().as_bytes());
        match u16::try_from(length) {
            Ok(short) if !has_long_length(vr) => self.push_u16(short),
            _ => {
                self.push_u16(0);
                self.push_u32(length);
            }
        }
    }

    fn push_delimiter(&mut self, tag: Tag, length: u32) {
        self.push_u16(tag.0);
        self.push_u16(tag.1);
        self.push_u32(length);
    }

    fn push_u16(&mut self, number: u16) {
        self.bytes.extend(if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() });
    }

    fn push_u32(&mut self, number: u32) {
        self.bytes.extend(if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() });
    }
}

/// Refuses numeric values of an invalid length and texts that are too long.
fn check_length(element: &Element, vr: VR) -> Result<(), Defect> {
    let unit = match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::AT | VR::UL | VR::SL | VR::FL | VR::OL | VR::OF => 4,
        VR::FD | VR::OD | VR::SV | VR::UV | VR::OV => 8,
        _ => 1,
    };
    let (tag, length) = (element.tag, element.length);
    if !length.is_multiple_of(unit) {
        let found = format!("{tag} has {length} bytes, which is not a multiple of {unit} bytes");
        return Err(Defect::damaged(found));
    }
    let is_text = unit == 1 && vr != VR::OB;
    if is_text && length as usize > MAX_TEXT_BYTES {
        return Err(Defect::damaged(format!("{tag} is a text of {length} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {

    #[test]
    fn every_element_that_is_asked_for_is_copied() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let sources = files.filter(|path| path.is_file() && !path.ends_with("elements.rs"));
        let sources: String = sources.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let asked = sources.split("tags::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_' && !c.is_ascii_digit());
            &rest[..end.unwrap_or(rest.len())]
        });
        let own = include_str!("elements.rs");
        let missing: Vec<&str> =
            asked.filter(|name| !name.is_empty() && !own.contains(&format!("    tags::{name},\n"))).collect();
        assert!(missing.is_empty(), "USED lacks {missing:?}");
    }
}
