//! `mammo train image`: trains a whole-image classifier, from a patch classifier's trunk or from
//! scratch.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mammo_models::Registry;
use mammo_pipeline::training::{ImageStart, TrainImage, train_image};

use crate::progress::Terminal;
use crate::training::{RunArgs, report};
use crate::{Done, models};

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
    /// Patch model with the trunk: a file, or the name of a bundled model.
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
    let named = |path: &PathBuf| models::named(&Registry::bundled(), path).context(models::NO_START);
    let file = match (&args.from_patch, &config.image()?.start) {
        (Some(path), _) => Some(named(path)?),
        (None, Some(path)) if !args.from_scratch => Some(named(path)?),
        _ => None,
    };
    let start = match &file {
        Some(file) if args.from_patch.is_some() => ImageStart::Patch(file),
        Some(file) => ImageStart::Trunk(file),
        None if args.from_scratch => ImageStart::Random,
        None => bail!(
            "no start; expected --from-patch MODEL, --from-scratch, or [image] start in the configuration"
        ),
    };
    let (data, place) = args.run.start()?;
    report(&train_image(&TrainImage { config: &config, data: &data, start, place: &place }, &Terminal)?)
}
