//! INbreast: a table with `;` (or the XLS), DICOM files and OsiriX contours.
//!
//! Known defects and their treatment:
//!
//! * The table has "removed" for every patient; the patient is the second part of the DICOM file
//!   name (`20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm`).
//! * Labels are BI-RADS assessments, not biopsies: see [`Birads3`].
//! * Contours have no labels. In a negative image every lesion is benign; in a positive image a
//!   single lesion is malignant, and of several lesions each is unknown.
//! * Single calcifications are contours of one or two points: they become circles of
//!   [`POINT_RADIUS_PX`].
//! * Names of problems are spelt in several ways; asymmetries, distortions and lymph nodes are
//!   neither masses nor calcifications.
//! * Points are in pixels from the upper left, as OsiriX writes them.

use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::Birads3;
use super::files::{Files, base, extension, stem};
use crate::Result;
use crate::import::table::{Column, Format, Table};
use crate::import::{
    Annotation, DataSetRows, ImageRow, RejectionReason, RowError, TableProblems, acr_density, bi_rads,
    row_error, word,
};
use mammo_core::record::{Laterality, Lesion, LesionKind, LesionShape, Mammogram, Pathology};

/// Any of these is the table.
pub(super) const TABLES: [&str; 3] = ["INbreast.csv", "INbreast.xls", "INbreast.xlsx"];

/// Radius of a lesion that is marked by a point: 0.35 mm at 0.07 mm per pixel.
const POINT_RADIUS_PX: f64 = 5.0;

const COLUMNS: &[Column] = &[
    Column { name: "file_name", aliases: &["filename", "image"], required: true },
    Column { name: "laterality", aliases: &["side"], required: true },
    Column { name: "view", aliases: &[], required: true },
    Column { name: "acr", aliases: &["density"], required: false },
    Column { name: "bi_rads", aliases: &["birads"], required: true },
];

#[derive(Deserialize)]
struct Cells<'r> {
    file_name: &'r str,
    laterality: &'r str,
    view: &'r str,
    #[serde(default)]
    acr: &'r str,
    bi_rads: &'r str,
}

pub(super) fn rows(dir: &Path, files: &Files, birads_3: Birads3) -> Result<DataSetRows> {
    let path = files.table(&TABLES)?;
    let mut in_images = TableProblems::of(&path);
    let format = Format { key: "file_name", note_others: false };
    let table = Table::open_as(format, &path, COLUMNS, &mut in_images)?;
    // 20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm and 20586908.xml, or copies in other formats.
    let number =
        |file: &str| Some(stem(file).split('_').next()?.to_string()).filter(|n| n.parse::<u64>().is_ok());
    let is_image = |file: &str| matches!(extension(file).as_str(), "dcm" | "png" | "tif" | "tiff" | "jpg");
    let images = files.largest_by(|file| number(file).filter(|_| is_image(file)), &mut in_images);
    let contours = files.by(|file| number(file).filter(|_| extension(file) == "xml"));

    let (mut image_rows, mut marked, mut left_out) = (Vec::new(), Vec::new(), 0);
    for (line, cells) in table.rows::<Cells>(&path)? {
        // File names are numbers; a line of totals has none.
        let Some(name) = number(cells.file_name) else { continue };
        let file = images.get(&name).map_or_else(|| format!("AllDICOMs/{name}.dcm"), |file| file.to_string());
        match image_row(line, &file, &cells, birads_3) {
            Ok(image_row) => {
                let Mammogram { assessment, pathology, .. } = image_row.mammogram;
                left_out += usize::from(assessment == Some(3) && pathology == Pathology::Unknown);
                if let Some(xml) = contours.get(&name) {
                    marked.push((line, file, dir.join(xml), pathology));
                }
                image_rows.push(image_row);
            }
            Err(error) => in_images.reject(&file, line, error),
        }
    }
    in_images.note(left_out, "image", "of BI-RADS 3, without a truth by the paper's rule; see --birads-3");
    let annotations: Vec<Vec<Annotation>> = marked
        .into_par_iter()
        .map(|(line, file, xml, truth)| annotations(line, &file, &xml, truth))
        .collect();
    Ok(DataSetRows {
        annotations: annotations.into_iter().flatten().collect(),
        in_lesions: TableProblems::of(Path::new("AllXML")),
        ..DataSetRows::new(dir, &path, image_rows, in_images)
    })
}

