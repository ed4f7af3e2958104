//! A model as an ONNX file (opset 17), for runtimes other than this program.
//!
//! The batch size is free, and so are rows and columns unless fully connected layers fix them. Outputs are `logits`
//! and `probabilities`, or `features` for a trunk. The model card is stored in the metadata. Preprocessing stays
//! outside the graph, except for its last, linear step, which can be included.

mod graph;
mod pooling;
#[allow(missing_docs)]
mod proto;

use std::path::Path;

use mammo_core::write::write_atomically;
use prost::Message;

use crate::model_file::{ModelFile, Network};
use crate::{Error, Result};
use graph::Builder;
use proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};

/// The ONNX operator set of the files.
pub const OPSET: i64 = 17;

/// Representation of batch norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// Folded into the preceding convolutions: fewer operations, the same result up to rounding.
    Folded,
    /// As separate operations.
    Separate,
}

/// The input of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// `images`, `[n, channels, h, w]`: normalised values.
    Normalised,
    /// `pixels`, `[n, 1, h, w]`: grey values of 0 to 65535, as returned by the card's preprocessing; normalisation
    /// and channel copies are part of the graph.
    Pixels,
}

/// Export options.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Batch norms.
    pub norms: Norms,
    /// Input.
    pub input: Input,
}

/// Writes a model as ONNX.
///
/// # Errors
/// When writing fails, or a tensor of the architecture is missing.
pub fn write(path: &Path, file: &ModelFile, options: Options) -> Result<()> {
    let model = model(file, options)?;
    Ok(write_atomically(path, &model.encode_to_vec())?)
}

fn model(file: &ModelFile, options: Options) -> Result<ModelProto> {
    let card = &file.card;
    let outline = card.network.outline()?;
    // Fully connected layers on a map fix the image size.
    let fixed_px = match &card.network {
        Network::Image(config) if config.top.fc_layout().is_some() => Some(config.input_px),
        _ => None,
    };
    let mut builder = Builder::new(&file.tensors, options.norms);
    let input = builder.input(card, options.input, fixed_px);
    let last = builder.steps(&input, &outline.steps)?;
    builder.outputs(&last, &card.network, outline.c_out());
    let graph = GraphProto {
        name: format!("mammo {}", file.digest),
        node: builder.nodes,
        initializer: builder.initializers,
        input: builder.inputs,
        output: builder.outputs,
    };
    Ok(ModelProto {
        ir_version: 8,
        producer_name: "mammo".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: card.intended_use.clone(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata(file)?,
    })
}

fn metadata(file: &ModelFile) -> Result<Vec<StringStringEntryProto>> {
    let card = &file.card;
    let json = |value: serde_json::Result<String>| {
        value.map_err(|e| Error::network("model card", e.to_string(), "a card that can be written"))
    };
    let entries = [
        ("mammo.card", json(serde_json::to_string(card))?),
        ("mammo.model", file.digest.clone()),
        ("classes", json(serde_json::to_string(&card.classes))?),
        ("preprocessing", json(serde_json::to_string(&card.preprocessing))?),
        ("preprocessing_digest", card.preprocessing_digest.clone()),
        ("intended_use", card.intended_use.clone()),
        ("licence", card.licence.clone()),
    ];
    Ok(entries.map(|(key, value)| StringStringEntryProto { key: key.into(), value }).into())
}
