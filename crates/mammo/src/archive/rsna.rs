//! RSNA Screening Mammography Breast Cancer Detection (2022): `train.csv` and DICOM → rows.
//!
//! Known defects, and what is done:
//!
//! * `cancer` is said of a breast, so every view of it is positive, also one that shows nothing.
//!   No lesion has a place.
//! * Magnified, lateral and axillary views are among the images: `other_view`.
//! * MONOCHROME1 and MONOCHROME2, two sites and ten machines are mixed, and cancers are not
//!   spread evenly over machines: site and machine become the site, and the
//!   [doctor](crate::doctor) tests it against the label.
//! * BI-RADS is known at one site only, and so is density.

use std::path::Path;

use serde::Deserialize;

use super::files::{Files, extension};
use super::plain;
use crate::Result;
use crate::import::table::{Column, Table};
use crate::import::{
    Candidate, Checked, Findings, RejectionReason, Rows, acr_density, bi_rads, refuse, word,
};
use crate::record::{Mammogram, Pathology};

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

pub(super) fn rows(dir: &Path) -> Result<Rows> {
    let files = Files::below(dir)?;
    let path = files.table(&TABLES)?;
    let mut in_images = Findings::of(&path);
    let is_image = |file: &str| matches!(extension(file).as_str(), "dcm" | "png" | "jpg");
    // train_images/<patient>/<image>.dcm, or <patient>_<image>.png in converted copies.
    let images = files.by(|file| {
        let (folders, name) = file.rsplit_once('/').unwrap_or(("", file));
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let key = if stem.contains('_') {
            stem.to_string()
        } else {
            format!("{}_{stem}", super::files::base(folders))
        };
        is_image(file).then_some(key)
    });
    let table = Table::open_as(plain("image_id"), &path, COLUMNS, &mut in_images)?;
    let mut candidates = Vec::new();
    for (line, cells) in table.rows::<Cells>(&path)? {
        let expected = || format!("train_images/{}/{}.dcm", cells.patient_id, cells.image_id);
        let key = format!("{}_{}", cells.patient_id, cells.image_id);
        let file = images.get(&key).map_or_else(expected, |file| file.to_string());
        match mammogram(&file, &cells) {
            Ok(mammogram) => candidates.push(Candidate { line, mammogram, n_lesions: None }),
            Err(refusal) => in_images.reject(&file, line, refusal),
        }
    }
    Ok(Rows::new(dir, &path, candidates, in_images))
}

fn mammogram(file: &str, cells: &Cells) -> Checked<Mammogram> {
    let pathology = match cells.cancer {
        "1" => Pathology::Malignant,
        "0" => Pathology::Benign,
        "" => Pathology::Unknown,
        other => return refuse(RejectionReason::UnknownWord, format!("cancer '{other}'; expected 0 or 1")),
    };
    let machine = [("site", cells.site_id), ("machine", cells.machine_id)];
    let named: Vec<String> =
        machine.iter().filter(|(_, id)| !id.is_empty()).map(|(what, id)| format!("{what} {id}")).collect();
    let (laterality, view) = (word("laterality", cells.laterality)?, super::view(cells.view)?);
    Ok(Mammogram {
        pathology,
        density: acr_density(cells.density).map(|density| density as u8),
        // Pandas wrote whole numbers with a decimal.
        assessment: bi_rads(cells.birads.trim_end_matches(".0")).map(|assessment| assessment as u8),
        site: (!named.is_empty()).then(|| named.join(" ")),
        ..Mammogram::new(file, cells.patient_id, laterality, view)
    })
}
