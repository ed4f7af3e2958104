//! PyTorch weights: import of `.pth` and `.safetensors`, export of `.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use mammo_core::write::write_atomically;
use pytorch_reader::{DType, PytorchError, PytorchReader};
use safetensors::tensor::SafeTensors;

use super::efficientnet_names::Style;
use super::place::{Layout, Placement, place, torch_conv};
use super::torch_names::{conv_names, head_name, network};
use super::{Imported, foreign, most_bytes, wrappers};
use crate::model_file::{ModelFile, Network, serialize};
use crate::networks::conventions::{Conventions, Padding, StrideOn};
use crate::networks::resnet::BlockKind;
use crate::networks::state::{NamedTensor, StateDict};
use crate::networks::trunk::{TrunkConfig, TrunkShape};
use crate::stored_number::StoredNumber;
use crate::{Error, Result};

/// Expected contents, for error messages.
const EXPECTED: &str = "a state dictionary of torchvision's or timm's ResNet18, ResNet50, VGG16, VGG19 or \
                        EfficientNet-Lite";

/// Dense layers that this project's networks do not have.
const DENSE: [&str; 3] = ["classifier.", "pre_logits.", "head."];

/// Position of a tar archive's magic number.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// Reads a checkpoint without executing any of its pickle code; `head` is the file's beginning.
pub fn read_pth(path: &Path, head: &[u8]) -> Result<Imported> {
    let unusable = |e: String| Error::model_file(path, e, EXPECTED);
    if let Some(refusal) = foreign::refusal(path, head) {
        return Err(refusal);
    }
    if head.get(TAR_MAGIC) == Some(b"ustar") {
        // An entry may be sparse, and so of any length.
        return Err(Error::model_file(
            path,
            "a tar archive, as PyTorch wrote before version 0.1.10",
            "a zip archive or a pickle; load it and save it again with a current PyTorch",
        ));
    }
    let size = std::fs::metadata(path).map_err(|e| mammo_core::Error::io(path, "read the weights", e))?.len();
    let mut left = most_bytes(size);
    let reader = PytorchReader::new(path).map_err(|e| match e {
        PytorchError::Pickle(_) => foreign::pickled_object(path, head, &e),
        e => unusable(e.to_string()),
    })?;
    let found = reader.into_tensors();
    let shapes = found.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec())).collect();
    let read = |name: &String| {
        let Some(tensor) = found.get(name) else { return Err(format!("no tensor '{name}'")) };
        // A view may repeat one stored value many times.
        left = left
            .checked_sub(tensor.byte_len())
            .ok_or_else(|| format!("tensors of more than {} bytes in a file of {size}", most_bytes(size)))?;
        let number = match tensor.dtype() {
            DType::F16 => StoredNumber::F16,
            DType::BF16 => StoredNumber::Bf16,
            DType::F32 => StoredNumber::F32,
            DType::F64 => StoredNumber::F64,
            other => return Err(not_read(name, &format!("{other:?}"))),
        };
        Ok(number.values(&tensor.read().map_err(|e| e.to_string())?))
    };
    import(path, shapes, read, "PyTorch checkpoint")
}

/// Reads a safetensors file with PyTorch names.
pub fn read_safetensors(path: &Path) -> Result<Imported> {
    let bytes = std::fs::read(path).map_err(|e| mammo_core::Error::io(path, "read the weights", e))?;
    let unusable = |e: String| Error::model_file(path, e, EXPECTED);
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| unusable(e.to_string()))?;
    if header.metadata().as_ref().is_some_and(|m| m.contains_key(crate::model_file::CARD)) {
        let expected = "weights from elsewhere; a model file needs no import, use it as it is";
        return Err(Error::model_file(path, "a model file of this program", expected));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| unusable(e.to_string()))?;
    let shapes = file.iter().map(|(name, view)| (name.to_string(), view.shape().to_vec())).collect();
    let read = |name: &String| {
        let view = file.tensor(name).map_err(|e| e.to_string())?;
        let number = StoredNumber::of(view.dtype());
        let number = number.ok_or_else(|| not_read(name, &format!("{:?}", view.dtype())))?;
        Ok(number.values(view.data()))
    };
    import(path, shapes, read, "safetensors")
}

