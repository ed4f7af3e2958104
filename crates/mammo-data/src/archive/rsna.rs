//! RSNA Screening Mammography Breast Cancer Detection (2022): `train.csv` and DICOM.
//!
//! Known defects and their treatment:
//!
//! * `cancer` is a label of the breast, so every view is positive, also one on which the cancer is
//!   not visible. Lesions have no positions.
//! * Magnified, lateral and axillary views are among the images: `other_view`.
//! * MONOCHROME1 and MONOCHROME2, two sites and ten machines are mixed, and the share of cancers
//!   differs between machines: site and machine together become the site, and the
//!   [doctor](crate::doctor) tests its association with the label.
//! * BI-RADS and density are known at one site only.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::files::{Files, extension, stem};
use super::image_files::EXTENSIONS;
use super::plain;
use crate::Result;
use crate::import::table::{Column, Table};
use crate::import::{
    DataSetRows, ImageRow, RejectionReason, RowError, TableProblems, acr_density, bi_rads, row_error, whole,
    word,
};
use mammo_core::record::{Laterality, Mammogram, Pathology};

/// Any of these is the table.
pub(super) const TABLES: [&str; 2] = ["train.csv", "test.csv"];

const COLUMNS: &[Column] = &[
    Column { name: "site_id", aliases: &[], required: false },
    Column { name: "patient_id", aliases: &[], required: true },
    Column { name: "image_id", aliases: &[], required: true },
    Column { name: "laterality", aliases: &[], required: true },
    Column { name: "view", aliases: &[], required: true },
    Column { name: "cancer", aliases: &[], required: false },
    Column { name: "birads", aliases: &["bi_rads"], required: false },
    Column { name: "density", aliases: &[], required: false },
    Column { name: "machine_id", aliases: &[], required: false },
];

#[derive(Deserialize)]
struct Cells<'r> {
    #[serde(default)]
    site_id: &'r str,
    patient_id: &'r str,
    image_id: &'r str,
    laterality: &'r str,
    view: &'r str,
    #[serde(default)]
    cancer: &'r str,
    #[serde(default)]
    birads: &'r str,
    #[serde(default)]
    density: &'r str,
    #[serde(default)]
    machine_id: &'r str,
}

pub(super) fn rows(dir: &Path, files: &Files) -> Result<DataSetRows> {
    let path = files.table(&TABLES)?;
    let mut in_images = TableProblems::of(&path);
    let table = Table::open_as(plain("image_id"), &path, COLUMNS, &mut in_images)?;
    let rows = table.rows::<Cells>(&path)?;
    let groups = files_of(files, &rows);
    let chosen = files.largest_of(&groups, &mut in_images);
    let mut image_rows = Vec::new();
    for ((line, cells), file) in rows.into_iter().zip(chosen) {
        let expected = || format!("train_images/{}/{}.dcm", cells.patient_id, cells.image_id);
        let file = file.map_or_else(expected, str::to_string);
        match mammogram(&file, &cells) {
            Ok(mammogram) => image_rows.push(ImageRow { line, mammogram, n_lesions: None }),
            Err(error) => in_images.reject(&file, line, error),
        }
    }
    Ok(DataSetRows::new(dir, &path, image_rows, in_images))
}

/// The files of each row: `<patient>/<image>.dcm` in the archive; in copies `<patient>_<image>.png`
/// or `<image>.png`, in any folder that is not another patient's.
fn files_of<'f>(files: &'f Files, rows: &[(u64, Cells)]) -> Vec<Vec<&'f str>> {
    let mut by_image: HashMap<&str, Vec<&str>> = HashMap::new();
    for file in files.all.iter().filter(|file| EXTENSIONS.contains(&extension(file).as_str())) {
        let name = stem(file);
        by_image.entry(name.rsplit_once('_').map_or(name, |(_, image)| image)).or_default().push(file);
    }
    let patients: HashSet<&str> = rows.iter().map(|(_, cells)| whole(cells.patient_id)).collect();
    let belongs = |file: &str, patient: &str| match stem(file).rsplit_once('_') {
        Some((before, _)) => before == patient,
        None => {
            let folder = file.rsplit('/').nth(1).unwrap_or_default();
            folder == patient || !patients.contains(folder)
        }
    };
    let of_row = |(_, cells): &(u64, Cells)| {
        let files = by_image.get(whole(cells.image_id)).into_iter().flatten();
        files.filter(|file| belongs(file, whole(cells.patient_id))).copied().collect()
    };
    rows.iter().map(of_row).collect()
}

fn mammogram(file: &str, cells: &Cells) -> Result<Mammogram, RowError> {
    // A table written by pandas may have 1, 1.0 or True.
    let pathology = match whole(cells.cancer).to_ascii_lowercase().as_str() {
        "1" | "true" => Pathology::Malignant,
        "0" | "false" => Pathology::Benign,
        "" => Pathology::Unknown,
        _ => {
            let problem = format!("cancer '{}'; expected 0 or 1, or False or True", cells.cancer);
            return row_error(RejectionReason::UnknownWord, problem);
        }
    };
    let machine = [("site", cells.site_id), ("machine", cells.machine_id)];
    let named: Vec<String> = machine
        .iter()
        .filter(|(_, id)| !id.is_empty())
        .map(|(what, id)| format!("{what} {}", whole(id)))
        .collect();
    let (laterality, view) = (word::<Laterality>("laterality", cells.laterality)?, super::view(cells.view)?);
    Ok(Mammogram {
        pathology,
        density: acr_density(cells.density).map(|density| density as u8),
        assessment: bi_rads(whole(cells.birads)).map(|assessment| assessment as u8),
        site: (!named.is_empty()).then(|| named.join(" ")),
        ..Mammogram::new(file, whole(cells.patient_id), laterality, view)
    })
}
