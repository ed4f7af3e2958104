//! What a DICOM file says about itself, as plain values.

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries;
use serde::{Deserialize, Serialize};

use super::grey::Greys;
use super::layout::{EXPLICIT_BIG_ENDIAN, Layout};
use super::refusal::{Flaw, Refusal, Sound};
use super::view::{Projection, ViewModifier};
use crate::pixels::MAX_PIXELS;
use crate::record::Laterality;

/// How stored values are to be shown (Photometric Interpretation, (0028,0004)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Photometric {
    /// The lowest value is white.
    Monochrome1,
    /// The lowest value is black.
    Monochrome2,
    /// Colour or a palette, by its DICOM term.
    Colour(String),
}

/// Whether an image is meant for a reader (Presentation Intent Type, (0008,0068)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresentationIntent {
    /// Processed by the maker for the eye.
    ForPresentation,
    /// Values of the detector, for further processing.
    ForProcessing,
}

/// Distance between pixel centres, in mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spacing {
    /// From one row to the next.
    pub row_mm: f64,
    /// From one column to the next.
    pub column_mm: f64,
    /// What the distance was measured at.
    pub source: SpacingSource,
}

/// Where a [`Spacing`] comes from (PS3.3 10.7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpacingSource {
    /// Pixel Spacing: in the patient, by calibration or by the known geometry.
    Calibrated,
    /// Imager Pixel Spacing over the Estimated Radiographic Magnification Factor: in the breast.
    ImagerDemagnified,
    /// Imager Pixel Spacing alone, or a Pixel Spacing that only repeats it: at the detector,
    /// so things look larger than they are.
    Imager,
    /// Nominal Scanned Pixel Spacing of a digitised film.
    ScannedFilm,
}

/// Where rows and columns point (Patient Orientation, (0020,0020)): `A` to the nipple, `P` to
/// the chest wall, `L` and `R` to the patient's sides, `H` and `F` to head and foot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientOrientation {
    /// Direction of growing columns.
    pub row: String,
    /// Direction of growing rows.
    pub column: String,
}

impl PatientOrientation {
    /// Whether the chest wall lies at the last column; `None` when the rows do not say.
    pub fn chest_wall_right(&self) -> Option<bool> {
        match self.row.chars().next() {
            Some('A') => Some(false),
            Some('P') => Some(true),
            _ => None,
        }
    }
}

/// The attributes of one mammogram. Text is without padding, and blank where the file has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Transfer Syntax UID.
    pub transfer_syntax: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Study Instance UID.
    pub study_instance_uid: String,
    /// Series Instance UID.
    pub series_instance_uid: String,
    /// Patient ID.
    pub patient_id: String,
    /// Patient's Age, in years.
    pub patient_age_years: Option<f64>,
    /// Modality; `MG` for mammography.
    pub modality: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Manufacturer's Model Name.
    pub model: String,
    /// Series Description.
    pub series_description: String,
    /// Image Laterality, or Laterality where only that is given; `None` for both breasts too.
    pub laterality: Option<Laterality>,
    /// View Code Sequence, or View Position where it has none.
    pub projection: Option<Projection>,
    /// View Modifier Code Sequence.
    pub view_modifiers: Vec<ViewModifier>,
    /// Patient Orientation.
    pub patient_orientation: Option<PatientOrientation>,
    /// Presentation Intent Type, or what the SOP class says.
    pub presentation_intent: Option<PresentationIntent>,
    /// Photometric Interpretation.
    pub photometric: Photometric,
    /// Samples per Pixel.
    pub samples_per_pixel: u16,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
    /// Number of Frames.
    pub frames: u32,
    /// Bits Allocated.
    pub bits_allocated: u16,
    /// Bits Stored.
    pub bits_stored: u16,
    /// High Bit.
    pub high_bit: u16,
    /// Pixel Representation: whether stored values are signed.
    pub signed: bool,
    /// Distance between pixel centres.
    pub spacing: Option<Spacing>,
    /// Breast Implant Present.
    pub implant: Option<bool>,
    /// Burned In Annotation.
    pub burned_in_annotation: Option<bool>,
    /// Estimated Radiographic Magnification Factor.
    pub magnification: Option<f64>,
}

/// Header of a file that was taken apart.
pub(super) fn parse(layout: &Layout<'_>) -> Sound<Header> {
    Ok(parse_with_greys(layout)?.0)
}

/// Header, and the transformations of its grey values.
pub(super) fn parse_with_greys(layout: &Layout<'_>) -> Sound<(Header, Greys)> {
    let attributes = Attributes::decode(layout)?;
    let header = attributes.header(&layout.transfer_syntax);
    let greys = Greys::of(&attributes, &header);
    Ok((header, greys))
}

