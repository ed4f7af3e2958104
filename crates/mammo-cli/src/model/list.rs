//! `mammo model list`: the models inside the program.

use mammo_models::Registry;
use mammo_nn::model_file::ModelFile;

use crate::{Done, models, output};

/// List the models that this program contains: name, size, data, main figure, licence.
///
/// Every command that takes a model file takes the name of one of them. `predict`, `heatmap`,
/// `transfer`, `train exam` and `model inspect` use the first one if no model is given.
///
/// Example: mammo model list
#[derive(clap::Args)]
pub struct ListArgs {}

/// Runs the command.
pub fn run(registry: &Registry) -> anyhow::Result<Done> {
    output::results(&listing(registry)?);
    Ok(Done::All)
}

/// The table of bundled models.
fn listing(registry: &Registry) -> anyhow::Result<String> {
    if registry.models().is_empty() {
        return Ok(format!("{}; give --model a model file\n", models::NONE_BUNDLED));
    }
    let mut text = String::new();
    for model in registry.models() {
        text += &entry(model.name, model.bytes.len(), &model.read()?);
    }
    Ok(text)
}

fn entry(name: &str, n_bytes: usize, file: &ModelFile) -> String {
    let card = &file.card;
    let evidence: Vec<String> = card.evidence.iter().map(|evidence| evidence.kind()).collect();
    let line = |name: &str, value: &str| format!("  {name:<12}{value}\n");
    let figure = card.figures.first().map_or("none stated".to_string(), ToString::to_string);
    let (patients, images) = (card.training.n_patients, card.training.n_pictures);
    format!("{name}\n")
        + &line("size", &format!("{:.1} MB", n_bytes as f64 / 1e6))
        + &line("trained on", &format!("{images} images of {patients} patients"))
        + &line("evidence", &if evidence.is_empty() { "none".into() } else { evidence.join("; ") })
        + &line("figure", &figure)
        + &line("licence", &card.licence)
}
