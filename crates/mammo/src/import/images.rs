//! `images.csv`: rows → candidates → images that were opened and found usable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::table::{Column, Table};
use super::{Checked, Findings, Progress, Refusal, RejectionReason, Verify, below_root, refuse};
use crate::pixels::{check_size, decode_gray, read_size};
use crate::record::Mammogram;
use crate::{Error, Result};

const COLUMNS: &[Column] = &[
    Column {
        name: "file",
        aliases: &["filename", "file_name", "image", "image_path", "path"],
        required: true,
    },
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

/// A row that says nothing wrong; its image has not been opened yet, so its size is zero.
pub(super) struct Candidate {
    pub line: u64,
    pub mammogram: Mammogram,
    /// The number of lesions that the row promises.
    pub n_lesions: Option<u32>,
}

/// Reads the rows and rejects unusable, repeated and contradicting ones.
pub(super) fn read(path: &Path, findings: &mut Findings) -> Result<Vec<Candidate>> {
    let table = Table::open(path, COLUMNS, findings)?;
    let mut unreadable_numbers = BTreeMap::new();
    let mut candidates = Vec::new();
    for (line, cells) in table.rows::<Cells>(path)? {
        match candidate(line, &cells, &mut unreadable_numbers) {
            Ok(candidate) => candidates.push(candidate),
            Err(refusal) => findings.reject(cells.file, line, refusal),
        }
    }
    for (column, (count, range)) in unreadable_numbers {
        findings.note(count, format_args!("cells of column {column} are not {range}; taken as not known"));
    }
    Ok(without_duplicates(candidates, findings))
}

type UnreadableNumbers = BTreeMap<&'static str, (usize, &'static str)>;

