//! Conversion of a patch classifier to a whole-image classifier: the same features at the same cells.

use burn::tensor::{Device, Tensor, TensorData};
use mammo_core::seed::stream;
use mammo_nn::inference::heatmap::{PatchWindow, class_probabilities};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::conventions::Conventions;
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig, MapLayer};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::top::{HeatmapActivation, HeatmapRule, MapPooling, TopConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use rand::RngExt;

fn noise(h: usize, w: usize, device: &Device) -> Tensor<4> {
    let mut rng = stream(1, "noise", 0);
    let values: Vec<f32> = (0..h * w).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, h, w]), device)
}

/// A trunk, its stride, and how far (in cells) a patch's border reaches into its features.
fn cases() -> [(TrunkConfig, usize); 4] {
    let trunk =
        |family, stages| TrunkConfig { width: 0.125, stages: Some(stages), ..TrunkConfig::new(family) };
    // Half the receptive field: ResNet18 with two stages sees 99 pixels, six cells of eight;
    // ResNet50 with one stage 35 pixels, five cells of four; three VGG blocks 40, five of eight
    // at most.
    // EfficientNet-Lite0 with two stages 31 pixels, four cells of four.
    [
        (trunk(Family::Resnet18, 2), 7),
        (trunk(Family::Resnet50, 1), 5),
        (trunk(Family::Yaroslav, 3), 4),
        (trunk(Family::EfficientNetLite0, 2), 4),
    ]
}

#[test]
fn the_patch_trunk_slid_over_an_image_equals_the_image_trunk() {
    let device = Device::flex();
    for (trunk, border) in cases() {
        let config = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
        let patch = initialise(PatchClassifier::new(&config, &device).unwrap(), 4);
        let (stride, side) = (trunk.stride(), 160);
        let image = noise(256, 224, &device);
        let whole = patch.trunk.forward(image.clone());
        let cells = side / stride;
        for (row, col) in [(0, 0), (32, 64), (96, 16)] {
            let window = image.clone().slice([0..1, 0..1, row..row + side, col..col + side]);
            let features = patch.trunk.forward(window);
            let inner = border..cells - border;
            let from_patch =
                features.slice([0..1, 0..features_channels(&patch), inner.clone(), inner.clone()]);
            let (r, c) = (row / stride, col / stride);
            let shifted = |o: usize| o + inner.start..o + inner.end;
            let from_image =
                whole.clone().slice([0..1, 0..features_channels(&patch), shifted(r), shifted(c)]);
            let worst: f32 = (from_patch - from_image.clone()).abs().max().into_scalar();
            let scale: f32 = from_image.abs().max().into_scalar();
            assert!(worst <= 1e-5 * scale, "{trunk:?} at ({row}, {col}): {worst} of {scale}");
            assert!(scale > 0.0);
        }
    }
}

fn features_channels(patch: &PatchClassifier) -> usize {
    patch.trunk.c_out()
}

fn image_config(trunk: TrunkConfig, top: TopConfig) -> ImageClassifierConfig {
    ImageClassifierConfig {
        trunk,
        top,
        pooling: MapPooling::Average,
        top_conventions: Conventions::default(),
        n_patch_classes: 5,
        input_px: [128, 96],
        dropout: 0.0,
        exam: None,
    }
}

fn heatmap_fc(fc: Vec<usize>) -> TopConfig {
    TopConfig::HeatmapFc { pool: 3, fc, batch_norm: false, heatmap: HeatmapRule::default() }
}

#[test]
fn every_top_stands_on_every_trunk_and_keeps_the_patch_trunk() {
    let device = Device::flex();
    let tops = [
        TopConfig::Average,
        TopConfig::Residual { blocks: vec![[8, 8, 16], [8, 8, 16]], repeats: 2 },
        TopConfig::Vgg { channels: vec![8, 8], depth: 1 },
        TopConfig::HeatmapResidual { blocks: vec![[8, 8, 16]], repeats: 1, heatmap: HeatmapRule::default() },
        heatmap_fc(vec![8, 4]),
        TopConfig::Yaroslav {
            pool: 3,
            fc: vec![8, 4],
            batch_norm: true,
            heatmap: HeatmapRule { window: 2, activation: HeatmapActivation::Relu },
        },
        TopConfig::Heatmap { heatmap: HeatmapRule { window: 2, activation: HeatmapActivation::LogOdds } },
    ];
    for (trunk, _) in cases() {
        let config = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
        let patch = initialise(PatchClassifier::new(&config, &device).unwrap(), 4);
        for top in &tops {
            let network = ImageClassifier::new(&image_config(trunk.clone(), top.clone()), &device).unwrap();
            let network = initialise(network, 7).with_patch_classifier(patch.clone());
            let image = noise(128, 96, &device);
            assert_eq!(network.logits(image.clone(), None).dims(), [1, 2], "{top:?}");
            let difference = network.trunk.forward(image.clone()) - patch.trunk.forward(image);
            assert_eq!(difference.abs().max().into_scalar::<f32>(), 0.0);
        }
    }
}

