//! `mammo import`: tables and images in, manifest and rejections out.

use std::path::PathBuf;

use anyhow::Result;
use mammo::import::{Verify, import_tables, write_rejections};

use crate::{Done, progress};

/// Read a data set in the open table format and write its manifest.
///
/// The folder holds images.csv and, optionally, lesions.csv; docs/datasets.md describes the
/// columns. Rows that cannot be used are counted, listed with a reason in rejected.csv, and
/// left out; the exit code is then 1.
///
/// Example: mammo import data/film
#[derive(clap::Args)]
pub struct Args {
    /// Folder that holds images.csv.
    pub dir: PathBuf,
    /// Manifest to write [default: DIR/manifest.json].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Read image headers only, which is faster but does not find images that were cut short.
    #[arg(long)]
    pub headers_only: bool,
}

impl Args {
    /// Where the manifest goes.
    pub fn manifest(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| self.dir.join("manifest.json"))
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    let bar = progress::bar("reading images", 0);
    let verify = if args.headers_only { Verify::Headers } else { Verify::Pixels };
    let imported = import_tables(&args.dir, verify, &progress::counter(&bar))?;
    bar.finish_and_clear();
    let out = args.manifest();
    imported.manifest.write(&out)?;
    write_rejections(&out.with_file_name("rejected.csv"), &imported.rejections)?;
    for note in &imported.notes {
        eprintln!("note: {note}");
    }
    let counts = imported.manifest.counts();
    println!(
        "{}: {} images of {} patients ({} malignant, {} benign, {} unknown), {} lesions, {} rejected",
        out.display(),
        counts.images,
        counts.patients,
        counts.malignant,
        counts.benign,
        counts.unknown,
        counts.lesions,
        imported.rejections.len()
    );
    if imported.rejections.is_empty() {
        return Ok(Done::All);
    }
    for (reason, n) in imported.rejections_by_reason() {
        println!("  rejected {n:>5}  {reason}");
    }
    Ok(Done::WithRejections)
}
