//! Keras weights: `.h5` files of Keras 1 and 2.
//!
//! A file of `model.save` holds its layer graph as JSON ([`graph`]). The importer reads that graph, not layer names,
//! so it can import the original authors' networks, whose trunk is a nested model: [`recognise`] converts the graph
//! to a [`chain`] of steps, [`assemble`] that to a network of this project with its conventions, [`tops`] identifies
//! the layers on top of a trunk, and [`places`] finds the tensors. A file of `save_weights` has names only, and is
//! read for Keras' own applications ([`applications`]).

mod applications;
mod assemble;
mod chain;
mod file;
mod graph;
mod places;
mod recognise;
mod settings;
mod tops;

use std::path::Path;

use super::Imported;
use super::place::place;
use crate::{Error, Result};

/// Expected contents, for error messages.
const EXPECTED: &str = "a Keras model of convolutions, batch norms and dense layers in channels-last order, \
                        as `model.save` of Keras 2 writes it, or weights of keras.applications";

/// Reads a Keras file.
///
/// # Errors
/// [`Error::ModelFile`] with the first layer that the networks of this project do not have.
pub fn read(path: &Path) -> Result<Imported> {
    let unusable = |e: String| Error::model_file(path, e, EXPECTED);
    let mut file = file::read(path).map_err(unusable)?;
    let (assembled, format) = match &file.config {
        Some(config) => {
            let graph = graph::flatten(config).map_err(unusable)?;
            let layers = recognise::recognise(&graph).map_err(unusable)?;
            (assemble::assemble(&graph, &layers, &file.names()).map_err(unusable)?, "Keras model")
        }
        None => (applications::assemble(&file).map_err(unusable)?, "Keras application weights"),
    };
    let outline = assembled.network.outline()?;
    let mut notes = assembled.notes;
    let tensors = place(&outline, &assembled.placements, &mut file.tensors).map_err(unusable)?;
    if !file.tensors.is_empty() {
        let left = file.tensors.len();
        notes.push(format!("{left} tensors of layers that are not part of the network left out"));
    }
    Ok(Imported {
        conventions_known: true,
        network: assembled.network,
        tensors,
        format: format.to_string(),
        notes,
        digest: String::new(),
    })
}
