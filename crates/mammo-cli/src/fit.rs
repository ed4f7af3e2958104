//! `mammo fit`: a model of one's own in one command.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use mammo_data::doctor::Report;
use mammo_eval::{Defined, UnitFigures};
use mammo_models::Registry;
use mammo_pipeline::fit::{CONFIG, Fit, Fitted, Preparation, Prepared, START_FILE, Start, prepare, train};

use crate::output::{count, duration};
use crate::progress::{self, Terminal};
use crate::{Done, Interrupted, doctor, models, output};

/// How a run that was stopped goes on.
const STOPPED: Interrupted = Interrupted("the same command with --resume continues");

/// Train a model on your own mammograms in one command, and evaluate it.
///
/// DATA is a folder with images.csv, a public archive as it is downloaded, or a manifest (a split.json
/// beside it is then used). Its images are imported, checked for leaks and split by patient. From the
/// size of the breasts and lesions, the number of patients, the starting weights and the measured
/// speed of this machine, the command chooses the size of inputs and patches, network, epochs and
/// batches such that everything takes at most the hours given. It says what it will do and how long
/// that takes; then it trains on patches around lesions and on whole images, scores the test side,
/// evaluates and writes a report. Without outlines of lesions it trains from image labels alone, for
/// which it needs a model to start from.
///
/// OUT/config.toml holds the settings with a reason for each; with --plan the command ends there, and
/// --resume trains with that file, which may be edited before. After Ctrl-C, --resume continues.
///
/// Examples:
///   mammo fit my-set --out runs/my
///   mammo fit downloads/INbreast --out runs/inbreast --hours 8 --start lite0.safetensors
///   mammo fit runs/cbis/manifest.json --out runs/fit --plan
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder of the data set, or a manifest.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Folder for manifest, split, settings, models, scores and report.
    #[arg(long)]
    pub out: PathBuf,
    /// Time for everything, in hours.
    #[arg(long, default_value_t = 3.0)]
    pub hours: f64,
    /// Model to start from: a model file, such as ImageNet weights from `mammo model import`, a
    /// bundled model by name, or none for random weights [default: the bundled model if there is one].
    #[arg(long, value_name = "MODEL")]
    pub start: Option<PathBuf>,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Plan only, and print the settings.
    #[arg(long)]
    pub plan: bool,
    /// Continue a stopped run or a plan.
    #[arg(long)]
    pub resume: bool,
}

/// The word of `--start` for random weights.
const NO_START: &str = "none";

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let begun = Instant::now();
    progress::catch_ctrl_c();
    let (start, bundled) = start(args)?;
    let fit = Fit {
        data: &args.data,
        out: &args.out,
        hours: args.hours,
        device: &args.device,
        seed: args.seed,
        start: start.as_ref(),
        bundled,
        resume: args.resume,
        command: std::env::args().collect(),
        begun,
    };
    let prepared = match prepare(&fit, &Terminal).map_err(|error| STOPPED.instead_of_stop(error))? {
        Preparation::Ready(prepared) => prepared,
        Preparation::Unclean(report) => return Ok(refuse_unclean(&report)),
    };
    announce(args, &prepared);
    if args.plan {
        output::results(&prepared.config_text);
        return Ok(done(prepared.n_rejected));
    }
    let fitted = train(&fit, &prepared, &Terminal).map_err(|error| STOPPED.instead_of_stop(error))?;
    output::results(&results(args, &prepared, &fitted, begun));
    Ok(done(prepared.n_rejected + fitted.n_left_out))
}

fn done(n_left_out: usize) -> Done {
    if n_left_out == 0 { Done::All } else { Done::WithRejections }
}

