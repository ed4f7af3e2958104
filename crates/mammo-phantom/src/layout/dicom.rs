//! Phantoms as DICOM files, in several transfer syntaxes.
//!
//! The objects have the same attributes as the files of the archives and lack the same ones, to test
//! the import. No Rust library writes RLE or lossless JPEG; `encode` has two encoders.

use std::path::Path;

use dicom_core::value::{PixelFragmentSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use sha2::{Digest, Sha256};

use super::encode;
use crate::{Error, Result};
use mammo_core::record::{Laterality, View};
use mammo_core::write::write_atomically;

/// The transfer syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Implicit VR little endian.
    Implicit,
    /// Explicit VR little endian.
    Explicit,
    /// Deflated explicit VR little endian.
    Deflated,
    /// RLE Lossless.
    Rle,
    /// JPEG lossless, first-order prediction (process 14, selection value 1).
    JpegLossless,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Implicit, Self::Explicit, Self::Deflated, Self::Rle, Self::JpegLossless];

    fn uid(self) -> &'static str {
        match self {
            Self::Implicit => uids::IMPLICIT_VR_LITTLE_ENDIAN,
            Self::Explicit => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            Self::Deflated => uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
            Self::Rle => uids::RLE_LOSSLESS,
            Self::JpegLossless => uids::JPEG_LOSSLESS_SV1,
        }
    }
}

/// Pixels and how they are stored.
#[derive(Clone, Debug)]
pub struct DicomPixels {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Stored values, row by row.
    pub values: Vec<u16>,
    /// Bits Stored; at most 8 makes 8 bits allocated, more make 16.
    pub bits: u16,
    /// Whether the lowest value is white (MONOCHROME1).
    pub inverted: bool,
}

/// Attributes of the object. Elements with empty text or `None` are left out.
#[derive(Clone, Debug, Default)]
pub struct DicomAttributes {
    /// Name from which the UIDs are derived.
    pub name: String,
    /// Whether this is a secondary capture and not a mammogram for presentation.
    pub secondary_capture: bool,
    /// Patient ID.
    pub patient_id: String,
    /// Series Description.
    pub series: String,
    /// Manufacturer's Model Name.
    pub model: String,
    /// Image Laterality.
    pub laterality: Option<Laterality>,
    /// View Position.
    pub view: Option<View>,
    /// View Position word for word, instead of `view`.
    pub view_position: Option<&'static str>,
    /// View Code Sequence.
    pub coded_view: Option<View>,
}

/// A UID under 2.25 that depends on the name alone.
pub fn uid(name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    let bytes: [u8; 16] = std::array::from_fn(|at| hash[at]);
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

/// Writes one image.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written, [`Error::Image`] when the library cannot encode it.
pub fn write_dicom(path: &Path, pixels: &DicomPixels, about: &DicomAttributes, coding: Coding) -> Result<()> {
    let unfit = |e: String| Error::image(path, e, "an image that can be stored as DICOM");
    let (class, instance) = (class_of(about), uid(&about.name));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(coding.uid())
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance.as_str());
    let object = data_set(pixels, about, coding).with_meta(meta).map_err(|e| unfit(e.to_string()))?;
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).map_err(|e| unfit(e.to_string()))?;
    write_atomically(path, &bytes)
}

fn class_of(about: &DicomAttributes) -> &'static str {
    if about.secondary_capture {
        uids::SECONDARY_CAPTURE_IMAGE_STORAGE
    } else {
        uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION
    }
}

fn data_set(pixels: &DicomPixels, about: &DicomAttributes, coding: Coding) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    let mut text = |tag: Tag, vr: VR, value: &str| {
        if !value.is_empty() {
            object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        }
    };
    let study = about.name.split('/').next().unwrap_or_default();
    text(tags::SOP_CLASS_UID, VR::UI, class_of(about));
    text(tags::SOP_INSTANCE_UID, VR::UI, &uid(&about.name));
    text(tags::STUDY_INSTANCE_UID, VR::UI, &uid(&format!("study {study}")));
    text(tags::SERIES_INSTANCE_UID, VR::UI, &uid(&format!("series {study} {}", about.series)));
    text(tags::MODALITY, VR::CS, "MG");
    text(tags::MANUFACTURER, VR::LO, if about.model.is_empty() { "" } else { "mammo phantom" });
    text(tags::MANUFACTURER_MODEL_NAME, VR::LO, &about.model);
    text(tags::SERIES_DESCRIPTION, VR::LO, &about.series);
    text(tags::PATIENT_ID, VR::LO, &about.patient_id);
    text(tags::IMAGE_LATERALITY, VR::CS, about.laterality.map_or("", letter));
    text(tags::VIEW_POSITION, VR::CS, about.view_position.unwrap_or(about.view.map_or("", position)));
    let photometric = if pixels.inverted { "MONOCHROME1" } else { "MONOCHROME2" };
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    if !about.secondary_capture {
        text(tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION");
    }
    if let Some(view) = about.coded_view {
        object.put(DataElement::new(tags::VIEW_CODE_SEQUENCE, VR::SQ, view_code(view)));
    }
    let allocated: u16 = if pixels.bits <= 8 { 8 } else { 16 };
    let numbers = [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, pixels.height as u16),
        (tags::COLUMNS, pixels.width as u16),
        (tags::BITS_ALLOCATED, allocated),
        (tags::BITS_STORED, pixels.bits),
        (tags::HIGH_BIT, pixels.bits - 1),
        (tags::PIXEL_REPRESENTATION, 0),
    ];
    for (tag, number) in numbers {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
    }
    object.put(pixel_data(pixels, allocated, coding));
    object
}

