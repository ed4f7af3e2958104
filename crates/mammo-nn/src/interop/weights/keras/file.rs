//! Reads the layer graph and tensors of a Keras HDF5 file.

use std::path::Path;

use hdf5_reader::group::Group;
use hdf5_reader::{Hdf5File, OpenOptions};
use serde_json::Value;

use crate::interop::weights::most_bytes;
use crate::networks::state::{NamedTensor, StateDict};

/// A Keras file in memory.
pub struct KerasFile {
    /// `model_config`, absent in files of `save_weights`.
    pub config: Option<Value>,
    /// Layers in the file's own order.
    pub layers: Vec<String>,
    /// Tensors by `group/weight name`, both as in the file.
    pub tensors: StateDict,
}

/// The tensors of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Kernel of a convolution or dense layer.
    Kernel,
    /// Bias of either.
    Bias,
    /// Scale of a batch norm.
    Gamma,
    /// Shift of a batch norm.
    Beta,
    /// Running mean.
    Mean,
    /// Running variance.
    Variance,
}

impl Part {
    /// Suffixes of the name in Keras 2, and in Keras 1, which called the variance `std`.
    fn endings(self) -> [&'static str; 2] {
        match self {
            Self::Kernel => ["/kernel", "_W"],
            Self::Bias => ["/bias", "_b"],
            Self::Gamma => ["/gamma", "_gamma"],
            Self::Beta => ["/beta", "_beta"],
            Self::Mean => ["/moving_mean", "_running_mean"],
            Self::Variance => ["/moving_variance", "_running_std"],
        }
    }
}

/// Names of the file's tensors, to find layers in.
pub struct TensorNames<'a>(Vec<&'a str>);

impl TensorNames<'_> {
    /// The tensor of a layer in a group: `group/.../layer/kernel:0`, where TensorFlow may have numbered the layer
    /// (`layer_1`), or any name with the right suffix in the layer's own group.
    ///
    /// # Errors
    /// A message, when there is none or more than one.
    pub fn find(&self, group: &str, layer: &str, part: Part) -> Result<String, String> {
        let in_group: Vec<(&str, &str)> = self
            .0
            .iter()
            .filter_map(|name| {
                let inner = name.strip_prefix(group)?.strip_prefix('/')?;
                let inner = inner.strip_suffix(":0").unwrap_or(inner);
                let layer = part.endings().iter().find_map(|ending| inner.strip_suffix(ending))?;
                Some((*name, layer.rsplit('/').next().unwrap_or(layer)))
            })
            .collect();
        let counted_up = |found: &str| {
            let rest = found.strip_prefix(layer).and_then(|rest| rest.strip_prefix('_'));
            rest.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        };
        let pick = |keep: &dyn Fn(&str) -> bool| -> Vec<&str> {
            in_group.iter().filter(|(_, found)| keep(found)).map(|(name, _)| *name).collect()
        };
        let mut found = pick(&|found| found == layer);
        if found.is_empty() {
            found = pick(&counted_up);
        }
        if found.is_empty() && group == layer {
            found = pick(&|_| true);
        }
        match found[..] {
            [one] => Ok(one.to_string()),
            [] => Err(format!("layer '{layer}' has no {part:?} in group '{group}'")),
            _ => Err(format!("layer '{layer}' has {} tensors for its {part:?}: {found:?}", found.len())),
        }
    }
}

impl KerasFile {
    /// Names of all tensors.
    pub fn names(&self) -> TensorNames<'_> {
        TensorNames(self.tensors.keys().map(String::as_str).collect())
    }
}

/// Reads a whole file.
///
/// # Errors
/// A message with what is missing or damaged.
pub fn read(path: &Path) -> Result<KerasFile, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    let limit = most_bytes(size);
    let options = OpenOptions::default().with_max_read_bytes(limit).with_max_chunk_bytes(limit);
    let file = Hdf5File::open_with_options(path, options).map_err(|e| e.to_string())?;
    let root = file.root_group().map_err(|e| e.to_string())?;
    let config = match text(&root, "model_config") {
        Some(json) => Some(serde_json::from_str(&json).map_err(|e| format!("model_config is no JSON: {e}"))?),
        None => None,
    };
    let weights = match root.group("model_weights") {
        Ok(group) => group,
        Err(_) => root,
    };
    let layers = texts(&weights, "layer_names")
        .ok_or("no list of layers (attribute layer_names); a Keras file has one")?;
    let (mut tensors, mut left) = (StateDict::new(), limit);
    for layer in &layers {
        let group = weights.group(layer).map_err(|e| format!("layer '{layer}': {e}"))?;
        for name in texts(&group, "weight_names").unwrap_or_default() {
            let tensor = tensor(&group, &name).map_err(|e| format!("tensor '{layer}/{name}': {e}"))?;
            // Several names may refer to the same data.
            let bytes = size_of_val(tensor.values.as_slice());
            left = left
                .checked_sub(bytes)
                .ok_or_else(|| format!("tensors of more than {limit} bytes in a file of {size}"))?;
            tensors.insert(format!("{layer}/{name}"), tensor);
        }
    }
    Ok(KerasFile { config, layers, tensors })
}

fn tensor(group: &Group, path: &str) -> Result<NamedTensor, String> {
    let (folders, name) = path.rsplit_once('/').map_or(("", path), |(folders, name)| (folders, name));
    let mut inner = None;
    for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
        let next = inner.as_ref().unwrap_or(group).group(folder).map_err(|e| e.to_string())?;
        inner = Some(next);
    }
    let dataset = inner.as_ref().unwrap_or(group).dataset(name).map_err(|e| e.to_string())?;
    let array = dataset.read_array::<f32>().map_err(|e| e.to_string())?;
    Ok(NamedTensor { shape: array.shape().to_vec(), values: array.iter().copied().collect() })
}

fn text(group: &Group, name: &str) -> Option<String> {
    group.attribute(name).ok()?.read_string().ok()
}

/// A list of names; Keras splits one that is too long for an attribute into `name0`, `name1`...
fn texts(group: &Group, name: &str) -> Option<Vec<String>> {
    let read = |name: &str| group.attribute(name).ok()?.read_strings().ok();
    if let Some(whole) = read(name) {
        return Some(whole);
    }
    let parts: Vec<Vec<String>> = (0..).map_while(|i| read(&format!("{name}{i}"))).collect();
    (!parts.is_empty()).then(|| parts.concat())
}
