//! `mammo split`: assigns patients to sides.

use std::path::PathBuf;

use anyhow::{Result, bail};
use mammo_data::manifest::Manifest;
use mammo_data::split::{Split, SplitConfig, k_fold, split_by_patient, split_official};

use crate::output::count;
use crate::{Done, doctor, output};

/// Assign patients to train, validation and test sides, stratified by truth and density.
///
/// All images of a patient are on one side; a split with a patient on two sides is refused, also when
/// it was edited by hand. The result is checked by `mammo doctor`: the exit code is 1 when the split
/// has a leak, such as one film of two patients.
///
/// Examples:
///   mammo split data/film/manifest.json --test 0.2
///   mammo split runs/cbis/manifest.json --official
///   mammo split data/film/manifest.json --folds 5 --fold 0 --out fold0.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Manifest written by `mammo import`.
    pub manifest: PathBuf,
    /// Split to write [default: split.json beside the manifest].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Share of patients on the validation side (paper: 10 % of the training side).
    #[arg(long, default_value_t = 0.1)]
    pub validation: f64,
    /// Share of patients on the test side (paper: 15 %).
    #[arg(long, default_value_t = 0.15)]
    pub test: f64,
    /// Number of folds of a cross-validation; needs --fold.
    #[arg(long, requires = "fold")]
    pub folds: Option<usize>,
    /// The fold of the test side, from 0; the next fold is the validation side.
    #[arg(long, requires = "folds")]
    pub fold: Option<usize>,
    /// Test on the official test part of an archive, without patients in both parts.
    #[arg(long, conflicts_with_all = ["test", "folds"])]
    pub official: bool,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Compare the pixels of all images with each other, to find duplicates.
    #[arg(long)]
    pub pictures: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let manifest = Manifest::read(&args.manifest)?;
    let split = match (args.folds, args.fold) {
        _ if args.official => split_official(&manifest, args.validation, args.seed)?,
        (Some(folds), Some(fold)) => k_fold(&manifest, folds, fold, args.seed)?,
        (None, None) => {
            let train = 1.0 - args.validation - args.test;
            if train <= 0.0 {
                bail!("--validation {} and --test {} leave nothing to train on", args.validation, args.test);
            }
            let config = SplitConfig { train, validation: args.validation, test: args.test, seed: args.seed };
            split_by_patient(&manifest, &config)?
        }
        _ => bail!("--folds and --fold must be given together"),
    };
    let out = args.out.clone().unwrap_or_else(|| args.manifest.with_file_name("split.json"));
    split.write(&out)?;
    output::results(&format!("{}\n{}", out.display(), summary(&split, &manifest)));
    let report = doctor::examine_manifest(&manifest, Some(&split), args.pictures);
    doctor::print_findings(&report);
    Ok(if report.is_clean() { Done::All } else { Done::WithRejections })
}

/// A table of the sides; patients on no side are reported on stderr.
fn summary(split: &Split, manifest: &Manifest) -> String {
    let summary = split.summary(manifest);
    let mut text = format!(
        "{:<12} {:>8} {:>11} {:>8} {:>11}\n",
        "side", "patients", "with cancer", "images", "with cancer"
    );
    for side in summary.sides {
        text += &format!(
            "{:<12} {:>8} {:>11} {:>8} {:>11}\n",
            side.side, side.patients, side.malignant_patients, side.images, side.malignant_images
        );
    }
    if !summary.unlabelled_patients.is_empty() {
        let unlabelled = count(summary.unlabelled_patients.len(), "patient");
        tracing::info!(label = "note", "{unlabelled} without a label, on no side");
    }
    text
}
