//! The checkpoint of a training run: everything that the next step depends on, in one file.
//!
//! Weights and optimizer moments are stored in Burn's record format, which keeps the parameter ids that link the two;
//! the position in the run is JSON. One safetensors file holds all three, so that they are replaced atomically.

use std::collections::HashMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use mammo_core::write::write_atomically;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::training::run::EpochRow;
use crate::training::schedule::StageProgress;
use crate::{Error, Result};

/// Name of the checkpoint in a run folder.
pub const FILE: &str = "resume.safetensors";

const POSITION: &str = "position";
const MODEL: &str = "model";
const OPTIMIZER: &str = "optimizer";

/// Position of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Digest of everything that determines the run: configuration, seed, data. A checkpoint with another digest is
    /// refused.
    pub digest: String,
    /// Stage to continue with, from zero.
    pub stage: usize,
    /// Epoch to continue with, from zero.
    pub epoch: usize,
    /// Step to continue with, from zero.
    pub step: usize,
    /// Sum of the losses of the epoch's steps so far.
    pub loss_sum: f64,
    /// Progress of the current stage.
    pub progress: StageProgress,
    /// Best validation metric so far.
    pub best_metric: Option<f64>,
    /// Finished epochs.
    pub history: Vec<EpochRow>,
    /// Whether the last stage has ended.
    pub finished: bool,
}

/// Writes a checkpoint.
///
/// # Errors
/// When writing fails; the previous checkpoint is kept.
pub fn save<M: Module>(
    path: &Path,
    position: &Position,
    model: &M,
    optimizer: &ModuleOptimizer,
) -> Result<()> {
    // Batch norm holds its latest statistics per thread; `valid` merges them.
    drop(model.valid());
    let unusable = |e: String| Error::model_file(path, e, "a state that can be stored");
    let model = model.clone().into_record().into_bytes().map_err(|e| unusable(e.to_string()))?;
    let optimizer = optimizer.into_bytes().map_err(|e| unusable(e.to_string()))?;
    let position = serde_json::to_string(position).map_err(|e| unusable(e.to_string()))?;
    let view = |bytes| TensorView::new(Dtype::U8, vec![<[u8]>::len(bytes)], bytes);
    let tensors = [(MODEL, &model), (OPTIMIZER, &optimizer)]
        .into_iter()
        .map(|(name, bytes)| view(bytes).map(|view| (name, view)))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| unusable(e.to_string()))?;
    let metadata = HashMap::from([(POSITION.to_string(), position)]);
    let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| unusable(e.to_string()))?;
    Ok(write_atomically(path, &bytes)?)
}

/// A checkpoint that was read but not yet loaded into a network.
pub struct Saved {
    /// Position of the run.
    pub position: Position,
    model: Vec<u8>,
    optimizer: Vec<u8>,
}

impl Saved {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file is cut short, of another kind, or belongs to a run
    /// with another `digest`. A failed resume never turns into a fresh start.
    pub fn load(path: &Path, digest: &str) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|e| mammo_core::Error::io(path, "read the resume state", e))?;
        let again = "a complete resume file; delete it to train from the start";
        let damaged = |e: String| Error::model_file(path, format!("damaged ({e})"), again);
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let position = header.metadata().as_ref().and_then(|m| m.get(POSITION));
        let position = position.ok_or_else(|| damaged("no position".into()))?;
        let position: Position = serde_json::from_str(position).map_err(|e| damaged(e.to_string()))?;
        if position.digest != digest {
            return Err(Error::model_file(
                path,
                format!("the state of another run (digest {}, now {digest})", position.digest),
                "the configuration, seed and data that the run began with; \
                 restore them, or give a new output folder",
            ));
        }
        let part = |name| tensors.tensor(name).map(|t| t.data().to_vec()).map_err(|e| damaged(e.to_string()));
        Ok(Self { position, model: part(MODEL)?, optimizer: part(OPTIMIZER)? })
    }

    /// Loads the stored weights into a network of the same architecture.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when they do not fit.
    pub fn model<M: Module>(&self, path: &Path, model: M) -> Result<M> {
        let misfit = |e: String| Error::model_file(path, e, "weights of the configured architecture");
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(self.model.clone()))
            .map_err(|e| misfit(e.to_string()))?;
        model.try_load_record(record).map_err(|e| misfit(e.to_string()))
    }

    /// Loads the stored moments into a new optimizer.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when they do not fit.
    pub fn optimizer(&self, path: &Path, optimizer: ModuleOptimizer) -> Result<ModuleOptimizer> {
        optimizer
            .from_bytes(Bytes::from_bytes_vec(self.optimizer.clone()))
            .map_err(|e| Error::model_file(path, e.to_string(), "moments of the configured optimizer"))
    }
}
