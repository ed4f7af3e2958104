//! `mammo`: learns to tell cancer from no cancer on whole mammograms, offline.
//!
//! Results go to stdout, logs and progress to stderr. Exit codes: 0 done, 1 done but some
//! input was rejected, 2 failed, 130 stopped by Ctrl-C with the state saved.

mod config;
mod demo;
mod doctor;
mod evaluate;
mod gallery;
mod gated;
mod heatmap;
mod heatmap_tables;
mod import;
mod inputs;
mod loose_images;
mod mapper;
mod model;
mod model_card;
mod overlay;
mod patch_scores;
mod phantom;
mod predict;
mod preprocess;
mod progress;
mod report;
mod report_pictures;
mod run_folder;
mod sample;
mod split;
mod train_image;
mod train_patch;
mod training;
mod transfer;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Learns to tell cancer from no cancer on whole mammograms (after Shen et al. 2019).
///
/// Start with `mammo demo`: it needs no data and no GPU. With your own data, the verbs follow
/// each other: import, split, train patch, train image, predict, evaluate.
///
/// Research software. Not a medical device; not for clinical use.
#[derive(Parser)]
#[command(name = "mammo", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Threads that compute [default: one per core].
    #[arg(long, global = true, value_name = "N", display_order = 100)]
    threads: Option<NonZeroUsize>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Demo(demo::Args),
    Phantom(phantom::Args),
    Import(import::Args),
    Split(split::Args),
    Doctor(doctor::Args),
    Sample(sample::Args),
    /// Train a patch or a whole-image classifier.
    #[command(subcommand)]
    Train(Train),
    Transfer(transfer::Args),
    Preprocess(preprocess::Args),
    Predict(predict::Args),
    Evaluate(evaluate::Args),
    Heatmap(heatmap::Args),
    Report(report::Args),
    /// Import weights, look at a model, export it.
    #[command(subcommand)]
    Model(model::Model),
}

#[derive(Subcommand)]
enum Train {
    Patch(train_patch::Args),
    Image(train_image::Args),
}

/// How a verb ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Everything asked for was done.
    All,
    /// Done, but some input was rejected; the verb said which.
    WithRejections,
    /// Stopped on request; the state is saved.
    Interrupted,
}

/// Ctrl-C in the middle of a verb that calls others.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped; run the same command again to continue")
    }
}

impl std::error::Error for Interrupted {}

fn main() -> ExitCode {
    let Cli { threads, verb } = Cli::parse();
    if let Some(threads) = threads
        && let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()
    {
        eprintln!("error: {threads} threads could not be started: {error}");
        return ExitCode::from(2);
    }
    if let Err(error) = mammo_nn::device::check_cpu_instructions() {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let done = match verb {
        Verb::Demo(args) => demo::run(&args),
        Verb::Phantom(args) => phantom::run(&args),
        Verb::Import(args) => import::run(&args),
        Verb::Split(args) => split::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Sample(args) => sample::run(&args),
        Verb::Train(Train::Patch(args)) => train_patch::run(&args),
        Verb::Train(Train::Image(args)) => train_image::run(&args),
        Verb::Transfer(args) => transfer::run(&args),
        Verb::Preprocess(args) => preprocess::run(&args),
        Verb::Predict(args) => predict::run(&args),
        Verb::Evaluate(args) => evaluate::run(&args),
        Verb::Heatmap(args) => heatmap::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Model(verb) => model::run(&verb),
    };
    match done {
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::WithRejections) => ExitCode::from(1),
        Ok(Done::Interrupted) => ExitCode::from(130),
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("{error}");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
