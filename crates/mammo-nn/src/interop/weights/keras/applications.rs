//! Files of `save_weights` from `keras.applications`: tensor names without a layer graph.
//!
//! The conventions follow from the names: those of Keras 2.2 and later (`conv2_block1_1_conv`) pad the first pool and
//! have their own epsilon; earlier ones (`res2a_branch2a`) have the defaults of Keras 2.0.

use super::assemble::Assembled;
use super::file::{KerasFile, Part};
use crate::interop::weights::place::{ConvNames, Layout, Placement};
use crate::model_file::Network;
use crate::networks::conventions::Conventions;
use crate::networks::outline::{Outline, Step};
use crate::networks::patch_classifier::PatchClassifierConfig;
use crate::networks::trunk::{Family, TrunkConfig};

/// Builds a network from the names.
///
/// # Errors
/// A message with the names found instead.
pub fn assemble(file: &KerasFile) -> Result<Assembled, String> {
    let has = |layer: &str| file.layers.iter().any(|name| name == layer);
    let (family, conventions, old) = if has("conv1_conv") {
        (Family::Resnet50, Conventions::keras(), false)
    } else if has("res2a_branch2a") {
        (Family::Resnet50, Conventions::keras_2_0(), true)
    } else if has("block5_conv4") {
        (Family::Vgg19, Conventions::keras(), false)
    } else if has("block1_conv1") {
        (Family::Vgg16, Conventions::keras(), false)
    } else {
        let first: Vec<&str> = file.layers.iter().take(4).map(String::as_str).collect();
        return Err(format!("no layer graph (model_config), and layers named {}", first.join(", ")));
    };
    let names = file.names();
    let first =
        if family == Family::Resnet50 { if old { "conv1" } else { "conv1_conv" } } else { "block1_conv1" };
    let kernel = names.find(first, first, Part::Kernel)?;
    let shape = file.tensors.get(&kernel).map(|t| t.shape.clone()).unwrap_or_default();
    let [_, _, channels, c_out] = shape[..] else { return Err(format!("'{kernel}' has shape {shape:?}")) };
    let trunk = TrunkConfig { width: c_out as f64 / 64.0, channels, conventions, ..TrunkConfig::new(family) };
    let outline = Outline::trunk(&trunk).map_err(|e| e.to_string())?;
    let layers = match family {
        Family::Resnet50 => resnet_names(&outline, old),
        _ => vgg_names(&outline),
    };
    let mut placements = Vec::new();
    for (step, layer) in outline.convs().into_iter().zip(&layers) {
        let mut one = |to: &str, layer: &str, part: Part, layout: Layout| -> Result<(), String> {
            let from = names.find(layer, layer, part)?;
            placements.push(Placement::one(format!("{}.{to}", step.path), from, layout));
            Ok(())
        };
        one("conv.weight", &layer.conv, Part::Kernel, Layout::Hwio)?;
        one("conv.bias", &layer.conv, Part::Bias, Layout::Same)?;
        if let Some(norm) = &layer.norm {
            one("norm.gamma", norm, Part::Gamma, Layout::Same)?;
            one("norm.beta", norm, Part::Beta, Layout::Same)?;
            one("norm.running_mean", norm, Part::Mean, Layout::Same)?;
            one("norm.running_var", norm, Part::Variance, Layout::Same)?;
        }
    }
    let mut notes = vec!["conventions follow from the layers' names; the file does not say them".to_string()];
    let head = ["predictions", "probs", "fc1000"].into_iter().find(|layer| has(layer));
    let network = match head {
        Some(layer) if family == Family::Resnet50 => {
            let (kernel, bias) =
                (names.find(layer, layer, Part::Kernel)?, names.find(layer, layer, Part::Bias)?);
            let n_classes = file.tensors.get(&bias).map_or(0, |t| t.values.len());
            placements.push(Placement::one("head.weight", kernel, Layout::Same));
            placements.push(Placement::one("head.bias", bias, Layout::Same));
            Network::Patch(PatchClassifierConfig { trunk, n_classes, dropout: 0.0 })
        }
        Some(_) => {
            notes.push("dense layers on the flattened map left out; the trunk alone came in".into());
            Network::Trunk(trunk)
        }
        None => Network::Trunk(trunk),
    };
    Ok(Assembled { network, placements, notes })
}

fn vgg_names(outline: &Outline) -> Vec<ConvNames> {
    let (mut names, mut block, mut conv) = (Vec::new(), 1, 0);
    for step in &outline.steps {
        match step {
            Step::Conv(_) => {
                conv += 1;
                names.push(ConvNames { conv: format!("block{block}_conv{conv}"), norm: None });
            }
            _ => {
                block += 1;
                conv = 0;
            }
        }
    }
    names
}

fn resnet_names(outline: &Outline, old: bool) -> Vec<ConvNames> {
    let pair = |conv: String, norm: String| ConvNames { conv, norm: Some(norm) };
    let mut names = vec![match old {
        true => pair("conv1".into(), "bn_conv1".into()),
        false => pair("conv1_conv".into(), "conv1_bn".into()),
    }];
    let (mut stage, mut block) = (1, 0);
    for step in &outline.steps {
        let Step::Residual { branch, shortcut, .. } = step else { continue };
        // The first block of every stage has a projection shortcut.
        if shortcut.is_some() {
            stage += 1;
            block = 0;
        }
        block += 1;
        let letter = char::from(b'a' + (block - 1) as u8);
        let name = |new: usize, branch: &str| match old {
            true => pair(
                format!("res{stage}{letter}_branch{branch}"),
                format!("bn{stage}{letter}_branch{branch}"),
            ),
            false => {
                let layer = format!("conv{stage}_block{block}_{new}");
                pair(format!("{layer}_conv"), format!("{layer}_bn"))
            }
        };
        for (i, branch) in (1..=branch.len()).zip(["2a", "2b", "2c"]) {
            names.push(name(i, branch));
        }
        if shortcut.is_some() {
            names.push(name(0, "1"));
        }
    }
    names
}
