//! Decodes the data set and interprets its elements.

use dicom_core::Tag;
use dicom_core::header::HasLength;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries;

use super::defect::Defect;
use super::elements::Elements;
use super::grey::Greys;
use super::header::{Header, PatientOrientation, Photometric, PresentationIntent, Spacing, SpacingSource};
use super::note::{Note, NoteKind};
use super::parsed_file::ParsedFile;
use super::side_and_view::SideAndView;

/// The header of a parsed file.
pub(super) fn parse(parsed: &ParsedFile<'_>) -> Result<Header, Defect> {
    Ok(parse_with_greys(parsed)?.0)
}

/// The header and the grey-scale transformations.
pub(super) fn parse_with_greys(parsed: &ParsedFile<'_>) -> Result<(Header, Greys), Defect> {
    let attributes = Attributes::decode(&parsed.elements)?;
    let mut header = attributes.header(&parsed.transfer_syntax);
    header.has_pixels = parsed.pixels.is_some();
    let mut notes = Notes::default();
    let greys = Greys::of(&attributes, &header, &mut notes);
    header.notes = [&parsed.notes[..], &parsed.elements.notes, &notes.0].concat();
    Ok((header, greys))
}

/// Notes about irregular values of a file.
#[derive(Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn add(&mut self, kind: NoteKind, found: impl Into<String>) {
        self.0.push(Note::new(kind, found));
    }
}

/// The decoded data set, with access by element.
pub(super) struct Attributes {
    object: InMemDicomObject,
}

impl Attributes {
    /// Decodes the elements in use.
    pub(super) fn decode(elements: &Elements) -> Result<Self, Defect> {
        // Lengths and nesting are bounded; any remaining panic comes from the library.
        let decoded = std::panic::catch_unwind(|| {
            let syntax = if elements.big_endian {
                entries::EXPLICIT_VR_BIG_ENDIAN.erased()
            } else {
                entries::EXPLICIT_VR_LITTLE_ENDIAN.erased()
            };
            InMemDicomObject::read_dataset_with_ts(&elements.bytes[..], &syntax)
        });
        match decoded {
            Ok(Ok(object)) => Ok(Self { object }),
            Ok(Err(error)) => Err(Defect::damaged(format!("the header does not decode ({error})"))),
            Err(_) => Err(Defect::damaged("the header does not decode")),
        }
    }

