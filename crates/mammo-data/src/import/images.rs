//! Reads `images.csv`: one row per image file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use super::table::{Column, FILE, Table};
use super::{RejectionReason, RowError, TableProblems, row_error};
use crate::Result;
use mammo_core::record::{Laterality, Mammogram, View};

const COLUMNS: &[Column] = &[
    FILE,
    Column { name: "patient_id", aliases: &["patient", "patientid"], required: true },
    Column {
        name: "side",
        aliases: &["laterality", "image_laterality", "left_or_right_breast"],
        required: true,
    },
    Column { name: "view", aliases: &["view_position", "image_view"], required: true },
    Column { name: "label", aliases: &["pathology"], required: false },
    Column { name: "breast_density", aliases: &["density"], required: false },
    Column { name: "max_assessment", aliases: &["assessment", "birads", "bi_rads"], required: false },
    Column { name: "n_lesions", aliases: &[], required: false },
    Column { name: "site", aliases: &["hospital", "scanner"], required: false },
    Column { name: "polarity", aliases: &["photometric_interpretation"], required: false },
];

#[derive(Deserialize)]
struct Cells<'r> {
    file: &'r str,
    patient_id: &'r str,
    side: &'r str,
    view: &'r str,
    #[serde(default)]
    label: &'r str,
    #[serde(default)]
    breast_density: &'r str,
    #[serde(default)]
    max_assessment: &'r str,
    #[serde(default)]
    n_lesions: &'r str,
    #[serde(default)]
    site: &'r str,
    #[serde(default)]
    polarity: &'r str,
}

/// A valid row. Its image has not been opened yet, so the size is zero.
pub(crate) struct ImageRow {
    pub line: u64,
    pub mammogram: Mammogram,
    /// The number of lesions that the row states.
    pub n_lesions: Option<u32>,
}

/// Reads the rows and rejects invalid, repeated and contradictory ones.
pub(super) fn read(path: &Path, problems: &mut TableProblems) -> Result<Vec<ImageRow>> {
    let table = Table::open(path, COLUMNS, problems)?;
    let mut unreadable_numbers = BTreeMap::new();
    let mut image_rows = Vec::new();
    for (line, cells) in table.rows::<Cells>(path)? {
        match image_row(line, &cells, &mut unreadable_numbers) {
            Ok(image_row) => image_rows.push(image_row),
            Err(error) => problems.reject(cells.file, line, error),
        }
    }
    for (column, (count, range)) in unreadable_numbers {
        problems.note(
            count,
            "cell",
            format_args!("of column {column} other than {range}, treated as unknown"),
        );
    }
    Ok(without_duplicates(image_rows, problems))
}

type UnreadableNumbers = BTreeMap<&'static str, (usize, &'static str)>;

fn image_row(
    line: u64,
    cells: &Cells,
    unreadable_numbers: &mut UnreadableNumbers,
) -> Result<ImageRow, RowError> {
    let required =
        [("file", cells.file), ("patient_id", cells.patient_id), ("side", cells.side), ("view", cells.view)];
    if let Some((column, _)) = required.iter().find(|(_, cell)| cell.is_empty()) {
        let hint = if matches!(*column, "side" | "view") { "; write unknown if it is not known" } else { "" };
        return row_error(RejectionReason::MissingValue, format!("{column} is empty{hint}"));
    }
    let mut number = |column, cell: &str, range, read: fn(&str) -> Option<u32>| {
        let number = read(cell);
        if number.is_none() && !cell.is_empty() {
            unreadable_numbers.entry(column).or_insert((0, range)).0 += 1;
        }
        number
    };
    let density = number("breast_density", cells.breast_density, "1 to 4 or A to D", acr_density);
    let assessment = number("max_assessment", cells.max_assessment, "0 to 6", bi_rads);
    let n_lesions = number("n_lesions", cells.n_lesions, "a count", |cell| whole(cell).parse().ok());
    let file = path_in_data_set(cells.file)?;
    let laterality: Option<Laterality> = word_or_unknown("side", cells.side)?;
    let view: Option<View> = word_or_unknown("view", cells.view)?;
    let mammogram = Mammogram {
        pathology: word("label", cells.label)?,
        polarity: word("polarity", cells.polarity)?,
        density: density.map(|density| density as u8),
        assessment: assessment.map(|assessment| assessment as u8),
        site: (!cells.site.is_empty()).then(|| cells.site.to_string()),
        ..Mammogram::new(&file, cells.patient_id, laterality, view)
    };
    Ok(ImageRow { line, mammogram, n_lesions })
}

