//! `mammo train image`: trains a whole-image classifier, from a patch classifier's trunk or from
//! scratch.

use std::path::PathBuf;

use anyhow::Result;
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::data::Data;
use mammo_pipeline::training::{TrainImage, train_image};

use crate::Done;
use crate::progress::{self, Terminal};
use crate::training::{place, report};

/// Train a whole-image classifier end to end from image labels.
///
/// With --from-patch training starts from the trunk of a patch classifier, which is the paper's
/// method; with --from-scratch from random weights, which is the paper's baseline. Top blocks, stages
/// and learning rates come from [image] in the configuration.
///
/// Example: mammo train image data/film/manifest.json --config configs/demo.toml \
///          --from-patch run/patch/model.safetensors --out run/image
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
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
    /// Patch model with the trunk.
    #[arg(long, required_unless_present = "from_scratch", conflicts_with = "from_scratch")]
    pub from_patch: Option<PathBuf>,
    /// Start from random weights.
    #[arg(long)]
    pub from_scratch: bool,
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
    let config = RunConfig::read(&args.config, &args.set)?;
    let data = Data::read(&args.manifest, args.split.as_deref())?;
    let place = place(&args.out, &args.device, args.resume);
    progress::catch_ctrl_c();
    let from_patch = args.from_patch.as_deref();
    report(&train_image(&TrainImage { config: &config, data: &data, from_patch, place: &place }, &Terminal)?)
}
