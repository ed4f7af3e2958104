//! Model files: weights, architecture, preprocessing and training record in one file.
//!
//! A `.safetensors` file whose metadata holds a [`ModelCard`] as JSON. The preprocessing of the training images is
//! stored with the weights, so that a model cannot be applied to images prepared in another way, the most common
//! mistake with such models.
//!
//! The file also holds its own SHA-256, computed with the digest's 64 digits set to zeros: a change of any byte, in
//! the weights or the card, is detected. Reading maps the file and checks every tensor's name, shape and values
//! against the card's architecture before it copies them; no length stated in the file is trusted with memory.
//!
//! Weights are stored in 32 or 16 bits ([`Weights`]) and read back as `f32`. The digest is that of the file: the same
//! network in 16 bits is another model, with another digest.

mod calibration;
mod card;
mod evidence;
mod networks;
mod text;
mod weights;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use mammo_core::write::write_atomically;
use memmap2::Mmap;
use safetensors::tensor::{SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use calibration::{Calibration, CalibrationMethod};
pub use card::{INTENDED_USE, ModelCard, NO_LICENCE, Network, Source, TrainingRecord};
pub use evidence::{Description, Detector, Estimate, Evidence, Figure};
pub use weights::Weights;

use crate::networks::state::{NamedTensor, StateDict};
use crate::{Error, Result};

/// Version of the card that is written. Version 3 added the calibration, and resamples patients
/// for the validation interval. Version 4 added name, limits, evidence and figures, and weights in 16 bits.
pub const FORMAT_VERSION: u32 = 4;

/// The oldest version that is read. Version 1 had no digest.
const OLDEST_VERSION: u32 = 2;

/// Key of the card in the file's metadata.
pub(crate) const CARD: &str = "mammo.card";

/// The bytes before the digest in the file's header, in which quotes are escaped.
const DIGEST_KEY: &[u8] = br#"{\"sha256\":\""#;

/// Hexadecimal digits of a SHA-256.
pub const N_DIGITS: usize = 64;

/// The metadata.
#[derive(Serialize)]
struct Stored<'a> {
    // First, so that `DIGEST_KEY` finds it.
    sha256: &'a str,
    card: &'a ModelCard,
}

/// A model file read into memory.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// Where it was read; error messages name it.
    pub path: PathBuf,
    /// The model card.
    pub card: ModelCard,
    /// Its weights and running statistics.
    pub tensors: StateDict,
    /// The number type that the file stores them in: that of the tensors of several axes.
    pub weights: Weights,
    /// First 16 hexadecimal digits of the file's SHA-256: the model's name in score tables.
    pub digest: String,
}

/// Writes a model file under a temporary name, then renames it.
///
/// # Errors
/// When writing fails, a weight is not finite, or card and tensors do not match.
pub fn save(path: &Path, card: &ModelCard, tensors: &StateDict) -> Result<()> {
    save_as(path, card, tensors, Weights::F32)
}

/// Writes a model file with weights of another number type.
///
/// # Errors
/// As [`save`], and when a value is beyond the largest one of the type; the message names the tensor.
pub fn save_as(path: &Path, card: &ModelCard, tensors: &StateDict, weights: Weights) -> Result<()> {
    let unusable = |e: String| Error::model_file(path, e, "a model that can be loaded again");
    check_tensors(card, tensors.iter().map(|(name, t)| (name.as_str(), t.shape.as_slice())))
        .map_err(unusable)?;
    let bad = |(_, t): &(&String, &NamedTensor)| t.values.iter().any(|v| !v.is_finite());
    if let Some((name, _)) = tensors.iter().find(bad) {
        return Err(unusable(format!("tensor '{name}' holds a value that is not finite")));
    }
    let metadata = |card| serialize_as(tensors, weights, CARD, card);
    write(path, card, metadata)
}

/// Writes a model file with another card and the tensors of one in memory, byte for byte.
///
/// # Errors
/// When `from` is not a model file that loads, the card does not describe its tensors, or writing fails.
pub fn save_with_card(path: &Path, card: &ModelCard, from: &[u8]) -> Result<()> {
    let unusable = |e: String| Error::model_file(path, e, "a model that can be loaded again");
    let file = SafeTensors::deserialize(from).map_err(|e| unusable(e.to_string()))?;
    let views = file.tensors();
    check_tensors(card, views.iter().map(|(name, view)| (name.as_str(), view.shape()))).map_err(unusable)?;
    write(path, card, |card| {
        let metadata = HashMap::from([(CARD.to_string(), card)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
    })
}

/// Writes the file that `serialize` makes of the card with its digest.
fn write(
    path: &Path,
    card: &ModelCard,
    serialize: impl FnOnce(String) -> std::result::Result<Vec<u8>, String>,
) -> Result<()> {
    let unusable = |e: String| Error::model_file(path, e, "a model that can be loaded again");
    let card = ModelCard { format_version: FORMAT_VERSION, ..card.clone() };
    let stored = Stored { sha256: &"0".repeat(N_DIGITS), card: &card };
    let card = serde_json::to_string(&stored).map_err(|e| unusable(e.to_string()))?;
    let mut bytes = serialize(card).map_err(unusable)?;
    let (start, digest) = self_digest(&bytes).ok_or_else(|| unusable("no place for the digest".into()))?;
    bytes[start..start + N_DIGITS].copy_from_slice(digest.as_bytes());
    Ok(write_atomically(path, &bytes)?)
}

/// A safetensors file of `f32` tensors with one entry of metadata (one: their order would be
/// random, and so would be the file's bytes).
pub(crate) fn serialize(
    tensors: &StateDict,
    key: &str,
    value: String,
) -> std::result::Result<Vec<u8>, String> {
    serialize_as(tensors, Weights::F32, key, value)
}

fn serialize_as(
    tensors: &StateDict,
    weights: Weights,
    key: &str,
    value: String,
) -> std::result::Result<Vec<u8>, String> {
    let n_values = tensors.values().map(|t| t.values.len()).sum();
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(name, t)| weights.bytes(name, t, n_values))
        .collect::<std::result::Result<_, _>>()?;
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, t), bytes)| {
            TensorView::new(weights.of_tensor(t, n_values), t.shape.clone(), bytes).map(|view| (name, view))
        })
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    let metadata = HashMap::from([(key.to_string(), value)]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}