/// A number without the decimal `.0` that pandas writes in integer columns with missing values:
/// `49.0` is `49`.
pub(crate) fn whole(cell: &str) -> &str {
    cell.strip_suffix(".0").unwrap_or(cell)
}

/// ACR breast density: 1 to 4, or the letters A to D of the fifth edition.
pub(crate) fn acr_density(cell: &str) -> Option<u32> {
    let letter = ["a", "b", "c", "d"].iter().position(|letter| cell.eq_ignore_ascii_case(letter));
    letter
        .map(|at| at as u32 + 1)
        .or_else(|| whole(cell).parse().ok().filter(|density| (1..=4).contains(density)))
}

/// BI-RADS assessment: 0 to 6; the subdivisions 4a, 4b, 4c count as 4.
pub(crate) fn bi_rads(cell: &str) -> Option<u32> {
    let is_subdivided_4 = ["4a", "4b", "4c"].iter().any(|word| cell.eq_ignore_ascii_case(word));
    if is_subdivided_4 { Some(4) } else { whole(cell).parse().ok().filter(|assessment| *assessment <= 6) }
}

/// A cell as a value of the vocabulary.
pub(crate) fn word<T: FromStr<Err: Display>>(column: &str, cell: &str) -> Result<T, RowError> {
    cell.parse().or_else(|e| row_error(RejectionReason::UnknownWord, format!("{column} {e}")))
}

/// A cell as a value of the vocabulary, or the word `unknown`.
fn word_or_unknown<T: FromStr<Err: Display>>(column: &str, cell: &str) -> Result<Option<T>, RowError> {
    if cell.eq_ignore_ascii_case("unknown") { Ok(None) } else { word(column, cell).map(Some) }
}

/// Converts a path of a table to a path below the data set's folder, with forward slashes.
///
/// Symbolic links inside the data set are allowed and followed later.
pub(crate) fn path_in_data_set(cell: &str) -> Result<String, RowError> {
    let path = cell.replace('\\', "/");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let is_absolute = path.starts_with('/') || path.as_bytes().get(1) == Some(&b':');
    if is_absolute || parts.is_empty() || parts.contains(&"..") {
        let problem =
            format!("'{cell}' is absolute or contains '..'; expected a path below the table's folder");
        return row_error(RejectionReason::PathEscapesRoot, problem);
    }
    Ok(parts.join("/"))
}

/// Keeps one row per file: the first of equal rows, and none of contradictory rows.
fn without_duplicates(image_rows: Vec<ImageRow>, problems: &mut TableProblems) -> Vec<ImageRow> {
    let mut first: HashMap<String, (u64, Mammogram)> = HashMap::new();
    let mut contradicted: BTreeSet<String> = BTreeSet::new();
    for image_row in &image_rows {
        let file = &image_row.mammogram.file;
        match first.get(file) {
            Some((_, mammogram)) if *mammogram != image_row.mammogram => {
                contradicted.insert(file.clone());
            }
            Some(_) => {}
            None => {
                first.insert(file.clone(), (image_row.line, image_row.mammogram.clone()));
            }
        }
    }
    let keep = |image_row: &ImageRow| {
        let file = &image_row.mammogram.file;
        let first_line = first.get(file).map_or(image_row.line, |(line, _)| *line);
        let (reason, problem) = if contradicted.contains(file) {
            let problem = "the rows of this file differ; keep the correct one".to_string();
            (RejectionReason::ContradictingRows, problem)
        } else if first_line != image_row.line {
            (RejectionReason::DuplicateRow, format!("same as line {first_line}, which is kept"))
        } else {
            return true;
        };
        problems.reject(file, image_row.line, RowError { reason, problem });
        false
    };
    image_rows.into_iter().filter(keep).collect()
}
