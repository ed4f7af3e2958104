//! The four case descriptions: one row per abnormality and image.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::archive::files::{Files, base};
use crate::import::table::{Column, Format, Table};
use crate::import::{RejectionReason, RowError, TableProblems, acr_density, bi_rads, row_error, word};
use crate::{Error, Result};
use mammo_core::record::{Laterality, LesionKind, Pathology, Side, View};

/// Column names of both generations: the table reader treats `breast_density` and `breast density`
/// alike; older copies have shorter names.
const COLUMNS: &[Column] = &[
    Column { name: "patient_id", aliases: &["patient"], required: true },
    Column { name: "breast_density", aliases: &["density"], required: false },
    Column { name: "left_or_right_breast", aliases: &["side", "laterality"], required: true },
    Column { name: "image_view", aliases: &["view"], required: true },
    Column { name: "abnormality_id", aliases: &["abn_num", "abnormality"], required: true },
    Column { name: "abnormality_type", aliases: &["type"], required: true },
    Column { name: "assessment", aliases: &["birads"], required: false },
    Column { name: "pathology", aliases: &["label"], required: true },
    Column { name: "image_file_path", aliases: &["image_path", "full_path"], required: true },
    Column {
        name: "cropped_image_file_path",
        aliases: &["cropped_image_path", "crop_path"],
        required: false,
    },
    Column { name: "roi_mask_file_path", aliases: &["roi_mask_path", "mask_path"], required: true },
];

const FORMAT: Format = Format { key: "image_file_path", note_others: false };

#[derive(Deserialize)]
struct Cells<'r> {
    patient_id: &'r str,
    #[serde(default)]
    breast_density: &'r str,
    left_or_right_breast: &'r str,
    image_view: &'r str,
    abnormality_id: &'r str,
    abnormality_type: &'r str,
    #[serde(default)]
    assessment: &'r str,
    pathology: &'r str,
    image_file_path: &'r str,
    #[serde(default)]
    cropped_image_file_path: &'r str,
    roi_mask_file_path: &'r str,
}

/// One abnormality in one image.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRow {
    /// File name of the table.
    pub table: String,
    /// Line at which the row begins, counted from one with the header.
    pub line: u64,
    /// The patient; the mass and the calcification tables use the same numbers.
    pub patient_id: String,
    /// Which breast.
    pub laterality: Laterality,
    /// Which projection.
    pub view: View,
    /// Number of the abnormality within its table and image.
    pub abnormality_id: String,
    /// Mass or calcification.
    pub kind: LesionKind,
    /// Its truth.
    pub pathology: Pathology,
    /// ACR density; the invalid value 0 of two rows is `None`.
    pub density: Option<u8>,
    /// BI-RADS assessment.
    pub assessment: Option<u8>,
    /// Training or test table.
    pub side: Side,
    /// Path of the full image in the classic layout, without the line breaks of the table.
    pub image_path: String,
    /// Stated path of the mask.
    pub mask_path: String,
    /// Stated path of the crop; blank when the table has none.
    pub crop_path: String,
}

impl CaseRow {
    /// Folder of the full image, in every layout: `Mass-Training_P_00001_LEFT_CC`.
    pub fn image_folder(&self) -> &str {
        first_part(&self.image_path)
    }

    /// Series Instance UID of the full image.
    pub fn image_series(&self) -> Option<&str> {
        series(&self.image_path)
    }

    /// Series Instance UIDs of mask and crop: one, or two in 104 rows.
    pub fn roi_series(&self) -> impl Iterator<Item = &str> {
        let mask = series(&self.mask_path);
        let crop = series(&self.crop_path).filter(|crop| Some(*crop) != mask);
        mask.into_iter().chain(crop)
    }

    /// Folder of mask and crop: `Mass-Training_P_00001_LEFT_CC_1`.
    pub fn roi_folder(&self) -> &str {
        first_part(&self.mask_path)
    }
}

