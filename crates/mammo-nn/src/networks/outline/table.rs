//! The table of networks in `docs/models.md`.

use super::Outline;
use crate::Result;
use crate::networks::conventions::Conventions;
use crate::networks::image_classifier::ImageClassifierConfig;
use crate::networks::top::{HeatmapActivation, HeatmapRule, MapPooling, TopConfig};
use crate::networks::trunk::{Family, TrunkConfig};

/// Sizes of a patch and of a whole image in the paper.
const SIZES: [[usize; 2]; 2] = [[224, 224], [1152, 896]];

/// Every trunk and the paper's whole-image networks as a Markdown table, with three input channels as in their
/// published parameter counts.
///
/// # Errors
/// None for the networks listed.
pub fn networks() -> Result<String> {
    let mut table = String::from(
        "| network | parameters | multiply-adds at 224x224 | at 1152x896 | receptive field | stride |\n\
         |---|---|---|---|---|---|\n",
    );
    let families = [
        ("ResNet18", Family::Resnet18),
        ("ResNet50", Family::Resnet50),
        ("VGG16", Family::Vgg16),
        ("VGG19", Family::Vgg19),
        ("YaroslavNet", Family::Yaroslav),
        ("EfficientNet-Lite0", Family::EfficientNetLite0),
        ("EfficientNet-Lite1", Family::EfficientNetLite1),
        ("EfficientNet-Lite2", Family::EfficientNetLite2),
    ];
    let trunk = |family| TrunkConfig { channels: 3, ..TrunkConfig::new(family) };
    for (name, family) in families {
        table.push_str(&row(name, &Outline::trunk(&trunk(family))?, true));
    }
    let keras = TrunkConfig { conventions: Conventions::keras_2_0(), ..trunk(Family::Resnet50) };
    table.push_str(&row("ResNet50, stride on the first 1x1", &Outline::trunk(&keras)?, true));
    let residual = TopConfig::Residual { blocks: vec![[512, 512, 1024]; 2], repeats: 2 };
    let heatmap = HeatmapRule { window: 3, activation: HeatmapActivation::Relu };
    let tops = [
        ("ResNet50 + [512-512-1024]x2", Family::Resnet50, residual.clone()),
        ("VGG16 + 512x1", Family::Vgg16, TopConfig::Vgg { channels: vec![512; 2], depth: 1 }),
        ("VGG16 + [512-512-1024]x2, the hybrid", Family::Vgg16, residual),
        (
            "YaroslavNet + heatmap, max pool, 16-8, shortcut",
            Family::Yaroslav,
            TopConfig::Yaroslav { pool: 5, fc: vec![16, 8], batch_norm: true, heatmap },
        ),
    ];
    for (name, family, top) in tops {
        // Fully connected layers fix the size.
        let any_size = top.fc_layout().is_none();
        let config = ImageClassifierConfig {
            trunk: trunk(family),
            top,
            pooling: MapPooling::Average,
            top_conventions: Conventions::default(),
            n_patch_classes: 5,
            input_px: SIZES[1],
            dropout: 0.0,
            exam: None,
        };
        table.push_str(&row(name, &Outline::image(&config)?, any_size));
    }
    Ok(table)
}

fn row(name: &str, outline: &Outline, any_size: bool) -> String {
    let [patch, whole] = SIZES.map(|size| outline.summary(size));
    let giga = |n: u64| format!("{:.2} G", n as f64 / 1e9);
    let on_patch = if any_size { giga(patch.multiply_adds) } else { "–".into() };
    let parameters = thousands(whole.n_parameters);
    let (field, stride) = (whole.receptive_field, whole.stride);
    format!(
        "| {name} | {parameters} | {on_patch} | {} | {field} px | {stride} px |\n",
        giga(whole.multiply_adds)
    )
}

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let groups = digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group));
    let head = (first > 0).then(|| digits[..first].into());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(" ")
}
