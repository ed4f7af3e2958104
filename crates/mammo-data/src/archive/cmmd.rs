//! CMMD: a workbook with one row per breast, and DICOM files by patient.
//!
//! Known defects and their treatment:
//!
//! * The table has one row per breast and file names are meaningless (`1-1.dcm`): side and view are
//!   read from the DICOM header, which has the view in the View Code Sequence only.
//! * The other breast of a patient is often imaged but not in the table: its images have no truth.
//! * Lesions have a kind but no position, so no patches can be sampled around them.
//! * All labels come from biopsies and no normal breasts are included; every benign image shows a
//!   benign lesion.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::files::{Files, extension};
use super::header::read_metadata;
use super::plain;
use crate::Result;
use crate::import::table::{Column, Table};
use crate::import::{DataSetRows, ImageRow, RejectionReason, RowError, TableProblems, word};
use mammo_core::record::{Laterality, Mammogram, Pathology};

const COLUMNS: &[Column] = &[
    Column { name: "id1", aliases: &["id", "patient_id"], required: true },
    Column { name: "leftright", aliases: &["left_right", "laterality"], required: true },
    Column { name: "classification", aliases: &["label"], required: true },
];

#[derive(Deserialize)]
struct Cells<'r> {
    id1: &'r str,
    leftright: &'r str,
    classification: &'r str,
}

/// Any of these is the table.
pub(super) const TABLES: [&str; 3] =
    ["CMMD_clinicaldata_revision.xlsx", "CMMD_clinicaldata_revision.xls", "CMMD_clinicaldata_revision.csv"];

pub(super) fn rows(dir: &Path, files: &Files) -> Result<DataSetRows> {
    let path = files.table(&TABLES)?;
    let mut in_images = TableProblems::of(&path);
    let table = Table::open_as(plain("id1"), &path, COLUMNS, &mut in_images)?;
    let mut truth: HashMap<(String, Laterality), (u64, Pathology)> = HashMap::new();
    for (line, cells) in table.rows::<Cells>(&path)? {
        match breast(&cells) {
            Ok((laterality, pathology)) => {
                // A breast with two rows, one per kind of abnormality, is malignant if either is.
                let (_, known) =
                    truth.entry((cells.id1.to_string(), laterality)).or_insert((line, pathology));
                if pathology == Pathology::Malignant {
                    *known = pathology;
                }
            }
            Err(error) => in_images.reject(cells.id1, line, error),
        }
    }
    let patient = |file: &str| {
        let is_patient = |part: &&str| part.starts_with("D1-") || part.starts_with("D2-");
        file.split('/').find(is_patient).map(str::to_string)
    };
    let is_image = |file: &&String| matches!(extension(file).as_str(), "dcm" | "dicom");
    let found: Vec<(&String, Result<ImageRow, RowError>)> = files
        .all
        .par_iter()
        .filter(is_image)
        .map(|file| (file, image_row(dir, file, patient(file), &truth)))
        .collect();
    let mut image_rows = Vec::new();
    for (file, image_row) in found {
        match image_row {
            Ok(image_row) => image_rows.push(image_row),
            Err(error) => in_images.reject(file, 0, error),
        }
    }
    let breast = |c: &ImageRow| Some((c.mammogram.patient_id.clone(), c.mammogram.laterality?));
    let seen: std::collections::HashSet<(String, Laterality)> =
        image_rows.iter().filter_map(breast).collect();
    for ((id, laterality), (line, _)) in &truth {
        if !seen.contains(&(id.clone(), *laterality)) {
            let problem = format!("no image of the {laterality} breast");
            in_images.reject(id, *line, RowError { reason: RejectionReason::MissingFile, problem });
        }
    }
    Ok(DataSetRows::new(dir, &path, image_rows, in_images))
}

fn breast(cells: &Cells) -> Result<(Laterality, Pathology), RowError> {
    Ok((word("LeftRight", cells.leftright)?, word("classification", cells.classification)?))
}

fn image_row(
    dir: &Path,
    file: &str,
    folder: Option<String>,
    truth: &HashMap<(String, Laterality), (u64, Pathology)>,
) -> Result<ImageRow, RowError> {
    let header = read_metadata(&dir.join(file))?;
    let patient_id = folder.unwrap_or(header.patient_id);
    let known = truth.get(&(patient_id.clone(), header.laterality));
    let (line, pathology) = known.copied().unwrap_or((0, Pathology::Unknown));
    let mammogram = Mammogram {
        pathology,
        site: header.site,
        ..Mammogram::new(file, &patient_id, header.laterality, header.view)
    };
    Ok(ImageRow { line, mammogram, n_lesions: None })
}
