//! `mammo model shrink`: a model file with weights in 16 bits.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mammo_models::Registry;
use mammo_nn::model_file::{self, Weights};

use crate::{Done, models, output};

/// Write a model file with its weights in 16 bits: half as large, scores nearly the same.
///
/// Batch norms, biases, small tensors and the calibration stay as they are. The file has a digest
/// of its own, so scores made with the large file belong to the large file. f16 is the more exact
/// one; a model with a weight above 65504 needs bf16.
///
/// Example:
///   mammo model shrink run/image/model.safetensors --weights f16 --out small.safetensors
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ShrinkArgs {
    /// Model file, or the name of a bundled model.
    pub model: PathBuf,
    /// Number type of the weights.
    #[arg(long, value_enum)]
    pub weights: WeightsArg,
    /// Model file to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// A number type of 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WeightsArg {
    /// 11 significant bits.
    F16,
    /// 8 significant bits, the range of f32.
    Bf16,
}

impl From<WeightsArg> for Weights {
    fn from(weights: WeightsArg) -> Self {
        match weights {
            WeightsArg::F16 => Self::F16,
            WeightsArg::Bf16 => Self::Bf16,
        }
    }
}

/// Runs the command.
pub fn run(args: &ShrinkArgs) -> Result<Done> {
    let bytes = models::bytes(&Registry::bundled(), &args.model)?;
    let file = model_file::parse(&args.model, &bytes)?;
    let weights = Weights::from(args.weights);
    model_file::save_as(&args.out, &file.card, &file.tensors, weights)?;
    let after = std::fs::metadata(&args.out).with_context(|| args.out.display().to_string())?.len();
    output::results(&format!(
        "{}: {} bytes, weights in {}\n{}: {after} bytes, weights in {weights}\n",
        args.model.display(),
        bytes.len(),
        file.weights,
        args.out.display()
    ));
    Ok(Done::All)
}
