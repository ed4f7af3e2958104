//! The files of the original project: `roi_mask_path.csv`, patient lists, 16-bit PNG.
//!
//! Its scripts build file names from the table: `Mass-Training_P_00001_LEFT_CC.png` or
//! `P_00001_LEFT_CC.png` for an image, with the number of the abnormality behind it for a mask.
//! Images and masks are in separate folders; masks have that number in their names.
//!
//! * Masks were resized independently of their images: they are scaled to the size of the image.
//! * Patient lists are text files with one number per line. The side is the one in the name of the
//!   file or folder (`train`, `val`, `test`); a patient on two lists has no side.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::files::{Files, extension, stem};
use super::plain;
use crate::import::table::{Column, Table};
use crate::import::{
    Annotation, DataSetRows, ImageRow, MaskSize, RejectionReason, RowError, TableProblems, row_error, word,
};
use crate::{Error, Result};
use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, Lesion, LesionKind, LesionShape, Mammogram, Pathology, Side, View};

/// The table.
pub(super) const TABLES: [&str; 1] = ["roi_mask_path.csv"];

const COLUMNS: &[Column] = &[
    Column { name: "patient_id", aliases: &[], required: true },
    Column { name: "side", aliases: &["laterality"], required: true },
    Column { name: "view", aliases: &[], required: true },
    Column { name: "abn_num", aliases: &["abnormality_id"], required: true },
    Column { name: "pathology", aliases: &[], required: true },
    Column { name: "type", aliases: &["abnormality_type"], required: false },
];

#[derive(Deserialize)]
struct Cells<'r> {
    patient_id: &'r str,
    side: &'r str,
    view: &'r str,
    abn_num: &'r str,
    pathology: &'r str,
    #[serde(default)]
    r#type: &'r str,
}

type Film = (String, Laterality, View);

pub(super) fn rows(dir: &Path, files: &Files) -> Result<DataSetRows> {
    let path = files.table(&TABLES)?;
    let mut in_images = TableProblems::of(&path);
    let is_png = |file: &str| extension(file) == "png";
    let named: HashMap<String, &str> =
        files.largest_by(|file| is_png(file).then(|| stem(file).to_string()), &mut in_images);
    let sides = patient_lists(dir, files)?;

    let table = Table::open_as(plain("patient_id"), &path, COLUMNS, &mut in_images)?;
    let (mut films, mut annotations): (BTreeMap<Film, ImageRow>, Vec<Annotation>) = Default::default();
    for (line, cells) in table.rows::<Cells>(&path)? {
        match row(&cells, &named) {
            Ok(row) => {
                let Row { file, laterality, view, pathology, lesion } = row;
                let key = (cells.patient_id.to_string(), laterality, view);
                let film = films.entry(key).or_insert_with(|| {
                    let official_side = sides.get(cells.patient_id).copied().flatten();
                    let mammogram = Mammogram::new(&file, cells.patient_id, laterality, view);
                    ImageRow { line, mammogram: Mammogram { official_side, ..mammogram }, n_lesions: None }
                });
                let truth = &mut film.mammogram.pathology;
                if pathology == Pathology::Malignant || *truth == Pathology::Unknown {
                    *truth = pathology;
                }
                annotations.push(Annotation { file: film.mammogram.file.clone(), line, pathology, lesion });
            }
            Err(error) => in_images.reject(cells.patient_id, line, error),
        }
    }
    let rows = DataSetRows::new(dir, &path, films.into_values().collect(), in_images);
    Ok(DataSetRows { annotations, masks: MaskSize::Stretched, ..rows })
}

struct Row {
    file: String,
    laterality: Laterality,
    view: View,
    pathology: Pathology,
    lesion: Result<Lesion, RowError>,
}

fn row(cells: &Cells, named: &HashMap<String, &str>) -> Result<Row, RowError> {
    let (laterality, view) = (word("side", cells.side)?, word("view", cells.view)?);
    let pathology = word("pathology", cells.pathology)?;
    // Tables of the first script hold masses only and have no column for the kind.
    let kind = if cells.r#type.is_empty() { LesionKind::Mass } else { word("type", cells.r#type)? };
    let film = format!("{}_{}_{}", cells.patient_id, cells.side, cells.view);
    let (image, mask) = (find(named, kind, &film), find(named, kind, &format!("{film}_{}", cells.abn_num)));
    let Some(file) = image else {
        return row_error(
            RejectionReason::MissingFile,
            format!("no image {film}.png or Mass-Training_{film}.png"),
        );
    };
    let lesion = match mask {
        Some(file) => {
            Ok(Lesion { kind, pathology, shape: LesionShape::Mask { file, bounds: Rect::default() } })
        }
        None => Err(RowError {
            reason: RejectionReason::MissingFile,
            problem: format!("no mask {film}_{}.png", cells.abn_num),
        }),
    };
    Ok(Row { file, laterality, view, pathology, lesion })
}

fn find(named: &HashMap<String, &str>, kind: LesionKind, name: &str) -> Option<String> {
    let (own, other) = match kind {
        LesionKind::Mass => ("Mass", "Calc"),
        LesionKind::Calcification => ("Calc", "Mass"),
    };
    let prefixes = ["".to_string()].into_iter().chain(
        [own, other].into_iter().flat_map(|kind| ["Training", "Test"].map(|part| format!("{kind}-{part}_"))),
    );
    prefixes
        .map(|prefix| format!("{prefix}{name}"))
        .find_map(|name| named.get(&name).map(|file| file.to_string()))
}

/// Side by patient; `None` for a patient on two lists.
fn patient_lists(dir: &Path, files: &Files) -> Result<HashMap<String, Option<Side>>> {
    let mut sides: HashMap<String, Option<Side>> = HashMap::new();
    for file in files.all.iter().filter(|file| extension(file) == "txt" && stem(file).contains("pat")) {
        let name = file.to_ascii_lowercase();
        let words = [("test", Side::Test), ("val", Side::Validation), ("train", Side::Train)];
        let Some((_, side)) = words.into_iter().find(|(word, _)| name.contains(word)) else { continue };
        let path = dir.join(file);
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, "read the patient list", e))?;
        for patient in String::from_utf8_lossy(&bytes).lines().map(str::trim).filter(|line| !line.is_empty())
        {
            let known = sides.entry(patient.to_string()).or_insert(Some(side));
            if *known != Some(side) {
                *known = None;
            }
        }
    }
    Ok(sides)
}
