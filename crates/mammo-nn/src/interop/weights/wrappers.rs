//! Finds the network's tensors in a checkpoint.
//!
//! A training checkpoint holds more than weights, and wrappers add prefixes to their names:
//!
//! | written by | name of the first convolution | other contents |
//! |---|---|---|
//! | `torch.save(model.state_dict())` | `conv1.weight` | – |
//! | PyTorch's ImageNet example | `state_dict.module.conv1.weight` | epoch, accuracy, optimizer |
//! | Lightning | `state_dict.model.conv1.weight` | losses, metrics, callbacks, optimizer |
//! | timm | `state_dict.conv1.weight`, `state_dict_ema.conv1.weight` | optimizer, scaler |
//! | `torch.compile` | `_orig_mod.conv1.weight` | – |
//! | a module of one's own | `backbone.conv1.weight`, `net.encoder.conv1.weight` | its other parts |
//!
//! No list of such prefixes is complete. The network is found by the tensor that each supported family begins with;
//! the prefix of that tensor's name is the prefix of all.

use std::collections::BTreeMap;

/// Names and kernel sizes of the first tensor of torchvision's networks: the stem of a ResNet, the first convolution
/// of a VGG.
const BEGINNINGS: [(&str, [usize; 2]); 2] = [("conv1.weight", [7, 7]), ("features.0.weight", [3, 3])];

/// Keys under which checkpoints hold running averages of the weights: a second copy.
const AVERAGES: [&str; 5] = ["state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema"];

/// The prefix of the network's tensor names, with its dot; empty without a prefix, or if no network is found.
///
/// # Errors
/// A message when the file holds several networks.
pub fn prefix(shapes: &BTreeMap<String, Vec<usize>>) -> Result<String, String> {
    let begins = |(name, shape): (&String, &Vec<usize>)| {
        let [_, _, kernel @ ..] = shape.as_slice() else { return None };
        let fits = |(beginning, size): &(&str, [usize; 2])| {
            let prefix = name.strip_suffix(beginning)?;
            (kernel == size && (prefix.is_empty() || prefix.ends_with('.'))).then(|| prefix.to_string())
        };
        BEGINNINGS.iter().find_map(fits)
    };
    let mut found: Vec<String> = shapes.iter().filter_map(begins).collect();
    let is_average = |prefix: &String| prefix.split('.').any(|word| AVERAGES.contains(&word));
    if found.iter().any(|prefix| !is_average(prefix)) {
        found.retain(|prefix| !is_average(prefix));
    }
    match found.as_slice() {
        [] => Ok(String::new()),
        [prefix] => Ok(prefix.clone()),
        several => {
            let names: Vec<String> = several.iter().map(|prefix| format!("'{prefix}'")).collect();
            Err(format!("several networks, whose tensors begin with {}; save one of them", names.join(", ")))
        }
    }
}

/// The model card's note about tensors that do not belong to the network.
pub fn note_of_others(prefix: &str, others: &[&String]) -> Option<String> {
    let [first, ..] = others else { return None };
    Some(format!("{} tensors outside '{prefix}' left out, such as '{first}'", others.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Result<String, String> {
        let shape =
            |name: &str| if name.contains("features") { vec![64, 3, 3, 3] } else { vec![64, 3, 7, 7] };
        prefix(&names.iter().map(|name| (name.to_string(), shape(name))).collect())
    }

    #[test]
    fn what_stands_before_the_first_convolution_stands_before_all() {
        for (names, expected) in [
            (&["conv1.weight", "fc.weight"][..], ""),
            (
                &["state_dict.module.conv1.weight", "best_acc1", "optimizer.state.0.momentum_buffer"],
                "state_dict.module.",
            ),
            (&["state_dict.model.net.conv1.weight", "state_dict.criterion.weight"], "state_dict.model.net."),
            (&["module._orig_mod.features.0.weight"], "module._orig_mod."),
            (&["state_dict.conv1.weight", "state_dict_ema.conv1.weight"], "state_dict."),
            (&["model_ema.module.conv1.weight"], "model_ema.module."),
            (&["layer1.0.conv2.weight", "resconv1.weight"], ""),
        ] {
            assert_eq!(found(names).unwrap(), expected);
        }
        let error = found(&["encoder_q.conv1.weight", "encoder_k.conv1.weight"]).unwrap_err();
        assert!(error.contains("'encoder_k.', 'encoder_q.'"), "{error}");
    }
}
