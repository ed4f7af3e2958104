//! `mammo doctor`: checks a data set or a split.

use std::path::{Path, PathBuf};

use anyhow::Result;
use mammo_data::doctor::{
    Report, SHOWN, Severity, entries_of_cases, entries_of_manifest, examine, find_duplicates, write_report,
};
use mammo_data::manifest::Manifest;
use mammo_data::split::Split;

use crate::output::{LeftOut, count};
use crate::{Done, output, progress};

/// Look for leaks, contradictory labels and confounders in a data set.
///
/// Reads a manifest, with or without a split, or a folder with the case descriptions of
/// CBIS-DDSM. Finds patients, breasts and images on two sides, images stored under two names,
/// images with two labels, sides with one class, and scanners, sites or views that are associated
/// with the label. The exit code is 1 when there is a leak or a contradiction.
///
/// Examples:
///   mammo doctor data/film/manifest.json --split data/film/split.json
///   mammo doctor downloads/cbis-ddsm-csv --out runs/doctor
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Manifest written by `mammo import`, or a folder with case descriptions.
    pub data: PathBuf,
    /// Split whose sides are examined [default: the official sides of the data set].
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// Compare the pixels of all images with each other, to find duplicates.
    #[arg(long)]
    pub pictures: bool,
    /// Folder for doctor.json, doctor.md and leak_free_test.csv.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the report as Markdown.
    #[arg(long)]
    pub markdown: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let report = if args.data.is_dir() && !args.data.join("manifest.json").is_file() {
        examine_cases(&args.data)?
    } else {
        let inside = args.data.join("manifest.json");
        let manifest = Manifest::read(if inside.is_file() { &inside } else { &args.data })?;
        let split = args.split.as_deref().map(Split::read).transpose()?;
        if let Some(split) = &split {
            split.verify(&manifest)?;
        }
        examine_manifest(&manifest, split.as_ref(), args.pictures)
    };
    if let Some(out) = &args.out {
        write_report(out, &report)?;
    }
    if args.json {
        output::results(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else if args.markdown {
        output::results(&format!("{}\n", report.markdown()));
    } else {
        output::results(&report.to_string());
        if report.findings.iter().any(|finding| finding.cases.len() > SHOWN) {
            let all = args.out.as_ref().map(|out| out.join("doctor.json").display().to_string());
            let all =
                all.unwrap_or_else(|| "--json or --markdown prints them, --out FOLDER writes them".into());
            output::results(&format!("all cases, not only the first {SHOWN} of each kind: {all}\n"));
        }
    }
    Ok(if report.is_clean() { Done::All } else { Done::WithRejections })
}

fn examine_cases(dir: &Path) -> Result<Report> {
    let (entries, rejections) = entries_of_cases(dir)?;
    let mut left_out = LeftOut::new("left out");
    for rejection in &rejections {
        let line = rejection.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let place = format!("{}{line}: {}: {}", rejection.file, rejection.reason.phrase(), rejection.detail);
        left_out.add(&rejection.file, &place);
    }
    left_out.print_rest("`mammo import cbis-ddsm` lists all of them in rejected.csv");
    Ok(examine(&entries, None))
}

/// Prints findings that are more than notes, with a few cases of each.
pub fn print_findings(report: &Report) {
    for finding in report.findings.iter().filter(|finding| finding.severity < Severity::Note) {
        let examples = finding.cases.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        tracing::warn!(label = %finding.severity, "{} {} ({examples})", finding.count, finding.what);
    }
}

/// Examines a manifest; compares pixels if `pictures` is set.
pub fn examine_manifest(manifest: &Manifest, split: Option<&Split>, pictures: bool) -> Report {
    let duplicates = pictures.then(|| {
        let bar = progress::bar("comparing images", manifest.images.len() as u64);
        let (duplicates, n_unread) = find_duplicates(manifest, &progress::counter(&bar));
        bar.finish_and_clear();
        if n_unread > 0 {
            tracing::info!(label = "note", "{} not readable and not compared", count(n_unread, "image"));
        }
        duplicates
    });
    examine(&entries_of_manifest(manifest, split), duplicates.as_deref())
}
