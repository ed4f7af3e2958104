//! `mammo transfer`: fine-tunes a whole-image classifier on another hospital's images.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mammo_models::Registry;
use mammo_pipeline::training::{Transfer, transfer};

use crate::progress::Terminal;
use crate::training::{RunArgs, report};
use crate::{Done, models};

/// Fine-tune a whole-image model on another data set, from image labels alone.
///
/// Preprocessing comes from the model; stages, learning rates, augmentation and start_share from
/// [transfer] in the configuration. start_share is the weight of the initial model in the
/// interpolation with the fine-tuned one: with few patients, 0.5 is more stable than 0. --patients
/// trains on that many patients only, for learning curves.
///
/// Example: mammo transfer data/digital/manifest.json --config configs/demo.toml \
///          --model run/image/model.safetensors --patients 20 --out run/transfer
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    pub run: RunArgs,
    /// Whole-image model to start from: a file, or the name of a bundled model [default: the bundled
    /// model].
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Train on this many patients of the training side, drawn by the seed, both classes
    /// present; all of them by default.
    #[arg(long)]
    pub patients: Option<usize>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let config = args.run.config()?;
    // Sections that are missing are found before the data are read.
    config.transfer()?;
    let model = models::chosen(&Registry::bundled(), args.model.as_deref(), models::MODEL_FLAG)
        .context(models::NO_START)?;
    let (data, place) = args.run.start()?;
    let n_patients = args.patients;
    report(&transfer(Transfer { config, data: &data, model: &model, n_patients, place: &place }, &Terminal)?)
}