fn not_read(name: &str, kind: &str) -> String {
    format!("tensor '{name}' is {kind}; F16, BF16, F32 and F64 are read")
}

/// Reads the network's tensors and renames them; `shapes` are those of all tensors in the file.
fn import(
    path: &Path,
    shapes: BTreeMap<String, Vec<usize>>,
    mut read: impl FnMut(&String) -> std::result::Result<Vec<f32>, String>,
    container: &str,
) -> Result<Imported> {
    let unusable = |e: String| Error::model_file(path, e, EXPECTED);
    let prefix = wrappers::prefix(&shapes).map_err(unusable)?;
    let (own, others): (Vec<&String>, Vec<&String>) =
        shapes.keys().partition(|name| name.starts_with(&prefix));
    let mut foreign = StateDict::new();
    for name in own.into_iter().filter(|name| !name.ends_with("num_batches_tracked")) {
        let tensor = NamedTensor { shape: shapes[name].clone(), values: read(name).map_err(unusable)? };
        foreign.insert(name[prefix.len()..].to_string(), tensor);
    }
    let network = network(&foreign).map_err(unusable)?;
    let outline = network.outline()?;
    let style = Style::of(&foreign);
    let names = conv_names(network.trunk(), style.unwrap_or(Style::Timm))?;
    let mut placements: Vec<Placement> =
        outline.convs().iter().zip(&names).flat_map(|(step, names)| torch_conv(step, names)).collect();
    if matches!(network, Network::Patch(_)) {
        let head = head_name(style);
        placements.push(Placement::one("head.weight", format!("{head}.weight"), Layout::Transposed));
        placements.push(Placement::one("head.bias", format!("{head}.bias"), Layout::Same));
    }
    let placed = place(&outline, &placements, &mut foreign).map_err(unusable)?;
    let mut notes: Vec<String> = wrappers::note_of_others(&prefix, &others).into_iter().collect();
    let (dense, unknown): (Vec<&String>, Vec<&String>) =
        foreign.keys().partition(|name| DENSE.iter().any(|prefix| name.starts_with(prefix)));
    if let Some(name) = unknown.first() {
        return Err(unusable(format!("tensor '{name}', which this network does not have")));
    }
    if !dense.is_empty() {
        notes.push(format!("{} tensors of dense layers left out", dense.len()));
    }
    Ok(Imported {
        network,
        tensors: placed,
        format: match style {
            None => format!("{container} with torchvision names"),
            Some(Style::Timm) => format!("{container} with timm names"),
            Some(Style::Package) => format!("{container} with the names of efficientnet_lite_pytorch"),
        },
        conventions_known: style != Some(Style::Timm),
        notes,
        digest: String::new(),
    })
}

