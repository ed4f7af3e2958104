//! `mammo train exam`: trains a whole-image model on all views of a patient together.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mammo_models::Registry;
use mammo_pipeline::training::{TrainExam, train_exam};

use crate::progress::Terminal;
use crate::training::{RunArgs, report};
use crate::{Done, models};

/// Train a whole-image model on exams: all views of a patient together, from the same labels.
///
/// Adds two small networks to a whole-image model: one compares the views of a breast, one the left
/// breast with the right. A breast scores at least as high as each of its images, an exam at least
/// as high as each of its breasts; any view may be missing. Preprocessing comes from the model,
/// everything else from [exam] in the configuration.
///
/// Example: mammo train exam data/film/manifest.json --config my.toml \
///          --model run/image/model.safetensors --out run/exam
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    pub run: RunArgs,
    /// Whole-image model to start from: a file, or the name of a bundled model [default: the bundled
    /// model].
    #[arg(long)]
    pub model: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let config = args.run.config()?;
    // Sections that are missing are found before the data are read.
    config.exam()?;
    let model = models::chosen(&Registry::bundled(), args.model.as_deref(), models::MODEL_FLAG)
        .context(models::NO_START)?;
    let (data, place) = args.run.start()?;
    report(&train_exam(TrainExam { config, data: &data, model: &model, place: &place }, &Terminal)?)
}
