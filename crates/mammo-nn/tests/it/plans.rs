//! A compiled plan computes the same as its network.

use burn::tensor::{Device, Tensor, TensorData};
use mammo_core::seed::stream;
use mammo_nn::networks::Classifier;
use mammo_nn::networks::conventions::{ChannelNorm, Conventions};
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::precision::Precision;
use mammo_nn::networks::state::{load_state_dict, state_dict};
use mammo_nn::networks::top::{HeatmapActivation, HeatmapRule, MapPooling, TopConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use rand::RngExt;

/// A network whose batch norms have non-trivial statistics, as after training.
fn network(config: &ImageClassifierConfig, device: &Device) -> ImageClassifier {
    let network = initialise(ImageClassifier::new(config, device).unwrap(), 3);
    let mut tensors = state_dict(&network);
    let mut rng = stream(2, "statistics", 0);
    for (name, tensor) in &mut tensors {
        let range = match name.rsplit('.').next() {
            Some("running_mean" | "beta" | "bias") => -0.3..0.3,
            Some("running_var" | "gamma") => 0.6..1.4,
            _ => continue,
        };
        tensor.values.iter_mut().for_each(|v| *v = rng.random_range(range.clone()));
    }
    load_state_dict(network, tensors).unwrap()
}

#[test]
fn every_trunk_and_top_predicts_through_its_plan_as_through_its_layers() {
    let device = Device::flex();
    let mut rng = stream(1, "plane", 0);
    let (h, w) = (160, 96);
    let trunk = |family| TrunkConfig { width: 0.125, stages: Some(3), ..TrunkConfig::new(family) };
    let keras = TrunkConfig { conventions: Conventions::keras_2_0(), ..trunk(Family::Resnet50) };
    let coloured =
        |family| TrunkConfig { channels: 3, channel_norm: Some(ChannelNorm::torchvision()), ..trunk(family) };
    let lite =
        TrunkConfig { conventions: Conventions::efficientnet_lite(), ..trunk(Family::EfficientNetLite0) };
    let trunks = [
        trunk(Family::Resnet18),
        trunk(Family::Yaroslav),
        trunk(Family::Vgg16),
        keras,
        coloured(Family::Resnet50),
        coloured(Family::Vgg19),
        lite,
        TrunkConfig { stages: None, ..coloured(Family::EfficientNetLite0) },
    ];
    let tops = [
        (TopConfig::Average, MapPooling::Max),
        (TopConfig::Average, MapPooling::LogSumExp),
        (TopConfig::Residual { blocks: vec![[8, 8, 16]], repeats: 2 }, MapPooling::AverageMax),
        (TopConfig::Vgg { channels: vec![8], depth: 1 }, MapPooling::Average),
        (
            TopConfig::HeatmapFc {
                pool: 3,
                fc: vec![8, 4],
                batch_norm: false,
                heatmap: HeatmapRule::default(),
            },
            MapPooling::Average,
        ),
        (
            TopConfig::Heatmap { heatmap: HeatmapRule { window: 2, activation: HeatmapActivation::LogOdds } },
            MapPooling::Max,
        ),
    ];
    for trunk in trunks {
        let grey = if trunk.channel_norm.is_some() { 0.0..255.0 } else { -1.0..1.0 };
        let plane: Vec<f32> = (0..h * w).map(|_| rng.random_range(grey.clone())).collect();
        let channels = trunk.channels;
        for (top, pooling) in tops.clone() {
            let config = ImageClassifierConfig {
                trunk: trunk.clone(),
                top,
                pooling,
                top_conventions: Conventions::default(),
                n_patch_classes: 5,
                input_px: [h, w],
                dropout: 0.0,
                exam: None,
            };
            let network = network(&config, &device);
            let image =
                Tensor::<4>::from_data(TensorData::new(plane.repeat(channels), [1, channels, h, w]), &device);
            let wanted = network.logits(image, None);
            for (precision, bound) in [(Precision::F32, 2e-4), (Precision::Bf16, 5e-2)] {
                let (plan, layer) = network.plan(channels, precision);
                // In the second run, buffers hold values of the first.
                for _ in 0..2 {
                    let map = plan.feature_map(&plane, [1, h, w], &device);
                    let logits = network.logits_of_map(layer, map);
                    let difference: f32 = (logits.clone() - wanted.clone()).abs().max().into_scalar();
                    let scale: f32 = wanted.clone().abs().max().into_scalar();
                    assert!(
                        difference < bound * scale.max(1.0),
                        "{config:?} {precision:?}: {difference} of {scale}"
                    );
                }
            }
        }
    }
}
