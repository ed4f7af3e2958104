//! `mammo`: trains and evaluates classifiers of cancer on whole mammograms, offline.
//!
//! Results go to stdout, logs and progress to stderr. Exit codes: 0 done, 1 done but some
//! input was rejected, 2 failed, 130 stopped by Ctrl-C with the state saved.

// Lines on stderr are events of `tracing`, because the standard macros panic on a closed pipe.
#![deny(clippy::print_stderr)]

// Must be first: its macros are used in all modules below.
#[macro_use]
mod terminal;

mod demo;
mod doctor;
mod evaluate;
mod fit;
mod heatmap;
mod import;
mod logging;
mod model;
mod models;
mod output;
mod phantom;
mod predict;
mod preprocess;
mod progress;
mod report;
mod sample;
mod split;
mod train_exam;
mod train_image;
mod train_patch;
mod training;
mod transfer;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use mammo_core::write::{check_file, check_folder};

/// Classifies whole mammograms as cancer or no cancer (after Shen et al. 2019).
///
/// Start with `mammo demo`: it needs no data and no GPU. `mammo fit` makes a model of your own data in
/// one command; step by step, use the commands in this order: import, split, train patch, train image,
/// predict, evaluate.
///
/// Research software. Not a medical device; not for clinical use.
#[derive(Parser)]
#[command(name = "mammo", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Number of computing threads [default: one per core].
    #[arg(long, global = true, value_name = "N", display_order = 100)]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    verbosity: logging::Verbosity,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Fit(fit::Args),
    Phantom(phantom::Args),
    Import(import::Args),
    Split(split::Args),
    Doctor(doctor::Args),
    Sample(sample::Args),
    /// Train a classifier of patches, of whole images or of exams.
    #[command(subcommand)]
    Train(Train),
    Transfer(transfer::Args),
    Preprocess(preprocess::Args),
    Predict(predict::Args),
    Evaluate(evaluate::Args),
    Heatmap(heatmap::Args),
    Report(report::Args),
    /// List, inspect, describe, shrink, import and export models.
    #[command(subcommand)]
    Model(model::Model),
}

#[derive(Subcommand)]
enum Train {
    Patch(train_patch::Args),
    Image(train_image::Args),
    Exam(train_exam::Args),
}

/// The outcome of a command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Done.
    All,
    /// Done, but some input was rejected; the command listed it.
    WithRejections,
    /// Stopped on request; the state is saved.
    Interrupted,
}

/// Interruption by Ctrl-C of a command that calls others, with how it is continued.
#[derive(Debug)]
pub struct Interrupted(pub &'static str);

impl Interrupted {
    /// An error of the pipeline: this one if it is a requested stop.
    pub fn instead_of_stop(self, error: mammo_pipeline::Error) -> anyhow::Error {
        match error {
            mammo_pipeline::Error::Stopped => self.into(),
            other => other.into(),
        }
    }
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped; {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// Largest number of threads per core: more threads are not faster and cost memory.
const MAX_THREADS_PER_CORE: usize = 8;

/// Environment variable of rayon for the number of threads.
const THREADS_VARIABLE: &str = "RAYON_NUM_THREADS";

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.verbosity);
    let done = run(cli);
    let stdout = terminal::failure().map(|e| anyhow::anyhow!("standard output: cannot be written: {e}"));
    match stdout.map_or(done, Err) {
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::WithRejections) => ExitCode::from(1),
        Ok(Done::Interrupted) => ExitCode::from(130),
        Err(error) if error.is::<Interrupted>() => {
            tracing::warn!(label = "", "{error}");
            ExitCode::from(130)
        }
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(Cli { threads, command, .. }: Cli) -> Result<Done> {
    let words: Vec<String> = std::env::args().collect();
    tracing::debug!("mammo {}, command line: {}", env!("CARGO_PKG_VERSION"), words.join(" "));
    start_threads(threads)?;
    tracing::debug!("{} computing threads", rayon::current_num_threads());
    mammo_nn::device::check_cpu_instructions()?;
    match command.output() {
        Some(Output::File(path)) => check_file(&path)?,
        Some(Output::Folder(path)) => check_folder(&path)?,
        None => {}
    }
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Phantom(args) => phantom::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Split(args) => split::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Train(Train::Patch(args)) => train_patch::run(&args),
        Command::Train(Train::Image(args)) => train_image::run(&args),
        Command::Train(Train::Exam(args)) => train_exam::run(&args),
        Command::Transfer(args) => transfer::run(&args),
        Command::Preprocess(args) => preprocess::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Heatmap(args) => heatmap::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Model(command) => model::run(&command),
    }
}

/// Starts the computing threads; their number comes from `--threads` or rayon's variable.
fn start_threads(asked: Option<NonZeroUsize>) -> Result<()> {
    let from_environment = || std::env::var(THREADS_VARIABLE).ok()?.parse::<usize>().ok();
    let (name, threads) = match (asked, from_environment()) {
        (Some(threads), _) => ("--threads", threads.get()),
        (None, Some(threads)) => (THREADS_VARIABLE, threads),
        (None, None) => return Ok(()),
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = MAX_THREADS_PER_CORE * cores;
    if threads > most {
        bail!("{name} {threads}: this machine has {cores} cores; expected 1 to {most}");
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.with_context(|| format!("{name} {threads}: the threads could not be started"))
}

/// The output path of a command.
enum Output {
    File(PathBuf),
    Folder(PathBuf),
}

impl Command {
    /// The output path of the command. It is checked before the command runs, so that hours of work do
    /// not end with a folder that cannot be written.
    fn output(&self) -> Option<Output> {
        let file = |path: &Option<PathBuf>| path.clone().map(Output::File);
        let folder = |path: &PathBuf| Some(Output::Folder(path.clone()));
        match self {
            Self::Demo(args) => folder(&args.out),
            Self::Fit(args) => folder(&args.out),
            Self::Phantom(args) => folder(&args.out),
            Self::Sample(args) => folder(&args.out),
            Self::Train(Train::Patch(args)) => folder(&args.run.out),
            Self::Train(Train::Image(args)) => folder(&args.run.out),
            Self::Train(Train::Exam(args)) => folder(&args.run.out),
            Self::Transfer(args) => folder(&args.run.out),
            Self::Preprocess(args) => folder(&args.out),
            Self::Heatmap(args) => folder(&args.out),
            Self::Report(args) => folder(&args.out),
            Self::Doctor(args) => args.out.as_ref().and_then(folder),
            Self::Evaluate(args) => args.out.as_ref().and_then(folder),
            Self::Import(args) => file(&args.output()),
            Self::Split(args) => file(&args.out),
            Self::Predict(args) => file(&args.out),
            Self::Model(command) => file(&command.output()),
        }
    }
}
