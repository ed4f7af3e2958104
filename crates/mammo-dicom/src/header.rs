//! The attributes of a DICOM file as plain values.

use serde::{Deserialize, Serialize};

use super::defect::Defect;
use super::note::Note;
use super::view::{Projection, ViewModifier};
use crate::image_file::MAX_PIXELS;
use mammo_core::record::Laterality;
use mammo_core::refusal::DicomRefusal;

/// Photometric Interpretation, (0028,0004).
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

/// Presentation Intent Type, (0008,0068).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresentationIntent {
    /// Processed for display.
    ForPresentation,
    /// Raw detector values, for further processing.
    ForProcessing,
}

/// Distance between pixel centres, in mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spacing {
    /// From one row to the next.
    pub row_mm: f64,
    /// From one column to the next.
    pub column_mm: f64,
    /// The plane in which the distance was measured.
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
    /// Imager Pixel Spacing alone, or a Pixel Spacing that repeats it: at the detector, where the
    /// breast is magnified.
    Imager,
    /// Nominal Scanned Pixel Spacing of a digitised film.
    ScannedFilm,
}

/// Patient Orientation, (0020,0020), the directions of rows and columns: `A` to the nipple, `P` to
/// the chest wall, `L` and `R` to the patient's sides, `H` and `F` to head and foot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientOrientation {
    /// Direction of growing columns.
    pub row: String,
    /// Direction of growing rows.
    pub column: String,
}

impl PatientOrientation {
    /// Whether the chest wall is at the last column; `None` when the direction is not stated.
    pub fn chest_wall_right(&self) -> Option<bool> {
        match self.row.chars().next() {
            Some('A') => Some(false),
            Some('P') => Some(true),
            _ => None,
        }
    }
}

/// The attributes of one mammogram. Text has no padding; missing text is blank.
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
    /// Modality, in upper case; `MG` for mammography.
    pub modality: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Manufacturer's Model Name.
    pub model: String,
    /// Series Description.
    pub series_description: String,
    /// The first value among Image Laterality, Laterality, Anatomic Region Sequence and the letter
    /// before a View Position such as `LCC`; `None` also for both breasts.
    pub laterality: Option<Laterality>,
    /// Attributes with different sides, if any; the one in use is first.
    pub laterality_conflict: Option<String>,
    /// View Code Sequence, or View Position where it has none.
    pub projection: Option<Projection>,
    /// View Modifier Code Sequence and the modifiers in View Position.
    pub view_modifiers: Vec<ViewModifier>,
    /// Patient Orientation.
    pub patient_orientation: Option<PatientOrientation>,
    /// Presentation Intent Type, else the intent of the SOP class.
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
    /// Body Part Examined.
    pub body_part: String,
    /// Conversion Type of a secondary capture.
    pub conversion_type: String,
    /// Detector Type.
    #[serde(default)]
    pub detector_type: String,
    /// Whether the file has a pixel data element.
    pub has_pixels: bool,
    /// Irregularities of the header.
    pub notes: Vec<Note>,
}

impl Header {
    /// Refuses pixels that cannot be converted to one grey image.
    pub(super) fn check_pixels(&self) -> Result<(), Defect> {
        let fail = |refusal, found: String| Err(Defect::new(refusal, found));
        if let Photometric::Colour(term) = &self.photometric {
            return fail(DicomRefusal::Colour, format!("photometric interpretation {term}"));
        }
        if self.samples_per_pixel != 1 {
            return fail(DicomRefusal::Colour, format!("{} samples per pixel", self.samples_per_pixel));
        }
        if self.frames > 1 {
            return fail(DicomRefusal::MultiFrame, format!("{} frames", self.frames));
        }
        let (allocated, stored, high) = (self.bits_allocated, self.bits_stored, self.high_bit);
        let fits = stored >= 1 && high < allocated && high + 1 >= stored;
        if !matches!(allocated, 8 | 16) || !fits {
            let found = format!("{allocated} bits allocated, {stored} stored, high bit {high}");
            return fail(DicomRefusal::UnsupportedPixels, found);
        }
        if self.rows == 0 || self.columns == 0 {
            return Err(Defect::damaged(format!("{} columns and {} rows", self.columns, self.rows)));
        }
        if u64::from(self.rows) * u64::from(self.columns) > MAX_PIXELS {
            return fail(DicomRefusal::TooLarge, format!("{} columns and {} rows", self.columns, self.rows));
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

    /// The stored value of an attribute such as Pixel Padding Value; `None` when it is outside the
    /// range of the stored bits. Some files write a negative value as the unsigned number with the same
    /// bits, or the other way round.
    pub(super) fn stored_from_attribute(&self, number: f64) -> Option<i32> {
        let (allocated, stored) = (u32::from(self.bits_allocated), u32::from(self.bits_stored));
        if number.fract() != 0.0 || !(1..=16).contains(&stored) || self.high_bit + 1 < self.bits_stored {
            return None;
        }
        let (low, high) = self.stored_range();
        // When the value is not in the lowest bits, it is written as a whole pixel cell.
        if self.high_bit + 1 > self.bits_stored {
            let cell = number.rem_euclid(f64::from(1_u32 << allocated.min(16)));
            return (number.abs() < 65536.0).then(|| self.stored_value(cell as u16));
        }
        let whole = |bits: u32| f64::from(1_u32 << bits);
        let value = match self.signed {
            // The bits of a cell, or of a 16-bit number.
            true if number > f64::from(high) && number < whole(stored) => number - whole(stored),
            true if (whole(15)..whole(16)).contains(&number) => number - whole(16),
            false if number < 0.0 => number + whole(16),
            _ => number,
        };
        (f64::from(low)..=f64::from(high)).contains(&value).then_some(value as i32)
    }

    /// Smallest and largest stored value of the bits in use.
    pub(super) fn stored_range(&self) -> (i32, i32) {
        let n = 1 << self.bits_stored;
        if self.signed { (-(n / 2), n / 2 - 1) } else { (0, n - 1) }
    }
}
