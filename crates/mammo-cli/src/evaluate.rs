//! `mammo evaluate`: a score table in, figures with intervals out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mammo::eval::scores::read_scores;
use mammo::eval::{
    BootstrapConfig, EvalConfig, Interval, Measured, OperatingPoint, OperatingRule, Report, ScoreRow,
    compare_auc, evaluate_patches, evaluate_scores,
};
use mammo::write::write_atomically;

use crate::Done;
use crate::patch_scores;
use crate::training::read_model;

/// Evaluate a score table: AUC with patient-clustered intervals, operating point, calibration.
///
/// Image scores (from `mammo predict`, or any CSV with its columns) give areas per image,
/// breast and patient; patch scores give accuracy and the confusion matrix.
///
/// Examples:
///   mammo evaluate scores.csv --model run/image/model.safetensors --out evaluation
///   mammo evaluate ours.csv --compare theirs.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Score table.
    pub scores: PathBuf,
    /// Model whose stored operating point is applied.
    #[arg(long, conflicts_with = "choose_on")]
    pub model: Option<PathBuf>,
    /// Scores of the validation side, on which to choose the operating point instead.
    #[arg(long)]
    pub choose_on: Option<PathBuf>,
    /// Second score table of the same images: difference of the areas, paired.
    #[arg(long)]
    pub compare: Option<PathBuf>,
    /// Folder for evaluation.json, evaluation.csv and evaluation.md.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Bootstrap resamples of patients.
    #[arg(long, default_value_t = 2000)]
    pub resamples: usize,
    /// Seed of the resamples.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    if patch_scores::is_patch_scores(&args.scores)? {
        if args.model.is_some() || args.choose_on.is_some() || args.compare.is_some() {
            bail!("{}: holds patch scores, which have no operating point", args.scores.display());
        }
        let table = patch_scores::read(&args.scores)?;
        let classes: Vec<&str> = table.classes.iter().map(String::as_str).collect();
        let evaluation = evaluate_patches(&classes, &table.truth, &table.probabilities)?;
        return publish(&evaluation, "evaluation", args.out.as_deref());
    }
    let rows = read_scores(&args.scores)?;
    let bootstrap =
        BootstrapConfig { n_resamples: args.resamples, seed: args.seed, ..BootstrapConfig::default() };
    let config = EvalConfig { bootstrap, ..EvalConfig::default() };
    let point = operating_point(args)?;
    let evaluation = evaluate_scores(&rows, point.as_ref(), &config)?;
    publish(&evaluation, "evaluation", args.out.as_deref())?;
    if let Some(other) = &args.compare {
        let comparison = compare_auc(&rows, &read_scores(other)?, &bootstrap)?;
        println!("\n{} against {}", other.display(), args.scores.display());
        publish(&comparison, "comparison", args.out.as_deref())?;
    }
    Ok(Done::All)
}

fn operating_point(args: &Args) -> Result<Option<OperatingPoint>> {
    if let Some(path) = &args.choose_on {
        return choose_operating_point(&read_scores(path)?)
            .map(Some)
            .with_context(|| format!("{}: no operating point can be chosen", path.display()));
    }
    let Some(path) = &args.model else { return Ok(None) };
    let point = read_model(path)?.card.operating_point;
    if point.is_none() {
        bail!("{}: stores no operating point; choose one with --choose-on", path.display());
    }
    Ok(point)
}

/// The threshold with the largest sensitivity + specificity on labelled validation scores.
pub fn choose_operating_point(rows: &[ScoreRow]) -> Result<OperatingPoint> {
    let (scores, malignant): (Vec<f64>, Vec<bool>) =
        rows.iter().filter_map(|row| Some((row.probability, row.malignant()?))).unzip();
    Ok(OperatingPoint::choose(OperatingRule::MaxYouden, &scores, &malignant)?)
}

/// Prints the figures and, with a folder, writes them as JSON, CSV and Markdown.
fn publish(report: &impl Report, name: &str, out: Option<&Path>) -> Result<Done> {
    print!("{}", report.to_markdown());
    if let Some(dir) = out {
        report.write(dir, name)?;
        write_atomically(&dir.join(format!("{name}.md")), report.to_markdown().as_bytes())?;
    }
    Ok(Done::All)
}

/// Area per image with its patient-clustered interval.
pub fn auc_per_image(rows: &[ScoreRow]) -> Result<Interval> {
    match evaluate_scores(rows, None, &EvalConfig::default())?.images.auc {
        Measured::Value(interval) => Ok(interval),
        Measured::Undefined { undefined } => bail!("the area per image is undefined: {undefined}"),
    }
}
