//! `mammo report`: runs in, one page to look at out.

use std::path::PathBuf;

use anyhow::Result;
use mammo_eval::EvalConfig;
use mammo_pipeline::config::with_settings;
use mammo_pipeline::report::{Request, RunFiles, write_report};

use crate::Done;
use crate::progress::Terminal;

/// Write a report: one HTML page with results, figures, cases, data flow and model card.
///
/// RUN is a run folder that holds scores.csv (written there by `mammo predict --out
/// RUN/scores.csv`), or any score table. It is evaluated anew for every report. The page is about
/// the first run; further ones are set beside it with paired tests. It needs no network; figures
/// are written as SVG and JSON beside it.
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
    /// Cases shown of each kind.
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
