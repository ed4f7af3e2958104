//! `mammo report`: writes an HTML report.

use std::path::PathBuf;

use anyhow::Result;
use mammo_eval::EvalConfig;
use mammo_pipeline::config::with_settings;
use mammo_pipeline::report::{Request, RunFiles, write_report};

use crate::Done;
use crate::progress::Terminal;

/// Write a report: one HTML page with results, charts, cases, data flow and model card.
///
/// RUN is a run folder with scores.csv (written by `mammo predict --out RUN/scores.csv`), or any score
/// table. It is evaluated for every report. The page describes the first run and compares further runs
/// with it by paired tests. The page needs no internet connection; charts are also written as SVG and
/// JSON.
///
/// Examples:
///   mammo report run/image --manifest data/film/manifest.json
///   mammo report run/image run/scratch --manifest data/film/manifest.json --out report
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run folders or score tables.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Manifest of the scored images: adds subgroups, data flow, preprocessing and cases.
    #[arg(long)]
    pub manifest: Option<PathBuf>,
    /// Folder for the report.
    #[arg(long, default_value = "report")]
    pub out: PathBuf,
    /// Heading of the page [default: the first run's name].
    #[arg(long)]
    pub title: Option<String>,
    /// Number of cases of each kind.
    #[arg(long, default_value_t = 5)]
    pub cases: usize,
    /// Where to compute heat maps: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// A setting of the evaluation (docs/evaluation.md), such as bootstrap.seed=1; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let runs = args.runs.iter().map(|path| RunFiles::find(path)).collect::<Result<Vec<_>, _>>()?;
    let evaluation: EvalConfig = with_settings(&EvalConfig::default(), &args.set)?;
    let request = Request {
        runs: &runs,
        manifest: args.manifest.as_deref(),
        out: &args.out,
        title: args.title.as_deref(),
        cases: args.cases,
        device: &args.device,
        evaluation: &evaluation,
    };
    println!("{}", write_report(&request, &Terminal)?.display());
    Ok(Done::All)
}
