//! VinDr-Mammo: two tables and DICOM files by study.
//!
//! Known defects and their treatment:
//!
//! * There is no pathology: labels are BI-RADS assessments of breasts and of lesions. See
//!   [`Birads3`].
//! * There are no patient numbers: a study, with both breasts in two views, is used as the patient.
//! * A finding has a list of categories written as text; only masses and suspicious
//!   calcifications are lesions here. A box with both becomes one lesion of each kind.
//! * Several scanners: the model in `metadata.csv`, if that exists, becomes the site.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::files::{Files, extension, stem};
use super::{Birads3, plain};
use crate::Result;
use crate::import::table::{Column, Table};
use crate::import::{
    Annotation, DataSetRows, ImageRow, RejectionReason, RowError, TableProblems, acr_density, bi_rads,
    row_error, word,
};
use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, Lesion, LesionKind, LesionShape, Mammogram};

/// The table of images; the other two are in the same folder.
pub(super) const TABLES: [&str; 1] = ["breast-level_annotations.csv"];

const IMAGES: &[Column] = &[
    Column { name: "study_id", aliases: &[], required: true },
    Column { name: "image_id", aliases: &[], required: true },
    Column { name: "laterality", aliases: &[], required: true },
    Column { name: "view_position", aliases: &["view"], required: true },
    Column { name: "breast_birads", aliases: &[], required: true },
    Column { name: "breast_density", aliases: &[], required: false },
    Column { name: "split", aliases: &[], required: false },
];

#[derive(Deserialize)]
struct ImageCells<'r> {
    study_id: &'r str,
    image_id: &'r str,
    laterality: &'r str,
    view_position: &'r str,
    breast_birads: &'r str,
    #[serde(default)]
    breast_density: &'r str,
    #[serde(default)]
    split: &'r str,
}

const FINDINGS: &[Column] = &[
    Column { name: "image_id", aliases: &[], required: true },
    Column { name: "finding_categories", aliases: &[], required: true },
    Column { name: "finding_birads", aliases: &[], required: true },
    Column { name: "xmin", aliases: &[], required: true },
    Column { name: "ymin", aliases: &[], required: true },
    Column { name: "xmax", aliases: &[], required: true },
    Column { name: "ymax", aliases: &[], required: true },
];

#[derive(Deserialize)]
struct FindingCells<'r> {
    image_id: &'r str,
    finding_categories: &'r str,
    finding_birads: &'r str,
    xmin: &'r str,
    ymin: &'r str,
    xmax: &'r str,
    ymax: &'r str,
}

pub(super) fn rows(dir: &Path, files: &Files, birads_3: Birads3) -> Result<DataSetRows> {
    let path = files.table(&TABLES)?;
    let findings_path = files.table(&["finding_annotations.csv"])?;
    let (mut in_images, mut in_lesions) = (TableProblems::of(&path), TableProblems::of(&findings_path));
    let is_image = |file: &str| matches!(extension(file).as_str(), "dicom" | "dcm" | "png" | "jpg");
    let images = files.largest_by(|file| is_image(file).then(|| stem(file).to_string()), &mut in_images);
    let scanners = scanners(files, &mut in_images)?;

    let table = Table::open_as(plain("image_id"), &path, IMAGES, &mut in_images)?;
    let (mut image_rows, mut file_of) = (Vec::new(), HashMap::new());
    for (line, cells) in table.rows::<ImageCells>(&path)? {
        let expected = || format!("images/{}/{}.dicom", cells.study_id, cells.image_id);
        let file = images.get(cells.image_id).map_or_else(expected, |file| file.to_string());
        file_of.insert(cells.image_id.to_string(), file.clone());
        match mammogram(&file, &cells, birads_3, scanners.get(cells.image_id).cloned()) {
            Ok(mammogram) => image_rows.push(ImageRow { line, mammogram, n_lesions: None }),
            Err(error) => in_images.reject(&file, line, error),
        }
    }
    let left_out = image_rows.iter().filter(|c| c.mammogram.malignant().is_none()).count();
    in_images.note(left_out, "image", "without a truth by the BI-RADS rule; see --birads-3");

    let table = Table::open_as(plain("image_id"), &findings_path, FINDINGS, &mut in_lesions)?;
    let mut annotations = Vec::new();
    for (line, cells) in table.rows::<FindingCells>(&findings_path)? {
        let file = file_of.get(cells.image_id).cloned().unwrap_or_else(|| cells.image_id.to_string());
        annotations.extend(lesions(&file, line, &cells, birads_3));
    }
    Ok(DataSetRows { annotations, in_lesions, ..DataSetRows::new(dir, &path, image_rows, in_images) })
}

