//! `mammo model describe`: name, limits, evidence, figures and precision in a model's card.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mammo_models::Registry;
use mammo_nn::model_file::{self, Description};
use mammo_pipeline::config::with_nearest_key;

use crate::{Done, models, output};

/// Write a model file with name, licence, limits, evidence, figures and precision in its card.
///
/// FILE.toml has any of the keys below; those left out stay as they are in the model. The weights
/// are copied byte for byte. Images of a kind that no evidence entry names are scored without a
/// calibrated probability, and marked in the column domain. precision = "f32" makes every prediction
/// with this model compute in f32, also on processors that multiply bf16; models trained from it keep
/// that.
///
///   name = "film-1"
///   licence = "CC-BY-4.0"
///   limits = ["Evaluated on digitised films only."]
///   precision = "f32"                 # or auto: bf16 where the processor multiplies it
///   [[evidence]]
///   detector = "film"                 # film or digital
///   vendors = ["HOLOGIC, Inc."]       # DICOM (0008,0070); leave out for any manufacturer
///   views = ["cc", "mlo"]
///   n_images = 1592
///   n_patients = 891
///   auc = { value = 0.80, interval = [0.77, 0.83] }
///   note = "cross-validated"          # optional
///   [[figures]]
///   name = "AUC per image"
///   value = 0.80
///   interval = [0.77, 0.83]
///   n_images = 1592
///   how = "five-fold cross-validation by patient"
///
/// Example:
///   mammo model describe model.safetensors --card card.toml --out film-1.safetensors
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct DescribeArgs {
    /// Model file, or the name of a bundled model.
    pub model: PathBuf,
    /// Fields of the card, as TOML.
    #[arg(long, value_name = "FILE")]
    pub card: PathBuf,
    /// Model file to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// Runs the command.
pub fn run(args: &DescribeArgs) -> Result<Done> {
    let place = args.card.display();
    let text = std::fs::read_to_string(&args.card).with_context(|| format!("--card {place}"))?;
    let description: Description = toml::from_str(&text)
        .map_err(|e| anyhow::anyhow!("--card {place}: {}", with_nearest_key(&e.to_string())))?;
    let bytes = models::bytes(&Registry::bundled(), &args.model)?;
    let file = model_file::parse(&args.model, &bytes)?;
    let card = description.applied_to(&file.card);
    card.check().with_context(|| format!("--card {place}"))?;
    model_file::save_with_card(&args.out, &card, &bytes)?;
    output::results(&format!("{}: written from model {}\n", args.out.display(), file.digest));
    Ok(Done::All)
}
