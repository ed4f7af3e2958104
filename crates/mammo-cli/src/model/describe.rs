//! `mammo model describe`: name, limits, evidence and figures in a model's card.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mammo_nn::model_file::{self, Description};
use mammo_pipeline::config::with_nearest_key;

use crate::{Done, output};

/// Write a model file with name, licence, limits, evidence and figures in its card.
///
/// FILE.toml has any of the keys below; those left out stay as they are in the model. The weights
/// are copied byte for byte. Images of a kind that no evidence entry names are scored without a
/// calibrated probability, and marked in the column domain.
///
///   name = "film-1"
///   licence = "CC-BY-4.0"
///   limits = ["Evaluated on digitised films only."]
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
    /// Model file.
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
    let bytes = std::fs::read(&args.model).with_context(|| args.model.display().to_string())?;
    let file = model_file::parse(&args.model, &bytes)?;
    let card = description.applied_to(&file.card);
    card.check().with_context(|| format!("--card {place}"))?;
    model_file::save_with_card(&args.out, &card, &bytes)?;
    output::results(&format!("{}: written from model {}\n", args.out.display(), file.digest));
    Ok(Done::All)
}
