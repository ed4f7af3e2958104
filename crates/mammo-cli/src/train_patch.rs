//! `mammo train patch`: trains a patch classifier.

use std::path::PathBuf;

use anyhow::Result;
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::data::Data;
use mammo_pipeline::training::{TrainPatch, train_patch};

use crate::Done;
use crate::progress::{self, Terminal};
use crate::training::{place, report};

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
    /// Manifest written by `mammo import`.
    pub manifest: PathBuf,
    /// Run configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Split written by `mammo split` [default: split.json beside the manifest].
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// Run folder.
    #[arg(long)]
    pub out: PathBuf,
    /// Patch set by the paper's name, in place of the counts in the configuration.
    #[arg(long, value_name = "S<n>")]
    pub patch_set: Option<String>,
    /// Folder of patches drawn by `mammo sample` [default: draw them].
    #[arg(long)]
    pub patches: Option<PathBuf>,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Continue a stopped run.
    #[arg(long)]
    pub resume: bool,
    /// Override a setting: section.key=value; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let mut config = RunConfig::read(&args.config, &args.set)?;
    config.use_patch_set(args.patch_set.as_deref())?;
    let data = Data::read(&args.manifest, args.split.as_deref())?;
    let place = place(&args.out, &args.device, args.resume);
    progress::catch_ctrl_c();
    let patches = args.patches.as_deref();
    report(&train_patch(&TrainPatch { config: &config, data: &data, patches, place: &place }, &Terminal)?)
}
