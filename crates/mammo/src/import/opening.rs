//! Opens the candidates' image files.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::images::Candidate;
use super::{Checked, Findings, Progress, Refusal, RejectionReason, Verify, refuse};
use crate::pixels::{check_size, decode_gray, is_dicom, read_size};
use crate::record::Mammogram;
use crate::{Error, dicom};

/// Which DICOM objects are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Screening mammograms alone, by their headers.
    Mammograms,
    /// Every single grey frame: an archive whose tables say what its objects show.
    AnyGrey,
}

/// What opening an image tells.
struct Opened {
    width_px: u32,
    height_px: u32,
    /// SHA-256 of the file's bytes; only when the pixels were asked for.
    digest: Option<[u8; 32]>,
}

/// Opens every image, on all threads, and fills in its size.
pub(super) fn open_all(
    root: &Path,
    candidates: Vec<Candidate>,
    verify: Verify,
    admission: Admission,
    progress: &Progress,
    findings: &mut Findings,
) -> Vec<Candidate> {
    let opened: Vec<_> = candidates
        .par_iter()
        .map(|candidate| {
            let opened = open(&root.join(&candidate.mammogram.file), verify, admission);
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

fn open(path: &Path, verify: Verify, admission: Admission) -> Checked<Opened> {
    if !path.is_file() {
        return refuse(RejectionReason::MissingFile, "no such file below the table's folder");
    }
    let unreadable = |e| Refusal { reason: reason(&e), problem: without_path(e) };
    let wrong_size = |e| Refusal { reason: RejectionReason::WrongSize, problem: without_path(e) };
    if admission == Admission::Mammograms && is_dicom(path).map_err(unreadable)? {
        let header = dicom::read_header(path).map_err(unreadable)?;
        if let Some((refusal, found)) = header.refusal() {
            let problem = format!("{found}; expected {}", refusal.expected());
            return Err(Refusal { reason: refusal.into(), problem });
        }
    }
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

fn reason(error: &Error) -> RejectionReason {
    match error {
        Error::Dicom { refusal, .. } => (*refusal).into(),
        _ => RejectionReason::UnreadableImage,
    }
}

/// An image error without the path, which stands in the rejection already and would make
/// lists from two machines differ.
pub(super) fn without_path(error: Error) -> String {
    match error {
        Error::Image { found, expected, .. } => format!("{found}; expected {expected}"),
        Error::Dicom { refusal, found, .. } => format!("{found}; expected {}", refusal.expected()),
        other => other.to_string(),
    }
}