/// Writes a model's trunk, and a patch model's head, as safetensors that torchvision's network of the same name
/// loads; an EfficientNet gets timm's names. Returns notes for the user.
///
/// Keras' biases and epsilons are merged into the running statistics, which is exact in prediction: `(x + b - m) /
/// sqrt(v + e)` equals `(x - (m - b)) / sqrt((v + e - e') + e')`.
///
/// # Errors
/// [`Error::Network`] for conventions that torchvision's networks do not have.
pub fn write_torch_safetensors(path: &Path, file: &ModelFile) -> Result<Vec<String>> {
    let trunk = file.card.network.trunk();
    let target = torch_target(trunk)?;
    let mut out = StateDict::new();
    let outline = crate::networks::outline::Outline::trunk(trunk)?;
    let tensor = |name: String| file.tensors.get(&name).cloned().ok_or(name);
    let missing = |name: String| Error::network("model", format!("no tensor '{name}'"), "a whole model");
    for (step, names) in outline.convs().into_iter().zip(conv_names(trunk, Style::Timm)?) {
        for placement in torch_conv(step, &names) {
            let Some((name, _)) = placement.from.first() else { continue };
            out.insert(name.clone(), tensor(placement.to.clone()).map_err(missing)?);
        }
        let Some(norm) = &names.norm else { continue };
        let bias = format!("{}.bias", names.conv);
        if names.conv.starts_with("features.") {
            // torchvision's VGG with batch norm has biases, which may be zero.
            let zeros = NamedTensor { shape: vec![step.shape.c_out], values: vec![0.0; step.shape.c_out] };
            out.entry(bias).or_insert(zeros);
        } else if let Some(bias) = out.remove(&bias)
            && let Some(mean) = out.get_mut(&format!("{norm}.running_mean"))
        {
            mean.values.iter_mut().zip(&bias.values).for_each(|(m, b)| *m -= b);
        }
        let shift = trunk.conventions.norm_epsilon - target.norm_epsilon;
        if let Some(var) = out.get_mut(&format!("{norm}.running_var")) {
            var.values.iter_mut().for_each(|v| *v = (f64::from(*v) + shift) as f32);
        }
    }
    let mut notes = Vec::new();
    match &file.card.network {
        Network::Patch(_) => {
            let mut head = tensor("head.weight".into()).map_err(missing)?;
            let [d_in, d_out] = head.shape[..] else { return Err(missing("head.weight".into())) };
            head.values = (0..d_in * d_out).map(|i| head.values[(i % d_in) * d_out + i / d_in]).collect();
            head.shape = vec![d_out, d_in];
            out.insert(format!("{}.weight", target.head), head);
            out.insert(format!("{}.bias", target.head), tensor("head.bias".into()).map_err(missing)?);
        }
        Network::Image(_) => notes.push("the top is left out: only the trunk has PyTorch names".to_string()),
        Network::Trunk(_) => {}
    }
    notes.extend(target.note.map(str::to_string));
    if let Some(norm) = &trunk.channel_norm {
        notes.push(format!(
            "channels must be normalised before: minus {:?}, divided by {:?}",
            norm.mean, norm.std
        ));
    }
    let refuse = |e: String| Error::model_file(path, e, "tensors that can be written");
    let bytes = serialize(&out, "format", "pt".into()).map_err(refuse)?;
    write_atomically(path, &bytes)?;
    Ok(notes)
}

/// The network of another library that loads the weights.
struct TorchTarget {
    /// Epsilon of its batch norms.
    norm_epsilon: f64,
    /// Name of its last linear layer.
    head: &'static str,
    /// Which network it is, where the name of the family does not say.
    note: Option<&'static str>,
}

/// The network that computes the same function: torchvision's of the same name, or timm's EfficientNet-Lite.
///
/// # Errors
/// [`Error::Network`] if none does.
fn torch_target(trunk: &TrunkConfig) -> Result<TorchTarget> {
    let c = trunk.conventions;
    let torchvision =
        TorchTarget { norm_epsilon: Conventions::default().norm_epsilon, head: head_name(None), note: None };
    let shape = match trunk.build_shape()? {
        TrunkShape::ResNet(shape) => shape,
        TrunkShape::Vgg(_) => return Ok(torchvision),
        TrunkShape::EfficientNet(_) => {
            let head = head_name(Some(Style::Timm));
            let note = Some(timm_network(&c)?);
            return Ok(TorchTarget { norm_epsilon: c.norm_epsilon, head, note });
        }
    };
    let steps_elsewhere = shape.kind == BlockKind::Bottleneck && c.stride_on != StrideOn::Middle;
    let pads_elsewhere = [c.stem_padding, c.stem_pool_padding, c.padding].iter().any(|p| *p != Padding::Half);
    if steps_elsewhere || pads_elsewhere {
        return Err(Error::network(
            "conventions",
            format!(
                "stride on {:?}, padding {:?}, {:?}, {:?}",
                c.stride_on, c.stem_padding, c.stem_pool_padding, c.padding
            ),
            "those of torchvision; its ResNet would compute something else with these weights. \
             Export ONNX instead",
        ));
    }
    Ok(torchvision)
}

/// Which of timm's networks of one name has these conventions.
///
/// # Errors
/// [`Error::Network`] if none has.
fn timm_network(conventions: &Conventions) -> Result<&'static str> {
    let computes_as =
        |other: Conventions| Conventions { norm_momentum: other.norm_momentum, ..*conventions } == other;
    if computes_as(Conventions::efficientnet_lite()) {
        Ok("load it into timm's tf_efficientnet_lite networks")
    } else if computes_as(Conventions::default()) {
        Ok("load it into timm's efficientnet_lite networks, without tf_")
    } else {
        let expected = "padding 'same' with epsilon 1e-3, or 'half' with 1e-5, as timm's networks have. Export ONNX instead";
        Err(Error::network("conventions", format!("{conventions:?}"), expected))
    }
}