#[test]
fn a_heatmap_cell_is_the_patch_head_applied_to_that_cell() {
    use burn::tensor::activation::softmax;
    use mammo_nn::networks::state::state_dict;
    let device = Device::flex();
    let (trunk, _) = cases()[0].clone();
    let config = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
    let patch = initialise(PatchClassifier::new(&config, &device).unwrap(), 4);
    let top = heatmap_fc(vec![4]);
    let network = ImageClassifier::new(&image_config(trunk.clone(), top), &device).unwrap();
    let network = initialise(network, 7).with_patch_classifier(patch.clone());
    let kernel = &state_dict(&network)["heatmap.conv.weight"];
    let features = patch.trunk.forward(noise(128, 96, &device));
    let channels = patch.trunk.c_out();
    let cell: Tensor<2> = features.slice([0..1, 0..channels, 3..4, 2..3]).reshape([1, channels]);
    let expected: Vec<f32> = softmax(patch.head.forward(cell.clone()), 1).into_data().try_to_vec().unwrap();
    let cell: Vec<f32> = cell.into_data().try_to_vec().unwrap();
    let logits: Vec<f32> = kernel
        .values
        .chunks_exact(channels)
        .map(|weights| weights.iter().zip(&cell).map(|(w, x)| w * x).sum())
        .collect();
    let total: f32 = logits.iter().map(|l| l.exp()).sum();
    for (logit, expected) in logits.iter().zip(expected) {
        assert!((logit.exp() / total - expected).abs() < 1e-5);
    }
}

#[test]
fn an_image_size_that_the_stride_does_not_divide_is_refused() {
    let (trunk, _) = cases()[0].clone();
    let config = ImageClassifierConfig { input_px: [130, 96], ..image_config(trunk, TopConfig::Average) };
    let error = ImageClassifier::new(&config, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("130x96") && error.contains("multiples of 8"), "{error}");
}

#[test]
fn the_patch_classifier_of_a_heatmap_is_the_one_that_it_was_made_from() {
    use mammo_nn::networks::state::state_dict;
    let device = Device::flex();
    let (trunk, _) = cases()[0].clone();
    let config = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
    let patch = initialise(PatchClassifier::new(&config, &device).unwrap(), 4);
    let network = |top| {
        let network = ImageClassifier::new(&image_config(trunk.clone(), top), &device).unwrap();
        initialise(network, 7).with_patch_classifier(patch.clone())
    };
    let again = network(heatmap_fc(vec![4])).into_patch_classifier().unwrap();
    assert_eq!(state_dict(&again), state_dict(&patch));
    assert!(network(TopConfig::Average).into_patch_classifier().is_none());
}

#[test]
fn log_odds_pooled_by_their_maximum_are_those_of_the_surest_window() {
    let device = Device::flex();
    let (trunk, _) = cases()[0].clone();
    let config = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
    let patch = initialise(PatchClassifier::new(&config, &device).unwrap(), 4);
    let heatmap = HeatmapRule { window: 3, activation: HeatmapActivation::LogOdds };
    let config = ImageClassifierConfig {
        pooling: MapPooling::Max,
        ..image_config(trunk.clone(), TopConfig::Heatmap { heatmap })
    };
    let network = ImageClassifier::new(&config, &device).unwrap().with_patch_classifier(patch.clone());
    let image = noise(128, 96, &device);
    let map = network.feature_map(MapLayer::Top, image.clone());
    let (pooled, _) = network.pooled_and_logits(MapLayer::Top, map);
    let pooled: Vec<f32> = pooled.into_data().try_to_vec().unwrap();
    let window = PatchWindow::new(3 * trunk.stride(), None, &trunk).unwrap();
    let probabilities = class_probabilities(&patch, window, image);
    let [_, classes, rows, cols] = probabilities.dims();
    let probabilities: Vec<f32> = probabilities.into_data().iter::<f32>().collect();
    assert_eq!(pooled.len(), classes);
    for (class, pooled) in probabilities.chunks_exact(rows * cols).zip(pooled) {
        let largest = class.iter().copied().fold(0.0, f32::max);
        let log_odds = (largest / (1.0 - largest)).ln();
        assert!((pooled - log_odds).abs() < 1e-4, "{pooled} for {log_odds}");
    }
}