    /// The first item of a sequence.
    pub(super) fn item(&self, tag: Tag) -> Option<&InMemDicomObject> {
        self.object.get(tag)?.items()?.first()
    }

    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.each_number(tag).first().copied().flatten()
    }

    /// Whether an element exists and is not empty.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.object.get(tag).is_some_and(|element| !element.is_empty())
    }

    /// The values of an element; those that are not finite numbers are `None`.
    pub(super) fn each_number(&self, tag: Tag) -> Vec<Option<f64>> {
        let Some(element) = self.object.get(tag).filter(|element| !element.is_empty()) else {
            return Vec::new();
        };
        let finite = |number: &f64| number.is_finite();
        if let Ok(numbers) = element.to_multi_float64() {
            return numbers.into_iter().map(|number| Some(number).filter(finite)).collect();
        }
        let text = text(&self.object, tag);
        text.split('\\').map(|value| value.trim().parse().ok().filter(finite)).collect()
    }

    /// All numbers of an element; none when one of them is invalid or not finite.
    pub(super) fn numbers(&self, tag: Tag) -> Vec<f64> {
        self.each_number(tag).into_iter().collect::<Option<_>>().unwrap_or_default()
    }

    pub(super) fn text(&self, tag: Tag) -> String {
        text(&self.object, tag)
    }

    /// A code string (CS) in upper case; some files have lower case, against the standard.
    pub(super) fn code(&self, tag: Tag) -> String {
        self.text(tag).to_ascii_uppercase()
    }

    fn whole(&self, tag: Tag) -> Option<u32> {
        self.object.get(tag)?.to_int::<u32>().ok()
    }

    fn short(&self, tag: Tag) -> Option<u16> {
        self.whole(tag).and_then(|number| u16::try_from(number).ok())
    }

    fn yes_or_no(&self, tag: Tag) -> Option<bool> {
        match self.code(tag).as_str() {
            "YES" => Some(true),
            "NO" => Some(false),
            _ => None,
        }
    }

    /// The header from the elements; the caller sets `has_pixels` and `notes`.
    pub(super) fn header(&self, transfer_syntax: &str) -> Header {
        let sop_class_uid = self.text(tags::SOP_CLASS_UID);
        let shown = SideAndView::of(&self.object);
        let bits_allocated = self.short(tags::BITS_ALLOCATED).unwrap_or(0);
        let bits_stored = self.short(tags::BITS_STORED).unwrap_or(bits_allocated);
        Header {
            transfer_syntax: transfer_syntax.to_string(),
            sop_instance_uid: self.text(tags::SOP_INSTANCE_UID),
            study_instance_uid: self.text(tags::STUDY_INSTANCE_UID),
            series_instance_uid: self.text(tags::SERIES_INSTANCE_UID),
            patient_id: self.text(tags::PATIENT_ID),
            patient_age_years: age_years(&self.text(tags::PATIENT_AGE)),
            modality: self.code(tags::MODALITY),
            manufacturer: self.text(tags::MANUFACTURER),
            model: self.text(tags::MANUFACTURER_MODEL_NAME),
            series_description: self.text(tags::SERIES_DESCRIPTION),
            laterality: shown.laterality,
            laterality_conflict: shown.conflict,
            projection: shown.projection,
            view_modifiers: shown.modifiers,
            patient_orientation: self.patient_orientation(),
            presentation_intent: self.presentation_intent(&sop_class_uid),
            photometric: match self.code(tags::PHOTOMETRIC_INTERPRETATION).as_str() {
                "MONOCHROME1" => Photometric::Monochrome1,
                // Required; without it a grey image is taken as MONOCHROME2.
                "MONOCHROME2" | "" => Photometric::Monochrome2,
                other => Photometric::Colour(other.to_string()),
            },
            samples_per_pixel: self.short(tags::SAMPLES_PER_PIXEL).unwrap_or(1),
            rows: self.whole(tags::ROWS).unwrap_or(0),
            columns: self.whole(tags::COLUMNS).unwrap_or(0),
            frames: self.whole(tags::NUMBER_OF_FRAMES).unwrap_or(1),
            bits_allocated,
            bits_stored,
            high_bit: self.short(tags::HIGH_BIT).unwrap_or(bits_stored.saturating_sub(1)),
            signed: self.short(tags::PIXEL_REPRESENTATION) == Some(1),
            spacing: self.spacing(),
            implant: self.yes_or_no(tags::BREAST_IMPLANT_PRESENT),
            burned_in_annotation: self.yes_or_no(tags::BURNED_IN_ANNOTATION),
            magnification: self.number(tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR),
            body_part: self.code(tags::BODY_PART_EXAMINED),
            conversion_type: self.code(tags::CONVERSION_TYPE),
            detector_type: self.code(tags::DETECTOR_TYPE),
            has_pixels: false,
            notes: Vec::new(),
            sop_class_uid,
        }
    }

    fn patient_orientation(&self) -> Option<PatientOrientation> {
        let value = self.text(tags::PATIENT_ORIENTATION);
        let (row, column) = value.split_once('\\')?;
        let (row, column) = (row.trim().to_string(), column.trim().to_string());
        (!row.is_empty() && !column.is_empty()).then_some(PatientOrientation { row, column })
    }

    fn presentation_intent(&self, sop_class_uid: &str) -> Option<PresentationIntent> {
        match (self.code(tags::PRESENTATION_INTENT_TYPE).as_str(), sop_class_uid) {
            ("FOR PRESENTATION", _) => Some(PresentationIntent::ForPresentation),
            ("FOR PROCESSING", _) => Some(PresentationIntent::ForProcessing),
            (_, uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION) => {
                Some(PresentationIntent::ForPresentation)
            }
            (_, uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PROCESSING) => {
                Some(PresentationIntent::ForProcessing)
            }
            _ => None,
        }
    }

    fn spacing(&self) -> Option<Spacing> {
        let of = |tag, source| match self.numbers(tag)[..] {
            [row_mm, column_mm, ..] if row_mm > 0.0 && column_mm > 0.0 => {
                Some(Spacing { row_mm, column_mm, source })
            }
            _ => None,
        };
        let pixel = of(tags::PIXEL_SPACING, SpacingSource::Calibrated);
        let Some(imager) = of(tags::IMAGER_PIXEL_SPACING, SpacingSource::Imager) else {
            return pixel.or_else(|| of(tags::NOMINAL_SCANNED_PIXEL_SPACING, SpacingSource::ScannedFilm));
        };
        // Equal spacings without a calibration type carry no information (PS3.3 10.7.1.3).
        let repeats = |pixel: &Spacing| {
            (pixel.row_mm, pixel.column_mm) == (imager.row_mm, imager.column_mm)
                && self.text(tags::PIXEL_SPACING_CALIBRATION_TYPE).is_empty()
        };
        if let Some(pixel) = pixel.filter(|pixel| !repeats(pixel)) {
            return Some(pixel);
        }
        match self.number(tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR) {
            Some(factor) if factor >= 1.0 => Some(Spacing {
                row_mm: imager.row_mm / factor,
                column_mm: imager.column_mm / factor,
                source: SpacingSource::ImagerDemagnified,
            }),
            _ => Some(imager),
        }
    }
}

/// Text of an element, its values joined by backslashes, without padding.
pub(super) fn text(object: &InMemDicomObject, tag: Tag) -> String {
    let value = object.get(tag).and_then(|element| element.to_str().ok());
    value.map(|text| text.trim_matches([' ', '\0']).to_string()).unwrap_or_default()
}

/// Patient's Age (AS): three digits and D, W, M or Y.
fn age_years(age: &str) -> Option<f64> {
    let (digits, unit) = age.split_at_checked(3)?;
    let number: f64 = digits.parse().ok()?;
    match unit {
        "Y" => Some(number),
        "M" => Some(number / 12.0),
        "W" => Some(number * 7.0 / 365.25),
        "D" => Some(number / 365.25),
        _ => None,
    }
}
