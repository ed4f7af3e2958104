//! Import of weights from other frameworks, and export to PyTorch.
//!
//! | file | whose names | networks |
//! |---|---|---|
//! | `.pth`, `.pt` (zip, legacy pickle) | torchvision, timm | ResNet18, ResNet50, VGG16, VGG19, with batch norm or without |
//! | the same | timm, `efficientnet_lite_pytorch` | EfficientNet-Lite0, 1 and 2 |
//! | `.safetensors` | as above | the same |
//! | `.h5` of Keras 2 (`model.save`), whatever its extension | any: the layer graph in the file is read | the same, and the original authors' patch and whole-image models |
//! | `.h5` (`save_weights`) | Keras applications | ResNet50, VGG16, VGG19 |
//!
//! Training checkpoints are read like bare weights: `wrappers` finds the network in them. Values may have 16, 32 or
//! 64 bits. `foreign` identifies unsupported files and says how to export them.
//!
//! Weight files do not say how images were preprocessed: the user must state it.

mod efficientnet_names;
mod foreign;
mod keras;
mod place;
mod torch;
mod torch_names;
mod wrappers;

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::model_file::Network;
use crate::networks::state::StateDict;
use crate::{Error, Result};

pub use torch::write_torch_safetensors;

/// Imported weights under this project's tensor names.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Their network, with the conventions of its framework.
    pub network: Network,
    /// The weights.
    pub tensors: StateDict,
    /// False if weights of the same names and shapes exist that compute differently; the caller must then set the
    /// conventions of the network. So it is for timm's EfficientNet-Lite: Google's weights and timm's own differ in
    /// padding and epsilon.
    pub conventions_known: bool,
    /// Kind of file.
    pub format: String,
    /// What was left out or assumed, for the model card.
    pub notes: Vec<String>,
    /// First 16 hexadecimal digits of the file's SHA-256.
    pub digest: String,
}

/// Reads a weight file of any kind in the table above, identified by its first bytes.
///
/// # Errors
/// [`Error::ModelFile`] for other files, networks that this project does not have, and tensors
/// that are missing, of another shape or not finite.
pub fn read(path: &Path) -> Result<Imported> {
    let mut file =
        std::fs::File::open(path).map_err(|e| mammo_core::Error::io(path, "read the weights", e))?;
    let mut head = Vec::new();
    let read = file.by_ref().take(4096).read_to_end(&mut head);
    read.map_err(|e| mammo_core::Error::io(path, "read the weights", e))?;
    // HDF5 may begin after a user block of 512 bytes or a power of two more; Keras writes none.
    let mut imported = match head.get(..8) {
        Some(b"\x89HDF\r\n\x1a\n") => keras::read(path)?,
        Some([.., 0, 0, 0]) if head.get(8) == Some(&b'{') => torch::read_safetensors(path)?,
        Some(_) => torch::read_pth(path, &head)?,
        None => {
            let expected = "weights in .pth, .safetensors or .h5";
            return Err(Error::model_file(path, format!("{} bytes", head.len()), expected));
        }
    };
    imported.digest = file_digest(path)?;
    Ok(imported)
}

/// Maximum size of the tensors of a file: weights hardly compress, so they cannot be much larger than the file.
fn most_bytes(file_size: u64) -> usize {
    usize::try_from(file_size.saturating_mul(8)).unwrap_or(usize::MAX)
}

fn file_digest(path: &Path) -> Result<String> {
    let cannot = |e| mammo_core::Error::io(path, "read the weights", e);
    let mut file = std::fs::File::open(path).map_err(cannot)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(cannot)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(mammo_core::digest::short_hex(&hash.finalize()))
}
