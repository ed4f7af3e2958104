//! `mammo train patch`: trains a patch classifier.

use std::path::PathBuf;

use anyhow::Result;
use mammo_pipeline::training::{TrainPatch, train_patch};

use crate::Done;
use crate::progress::Terminal;
use crate::training::{RunArgs, report};

/// Train a patch classifier on lesion and background patches, in stages.
///
/// `[patch] start` in the configuration names a model file with the initial trunk, such as ImageNet
/// weights from `mammo model import`, as in the paper.
///
/// Inputs are prepared and patches drawn by the configuration. The run folder gets model.safetensors
/// (the best epoch), metrics.csv, run.json and a resume state: after Ctrl-C, the same command with
/// --resume continues and gives the same result.
///
/// Example: mammo train patch data/film/manifest.json --config configs/demo.toml --out run/patch
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub run: RunArgs,
    /// Patch set by the paper's name, in place of the counts in the configuration.
    #[arg(long, value_name = "S<n>")]
    pub patch_set: Option<String>,
    /// Folder of patches drawn by `mammo sample` [default: draw them].
    #[arg(long)]
    pub patches: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let mut config = args.run.config()?;
    config.use_patch_set(args.patch_set.as_deref())?;
    // Sections that are missing are found before the data are read.
    let _ = (config.preprocessing()?, config.sampling()?, config.patch()?);
    let (data, place) = args.run.start()?;
    let patches = args.patches.as_deref();
    report(&train_patch(&TrainPatch { config: &config, data: &data, patches, place: &place }, &Terminal)?)
}
