//! `mammo train image`: trains a whole-image classifier, from a patch classifier's trunk or from
//! scratch.

use std::path::PathBuf;

use anyhow::{Result, bail};
use mammo_pipeline::training::{ImageStart, TrainImage, train_image};

use crate::Done;
use crate::progress::Terminal;
use crate::training::{RunArgs, report};

/// Train a whole-image classifier end to end from image labels.
///
/// With --from-patch training starts from the trunk of a patch classifier, which is the paper's
/// method; with --from-scratch from random weights, which is the paper's baseline; with neither from
/// the trunk of the model that `[image] start` in the configuration names. Top blocks, stages and
/// learning rates come from [image] in the configuration.
///
/// Example: mammo train image data/film/manifest.json --config configs/demo.toml \
///          --from-patch run/patch/model.safetensors --out run/image
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    pub run: RunArgs,
    /// Patch model with the trunk.
    #[arg(long, conflicts_with = "from_scratch")]
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
    let start = match (&args.from_patch, &config.image()?.start) {
        (Some(path), _) => ImageStart::Patch(path),
        (None, _) if args.from_scratch => ImageStart::Random,
        (None, Some(path)) => ImageStart::Trunk(path),
        (None, None) => bail!(
            "no start; expected --from-patch MODEL, --from-scratch, or [image] start in the configuration"
        ),
    };
    let (data, place) = args.run.start()?;
    report(&train_image(&TrainImage { config: &config, data: &data, start, place: &place }, &Terminal)?)
}
