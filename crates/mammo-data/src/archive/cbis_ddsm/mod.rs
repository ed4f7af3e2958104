//! CBIS-DDSM: case descriptions and four kinds of download.
//!
//! Known defects and their treatment:
//!
//! * The mass and the calcification list name two files of the same film. They become one image
//!   with the lesions of both lists; it is malignant if any lesion is.
//! * Some patients and images are in both training and test tables. An image keeps its official side
//!   only when all its rows agree; the [doctor](crate::doctor) lists the patients.
//! * File names do not distinguish mask and crop: `000000.dcm` and `000001.dcm` are swapped in part
//!   of the set and in the tables. Both files are opened: the mask has the shape of the image.
//! * Some masks are smaller or larger than their image; they are scaled to it.
//! * Paths are quoted over several lines and end in blanks.
//!
//! The layouts (paths as in the tables, the folders of the NBIA Data Retriever, the JPEG
//! re-issue with `dicom_info.csv`) all have a folder or patient identifier such as
//! `Mass-Training_P_00001_LEFT_CC_1`, by which files are found. The tool tcia_utils names folders
//! by Series Instance UID alone; files are then found by the UIDs in the tables' paths.

mod table;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use table::case_tables_among;
pub use table::{CaseRow, case_tables};
pub(crate) use table::{TABLES, has_case_tables, read_cases};

use super::files::{Files, base, extension};
use crate::Result;
use crate::import::table::{Column, Format, Table};
use crate::import::{
    Annotation, DataSetRows, ImageRow, MaskSize, RejectionReason, RowError, TableProblems, path_in_data_set,
    row_error,
};
use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, Lesion, LesionShape, Mammogram, Pathology, View, mask_fits};
use mammo_dicom::image_file::read_size;
use mammo_dicom::mask_file::read_mask;

/// Share of pixels of a mask that may be neither black nor white: JPEG blurs its edge.
const MAX_GREY_SHARE: f64 = 0.02;

/// Files by the folder or patient identifier that they belong to.
type Holdings = HashMap<String, Vec<String>>;

/// Rows of all case descriptions below `dir`, with their files.
pub(crate) fn rows(dir: &Path, files: &Files) -> Result<DataSetRows> {
    let tables = case_tables_among(dir, files)?;
    let mut in_images = TableProblems::of(Path::new("case descriptions"));
    let mut cases = Vec::new();
    for table in &tables {
        cases.extend(read_cases(table, &mut in_images)?);
    }
    let holdings = holdings(files, &mut in_images)?;
    let mut films: BTreeMap<(String, Laterality, View), Vec<CaseRow>> = BTreeMap::new();
    for case in cases {
        films.entry((case.patient_id.clone(), case.laterality, case.view)).or_default().push(case);
    }
    let two_lists =
        films.values().filter(|cases| cases.iter().any(|case| case.kind != cases[0].kind)).count();
    let found: Vec<(ImageRow, Vec<Annotation>)> =
        films.into_par_iter().map(|(_, cases)| film(dir, &holdings, &cases)).collect();
    let no_side = found.iter().filter(|(image_row, _)| image_row.mammogram.official_side.is_none()).count();
    in_images.note(two_lists, "image", "in both the mass and the calcification list, read as one image each");
    in_images.note(no_side, "image", "in both a training and a test table, without an official side");
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for (image_row, lesions) in found {
        images.push(image_row);
        annotations.extend(lesions);
    }
    let in_lesions = TableProblems::of(Path::new("case descriptions"));
    let rows = DataSetRows::new(dir, &tables[0], images, in_images);
    Ok(DataSetRows { annotations, in_lesions, masks: MaskSize::Stretched, ..rows })
}

/// One film from all its rows.
fn film(dir: &Path, holdings: &Holdings, cases: &[CaseRow]) -> (ImageRow, Vec<Annotation>) {
    let present = cases.iter().find_map(|case| largest(dir, of_image(holdings, case)?));
    let (file, size) = present.unwrap_or_else(|| {
        let stated = path_in_data_set(&cases[0].image_path).unwrap_or_else(|_| cases[0].image_path.clone());
        (stated, (0, 0))
    });
    let first = &cases[0];
    let malignant = cases.iter().any(|case| case.pathology == Pathology::Malignant);
    let known = cases.iter().all(|case| case.pathology != Pathology::Unknown);
    let one_side = cases.iter().all(|case| case.side == first.side);
    let image_row = ImageRow {
        line: first.line,
        n_lesions: None,
        mammogram: Mammogram {
            pathology: match (malignant, known) {
                (true, _) => Pathology::Malignant,
                (false, true) => Pathology::Benign,
                (false, false) => Pathology::Unknown,
            },
            density: cases.iter().find_map(|case| case.density),
            assessment: cases.iter().filter_map(|case| case.assessment).max(),
            official_side: one_side.then_some(first.side),
            ..Mammogram::new(&file, &first.patient_id, first.laterality, first.view)
        },
    };
    let annotation = |case: &CaseRow| Annotation {
        file: file.clone(),
        line: case.line,
        pathology: case.pathology,
        lesion: mask_of(dir, holdings, case, size).map(|mask| Lesion {
            kind: case.kind,
            pathology: case.pathology,
            shape: LesionShape::Mask { file: mask, bounds: Rect::default() },
        }),
    };
    let annotations = cases.iter().map(annotation).collect();
    (image_row, annotations)
}

