//! A model file's card as the words of a report.

use mammo_nn::model_file::{ModelFile, Network};
use mammo_report::CardSection;

/// Limits of every model that this program trains.
const LIMITS: [(&str, &str); 4] = [
    ("Images", "One image at a time; prior examinations, age and history are not used."),
    (
        "Other scanners",
        "A model knows the scanners that it was trained on; test it on yours before believing it.",
    ),
    (
        "Probabilities",
        "Training balances the classes, so raw probabilities fit a sample with as many cancers as not; \
         calibrated ones fit the share of cancers on the validation side, neither fits screening.",
    ),
    ("Heat maps", "Show what the answer hangs on, which need not be the lesion."),
];

/// Intended use, network, data, training, threshold, limits.
pub(super) fn sections(model: &ModelFile) -> Vec<CardSection> {
    let card = &model.card;
    let record = &card.training;
    let entry = |name: &str, value: String| (name.to_string(), value);
    let trunk = card.network.trunk();
    let top = match &card.network {
        Network::Image(config) => Some((&config.top, config.map_pooling())),
        Network::Patch(_) | Network::Trunk(_) => None,
    };
    let n_weights: usize = model.tensors.values().map(|tensor| tensor.values.len()).sum();
    let mut network = vec![
        entry("Trunk", format!("{:?}, width {}, {} px stride", trunk.family, trunk.width, trunk.stride())),
        entry("Weights", format!("{n_weights}")),
        entry("Precision", card.precision.meaning().into()),
        entry("Input", format!("{} x {} px", card.preprocessing.height_px, card.preprocessing.width_px)),
        entry("Classes", card.classes.join(", ")),
    ];
    if let Some((top, pooling)) = top {
        let kind = serde_json::to_value(top).ok().map(|value| words(&value)).unwrap_or_default();
        network.insert(1, entry("Top", kind));
        if let Some(pooling) = pooling {
            network.insert(2, entry("Pooling", pooling.to_string()));
        }
    }
    let origin = record.started_from.clone();
    let mut training = vec![
        entry("Program", format!("mammo {}", record.mammo_version)),
        entry("Seed", record.seed.to_string()),
        entry("Started from", origin.map_or("random weights".into(), |digest| format!("model {digest}"))),
    ];
    if let Some([stage, epoch]) = record.best_epoch {
        training.push(entry("Kept", format!("stage {stage}, epoch {epoch}")));
    }
    if let Some(metric) = record.validation_metric {
        training.push(entry("Validation figure", format!("{metric:.3}, the highest of all epochs")));
    }
    let mut threshold = match &card.operating_point {
        Some(point) => vec![
            entry("Threshold", format!("{:.4}", point.threshold)),
            entry(
                "On validation data",
                format!("sensitivity {:.3}, specificity {:.3}", point.sensitivity, point.specificity),
            ),
        ],
        None => vec![entry("Threshold", "none stored".into())],
    };
    let calibration = card.calibration.as_ref().map(ToString::to_string);
    let none = card.no_calibration.clone().unwrap_or_else(|| "none stored".into());
    threshold.push(entry("Calibrated probabilities", calibration.unwrap_or(none)));
    let mut evidence: Vec<_> =
        card.figures.iter().map(|figure| entry("Figure", figure.to_string())).collect();
    evidence.extend(card.evidence.iter().map(|kind| entry("Images", kind.to_string())));
    let own_limits = card.limits.iter().map(|limit| entry("This model", limit.clone()));
    let limits = own_limits.chain(LIMITS.iter().map(|(name, value)| entry(name, value.to_string())));
    let section = |heading: &str, entries| CardSection { heading: heading.into(), entries };
    let mut sections = vec![
        section(
            "Intended use",
            vec![
                entry("Use", card.intended_use.clone()),
                entry("Model", format!("file digest {}", model.digest)),
            ],
        ),
        section("Network", network),
        section(
            "Training data",
            vec![
                entry("Patients", record.n_patients.to_string()),
                entry("Pictures", record.n_pictures.to_string()),
                entry("Manifest", format!("digest {:.16}", record.manifest_digest)),
                entry("Preprocessing", format!("digest {}", card.preprocessing_digest)),
            ],
        ),
        section("Training", training),
        section("Operating point and calibration", threshold),
        section("Limits", limits.collect()),
    ];
    if !evidence.is_empty() {
        sections.insert(1, section("Evidence", evidence));
    }
    sections
}

/// A small JSON value as words: `kind residual, blocks 32-32-128, repeats 1`.
fn words(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key} {}", words(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Array(list) if list.iter().all(Value::is_number) => {
            list.iter().map(Value::to_string).collect::<Vec<_>>().join("-")
        }
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(" "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
