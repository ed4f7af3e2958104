//! Side, view and scanner from DICOM headers, for archives without such columns.

use std::path::Path;

use crate::import::{RejectionReason, RowError, row_error};
use crate::{Error, Result};
use mammo_core::record::{Laterality, View};
use mammo_dicom::{Header, Note, UnknownObjects, read_header};

/// Side, view, scanner and patient of a DICOM file.
pub struct HeaderMetadata {
    /// Which breast.
    pub laterality: Laterality,
    /// Which projection.
    pub view: View,
    /// Manufacturer and model of the machine.
    pub site: Option<String>,
    /// Patient ID.
    pub patient_id: String,
}

/// Reads the header; rejects views other than CC and MLO, and partial views.
pub fn read_metadata(path: &Path) -> Result<HeaderMetadata, RowError> {
    let header = row_result(read_header(path))?;
    // The archive's tables identify the objects.
    admit(&header, UnknownObjects::Assumed)?;
    let Some(laterality) = header.laterality else {
        return row_error(RejectionReason::MissingValue, "the header does not state the laterality");
    };
    let Some(view) = screening_view(&header)? else {
        return row_error(RejectionReason::MissingValue, "the header does not state the view");
    };
    let site = scanner(&header);
    Ok(HeaderMetadata { laterality, view, site, patient_id: header.patient_id })
}

/// A header, or its error as the error of one row.
pub fn row_result<T>(read: Result<T>) -> Result<T, RowError> {
    read.map_err(|e| match e {
        Error::Dicom { refusal, found, .. } => {
            RowError { reason: refusal.into(), problem: format!("{found}; expected {}", refusal.expected()) }
        }
        other => RowError { reason: RejectionReason::UnreadableImage, problem: other.to_string() },
    })
}

/// Rejects objects that are not screening mammograms; returns notes about irregularities.
pub fn admit(header: &Header, unknown: UnknownObjects) -> Result<Vec<Note>, RowError> {
    header.admit(unknown).map_err(|(refusal, found)| {
        let problem = format!("{found}; expected {}", refusal.expected());
        RowError { reason: refusal.into(), problem }
    })
}

/// The view in the header, `None` when it is not stated; rejects views other than CC and MLO, and
/// views of part of the breast.
pub fn screening_view(header: &Header) -> Result<Option<View>, RowError> {
    let other = |found: String| row_error(RejectionReason::OtherView, found);
    if let Some(modifier) = header.view_modifiers.iter().find(|modifier| modifier.is_partial()) {
        return other(format!("view modifier {modifier:?}; expected the whole breast"));
    }
    match header.projection.map(|projection| (projection, projection.view())) {
        Some((projection, None)) => other(format!("view {projection}; expected CC or MLO")),
        Some((_, view)) => Ok(view),
        None => Ok(None),
    }
}

/// Manufacturer and model as one name; `None` when the header has neither.
pub fn scanner(header: &Header) -> Option<String> {
    let name = format!("{} {}", header.manufacturer, header.model).trim().to_string();
    (!name.is_empty()).then_some(name)
}
