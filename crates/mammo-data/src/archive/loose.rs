//! Image files that no table describes: whom and what they show, as far as they say it.
//!
//! A DICOM header is believed before the file's name. In a name, words between separators are
//! looked at: `LEFT`, `R`, `CC`, `MLO`, `RMLO`, and the patient before them
//! (`P_00007_RIGHT_MLO.png` is of patient `P_00007`). What neither says, or says in two ways,
//! stays unknown.

use std::path::{Path, PathBuf};

use super::file_name::FileName;
use super::files::stem;
use super::header::scanner;
use super::walk::{each_once, files_below};
use crate::Result;
use mammo_core::record::{Laterality, Mammogram, View};
use mammo_dicom::image_file::{is_dicom, is_dicom_directory};
use mammo_dicom::{Header, Projection};

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

/// Image files given for scoring, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Sorted by path.
    pub files: Vec<PathBuf>,
    /// How many names were left out because they are links, hard links or second mentions of
    /// another file's.
    pub further_names: usize,
}

/// The given files, whatever they are called, and all images below the given folders.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when a folder cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<Found> {
    let mut named = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => named.extend(files_below(path)?.into_iter().filter(|file| is_image(file))),
            false => named.push(path.clone()),
        }
    }
    let n = named.len();
    let mut files = each_once(named);
    files.sort();
    Ok(Found { further_names: n - files.len(), files })
}

/// What an image file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct InferredMetadata {
    /// The patient: Patient ID, else the name's words before side and view, else the whole name.
    pub patient_id: String,
    /// Which breast; `None` when neither header nor name says it.
    pub laterality: Option<Laterality>,
    /// Which projection, of the two that are scored; `None` when neither header nor name says it.
    pub view: Option<View>,
    /// Maker and model of the machine.
    pub site: Option<String>,
    /// What header and name, or two places of the header, say differently of side or view; what
    /// is believed stands first.
    pub conflict: Option<String>,
}

impl InferredMetadata {
    /// From a path with forward slashes and, of a DICOM file, its header.
    pub fn by(file: &str, header: Option<&Header>) -> Self {
        let name = FileName::of(stem(file));
        let stated = header.map(|header| header.patient_id.clone()).filter(|id| !id.is_empty());
        let laterality = header.and_then(|header| header.laterality);
        let projection = header.and_then(|header| header.projection);
        let sides = laterality.zip(name.laterality).filter(|(header, name)| header != name);
        let views = projection.zip(name.view).filter(|(header, name)| header.view() != Some(*name));
        let differ: Vec<String> = [
            header.and_then(|header| header.laterality_conflict.clone()),
            sides.map(|(header, name)| format!("header {header}, file name {name}")),
            views.map(|(header, name)| format!("header {header}, file name {name}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        Self {
            patient_id: stated.unwrap_or(name.patient_id),
            laterality: laterality.or(name.laterality),
            view: projection.map_or(name.view, Projection::view),
            site: header.and_then(scanner),
            conflict: (!differ.is_empty()).then(|| differ.join("; ")),
        }
    }

    /// A record without truth. What the file does not say stays unknown.
    pub fn record(self, file: &str) -> Mammogram {
        Mammogram { site: self.site, ..Mammogram::new(file, &self.patient_id, self.laterality, self.view) }
    }
}

/// Counts what loose images leave open, for one note each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknowns {
    without_side_or_view: usize,
    conflicts: usize,
    first_conflict: Option<String>,
}

impl Unknowns {
    /// Takes one file into account.
    pub fn add(&mut self, file: &str, said: &InferredMetadata) {
        self.without_side_or_view += usize::from(said.laterality.is_none() || said.view.is_none());
        if let Some(conflict) = &said.conflict {
            self.conflicts += 1;
            self.first_conflict.get_or_insert_with(|| format!("{file} ({conflict})"));
        }
    }

    /// One sentence for each kind of doubt that occurred.
    pub fn notes(&self) -> Vec<String> {
        let silent = (self.without_side_or_view > 0).then(|| {
            format!(
                "{} images whose side or view is unknown: neither header nor file name says it, or in two ways",
                self.without_side_or_view
            )
        });
        let conflict = self.first_conflict.as_ref().map(|first| {
            format!(
                "{} images of which header and file name, or two places of the header, say different sides or \
                 views; what stands first is believed: {first}",
                self.conflicts
            )
        });
        silent.into_iter().chain(conflict).collect()
    }
}

/// The header of a DICOM file; `None` for other files.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) and [`Error::Dicom`](crate::Error::Dicom).
pub fn header_of(path: &Path) -> Result<Option<Header>> {
    mammo_dicom::read_header_if_dicom(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Option<Laterality> = Some(Laterality::Left);
    const RIGHT: Option<Laterality> = Some(Laterality::Right);

    #[test]
    fn a_name_tells_patient_side_and_view() {
        let by = |file: &str| {
            let said = InferredMetadata::by(file, None);
            (said.patient_id, said.laterality, said.view)
        };
        assert_eq!(by("scans/P_00007_RIGHT_MLO.png"), ("P_00007".into(), RIGHT, Some(View::Mlo)));
        assert_eq!(by("scans/P7_lcc.png"), ("P7".into(), LEFT, Some(View::Cc)));
        assert_eq!(by("P7-RMLO-2.png"), ("P7".into(), RIGHT, Some(View::Mlo)));
        assert_eq!(by("L_CC.png"), ("L_CC".into(), LEFT, Some(View::Cc)));
    }

    #[test]
    fn what_a_name_does_not_say_or_says_twice_is_unknown() {
        for file in
            ["scans/scan-17.png", "P7_ML.png", "P7_AT.png", "P7_M.png", "S_17.png", "P7_L_R_CC_MLO.png"]
        {
            let record = InferredMetadata::by(file, None).record(file);
            assert_eq!((record.laterality, record.view), (None, None), "{file}");
        }
        assert_eq!(InferredMetadata::by("P7_LXCCL.png", None).laterality, LEFT);
    }

    #[test]
    fn a_header_is_believed_before_the_name_and_their_contradiction_is_told() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom/explicit_u12.dcm");
        let header = header_of(&path).unwrap();
        let said = InferredMetadata::by("P7_LEFT_CC.dcm", header.as_ref());
        assert_eq!(said.patient_id, "P0042");
        assert_eq!((said.laterality, said.view), (RIGHT, Some(View::Mlo)));
        let conflict = "header right, file name left; header mlo, file name cc";
        assert_eq!(said.conflict.as_deref(), Some(conflict));
        assert_eq!(InferredMetadata::by("P7_RMLO.dcm", header.as_ref()).conflict, None);
        let mut unknowns = Unknowns::default();
        unknowns.add("P7_LEFT_CC.dcm", &said);
        unknowns.add("x.png", &InferredMetadata::by("x.png", None));
        let notes = unknowns.notes();
        assert!(notes[0].starts_with("1 images whose side or view is unknown"), "{notes:?}");
        assert!(notes[1].ends_with(&format!("P7_LEFT_CC.dcm ({conflict})")), "{notes:?}");
    }
}