fn image_row(line: u64, file: &str, cells: &Cells, birads_3: Birads3) -> Result<ImageRow, RowError> {
    let assessment = bi_rads(cells.bi_rads).map(|assessment| assessment as u8);
    if assessment.is_none() {
        let problem = format!("Bi-Rads '{}'; expected 1 to 6, with 4a, 4b, 4c", cells.bi_rads);
        return row_error(RejectionReason::UnknownWord, problem);
    }
    let Some(patient) = base(file).split('_').nth(1) else {
        let problem = "the file is missing or its name has no patient: <number>_<patient>_MG_<side>_<view>";
        return row_error(RejectionReason::MissingFile, problem);
    };
    let (laterality, view) = (word::<Laterality>("laterality", cells.laterality)?, super::view(cells.view)?);
    let mammogram = Mammogram {
        pathology: birads_3.truth(assessment),
        density: acr_density(cells.acr).map(|density| density as u8),
        assessment,
        ..Mammogram::new(file, patient, laterality, view)
    };
    Ok(ImageRow { line, mammogram, n_lesions: None })
}

/// One contour file as OsiriX writes it: a property list.
#[derive(Deserialize)]
struct Contours {
    #[serde(rename = "Images", default)]
    images: Vec<ContourImage>,
}

#[derive(Deserialize)]
struct ContourImage {
    #[serde(rename = "ROIs", default)]
    rois: Vec<Roi>,
}

#[derive(Deserialize)]
struct Roi {
    #[serde(rename = "Name", default)]
    name: String,
    /// Words such as "(1234.5, 678.9)".
    #[serde(rename = "Point_px", default)]
    points: Vec<String>,
}

fn annotations(line: u64, file: &str, xml: &Path, truth: Pathology) -> Vec<Annotation> {
    let annotation =
        |lesion| Annotation { file: file.to_string(), line, pathology: Pathology::Unknown, lesion };
    let contours: Contours = match plist::from_file(xml) {
        Ok(contours) => contours,
        Err(e) => {
            let name = base(&xml.to_string_lossy()).to_string();
            let problem = format!("{name}: {e}; expected contours as OsiriX writes them");
            return vec![annotation(Err(RowError { reason: RejectionReason::UnreadableTable, problem }))];
        }
    };
    let rois: Vec<&Roi> = contours.images.iter().flat_map(|image| &image.rois).collect();
    let shapes: Vec<Result<(LesionKind, LesionShape), RowError>> =
        rois.iter().map(|roi| shape(roi)).collect();
    let alone = shapes.iter().filter(|shape| shape.is_ok()).count() == 1 && shapes.len() == 1;
    let pathology = match truth {
        Pathology::Malignant if !alone => Pathology::Unknown,
        known => known,
    };
    shapes
        .into_iter()
        .map(|shape| Annotation {
            pathology,
            ..annotation(shape.map(|(kind, shape)| Lesion { kind, pathology, shape }))
        })
        .collect()
}

fn shape(roi: &Roi) -> Result<(LesionKind, LesionShape), RowError> {
    let name = roi.name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let kind = if has(&["calcif", "cluster"]) {
        LesionKind::Calcification
    } else if has(&["mass", "spiculated", "nodule"]) {
        LesionKind::Mass
    } else {
        return row_error(
            RejectionReason::OtherFinding,
            format!("'{}' is neither mass nor calcification", roi.name),
        );
    };
    let points: Option<Vec<[f64; 2]>> = roi.points.iter().map(|word| point(word)).collect();
    let Some(points) = points else {
        let problem = format!("{}: a point is not written as (x, y)", roi.name);
        return row_error(RejectionReason::BadNumber, problem);
    };
    let shape = match points[..] {
        [] => return row_error(RejectionReason::NoShape, format!("{} has no points", roi.name)),
        [[cx, cy]] => LesionShape::Circle { cx, cy, radius: POINT_RADIUS_PX },
        [a, b] => {
            let (cx, cy) = ((a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0);
            let half = (a[0] - b[0]).hypot(a[1] - b[1]) / 2.0;
            LesionShape::Circle { cx, cy, radius: half.max(POINT_RADIUS_PX) }
        }
        _ => LesionShape::Polygon { points },
    };
    Ok((kind, shape))
}

fn point(word: &str) -> Option<[f64; 2]> {
    let (x, y) = word.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let number = |word: &str| word.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    Some([number(x)?, number(y)?])
}
