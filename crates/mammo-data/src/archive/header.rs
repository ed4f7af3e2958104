//! What archives without such columns say in their DICOM headers.

use std::path::Path;

use crate::import::{RejectionReason, RowError, row_error};
use crate::{Error, Result};
use mammo_core::record::{Laterality, View};
use mammo_dicom::{Header, Note, UnknownObjects, read_header};

/// Side, view and scanner of a DICOM file.
pub struct HeaderMetadata {
    /// Which breast.
    pub laterality: Laterality,
    /// Which projection.
    pub view: View,
    /// Maker and model of the machine.
    pub site: Option<String>,
    /// Patient ID.
    pub patient_id: String,
}

/// Reads the header; refuses views other than CC and MLO, and partial ones.
pub fn shown(path: &Path) -> Result<HeaderMetadata, RowError> {
    let header = known(read_header(path))?;
    // What the object is, the archive's tables say.
    sound(&header, UnknownObjects::Assumed)?;
    let Some(laterality) = header.laterality else {
        return row_error(RejectionReason::MissingValue, "the header does not say which breast it is");
    };
    let Some(view) = whole_view(&header)? else {
        return row_error(RejectionReason::MissingValue, "the header does not say its view");
    };
    let site = scanner(&header);
    Ok(HeaderMetadata { laterality, view, site, patient_id: header.patient_id })
}

/// A header that was read, or its error as a refusal of one row.
pub fn known<T>(read: Result<T>) -> Result<T, RowError> {
    read.map_err(|e| match e {
        Error::Dicom { refusal, found, .. } => {
            RowError { reason: refusal.into(), problem: format!("{found}; expected {}", refusal.expected()) }
        }
        other => RowError { reason: RejectionReason::UnreadableImage, problem: other.to_string() },
    })
}

/// Refuses what is no screening mammogram, and says what was odd about one.
pub fn sound(header: &Header, unknown: UnknownObjects) -> Result<Vec<Note>, RowError> {
    header.admit(unknown).map_err(|(refusal, found)| {
        let problem = format!("{found}; expected {}", refusal.expected());
        RowError { reason: refusal.into(), problem }
    })
}

/// The view by the header, `None` when it does not say; refuses views other than CC and MLO, and
/// those that show only part of the breast.
pub fn whole_view(header: &Header) -> Result<Option<View>, RowError> {
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

/// Maker and model as one name; `None` when the header has neither.
pub fn scanner(header: &Header) -> Option<String> {
    let name = format!("{} {}", header.manufacturer, header.model).trim().to_string();
    (!name.is_empty()).then_some(name)
}
