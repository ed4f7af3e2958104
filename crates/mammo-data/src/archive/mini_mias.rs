//! mini-MIAS: `Info.txt` and PGM images of 1024 x 1024 pixels.
//!
//! Known defects and their treatment:
//!
//! * The origin of coordinates is the lower left corner; they are converted to the upper left.
//! * Some abnormalities have no position (scattered calcifications, `*NOTE 3*`): the image keeps its
//!   label, the lesion is rejected as `no_shape`.
//! * Asymmetries and distortions are neither masses nor calcifications: `other_finding`.
//! * There are no patient numbers. Films form pairs, odd numbers right, even numbers left, so
//!   `mdb001` and `mdb002` are one patient. All films are MLO.
//! * Tissue letters (F, G, D) are not ACR density classes and are ignored.

use std::path::Path;

use super::files::{Files, stem};
use crate::import::{Annotation, DataSetRows, ImageRow, RejectionReason, RowError, TableProblems, row_error};
use crate::{Error, Result};
use mammo_core::record::{Laterality, Lesion, LesionKind, LesionShape, Mammogram, Pathology, View};
use mammo_dicom::image_file::read_size;

/// Any of these is the table.
pub(super) const TABLES: [&str; 2] = ["Info.txt", "mias_info.txt"];

/// Height of every image, used to convert coordinates when the file cannot be read.
const HEIGHT_PX: u32 = 1024;

pub(super) fn rows(dir: &Path, files: &Files) -> Result<DataSetRows> {
    let info = files.table(&TABLES)?;
    let bytes = std::fs::read(&info).map_err(|e| Error::io(&info, "read the table", e))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut in_images = TableProblems::of(&info);
    let key = |file: &str| {
        let is_image = ["pgm", "png"].contains(&super::files::extension(file).as_str());
        is_image.then(|| stem(file).to_ascii_lowercase())
    };
    let images = files.largest_by(key, &mut in_images);
    let (mut image_rows, mut annotations): (Vec<ImageRow>, Vec<Annotation>) = (Vec::new(), Vec::new());
    for (line, words) in (1_u64..).zip(text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>())) {
        let Some(number) = words.first().and_then(|name| film_number(name)) else { continue };
        let name = words[0].to_ascii_lowercase();
        let file = images.get(&name).map_or_else(|| format!("{name}.pgm"), |file| file.to_string());
        let (truth, class) = match truth_of(&words) {
            Ok(found) => found,
            Err(refusal) => {
                in_images.reject(&file, line, refusal);
                continue;
            }
        };
        let known = image_rows.iter_mut().find(|image_row| image_row.mammogram.file == file);
        if let Some(image_row) = known {
            // A film with several abnormalities has a row for each.
            if truth == Pathology::Malignant {
                image_row.mammogram.pathology = truth;
            }
        } else {
            image_rows.push(image_row(line, &file, number, truth));
        }
        if class != "NORM" {
            let height = read_size(&dir.join(&file)).map_or(HEIGHT_PX, |(_, height)| height);
            let lesion = lesion(class, truth, &words, height);
            annotations.push(Annotation { file, line, pathology: truth, lesion });
        }
    }
    Ok(DataSetRows { annotations, ..DataSetRows::new(dir, &info, image_rows, in_images) })
}

/// The number in `mdb001`; rows of the explanation above the table have none.
fn film_number(name: &str) -> Option<u32> {
    let digits = name.to_ascii_lowercase().strip_prefix("mdb")?.to_string();
    digits.parse().ok().filter(|number| *number > 0)
}

fn truth_of<'w>(words: &[&'w str]) -> Result<(Pathology, &'w str), RowError> {
    let class = words.get(2).copied().unwrap_or_default();
    match (class, words.get(3).copied()) {
        ("NORM", _) => Ok((Pathology::Benign, class)),
        ("CALC" | "CIRC" | "SPIC" | "MISC" | "ARCH" | "ASYM", Some("B")) => Ok((Pathology::Benign, class)),
        ("CALC" | "CIRC" | "SPIC" | "MISC" | "ARCH" | "ASYM", Some("M")) => Ok((Pathology::Malignant, class)),
        _ => row_error(
            RejectionReason::UnknownWord,
            format!("'{}'; expected a film, tissue, class and severity: mdb001 G CIRC B", words.join(" ")),
        ),
    }
}

fn image_row(line: u64, file: &str, number: u32, pathology: Pathology) -> ImageRow {
    let laterality = if number % 2 == 1 { Laterality::Right } else { Laterality::Left };
    let patient_id = format!("mias_{:03}", number.div_ceil(2));
    let mammogram = Mammogram { pathology, ..Mammogram::new(file, &patient_id, laterality, View::Mlo) };
    ImageRow { line, mammogram, n_lesions: None }
}

fn lesion(class: &str, pathology: Pathology, words: &[&str], height: u32) -> Result<Lesion, RowError> {
    let kind = match class {
        "CALC" => LesionKind::Calcification,
        "CIRC" | "SPIC" | "MISC" => LesionKind::Mass,
        _ => {
            return row_error(
                RejectionReason::OtherFinding,
                format!("{class} is neither mass nor calcification"),
            );
        }
    };
    let number =
        |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok()).filter(|v| v.is_finite());
    match (number(4), number(5), number(6)) {
        (Some(x), Some(y), Some(radius)) if radius > 0.0 => {
            let shape = LesionShape::Circle { cx: x, cy: f64::from(height) - y, radius };
            Ok(Lesion { kind, pathology, shape })
        }
        (None, _, _) => row_error(RejectionReason::NoShape, "no coordinates; the label is kept"),
        _ => Err(RowError {
            reason: RejectionReason::BadNumber,
            problem: format!("'{}'; expected x, y and a radius above zero, in pixels", words[4..].join(" ")),
        }),
    }
}
