//! The model card as text.

use std::fmt;

use super::{ModelCard, ModelFile, Network, Weights};
use crate::networks::conventions::{Conventions, StrideOn};
use crate::networks::outline::Outline;

/// What `mammo model inspect` prints.
impl fmt::Display for ModelFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let card = &self.card;
        let mut line = |name: &str, value: String| writeln!(f, "{name:<22}{value}");
        for limit in &card.limits {
            line("limit", limit.clone())?;
        }
        let name = card.name.as_ref().map_or(String::new(), |name| format!("{name}, "));
        line("model", format!("{name}{} (format version {})", self.digest, card.format_version))?;
        for figure in &card.figures {
            line("figure", figure.to_string())?;
        }
        for evidence in &card.evidence {
            line("evidence", evidence.to_string())?;
        }
        for (name, value) in network_lines(card) {
            line(name, value)?;
        }
        if self.weights != Weights::F32 {
            line(
                "weights",
                format!("large tensors in {}; norms, biases and small tensors in f32", self.weights),
            )?;
        }
        line("precision", card.precision.meaning().to_string())?;
        line("classes", class_list(&card.classes))?;
        if !card.patch_classes.is_empty() {
            line("heatmap's classes", class_list(&card.patch_classes))?;
        }
        for (name, value) in pixel_lines(card) {
            line(name, value)?;
        }
        for (name, value) in record_lines(card) {
            line(name, value)?;
        }
        line("intended use", card.intended_use.clone())?;
        line("licence", card.licence.clone())
    }
}

fn class_list(classes: &[String]) -> String {
    match classes.len() {
        0 => "none".into(),
        n if n > 12 => format!("{n}: {} ...", classes[..8].join(", ")),
        _ => classes.join(", "),
    }
}

fn network_lines(card: &ModelCard) -> Vec<(&'static str, String)> {
    let trunk = card.network.trunk();
    let channels = if trunk.channels == 1 { "1 grey" } else { "3, one grey image copied" };
    let kind = card.network.kind();
    let mut lines = vec![
        (
            "network",
            format!("{kind}: {:?}, width {}, {} stages", trunk.family, trunk.width, trunk.n_stages()),
        ),
        ("input channels", channels.to_string()),
        ("conventions", conventions(&trunk.conventions)),
    ];
    if let Network::Image(config) = &card.network {
        lines.push(("top", serde_json::to_string(&config.top).unwrap_or_default()));
        lines.extend(config.map_pooling().map(|pooling| ("pooling", pooling.to_string())));
        if config.top_conventions != trunk.conventions {
            lines.push(("top's conventions", conventions(&config.top_conventions)));
        }
    }
    let size = match &card.network {
        Network::Image(config) => config.input_px,
        Network::Trunk(_) | Network::Patch(_) => [224, 224],
    };
    if let Ok(summary) = card.network.outline().map(|outline: Outline| outline.summary(size)) {
        let [rows, cols] = size;
        lines.push((
            "size",
            format!(
                "{} parameters, {:.2} G multiply-adds at {rows}x{cols}, receptive field {} px, stride {}",
                summary.n_parameters,
                summary.multiply_adds as f64 / 1e9,
                summary.receptive_field,
                summary.stride
            ),
        ));
    }
    lines
}

fn conventions(c: &Conventions) -> String {
    let name = match *c {
        c if c == Conventions::default() => "torchvision; ",
        c if c == Conventions::keras() => "Keras applications; ",
        c if c == Conventions::keras_2_0() => "Keras 2.0; ",
        _ => "",
    };
    let stride = match c.stride_on {
        StrideOn::First => "first 1x1",
        StrideOn::Middle => "3x3",
    };
    format!("{name}stride on the {stride}, norm epsilon {:e}, momentum {}", c.norm_epsilon, c.norm_momentum)
}

fn pixel_lines(card: &ModelCard) -> Vec<(&'static str, String)> {
    let p = &card.preprocessing;
    let mut lines = vec![
        ("preprocessing", format!("{} (version {})", card.preprocessing_digest, p.version)),
        (
            "geometry",
            format!(
                "{}x{} px, crop {:?}, {:?}, {:?}, {:?}",
                p.height_px, p.width_px, p.crop, p.orient, p.aspect, p.resample
            ),
        ),
        (
            "window",
            format!(
                "{:?}; labels and markers {}",
                p.window,
                if p.remove_artifacts { "blackened" } else { "left in" }
            ),
        ),
        ("grey levels 0 to 255", format!("minus {}, divided by {}", p.mean, p.std)),
    ];
    if let Some(norm) = &card.network.trunk().channel_norm {
        lines.push(("then each channel", format!("minus {:?}, divided by {:?}", norm.mean, norm.std)));
    }
    lines
}

fn record_lines(card: &ModelCard) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    match &card.source {
        Some(source) => {
            lines.push(("imported from", format!("{} ({}), {}", source.file, source.digest, source.format)));
            lines.extend(source.notes.iter().map(|note| ("note", note.clone())));
        }
        None => {
            let t = &card.training;
            let start = t.started_from.as_deref().unwrap_or("random weights");
            lines.push(("trained by", format!("mammo {}, seed {}, from {start}", t.mammo_version, t.seed)));
            let split = t.split_digest.as_deref().unwrap_or("not recorded");
            lines.push(("data", format!("manifest {}, split {split}", t.manifest_digest)));
            lines.push(("training side", format!("{} patients, {} images", t.n_patients, t.n_pictures)));
        }
    }
    if let Some(metric) = card.training.validation_metric {
        let interval = card.training.validation_interval;
        let drawn =
            if card.format_version < 3 { "images counted as independent" } else { "patients resampled" };
        let interval =
            interval.map_or(String::new(), |[low, high]| format!(" ({low:.4} to {high:.4}, {drawn})"));
        let epoch = card.training.best_epoch.map_or(String::new(), |[s, e]| format!(", stage {s} epoch {e}"));
        lines.push(("validation", format!("{metric:.4}{interval}{epoch}; chosen by it, so optimistic")));
    }
    if let Some(point) = &card.operating_point {
        lines.push((
            "operating point",
            format!(
                "{:?}: threshold {:.6}, sensitivity {:.3}, specificity {:.3} where it was chosen",
                point.rule, point.threshold, point.sensitivity, point.specificity
            ),
        ));
    }
    match (&card.calibration, &card.no_calibration) {
        (Some(calibration), _) => lines.push(("calibration", calibration.to_string())),
        (None, Some(reason)) => lines.push(("calibration", format!("none: {reason}"))),
        (None, None) => {}
    }
    lines
}