/// The decoded data set, and ways to ask it.
pub(super) struct Attributes {
    object: InMemDicomObject,
}

impl Attributes {
    fn decode(layout: &Layout<'_>) -> Sound<Self> {
        let (header, uid) = (layout.header(), layout.transfer_syntax.as_str());
        // The walk has bounded lengths and nesting; a panic that is left would be the library's.
        let decoded = std::panic::catch_unwind(|| {
            let syntax = match uid {
                uids::IMPLICIT_VR_LITTLE_ENDIAN => entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
                EXPLICIT_BIG_ENDIAN => entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
                _ => entries::EXPLICIT_VR_LITTLE_ENDIAN.erased(),
            };
            InMemDicomObject::read_dataset_with_ts(header, &syntax)
        });
        match decoded {
            Ok(Ok(object)) => Ok(Self { object }),
            Ok(Err(error)) => Err(Flaw::damaged(format!("the header does not decode ({error})"))),
            Err(_) => Err(Flaw::damaged("the header does not decode")),
        }
    }

    /// The first item of a sequence.
    pub(super) fn item(&self, tag: Tag) -> Option<&InMemDicomObject> {
        self.object.get(tag)?.items()?.first()
    }

    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied()
    }

    /// All finite numbers of an element, as far as they parse.
    pub(super) fn numbers(&self, tag: Tag) -> Vec<f64> {
        let values = self.object.get(tag).and_then(|element| element.to_multi_float64().ok());
        values.unwrap_or_default().into_iter().filter(|number| number.is_finite()).collect()
    }

    pub(super) fn text(&self, tag: Tag) -> String {
        text(&self.object, tag)
    }

    fn whole(&self, tag: Tag) -> Option<u32> {
        self.object.get(tag)?.to_int::<u32>().ok()
    }

    fn short(&self, tag: Tag) -> Option<u16> {
        self.whole(tag).and_then(|number| u16::try_from(number).ok())
    }

    fn yes_or_no(&self, tag: Tag) -> Option<bool> {
        match self.text(tag).as_str() {
            "YES" => Some(true),
            "NO" => Some(false),
            _ => None,
        }
    }

    fn header(&self, transfer_syntax: &str) -> Header {
        let sop_class_uid = self.text(tags::SOP_CLASS_UID);
        let bits_allocated = self.short(tags::BITS_ALLOCATED).unwrap_or(0);
        let bits_stored = self.short(tags::BITS_STORED).unwrap_or(bits_allocated);
        Header {
            transfer_syntax: transfer_syntax.to_string(),
            sop_instance_uid: self.text(tags::SOP_INSTANCE_UID),
            study_instance_uid: self.text(tags::STUDY_INSTANCE_UID),
            series_instance_uid: self.text(tags::SERIES_INSTANCE_UID),
            patient_id: self.text(tags::PATIENT_ID),
            patient_age_years: age_years(&self.text(tags::PATIENT_AGE)),
            modality: self.text(tags::MODALITY),
            manufacturer: self.text(tags::MANUFACTURER),
            model: self.text(tags::MANUFACTURER_MODEL_NAME),
            series_description: self.text(tags::SERIES_DESCRIPTION),
            laterality: self.laterality(),
            projection: self.projection(),
            view_modifiers: self.view_modifiers(),
            patient_orientation: self.patient_orientation(),
            presentation_intent: self.presentation_intent(&sop_class_uid),
            photometric: match self.text(tags::PHOTOMETRIC_INTERPRETATION).as_str() {
                "MONOCHROME1" => Photometric::Monochrome1,
                // Required, but a grey image without it can only be meant this way.
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
            sop_class_uid,
        }
    }

    fn laterality(&self) -> Option<Laterality> {
        let of = |tag| self.text(tag).parse().ok();
        of(tags::IMAGE_LATERALITY).or_else(|| of(tags::LATERALITY))
    }

    fn projection(&self) -> Option<Projection> {
        let code = |item| Projection::by_code(&text(item, tags::CODE_VALUE));
        let coded = self.item(tags::VIEW_CODE_SEQUENCE).and_then(code);
        coded.or_else(|| self.text(tags::VIEW_POSITION).parse().ok())
    }

    /// Modifiers stand inside the view's item (PS3.3 C.8.11.7), in some files beside it.
    fn view_modifiers(&self) -> Vec<ViewModifier> {
        let inside = self
            .item(tags::VIEW_CODE_SEQUENCE)
            .and_then(|view| view.get(tags::VIEW_MODIFIER_CODE_SEQUENCE))
            .and_then(|element| element.items());
        let beside =
            || self.object.get(tags::VIEW_MODIFIER_CODE_SEQUENCE).and_then(|element| element.items());
        let items = inside.or_else(beside).unwrap_or_default();
        items.iter().map(|item| ViewModifier::by_code(&text(item, tags::CODE_VALUE))).collect()
    }

    fn patient_orientation(&self) -> Option<PatientOrientation> {
        let value = self.text(tags::PATIENT_ORIENTATION);
        let (row, column) = value.split_once('\\')?;
        let (row, column) = (row.trim().to_string(), column.trim().to_string());
        (!row.is_empty() && !column.is_empty()).then_some(PatientOrientation { row, column })
    }

    fn presentation_intent(&self, sop_class_uid: &str) -> Option<PresentationIntent> {
        match (self.text(tags::PRESENTATION_INTENT_TYPE).as_str(), sop_class_uid) {
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
        // Equal spacings without a calibration type say nothing new (PS3.3 10.7.1.3).
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

impl Header {
    /// Why this is no screening mammogram, with what was found; `None` when it is one.
    pub fn refusal(&self) -> Option<(Refusal, String)> {
        self.flaw().map(|flaw| (flaw.refusal, flaw.found))
    }

    pub(super) fn flaw(&self) -> Option<Flaw> {
        let flaw = |refusal, found: String| Some(Flaw::new(refusal, found));
        let class = self.sop_class_uid.as_str();
        if class == uids::BREAST_TOMOSYNTHESIS_IMAGE_STORAGE {
            return flaw(Refusal::Tomosynthesis, format!("{} frames of breast tomosynthesis", self.frames));
        }
        if let Photometric::Colour(term) = &self.photometric {
            return flaw(Refusal::Colour, format!("photometric interpretation {term}"));
        }
        // The multi-frame kinds extend the UID of the plain one.
        let rest = class.strip_prefix(uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            return flaw(Refusal::SecondaryCapture, format!("SOP class {class}"));
        }
        if self.modality != "MG" {
            return flaw(Refusal::NotMammography, format!("modality '{}'", self.modality));
        }
        if self.projection == Some(Projection::Specimen) {
            return flaw(Refusal::NotMammography, "a tissue specimen".into());
        }
        if self.frames > 1 {
            return flaw(Refusal::MultiFrame, format!("{} frames", self.frames));
        }
        if self.presentation_intent == Some(PresentationIntent::ForProcessing) {
            return flaw(Refusal::ForProcessing, "presentation intent FOR PROCESSING".into());
        }
        None
    }

    /// Refuses pixels that cannot become one grey image.
    pub(super) fn check_pixels(&self) -> Sound<()> {
        let fail = |refusal, found: String| Err(Flaw::new(refusal, found));
        if let Photometric::Colour(term) = &self.photometric {
            return fail(Refusal::Colour, format!("photometric interpretation {term}"));
        }
        if self.samples_per_pixel != 1 {
            return fail(Refusal::Colour, format!("{} samples per pixel", self.samples_per_pixel));
        }
        if self.frames > 1 {
            return fail(Refusal::MultiFrame, format!("{} frames", self.frames));
        }
        let (allocated, stored, high) = (self.bits_allocated, self.bits_stored, self.high_bit);
        let fits = stored >= 1 && high < allocated && high + 1 >= stored;
        if !matches!(allocated, 8 | 16) || !fits {
            let found = format!("{allocated} bits allocated, {stored} stored, high bit {high}");
            return fail(Refusal::UnsupportedPixels, found);
        }
        if self.rows == 0 || self.columns == 0 {
            return Err(Flaw::damaged(format!("{} columns and {} rows", self.columns, self.rows)));
        }
        if u64::from(self.rows) * u64::from(self.columns) > MAX_PIXELS {
            return fail(Refusal::TooLarge, format!("{} columns and {} rows", self.columns, self.rows));
        }
        Ok(())
    }

    /// Number of pixels of the frame.
    pub(super) fn n_pixels(&self) -> usize {
        self.rows as usize * self.columns as usize
    }

    /// The stored value in a pixel cell: the bits up to the high bit, with their sign.
    pub(super) fn stored_value(&self, cell: u16) -> i32 {
        let (stored, high) = (u32::from(self.bits_stored), u32::from(self.high_bit));
        let bits = (u32::from(cell) >> (high + 1 - stored)) & ((1 << stored) - 1);
        if self.signed && bits >> (stored - 1) == 1 { bits as i32 - (1 << stored) } else { bits as i32 }
    }

    /// Least and greatest stored value that the bits can hold.
    pub(super) fn stored_range(&self) -> (i32, i32) {
        let n = 1 << self.bits_stored;
        if self.signed { (-(n / 2), n / 2 - 1) } else { (0, n - 1) }
    }
}

/// Text of an element, its values joined by backslashes, without padding.
fn text(object: &InMemDicomObject, tag: Tag) -> String {
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