/// The files of a full image: by its folder, else by its series.
fn of_image<'h>(holdings: &'h Holdings, case: &CaseRow) -> Option<&'h Vec<String>> {
    holdings.get(case.image_folder()).or_else(|| holdings.get(case.image_series()?))
}

/// The files of a lesion, mask and crop: by their folder, else by their series.
fn of_lesion<'h>(holdings: &'h Holdings, case: &CaseRow) -> Vec<&'h String> {
    match holdings.get(case.roi_folder()) {
        Some(files) => files.iter().collect(),
        None => case.roi_series().filter_map(|series| holdings.get(series)).flatten().collect(),
    }
}

/// The largest image of a folder with its size: the full mammogram.
fn largest(dir: &Path, files: &[String]) -> Option<(String, (u32, u32))> {
    let sized = files.iter().map(|file| (file.clone(), read_size(&dir.join(file)).unwrap_or_default()));
    sized.max_by_key(|(_, (width, height))| u64::from(*width) * u64::from(*height))
}

/// The mask in a lesion's folder, recognised by its content.
fn mask_of(dir: &Path, holdings: &Holdings, case: &CaseRow, image: (u32, u32)) -> Result<String, RowError> {
    let folder = case.roi_folder();
    let none = |what: &str| {
        row_error(
            RejectionReason::MissingFile,
            format!("abnormality {}: {what} in {folder}", case.abnormality_id),
        )
    };
    let files = of_lesion(holdings, case);
    if files.is_empty() {
        return none("no folder or no files");
    }
    let fits = |file: &&String| mask_fits(read_size(&dir.join(file)).unwrap_or_default(), image);
    let fitting: Vec<&String> = files.iter().copied().filter(fits).collect();
    if let [only] = fitting[..] {
        return Ok(only.clone());
    }
    let image_rows = if fitting.is_empty() { files } else { fitting };
    image_rows
        .into_iter()
        .find(|file| is_black_and_white(&dir.join(file)))
        .map_or_else(|| none("no mask, only a crop"), |file| Ok(file.clone()))
}

/// Whether an image has only two values, as a mask has and a crop has not.
fn is_black_and_white(path: &Path) -> bool {
    let Ok(mask) = read_mask(path) else { return false };
    let white = mask.pixels.iter().max().copied().unwrap_or(0);
    let grey = mask.pixels.iter().filter(|value| **value != 0 && **value != white).count();
    white > 0 && grey as f64 <= MAX_GREY_SHARE * mask.pixels.len() as f64
}

/// All image files by folder. With the index of the JPEG re-issue, by its patient identifiers.
fn holdings(files: &Files, problems: &mut TableProblems) -> Result<Holdings> {
    let mut holdings = Holdings::new();
    let is_image = |file: &str| matches!(extension(file).as_str(), "dcm" | "png" | "jpg" | "jpeg");
    for file in files.all.iter().filter(|file| is_image(file)) {
        let is_case = |part: &&str| ["Mass-", "Calc-"].iter().any(|kind| part.starts_with(kind));
        // A folder without the name of a case may be that of a series.
        let folder = file.split('/').find(is_case).or_else(|| file.rsplit('/').nth(1));
        if let Some(folder) = folder {
            holdings.entry(folder.to_string()).or_default().push(file.clone());
        }
    }
    if let Some(index) = files.find(&["dicom_info.csv"]) {
        add_indexed(&index, files, &mut holdings, problems)?;
    }
    Ok(holdings)
}

/// Adds the files of `dicom_info.csv`, whose folders are named by series.
fn add_indexed(
    index: &Path,
    files: &Files,
    holdings: &mut Holdings,
    problems: &mut TableProblems,
) -> Result<()> {
    const COLUMNS: &[Column] = &[
        Column { name: "image_path", aliases: &[], required: true },
        Column { name: "patientid", aliases: &["patient_id"], required: true },
    ];
    const FORMAT: Format = Format { key: "image_path", note_others: false };
    #[derive(Deserialize)]
    struct Cells<'r> {
        image_path: &'r str,
        patientid: &'r str,
    }
    // The same file name occurs in many series: a file is identified by its folder and name.
    let tail = |file: &str| {
        let folder = file.rsplit('/').nth(1)?;
        Some(format!("{folder}/{}", base(file)))
    };
    let by_tail = files.by(tail);
    let table = Table::open_as(FORMAT, index, COLUMNS, problems)?;
    for (line, cells) in table.rows::<Cells>(index)? {
        let path = cells.image_path.replace('\\', "/");
        match tail(&path).and_then(|tail| by_tail.get(&tail)) {
            Some(file) => holdings.entry(cells.patientid.to_string()).or_default().push(file.to_string()),
            None => {
                let problem = "listed in dicom_info.csv, but the file does not exist".to_string();
                problems.reject(&path, line, RowError { reason: RejectionReason::MissingFile, problem });
            }
        }
    }
    Ok(())
}