/// The model to start from, the one given or the bundled one; with its bytes if it is bundled. Settings name files, so
/// that a bundled model is written into the folder of the run.
fn start(args: &Args) -> Result<(Option<Start>, Option<&'static [u8]>)> {
    let registry = Registry::bundled();
    let bundled = match &args.start {
        Some(path) if path.as_os_str() == NO_START => return Ok((None, None)),
        Some(path) if path.exists() => return Ok((Some(Start::read(path)?), None)),
        Some(name) => match name.to_str().and_then(|name| registry.find(name)) {
            Some(bundled) => bundled,
            None => return Err(models::missing(name, &registry).into()),
        },
        // A run that is continued starts from what its settings name.
        None if args.resume && args.out.join(CONFIG).exists() => return Ok((None, None)),
        None => match registry.default_model() {
            Some(bundled) => bundled,
            None => return Ok((None, None)),
        },
    };
    tracing::info!("start: {}, bundled with the program", bundled.name);
    let start = Start::of(&bundled.read()?);
    Ok((Some(Start { path: std::path::absolute(args.out.join(START_FILE))?, ..start }), Some(bundled.bytes)))
}

/// Prints the doctor's findings, as `mammo split` does.
fn refuse_unclean(report: &Report) -> Done {
    doctor::print_findings(report);
    tracing::warn!(
        label = "",
        "not trained: figures of these data would be wrong; correct the tables and start again, such as one patient_id \
         for all images of a patient (all cases: mammo import, then mammo doctor --pictures)"
    );
    Done::WithRejections
}

/// Says what will be done and how long that takes.
fn announce(args: &Args, prepared: &Prepared) {
    let Some(plan) = &prepared.plan else { return };
    let config = args.out.join(CONFIG);
    tracing::info!("\nplan for --hours {}, {}:\n\n{}", args.hours, plan.network, plan.table());
    plan.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let next = if args.plan { "; edit it if you like, and train with --resume" } else { "" };
    tracing::info!("settings with a reason for each: {}{next}\n", config.display());
}

/// The result on standard output.
fn results(args: &Args, prepared: &Prepared, fitted: &Fitted, begun: Instant) -> String {
    let mut text = String::from(
        "Area under the ROC curve on the test side, whose patients no model was trained on:\n\
         1 is perfect, 0.5 is guessing; 95 % intervals from resampled patients\n\n",
    );
    text += &format!("{:<12} {:>6} {:>11}  {:>6}  95 % interval\n", "per", "number", "with cancer", "area");
    let evaluation = &fitted.evaluation;
    text += &row("image", &evaluation.images);
    if let Some(breasts) = &evaluation.breasts {
        text += &row("breast", breasts);
    }
    text += &row("patient", &evaluation.patients);
    let out = args.out.display();
    let seconds = begun.elapsed().as_secs_f64();
    let planned = prepared.plan.as_ref().map_or(String::new(), |plan| {
        format!("; {} were expected", duration(plan.seconds() + plan.elapsed_s))
    });
    text += &format!("\ntime: {}{planned}\n\nwritten to {out}:\n", duration(seconds));
    for (name, what) in [
        ("report.html", "the results as a page for the browser"),
        ("image/model.safetensors", "the model, with its preparation of images and its calibration"),
        ("scores.csv", "the probability of cancer of every test image"),
        ("evaluation.md, .csv, .json", "all figures"),
        ("config.toml", "the settings, with a reason for each"),
    ] {
        text += &format!("  {name:<27} {what}\n");
    }
    text += &left_out(prepared.n_rejected, fitted.n_left_out);
    text + &format!(
        "next: open the report, or score other images: mammo predict IMAGES --model {}\n",
        fitted.model.display()
    )
}

fn left_out(rows: usize, images: usize) -> String {
    match (rows, images) {
        (0, 0) => String::new(),
        _ => format!("left out: {} of the tables, {}\n", count(rows, "row"), count(images, "image")),
    }
}

fn row(unit: &str, figures: &UnitFigures) -> String {
    let (n, malignant) = (figures.n, figures.n_malignant);
    let area = match &figures.auc {
        Defined::Value(auc) => format!("{:>6.3}  {:.3} to {:.3}", auc.estimate, auc.low, auc.high),
        Defined::Undefined { undefined } => format!("undefined: {undefined}"),
    };
    format!("{unit:<12} {n:>6} {malignant:>11}  {area}\n")
}
