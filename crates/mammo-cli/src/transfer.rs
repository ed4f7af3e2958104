//! `mammo transfer`: fine-tunes a whole-image classifier on another hospital's images.

use std::path::PathBuf;

use anyhow::Result;
use mammo_pipeline::training::{Transfer, transfer};

use crate::Done;
use crate::progress::Terminal;
use crate::training::{RunArgs, report};

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
    /// Whole-image model to start from.
    #[arg(long)]
    pub model: PathBuf,
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
    let (data, place) = args.run.start()?;
    let (model, n_patients) = (args.model.as_path(), args.patients);
    report(&transfer(Transfer { config, data: &data, model, n_patients, place: &place }, &Terminal)?)
}
