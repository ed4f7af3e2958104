//! Compares the outline with the built networks and with published counts.

use burn::tensor::Device;

use super::*;
use crate::networks::conventions::Conventions;
use crate::networks::exam::ExamHeadsConfig;
use crate::networks::image_classifier::ImageClassifier;
use crate::networks::state::state_dict;
use crate::networks::top::HeatmapRule;
use crate::networks::trunk::Family;

fn tops() -> Vec<TopConfig> {
    let heatmap = HeatmapRule { window: 2, activation: HeatmapActivation::Relu };
    vec![
        TopConfig::Average,
        TopConfig::Residual { blocks: vec![[4, 6, 8], [4, 4, 8]], repeats: 2 },
        TopConfig::Vgg { channels: vec![8, 4], depth: 2 },
        TopConfig::HeatmapResidual { blocks: vec![[4, 4, 8]], repeats: 1, heatmap: HeatmapRule::default() },
        TopConfig::HeatmapFc { pool: 2, fc: vec![4, 2], batch_norm: false, heatmap },
        TopConfig::Yaroslav { pool: 2, fc: vec![4], batch_norm: true, heatmap },
        TopConfig::Heatmap { heatmap: HeatmapRule { window: 3, activation: HeatmapActivation::LogOdds } },
    ]
}

/// The poolings of a top.
fn poolings(top: &TopConfig) -> &'static [MapPooling] {
    match top.fc_layout() {
        None => &[
            MapPooling::LogSumExp,
            MapPooling::AverageMax,
            MapPooling::TopK(3),
            MapPooling::Max,
            MapPooling::Average,
        ],
        Some(_) => &[MapPooling::Average],
    }
}

#[test]
fn names_and_shapes_are_those_of_the_built_network() {
    for family in Family::ALL {
        for (i, top) in tops().into_iter().enumerate() {
            let conventions = if i % 2 == 0 { Conventions::default() } else { Conventions::keras_2_0() };
            let trunk = TrunkConfig { width: 1.0 / 16.0, conventions, ..TrunkConfig::new(family) };
            let poolings = poolings(&top);
            let pooling = poolings[i % poolings.len()];
            let config = ImageClassifierConfig {
                trunk,
                top,
                pooling,
                top_conventions: conventions,
                n_patch_classes: 3,
                input_px: [256, 192],
                dropout: 0.0,
                exam: (i % 3 == 0).then_some(ExamHeadsConfig { units: 5 }),
            };
            let built = state_dict(&ImageClassifier::new(&config, &Device::flex()).unwrap());
            let built: BTreeMap<String, Vec<usize>> = built.into_iter().map(|(n, t)| (n, t.shape)).collect();
            assert_eq!(Outline::image(&config).unwrap().tensors(), built, "{config:?}");
            let mut trunk = Outline::trunk(&config.trunk).unwrap().summary(config.input_px);
            assert_eq!(trunk.grid, config.trunk.grid(config.input_px));
            trunk.multiply_adds = 0;
            assert_eq!(trunk.stride, config.trunk.stride());
        }
    }
}

/// The trunk with three channels, as for ImageNet.
fn imagenet(family: Family) -> Summary {
    let config = TrunkConfig { channels: 3, ..TrunkConfig::new(family) };
    Outline::trunk(&config).unwrap().summary([224, 224])
}

#[test]
fn parameters_are_the_published_ones() {
    // torchvision 0.29: sum(p.numel() for p in model.parameters()) less the dense layers.
    assert_eq!(imagenet(Family::Resnet18).n_parameters, 11_689_512 - 513_000);
    assert_eq!(imagenet(Family::Resnet50).n_parameters, 25_557_032 - 2_049_000);
    assert_eq!(imagenet(Family::Vgg16).n_parameters, 138_357_544 - 123_642_856);
    assert_eq!(imagenet(Family::Vgg19).n_parameters, 143_667_240 - 123_642_856);
    // timm 1.0: the same for tf_efficientnet_lite0, 1 and 2; a dense layer of a thousand classes on 1280 features.
    assert_eq!(imagenet(Family::EfficientNetLite0).n_parameters, 4_652_008 - 1_281_000);
    assert_eq!(imagenet(Family::EfficientNetLite1).n_parameters, 5_416_680 - 1_281_000);
    assert_eq!(imagenet(Family::EfficientNetLite2).n_parameters, 6_092_072 - 1_281_000);
}

#[test]
fn multiply_adds_are_the_published_ones() {
    // torchvision's model pages, in units of 1e9 at 224x224, with their dense layers: a thousand
    // classes on 512 or 2048 features, or VGG's three layers (25088-4096-4096-1000).
    let vgg_dense = 25_088 * 4_096 + 4_096 * 4_096 + 4_096 * 1_000;
    let published = [
        (Family::Resnet18, 512_000, 1.81),
        (Family::Resnet50, 2_048_000, 4.09),
        (Family::Vgg16, vgg_dense, 15.47),
        (Family::Vgg19, vgg_dense, 19.63),
        // Counted in timm 1.0.31 by hooks on its convolutions and its dense layer; pages that say 0.407 count norms too.
        (Family::EfficientNetLite0, 1_280_000, 0.385),
    ];
    for (family, dense, giga) in published {
        let ours = (imagenet(family).multiply_adds + dense) as f64 / 1e9;
        assert!((ours - giga).abs() < 0.006, "{family:?}: {ours}, published {giga}");
    }
}

#[test]
fn receptive_fields_are_the_published_ones() {
    // Araujo et al. 2019 (distill.pub, doi 10.23915/distill.00021): VGG16 212, ResNet50 483. Their
    // ResNet50 steps early; stepping on the 3x3, a later window spans fewer pixels.
    assert_eq!(imagenet(Family::Vgg16).receptive_field, 212);
    let keras = TrunkConfig { conventions: Conventions::keras(), ..TrunkConfig::new(Family::Resnet50) };
    assert_eq!(Outline::trunk(&keras).unwrap().summary([224, 224]).receptive_field, 483);
    assert_eq!(imagenet(Family::Resnet50).receptive_field, 427);
    assert_eq!(imagenet(Family::Resnet18).receptive_field, 435);
}

#[test]
fn the_table_in_the_documents_is_the_one_that_the_code_gives() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("<!-- networks -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /networks -->").unwrap();
    assert_eq!(table, table::networks().unwrap(), "cargo run --release --example networks_table");
}
