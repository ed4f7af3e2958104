//! How many images are left after each step, and where the others went.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use mammo_data::manifest::Manifest;
use mammo_data::split::{Side, Split};
use mammo_eval::{Evaluation, ScoreRow};
use mammo_report::{Flow, FlowStep, LeftOut};

use crate::Result;
use crate::error::Place;

/// How many images were left at each step, and where the others went.
pub(super) fn flow(
    path: &Path,
    manifest: &Manifest,
    rows: &[ScoreRow],
    evaluation: &Evaluation,
) -> Result<Flow> {
    let counts = manifest.counts();
    let mut steps = vec![FlowStep {
        label: "accepted by import".into(),
        n_images: counts.images,
        n_patients: Some(counts.patients),
        n_malignant: Some(counts.malignant),
        left_out: rejections(&path.with_file_name("rejected.csv"))?,
    }];
    let scored: HashSet<&str> = rows.iter().map(|row| row.file.as_str()).collect();
    let split_path = path.with_file_name("split.json");
    if split_path.exists() {
        let split = Split::read(&split_path)?;
        split.verify(manifest).at(|| split_path.display())?;
        let sides = [Side::Train, Side::Validation, Side::Test];
        let of = |side| split.images(manifest, side);
        let side = sides.into_iter().find(|&side| {
            let files: HashSet<&str> = of(side).iter().map(|image| image.file.as_str()).collect();
            scored.iter().all(|file| files.contains(file))
        });
        if let Some(side) = side {
            let images = of(side);
            let elsewhere = sides
                .into_iter()
                .filter(|&other| other != side)
                .map(|other| LeftOut { reason: format!("on the {other} side"), n: of(other).len() });
            let mut left_out: Vec<LeftOut> = elsewhere.collect();
            let on_no_side = counts.images - left_out.iter().map(|out| out.n).sum::<usize>() - images.len();
            left_out.push(LeftOut { reason: "on no side: truth not recorded".into(), n: on_no_side });
            left_out.retain(|out| out.n > 0);
            steps.push(FlowStep {
                label: format!("{side} side of the split, by patient"),
                n_images: images.len(),
                n_patients: Some(images.iter().map(|image| &image.patient_id).collect::<HashSet<_>>().len()),
                n_malignant: Some(images.iter().filter(|image| image.malignant() == Some(true)).count()),
                left_out,
            });
        }
    }
    let before = steps[steps.len() - 1].n_images;
    let patients: HashSet<&str> = rows.iter().map(|row| row.patient_id.as_str()).collect();
    let not = |n: usize, reason: &str| match n {
        0 => Vec::new(),
        n => vec![LeftOut { reason: reason.into(), n }],
    };
    steps.push(FlowStep {
        label: "scored".into(),
        n_images: rows.len(),
        n_patients: Some(patients.len()),
        n_malignant: Some(rows.iter().filter(|row| row.malignant() == Some(true)).count()),
        left_out: not(before.saturating_sub(rows.len()), "not scored: not chosen, or not readable"),
    });
    steps.push(FlowStep {
        label: "evaluated".into(),
        n_images: evaluation.images.n,
        n_patients: Some(evaluation.images.n_patients),
        n_malignant: Some(evaluation.images.n_malignant),
        left_out: not(evaluation.n_unlabelled, "truth not recorded"),
    });
    Ok(Flow { steps })
}

/// Rows that import rejected, counted by reason.
fn rejections(path: &Path) -> Result<Vec<LeftOut>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut reader = csv::Reader::from_path(path).at(|| path.display())?;
    let code = reader.headers()?.iter().position(|header| header == "code");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for record in reader.records() {
        let record = record.at(|| path.display())?;
        let reason = code.and_then(|column| record.get(column)).unwrap_or("rejected");
        *counts.entry(reason.replace('_', " ")).or_default() += 1;
    }
    Ok(counts
        .into_iter()
        .map(|(reason, n)| LeftOut { reason: format!("rows rejected: {reason}"), n })
        .collect())
}
