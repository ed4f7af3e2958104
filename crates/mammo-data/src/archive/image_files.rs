//! Image files without a table: patient, laterality and view from the header or the file name.
//!
//! A DICOM header takes precedence over the file name. In a name, words between separators are
//! read: `LEFT`, `R`, `CC`, `MLO`, `RMLO`, and the patient before them (`P_00007_RIGHT_MLO.png` is
//! of patient `P_00007`). A value that neither states, or that is contradictory, is unknown.

use std::path::{Path, PathBuf};

use super::file_name::FileName;
use super::files::stem;
use super::header::scanner;
use super::walk::{each_once, files_below};
use crate::Result;
use mammo_core::record::{Laterality, Mammogram, View};
use mammo_core::text::count;
use mammo_dicom::image_file::{is_dicom, is_dicom_directory};
use mammo_dicom::{Header, Projection};

/// Extensions of image files. DICOM files are recognised by content, too; a damaged file with such an
/// extension is rejected and not ignored.
pub const EXTENSIONS: [&str; 8] = ["dcm", "dicom", "png", "jpg", "jpeg", "tif", "tiff", "pgm"];

/// Whether a file is an image by its extension or, for DICOM, by its first bytes. The DICOMDIR of a
/// CD is not an image: it lists the images.
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
    /// Number of names left out because they are links, hard links or repetitions of another name.
    pub further_names: usize,
}

/// The given files, whatever their names, and all images below the given folders.
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

/// Patient, laterality and view from the DICOM header, else from the file name.
#[derive(Clone, Debug, PartialEq)]
pub struct InferredMetadata {
    /// The patient: Patient ID, else the words before side and view in the file name, else the whole name.
    pub patient_id: String,
    /// Whether header or name states the patient; else `patient_id` is the name of the file.
    pub patient_is_stated: bool,
    /// Which breast; `None` when neither header nor name states it.
    pub laterality: Option<Laterality>,
    /// CC or MLO; `None` when neither header nor name states it.
    pub view: Option<View>,
    /// Manufacturer and model of the machine.
    pub site: Option<String>,
    /// Different sides or views in header and name, or in two attributes of the header; the value in use
    /// is first.
    pub conflict: Option<String>,
}

impl InferredMetadata {
    /// From a path with forward slashes and, for a DICOM file, its header.
    pub fn infer(file: &str, header: Option<&Header>) -> Self {
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
            patient_is_stated: stated.is_some() || name.patient_is_stated,
            patient_id: stated.unwrap_or(name.patient_id),
            laterality: laterality.or(name.laterality),
            view: projection.map_or(name.view, Projection::view),
            site: header.and_then(scanner),
            conflict: (!differ.is_empty()).then(|| differ.join("; ")),
        }
    }

    /// A record of unknown pathology.
    pub fn record(self, file: &str) -> Mammogram {
        Mammogram { site: self.site, ..Mammogram::new(file, &self.patient_id, self.laterality, self.view) }
    }
}

/// Counts images of unknown side or view and images with contradictory metadata, for notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknowns {
    without_side_or_view: usize,
    conflicts: usize,
    first_conflict: Option<String>,
}

impl Unknowns {
    /// Counts one file.
    pub fn add(&mut self, file: &str, inferred: &InferredMetadata) {
        self.without_side_or_view += usize::from(inferred.laterality.is_none() || inferred.view.is_none());
        if let Some(conflict) = &inferred.conflict {
            self.conflicts += 1;
            self.first_conflict.get_or_insert_with(|| format!("{file} ({conflict})"));
        }
    }

    /// One sentence for each count above zero.
    pub fn notes(&self) -> Vec<String> {
        let unknown = (self.without_side_or_view > 0).then(|| {
            format!(
                "{} of unknown side or view: not stated in header or file name, or contradictory",
                count(self.without_side_or_view, "image")
            )
        });
        let conflict = self.first_conflict.as_ref().map(|first| {
            format!(
                "{} with different sides or views in header and file name, or in two attributes of the \
                 header; the first value is used: {first}",
                count(self.conflicts, "image")
            )
        });
        unknown.into_iter().chain(conflict).collect()
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
    fn a_file_name_contains_patient_side_and_view() {
        let by = |file: &str| {
            let inferred = InferredMetadata::infer(file, None);
            (inferred.patient_id, inferred.laterality, inferred.view)
        };
        assert_eq!(by("scans/P_00007_RIGHT_MLO.png"), ("P_00007".into(), RIGHT, Some(View::Mlo)));
        assert_eq!(by("scans/P7_lcc.png"), ("P7".into(), LEFT, Some(View::Cc)));
        assert_eq!(by("P7-RMLO-2.png"), ("P7".into(), RIGHT, Some(View::Mlo)));
        assert_eq!(by("L_CC.png"), ("L_CC".into(), LEFT, Some(View::Cc)));
        let is_stated = |file: &str| InferredMetadata::infer(file, None).patient_is_stated;
        assert!(is_stated("P7_lcc.png") && is_stated("P7_L_R.png"));
        assert!(
            !is_stated("a/L_CC.png") && !is_stated("scan-17.png"),
            "the whole name stands for the patient"
        );
    }

    #[test]
    fn missing_and_contradictory_words_of_a_name_are_unknown() {
        for file in
            ["scans/scan-17.png", "P7_ML.png", "P7_AT.png", "P7_M.png", "S_17.png", "P7_L_R_CC_MLO.png"]
        {
            let record = InferredMetadata::infer(file, None).record(file);
            assert_eq!((record.laterality, record.view), (None, None), "{file}");
        }
        assert_eq!(InferredMetadata::infer("P7_LXCCL.png", None).laterality, LEFT);
    }

    #[test]
    fn the_header_takes_precedence_over_the_name_and_contradictions_are_noted() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom/explicit_u12.dcm");
        let header = header_of(&path).unwrap();
        let inferred = InferredMetadata::infer("P7_LEFT_CC.dcm", header.as_ref());
        assert_eq!(inferred.patient_id, "P0042");
        assert_eq!((inferred.laterality, inferred.view), (RIGHT, Some(View::Mlo)));
        let conflict = "header right, file name left; header mlo, file name cc";
        assert_eq!(inferred.conflict.as_deref(), Some(conflict));
        assert_eq!(InferredMetadata::infer("P7_RMLO.dcm", header.as_ref()).conflict, None);
        let mut unknowns = Unknowns::default();
        unknowns.add("P7_LEFT_CC.dcm", &inferred);
        unknowns.add("x.png", &InferredMetadata::infer("x.png", None));
        let notes = unknowns.notes();
        assert!(notes[0].starts_with("1 image of unknown side or view"), "{notes:?}");
        assert!(notes[1].ends_with(&format!("P7_LEFT_CC.dcm ({conflict})")), "{notes:?}");
    }
}