fn pixel_data(
    pixels: &DicomPixels,
    allocated: u16,
    coding: Coding,
) -> DataElement<InMemDicomObject, Vec<u8>> {
    let fragment = match coding {
        Coding::Rle => encode::rle(pixels, allocated),
        Coding::JpegLossless => encode::jpeg_lossless(pixels),
        Coding::Implicit | Coding::Explicit | Coding::Deflated => {
            return if allocated == 8 {
                let bytes: Vec<u8> = pixels.values.iter().map(|value| *value as u8).collect();
                DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into()))
            } else {
                let words = PrimitiveValue::U16(pixels.values.as_slice().into());
                DataElement::new(tags::PIXEL_DATA, VR::OW, words)
            };
        }
    };
    let fragments: PixelFragmentSequence<Vec<u8>> = PixelFragmentSequence::new_fragments(vec![fragment]);
    DataElement::new(tags::PIXEL_DATA, VR::OB, Value::PixelSequence(fragments))
}

/// The view as SNOMED CT code (PS3.16 CID 4014).
fn view_code(view: View) -> Value<InMemDicomObject, Vec<u8>> {
    let (code, meaning) = match view {
        View::Cc => ("399162004", "cranio-caudal"),
        View::Mlo => ("399368009", "medio-lateral oblique"),
    };
    let item = InMemDicomObject::from_element_iter([
        DataElement::new(tags::CODE_VALUE, VR::SH, PrimitiveValue::from(code)),
        DataElement::new(tags::CODING_SCHEME_DESIGNATOR, VR::SH, PrimitiveValue::from("SCT")),
        DataElement::new(tags::CODE_MEANING, VR::LO, PrimitiveValue::from(meaning)),
    ]);
    Value::from(dicom_core::value::DataSetSequence::from(vec![item]))
}

/// `L` or `R`.
pub fn letter(laterality: Laterality) -> &'static str {
    match laterality {
        Laterality::Left => "L",
        Laterality::Right => "R",
    }
}

/// `CC` or `MLO`.
pub fn position(view: View) -> &'static str {
    match view {
        View::Cc => "CC",
        View::Mlo => "MLO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_dicom::{Voi, decode_stored_values, read_any};

    /// Values with long runs, steep steps and the whole range.
    fn pixels(bits: u16) -> DicomPixels {
        let (width, height, top) = (71, 65, (1_u32 << bits) - 1);
        let value = |at: usize| match at % 7 {
            0..=2 => 0,
            3 => top as u16,
            _ => (((at as u32).wrapping_mul(2_654_435_761) >> 7) & top) as u16,
        };
        let values = (0..width * height).map(|at| if at < 300 { 5 } else { value(at) }).collect();
        DicomPixels { width, height, values, bits, inverted: false }
    }

    #[test]
    fn every_coding_is_read_back_value_by_value() {
        let folder = tempfile::tempdir().unwrap();
        let about = DicomAttributes {
            name: "a".into(),
            laterality: Some(Laterality::Left),
            ..DicomAttributes::default()
        };
        for coding in Coding::ALL {
            for bits in [8, 12, 16] {
                let (path, pixels) = (folder.path().join("a.dcm"), pixels(bits));
                write_dicom(&path, &pixels, &about, coding).unwrap();
                let bytes = std::fs::read(&path).unwrap();
                let values = decode_stored_values(&path, &bytes).unwrap();
                let written: Vec<i32> = pixels.values.iter().map(|value| i32::from(*value)).collect();
                assert!(values == written, "{coding:?} {bits} bits");
                assert_eq!(read_any(&path, Voi::Apply).unwrap().header.laterality, Some(Laterality::Left));
            }
        }
    }
}
