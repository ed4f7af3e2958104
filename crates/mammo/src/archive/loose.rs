//! Image files that no table describes: whom and what they show, as far as they say it.
//!
//! A DICOM header is believed before the file's name. In a name, words between separators are
//! looked at: `LEFT`, `R`, `CC`, `MLO`, and the patient before them (`P_00007_RIGHT_MLO.png` is
//! of patient `P_00007`).

use std::path::Path;

use super::files::stem;
use super::header::scanner;
use crate::Result;
use crate::dicom::{Header, Projection};
use crate::pixels::{is_dicom, is_dicom_directory};
use crate::record::{Laterality, Mammogram, View};

/// Files that are taken by name; DICOM is by its content, too. A damaged one must be rejected
/// and not passed over.
pub const EXTENSIONS: [&str; 8] = ["dcm", "dicom", "png", "jpg", "jpeg", "tif", "tiff", "pgm"];

/// Whether a file is an image by its name or, DICOM, by its first bytes. The DICOMDIR of a CD is
/// none: it lists the images beside it.
pub fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
        || is_dicom(path).unwrap_or(false) && !is_dicom_directory(path).unwrap_or(false)
}

/// What an image file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The woman: Patient ID, else the name's words before side and view, else the whole name.
    pub patient_id: String,
    /// Which breast.
    pub laterality: Option<Laterality>,
    /// Which projection, of the two that are scored.
    pub view: Option<View>,
    /// Maker and model of the machine.
    pub site: Option<String>,
}

impl Said {
    /// From a path with forward slashes and, of a DICOM file, its header.
    pub fn by(file: &str, header: Option<&Header>) -> Self {
        let words: Vec<&str> = stem(file).split(['_', '-', '.', ' ']).collect();
        let laterality = || words.iter().find_map(|word| word.parse().ok());
        let view = || words.iter().find_map(|word| word.parse().ok());
        let patient = || {
            let tells = |word: &&str| word.parse::<Laterality>().is_ok() || word.parse::<View>().is_ok();
            let n = words.iter().position(tells).unwrap_or(words.len());
            // Separators have one byte each.
            let length: usize = words[..n].iter().map(|word| word.len() + 1).sum();
            let before = &stem(file)[..length.saturating_sub(1)];
            if before.is_empty() { stem(file).to_string() } else { before.to_string() }
        };
        let stated = header.map(|header| header.patient_id.clone()).filter(|id| !id.is_empty());
        let projection = header.and_then(|header| header.projection);
        Self {
            patient_id: stated.unwrap_or_else(patient),
            laterality: header.and_then(|header| header.laterality).or_else(laterality),
            view: projection.and_then(Projection::view).or_else(view),
            site: header.and_then(scanner),
        }
    }

    /// Whether side and view are both known.
    pub fn is_complete(&self) -> bool {
        self.laterality.is_some() && self.view.is_some()
    }

    /// A record without truth, left and CC where the file does not say: side and view play no
    /// part in a score.
    pub fn record(self, file: &str) -> Mammogram {
        let (laterality, view) = (self.laterality.unwrap_or(Laterality::Left), self.view.unwrap_or(View::Cc));
        Mammogram { site: self.site, ..Mammogram::new(file, &self.patient_id, laterality, view) }
    }
}

/// The header of a DICOM file; `None` for other files.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) and [`Error::Dicom`](crate::Error::Dicom).
pub fn header_of(path: &Path) -> Result<Option<Header>> {
    if is_dicom(path)? { crate::dicom::read_header(path).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_patient_side_and_view() {
        let said = Said::by("scans/P_00007_RIGHT_MLO.png", None);
        assert_eq!(said.patient_id, "P_00007");
        assert_eq!((said.laterality, said.view), (Some(Laterality::Right), Some(View::Mlo)));
        let silent = Said::by("scans/scan-17.png", None);
        assert_eq!((silent.patient_id.as_str(), silent.is_complete()), ("scan-17", false));
        assert_eq!(Said::by("L_CC.png", None).patient_id, "L_CC");
    }

    #[test]
    fn a_header_is_believed_before_the_name() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom/explicit_u12.dcm");
        let said = Said::by("P7_LEFT_CC.dcm", header_of(&path).unwrap().as_ref());
        assert_eq!(said.patient_id, "P0042");
        assert_eq!((said.laterality, said.view), (Some(Laterality::Right), Some(View::Mlo)));
    }
}