fn first_part(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// The Series Instance UID of a path `case/study/series/file`; `None` for other paths.
fn series(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split('/').collect();
    if let [_, _, series, _] = parts[..] { Some(series) } else { None }
}

/// The case descriptions below a folder: any of the four, recognised by name.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read, [`Error::Table`] when it contains none.
pub fn case_tables(dir: &Path) -> Result<Vec<PathBuf>> {
    case_tables_among(dir, &Files::below(dir)?)
}

/// Names of the case descriptions, for messages; any name with `case_description` and `train` or `test` is read.
pub(crate) const TABLES: [&str; 4] = [
    "mass_case_description_train_set.csv",
    "mass_case_description_test_set.csv",
    "calc_case_description_train_set.csv",
    "calc_case_description_test_set.csv",
];

/// Whether any case description is among the files.
pub(crate) fn has_case_tables(files: &Files) -> bool {
    files.all.iter().any(|file| is_case_table(file))
}

/// [`case_tables`] of files that were listed already.
pub(super) fn case_tables_among(dir: &Path, files: &Files) -> Result<Vec<PathBuf>> {
    let tables: Vec<PathBuf> =
        files.all.iter().filter(|file| is_case_table(file)).map(|file| dir.join(file)).collect();
    if tables.is_empty() {
        let expected =
            "mass_case_description_train_set.csv and the other three case descriptions of CBIS-DDSM";
        return Err(Error::table(dir, None, "no case description in it or below", expected));
    }
    Ok(tables)
}

fn is_case_table(file: &str) -> bool {
    let name = base(file).to_ascii_lowercase();
    name.ends_with(".csv") && name.contains("case_description") && side_of(&name).is_some()
}

fn side_of(name: &str) -> Option<Side> {
    if name.contains("test") { Some(Side::Test) } else { name.contains("train").then_some(Side::Train) }
}

/// Reads one case description; rows that cannot be used become rejections.
///
/// # Errors
/// [`Error::Io`]; [`Error::Table`] when a column is missing.
pub(crate) fn read_cases(path: &Path, problems: &mut TableProblems) -> Result<Vec<CaseRow>> {
    let table = Table::open_as(FORMAT, path, COLUMNS, problems)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut rows = Vec::new();
    for (line, cells) in table.rows::<Cells>(path)? {
        match case_row(&name, line, &cells) {
            Ok(row) => rows.push(row),
            Err(error) => problems.reject(&one_line(cells.image_file_path), line, error),
        }
    }
    Ok(rows)
}

fn case_row(table: &str, line: u64, cells: &Cells) -> Result<CaseRow, RowError> {
    let required = [
        ("patient_id", cells.patient_id),
        ("abnormality id", cells.abnormality_id),
        ("image file path", cells.image_file_path),
        ("ROI mask file path", cells.roi_mask_file_path),
    ];
    if let Some((column, _)) = required.iter().find(|(_, cell)| cell.is_empty()) {
        return row_error(RejectionReason::MissingValue, format!("{column} is empty"));
    }
    let side = side_of(table).ok_or_else(|| RowError {
        reason: RejectionReason::UnknownWord,
        problem: format!("{table} is neither a train nor a test table"),
    })?;
    Ok(CaseRow {
        table: table.to_string(),
        line,
        patient_id: cells.patient_id.to_string(),
        laterality: word("side", cells.left_or_right_breast)?,
        view: word("view", cells.image_view)?,
        abnormality_id: cells.abnormality_id.to_string(),
        kind: word("abnormality type", cells.abnormality_type)?,
        pathology: word("pathology", cells.pathology)?,
        density: acr_density(cells.breast_density).map(|density| density as u8),
        assessment: bi_rads(cells.assessment).map(|assessment| assessment as u8),
        side,
        image_path: one_line(cells.image_file_path),
        mask_path: one_line(cells.roi_mask_file_path),
        crop_path: one_line(cells.cropped_image_file_path),
    })
}

/// A path without the line breaks that the tables contain inside and after quoted cells.
fn one_line(cell: &str) -> String {
    let line: String = cell.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    line.trim().replace('\\', "/")
}