fn candidate(line: u64, cells: &Cells, unreadable_numbers: &mut UnreadableNumbers) -> Checked<Candidate> {
    let required =
        [("file", cells.file), ("patient_id", cells.patient_id), ("side", cells.side), ("view", cells.view)];
    if let Some((column, _)) = required.iter().find(|(_, cell)| cell.is_empty()) {
        return refuse(RejectionReason::MissingValue, format!("{column} is empty"));
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
    let n_lesions = number("n_lesions", cells.n_lesions, "a count", |cell| cell.parse().ok());
    let mammogram = Mammogram {
        file: path_in_data_set(cells.file)?,
        patient_id: cells.patient_id.to_string(),
        laterality: word("side", cells.side)?,
        view: word("view", cells.view)?,
        pathology: word("label", cells.label)?,
        width_px: 0,
        height_px: 0,
        polarity: word("polarity", cells.polarity)?,
        density: density.map(|density| density as u8),
        assessment: assessment.map(|assessment| assessment as u8),
        site: (!cells.site.is_empty()).then(|| cells.site.to_string()),
        lesions: Vec::new(),
    };
    Ok(Candidate { line, mammogram, n_lesions })
}

/// ACR breast density: 1 to 4, or the letters A to D of the fifth edition.
fn acr_density(cell: &str) -> Option<u32> {
    let letter = ["a", "b", "c", "d"].iter().position(|letter| cell.eq_ignore_ascii_case(letter));
    letter.map(|at| at as u32 + 1).or_else(|| cell.parse().ok().filter(|density| (1..=4).contains(density)))
}

/// BI-RADS assessment: 0 to 6; the subdivisions 4a, 4b, 4c count as 4.
fn bi_rads(cell: &str) -> Option<u32> {
    let is_subdivided_4 = ["4a", "4b", "4c"].iter().any(|word| cell.eq_ignore_ascii_case(word));
    if is_subdivided_4 { Some(4) } else { cell.parse().ok().filter(|assessment| *assessment <= 6) }
}

/// A cell as a value of the vocabulary.
pub(super) fn word<T: FromStr<Err: Display>>(column: &str, cell: &str) -> Checked<T> {
    cell.parse().or_else(|e| refuse(RejectionReason::UnknownWord, format!("{column} {e}")))
}

/// A path from a table as a path below the data set's folder.
pub(super) fn path_in_data_set(cell: &str) -> Checked<String> {
    below_root(cell).map_or_else(
        || {
            let problem = format!("'{cell}' is absolute or climbs; expected a path below the table's folder");
            refuse(RejectionReason::PathEscapesRoot, problem)
        },
        Ok,
    )
}

/// Keeps one row per file: the first of equal rows, none of rows that contradict each other.
fn without_duplicates(candidates: Vec<Candidate>, findings: &mut Findings) -> Vec<Candidate> {
    let mut first: HashMap<String, (u64, Mammogram)> = HashMap::new();
    let mut contradicted: BTreeSet<String> = BTreeSet::new();
    for candidate in &candidates {
        let file = &candidate.mammogram.file;
        match first.get(file) {
            Some((_, mammogram)) if *mammogram != candidate.mammogram => {
                contradicted.insert(file.clone());
            }
            Some(_) => {}
            None => {
                first.insert(file.clone(), (candidate.line, candidate.mammogram.clone()));
            }
        }
    }
    let keep = |candidate: &Candidate| {
        let file = &candidate.mammogram.file;
        let first_line = first.get(file).map_or(candidate.line, |(line, _)| *line);
        let (reason, problem) = if contradicted.contains(file) {
            let problem = "the rows of this file differ; keep the right one".to_string();
            (RejectionReason::ContradictingRows, problem)
        } else if first_line != candidate.line {
            (RejectionReason::DuplicateRow, format!("same as line {first_line}, which stays"))
        } else {
            return true;
        };
        findings.reject(file, candidate.line, Refusal { reason, problem });
        false
    };
    candidates.into_iter().filter(keep).collect()
}

/// What opening an image tells.
struct Opened {
    width_px: u32,
    height_px: u32,
    /// SHA-256 of the file's bytes; only when the pixels were asked for.
    digest: Option<[u8; 32]>,
}

/// Opens every image, on all threads, and fills in its size.
pub(super) fn verify(
    root: &Path,
    candidates: Vec<Candidate>,
    verify: Verify,
    progress: &Progress,
    findings: &mut Findings,
) -> Vec<Candidate> {
    let opened: Vec<_> = candidates
        .par_iter()
        .map(|candidate| {
            let opened = open(&root.join(&candidate.mammogram.file), verify);
            progress.step();
            opened
        })
        .collect();
    let mut accepted: Vec<Candidate> = Vec::new();
    let mut owners: HashMap<[u8; 32], (String, String)> = HashMap::new();
    let mut same_patient_twice = 0;
    for (mut candidate, opened) in candidates.into_iter().zip(opened) {
        let Mammogram { file, patient_id, .. } = &candidate.mammogram;
        let opened = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                findings.reject(file, candidate.line, refusal);
                continue;
            }
        };
        if let Some(digest) = opened.digest {
            let (owner, first_file) =
                owners.entry(digest).or_insert_with(|| (patient_id.clone(), file.clone()));
            if owner != patient_id {
                let problem = format!("patient {patient_id}; the same bytes are {first_file} of {owner}");
                let refusal = Refusal { reason: RejectionReason::SameFileOtherPatient, problem };
                findings.reject(file, candidate.line, refusal);
                continue;
            }
            same_patient_twice += usize::from(first_file != file);
        }
        candidate.mammogram.width_px = opened.width_px;
        candidate.mammogram.height_px = opened.height_px;
        accepted.push(candidate);
    }
    findings.note(same_patient_twice, "images hold the very bytes of another image of the same patient");
    accepted
}

fn open(path: &Path, verify: Verify) -> Checked<Opened> {
    if !path.is_file() {
        return refuse(RejectionReason::MissingFile, format!("no file {}", path.display()));
    }
    let unreadable = |e| Refusal { reason: RejectionReason::UnreadableImage, problem: without_path(e) };
    let wrong_size = |e| Refusal { reason: RejectionReason::WrongSize, problem: without_path(e) };
    let (width_px, height_px) = read_size(path).map_err(unreadable)?;
    check_size(path, width_px, height_px).map_err(wrong_size)?;
    let digest = match verify {
        Verify::Headers => None,
        Verify::Pixels => {
            let bytes = std::fs::read(path).map_err(|e| unreadable(Error::io(path, "read the image", e)))?;
            decode_gray(path, &bytes).map_err(unreadable)?;
            Some(Sha256::digest(&bytes).into())
        }
    };
    Ok(Opened { width_px, height_px, digest })
}

/// An image error without the path, which stands in the rejection already and would make
/// lists from two machines differ.
pub(super) fn without_path(error: Error) -> String {
    match error {
        Error::Image { found, expected, .. } => format!("{found}; expected {expected}"),
        other => other.to_string(),
    }
}
