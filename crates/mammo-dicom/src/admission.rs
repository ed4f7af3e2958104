//! Decides by its header whether a DICOM object is a screening mammogram.

use dicom_dictionary_std::uids;
use serde::{Deserialize, Serialize};

use super::defect::Defect;
use super::header::{Header, Photometric, PresentationIntent, SpacingSource};
use super::note::{Note, NoteKind};
use super::view::Projection;
use mammo_core::refusal::DicomRefusal;

/// Treatment of objects with neither Modality nor SOP class, such as the files of the RSNA challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownObjects {
    /// Refused as [`DicomRefusal::UnknownObject`].
    #[default]
    Refused,
    /// Accepted as a mammogram, because the caller knows that it is one.
    Assumed,
}

/// SOP classes of digital mammograms.
const MAMMOGRAMS: [&str; 2] = [
    uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
];

/// SOP classes of radiographs of any part of the body; some machines use them for mammograms.
const RADIOGRAPHS: [&str; 3] = [
    uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
];

/// Modalities that a digitised mammogram may have: mammography, film radiograph, other, none.
const MODALITIES_OF_FILM: [&str; 4] = ["MG", "RG", "OT", ""];

/// Conversion Types of objects other than films: digitised video, scanned document, drawing
/// (PS3.3 C.8.6.1). WSD, "workstation", is not among them: CBIS-DDSM has it.
const CONVERSIONS_OF_NO_FILM: [&str; 3] = ["DV", "SD", "DRW"];

impl Header {
    /// Checks that this is a screening mammogram; returns notes about irregularities.
    ///
    /// # Errors
    /// The code of the refusal and what was found.
    pub fn admit(&self, unknown: UnknownObjects) -> Result<Vec<Note>, (DicomRefusal, String)> {
        self.admitted(unknown).map_err(|defect| (defect.refusal, defect.found))
    }

    pub(super) fn admitted(&self, unknown: UnknownObjects) -> Result<Vec<Note>, Defect> {
        let refuse = |refusal, found: String| Err(Defect::new(refusal, found));
        let class = self.sop_class_uid.as_str();
        if class == uids::BREAST_TOMOSYNTHESIS_IMAGE_STORAGE {
            return refuse(
                DicomRefusal::Tomosynthesis,
                format!("{} frames of breast tomosynthesis", self.frames),
            );
        }
        if !self.has_pixels {
            let found =
                format!("no pixel data in an object of modality '{}', SOP class {class}", self.modality);
            return refuse(DicomRefusal::NoPixelData, found);
        }
        if let Photometric::Colour(term) = &self.photometric {
            return refuse(DicomRefusal::Colour, format!("photometric interpretation {term}"));
        }
        let notes =
            if self.is_secondary_capture() { self.captured(unknown) } else { self.recorded(unknown) }?;
        if self.projection == Some(Projection::Specimen) {
            return refuse(DicomRefusal::NotMammography, "a tissue specimen".into());
        }
        if self.frames > 1 {
            return refuse(DicomRefusal::MultiFrame, format!("{} frames", self.frames));
        }
        if self.presentation_intent == Some(PresentationIntent::ForProcessing) {
            return refuse(DicomRefusal::ForProcessing, "presentation intent FOR PROCESSING".into());
        }
        Ok(notes)
    }

    /// Whether the image is a digitised film (`true`) or comes from a digital detector, storage phosphor plates included
    /// (`false`); `None` if the header does not say, as that of most secondary captures.
    ///
    /// Film by Detector Type FILM (PS3.3 C.8.11.4), Conversion Type DF (C.8.6.1) or a Nominal Scanned Pixel Spacing;
    /// digital by any other Detector Type, by a SOP class of digital X-ray or computed radiography, or by a Presentation
    /// Intent, which only objects of digital X-ray have (C.8.11.1).
    pub fn is_digitised_film(&self) -> Option<bool> {
        let scanned = self.spacing.is_some_and(|spacing| spacing.source == SpacingSource::ScannedFilm);
        let class = self.sop_class_uid.as_str();
        match self.detector_type.as_str() {
            "FILM" => return Some(true),
            _ if self.conversion_type == "DF" || scanned => return Some(true),
            "DIRECT" | "SCINTILLATOR" | "STORAGE" => return Some(false),
            _ if self.is_secondary_capture() => return None,
            _ => {}
        }
        let is_digital = MAMMOGRAMS.contains(&class) || RADIOGRAPHS.contains(&class);
        (is_digital || self.presentation_intent.is_some()).then_some(false)
    }

    /// Whether the object is a secondary capture: a digitised film or a screenshot. Digitised films
    /// are stored this way, so the pixels decide.
    pub fn is_secondary_capture(&self) -> bool {
        // The UIDs of the multi-frame classes extend that of the single-frame class.
        let rest = self.sop_class_uid.strip_prefix(uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// A secondary capture: a digitised film of a breast.
    fn captured(&self, unknown: UnknownObjects) -> Result<Vec<Note>, Defect> {
        let refuse = |found: String| Err(Defect::new(DicomRefusal::SecondaryCapture, found));
        if self.frames > 1 {
            return refuse(format!("a secondary capture of {} frames", self.frames));
        }
        if self.burned_in_annotation == Some(true) {
            return refuse("a secondary capture with burnt-in annotation".into());
        }
        if CONVERSIONS_OF_NO_FILM.contains(&self.conversion_type.as_str()) {
            return refuse(format!("a secondary capture of conversion type {}", self.conversion_type));
        }
        if !MODALITIES_OF_FILM.contains(&self.modality.as_str()) {
            return refuse(format!("a secondary capture of modality '{}'", self.modality));
        }
        let is_breast = self.modality == "MG" || self.body_part == "BREAST" || self.projection.is_some();
        let what = format!("modality '{}', conversion type '{}'", self.modality, self.conversion_type);
        let note = Note::new(NoteKind::SecondaryCapture, what);
        if is_breast { Ok(vec![note]) } else { Ok(vec![note, self.unknown(unknown)?]) }
    }

    /// Any other object: by its Modality, else by its SOP class.
    fn recorded(&self, unknown: UnknownObjects) -> Result<Vec<Note>, Defect> {
        let class = self.sop_class_uid.as_str();
        match (self.modality.as_str(), class) {
            ("MG", _) => Ok(Vec::new()),
            ("", class) if MAMMOGRAMS.contains(&class) => {
                Ok(vec![Note::new(NoteKind::ModalityBySopClass, format!("SOP class {class}"))])
            }
            ("", _) if class.is_empty() || RADIOGRAPHS.contains(&class) => Ok(vec![self.unknown(unknown)?]),
            (modality, _) => {
                let found = format!("modality '{modality}', SOP class {class}");
                Err(Defect::new(DicomRefusal::NotMammography, found))
            }
        }
    }

    fn unknown(&self, unknown: UnknownObjects) -> Result<Note, Defect> {
        let class = if self.sop_class_uid.is_empty() { "none" } else { &self.sop_class_uid };
        let found = format!("modality '{}', SOP class {class}", self.modality);
        match unknown {
            UnknownObjects::Refused => Err(Defect::new(DicomRefusal::UnknownObject, found)),
            UnknownObjects::Assumed => Ok(Note::new(NoteKind::AssumedMammogram, found)),
        }
    }
}
