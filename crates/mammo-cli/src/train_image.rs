//! `mammo train image`: trains a whole-image classifier, from a patch classifier's trunk or from
//! scratch.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mammo_models::Registry;
use mammo_pipeline::training::{TrainImage, train_image};

use crate::progress::Terminal;
use crate::training::{RunArgs, report};
use crate::{Done, models};

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
    #[command(flatten)]
    pub run: RunArgs,
    /// Patch model with the trunk: a file, or the name of a bundled model.
    #[arg(long, required_unless_present = "from_scratch", conflicts_with = "from_scratch")]
    pub from_patch: Option<PathBuf>,
    /// Start from random weights.
    #[arg(long)]
    pub from_scratch: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let config = args.run.config()?;
    // Sections that are missing are found before the data are read.
    let _ = (config.preprocessing()?, config.patch()?, config.image()?);
    let named = |path: &PathBuf| models::named(&Registry::bundled(), path).context(models::NO_START);
    let from_patch = args.from_patch.as_ref().map(named).transpose()?;
    let (data, place) = args.run.start()?;
    let from_patch = from_patch.as_ref();
    report(&train_image(&TrainImage { config: &config, data: &data, from_patch, place: &place }, &Terminal)?)
}