/// Reads a model file.
///
/// # Errors
/// [`Error::ModelFile`] when any byte of it was changed, when it is cut short, has no card,
/// another format version, a card that contradicts itself, or a tensor that is missing, left
/// over, of another type or shape, or not finite.
pub fn load(path: &Path) -> Result<ModelFile> {
    let file = File::open(path).map_err(|e| mammo_core::Error::io(path, "read the model", e))?;
    // SAFETY: the map is only read, and dropped before this function returns. Model files are
    // replaced by renaming (`write_atomically`), never written in place, so that the pages of
    // an open one stay; a file cut by somebody else meanwhile would end the process.
    let map = unsafe { Mmap::map(&file) }.map_err(|e| mammo_core::Error::io(path, "map the model", e))?;
    parse(path, &map)
}

/// The parts of a model file in memory; error messages name `path`.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<ModelFile> {
    let complete = "a complete model file written by `mammo`; copy it again";
    let damaged = |e: String| Error::model_file(path, format!("damaged ({e})"), complete);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let json = header.metadata().as_ref().and_then(|m| m.get(CARD)).ok_or_else(|| {
        let expected = "a model file; other weights come in through `mammo model import`";
        Error::model_file(path, "a safetensors file without a model card", expected)
    })?;
    let stored: serde_json::Value =
        serde_json::from_str(json).map_err(|e| damaged(format!("its card is no JSON: {e}")))?;
    // Version 1 stored the card without a digest beside it.
    let card = stored.get("card").unwrap_or(&stored);
    check_version(path, card)?;
    let (start, digest) = self_digest(bytes).ok_or_else(|| damaged("it has no digest".into()))?;
    if bytes[start..start + N_DIGITS] != *digest.as_bytes() {
        return Err(damaged("its bytes do not match its digest".into()));
    }
    let card = ModelCard::deserialize(card).map_err(|e| damaged(format!("its card cannot be read: {e}")))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let shapes = header.tensors();
    check_tensors(&card, shapes.iter().map(|(name, info)| (name.as_str(), info.shape.as_slice())))
        .map_err(|e| Error::model_file(path, e, "the architecture on its card"))?;
    let mut tensors = StateDict::new();
    for (name, view) in file.iter() {
        tensors.insert(name.to_string(), weights::finite_f32(name, &view).map_err(&damaged)?);
    }
    let weights = Weights::of_file(&file);
    Ok(ModelFile { path: path.to_path_buf(), card, tensors, weights, digest: digest[..16].to_string() })
}

/// Checks the version before anything else of the card is read.
fn check_version(path: &Path, card: &serde_json::Value) -> Result<()> {
    let version = card.get("format_version").and_then(serde_json::Value::as_u64);
    if version.is_some_and(|v| (u64::from(OLDEST_VERSION)..=u64::from(FORMAT_VERSION)).contains(&v)) {
        return Ok(());
    }
    let found = version.map_or("no format version".to_string(), |v| format!("format version {v}"));
    let expected = format!(
        "format version {OLDEST_VERSION} to {FORMAT_VERSION}; use the program version that wrote it, or train the \
         model again"
    );
    Err(Error::model_file(path, found, expected))
}

/// Checks the card for contradictions, and that the tensors are those of its architecture.
fn check_tensors<'a>(
    card: &ModelCard,
    tensors: impl Iterator<Item = (&'a str, &'a [usize])>,
) -> std::result::Result<(), String> {
    let mut expected = card.check().map_err(|e| e.to_string())?.tensors();
    for (name, shape) in tensors {
        match expected.remove(name) {
            None => return Err(format!("tensor '{name}' has no place in this architecture")),
            Some(needed) if needed != shape => {
                return Err(format!(
                    "tensor '{name}' has shape {shape:?}, the architecture needs {needed:?}"
                ));
            }
            Some(_) => {}
        }
    }
    match expected.keys().next() {
        Some(missing) => Err(format!("tensor '{missing}' is missing")),
        None => Ok(()),
    }
}

/// Position and expected value of a model file's digest; `None` without one.
pub fn self_digest(bytes: &[u8]) -> Option<(usize, String)> {
    // The digest opens the card, which opens the header: a few hundred bytes are enough.
    let head = &bytes[..bytes.len().min(512)];
    let start = head.windows(DIGEST_KEY.len()).position(|w| w == DIGEST_KEY)? + DIGEST_KEY.len();
    let end = start + N_DIGITS;
    if end > bytes.len() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(&bytes[..start]);
    hash.update([b'0'; N_DIGITS]);
    hash.update(&bytes[end..]);
    Some((start, mammo_core::digest::hex(&hash.finalize())))
}