fn mammogram(
    file: &str,
    cells: &ImageCells,
    birads_3: Birads3,
    site: Option<String>,
) -> Result<Mammogram, RowError> {
    let assessment = assessment(cells.breast_birads)?;
    let density = cells.breast_density.to_ascii_lowercase().replace("density", "");
    let (laterality, view) =
        (word::<Laterality>("laterality", cells.laterality)?, super::view(cells.view_position)?);
    Ok(Mammogram {
        pathology: birads_3.truth(Some(assessment)),
        density: acr_density(density.trim()).map(|density| density as u8),
        assessment: Some(assessment),
        site,
        official_side: cells.split.parse().ok(),
        ..Mammogram::new(file, cells.study_id, laterality, view)
    })
}

/// "BI-RADS 4" as 4.
fn assessment(cell: &str) -> Result<u8, RowError> {
    let number = cell.to_ascii_lowercase().replace("bi-rads", "");
    match bi_rads(number.trim()) {
        Some(assessment) => Ok(assessment as u8),
        None => row_error(RejectionReason::UnknownWord, format!("'{cell}'; expected BI-RADS 1 to BI-RADS 5")),
    }
}

fn lesions(file: &str, line: u64, cells: &FindingCells, birads_3: Birads3) -> Vec<Annotation> {
    let categories = cells.finding_categories.to_ascii_lowercase();
    if categories.contains("no finding") {
        return Vec::new();
    }
    let pathology = assessment(cells.finding_birads).map(|a| birads_3.truth(Some(a))).unwrap_or_default();
    let annotation = |lesion| Annotation { file: file.to_string(), line, pathology, lesion };
    let kinds: Vec<LesionKind> = [("mass", LesionKind::Mass), ("calcification", LesionKind::Calcification)]
        .into_iter()
        .filter_map(|(word, kind)| categories.contains(word).then_some(kind))
        .collect();
    if kinds.is_empty() {
        let problem = format!("{} is neither mass nor calcification", cells.finding_categories);
        return vec![annotation(row_error(RejectionReason::OtherFinding, problem))];
    }
    let shape = shape(cells);
    let lesion = |kind| shape.clone().map(|shape| Lesion { kind, pathology, shape });
    kinds.into_iter().map(|kind| annotation(lesion(kind))).collect()
}

fn shape(cells: &FindingCells) -> Result<LesionShape, RowError> {
    let number = |cell: &str| cell.parse::<f64>().ok().filter(|value| value.is_finite());
    let corners = (number(cells.xmin), number(cells.ymin), number(cells.xmax), number(cells.ymax));
    match corners {
        (Some(left), Some(top), Some(right), Some(bottom)) if right > left && bottom > top => {
            Ok(LesionShape::Box(Rect::new(left, top, right - left, bottom - top)))
        }
        _ => {
            let found = format!("({}, {}) to ({}, {})", cells.xmin, cells.ymin, cells.xmax, cells.ymax);
            row_error(
                RejectionReason::BadNumber,
                format!("box {found}; expected xmin < xmax and ymin < ymax"),
            )
        }
    }
}

/// Model of the machine by image, from `metadata.csv` if that exists.
fn scanners(files: &Files, problems: &mut TableProblems) -> Result<HashMap<String, String>> {
    const COLUMNS: &[Column] = &[
        Column { name: "sop_instance_uid", aliases: &["image_id"], required: true },
        Column { name: "manufacturer's_model_name", aliases: &["model"], required: true },
    ];
    #[derive(Deserialize)]
    struct Cells<'r> {
        sop_instance_uid: &'r str,
        #[serde(rename = "manufacturer's_model_name")]
        model: &'r str,
    }
    let Some(path) = files.find(&["metadata.csv"]) else { return Ok(HashMap::new()) };
    let table = Table::open_as(plain("sop_instance_uid"), &path, COLUMNS, problems)?;
    let rows = table.rows::<Cells>(&path)?.into_iter();
    Ok(rows
        .filter(|(_, cells)| !cells.model.is_empty())
        .map(|(_, cells)| (cells.sop_instance_uid.to_string(), cells.model.to_string()))
        .collect())
}
