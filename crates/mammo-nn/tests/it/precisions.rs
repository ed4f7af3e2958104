//! Every kind of network in bf16 compared with `f32`: forward, backward, each update rule, heat maps and attribution.
//! No operation may receive tensors of two number types.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use mammo_core::seed::stream;
use mammo_nn::inference::heatmap::{PatchWindow, class_probabilities, grad_cam, saliency};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::conventions::{ChannelNorm, Conventions};
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig, MapLayer};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::state::state_dict;
use mammo_nn::networks::top::{HeatmapActivation, HeatmapRule, MapPooling, TopConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use mammo_nn::training::optimizer::{OptimizerKind, optimizer};
use rand::RngExt;

const SIZE: [usize; 2] = [96, 64];
const TYPES: [DType; 2] = [DType::F32, DType::BF16];

/// Every family, with one channel and with three normalised ones, and Keras' conventions.
fn trunks() -> Vec<TrunkConfig> {
    let trunk = |family| TrunkConfig { width: 0.125, stages: Some(3), ..TrunkConfig::new(family) };
    let families = Family::ALL.map(trunk);
    let coloured = families.clone().map(|trunk| TrunkConfig {
        channels: 3,
        channel_norm: Some(ChannelNorm::torchvision()),
        ..trunk
    });
    let keras = TrunkConfig { conventions: Conventions::keras_2_0(), ..trunk(Family::Resnet50) };
    families.into_iter().chain(coloured).chain([keras]).collect()
}

fn log_odds() -> TopConfig {
    TopConfig::Heatmap { heatmap: HeatmapRule { window: 3, activation: HeatmapActivation::LogOdds } }
}

fn tops() -> Vec<(TopConfig, MapPooling)> {
    let heatmap = HeatmapRule { window: 2, activation: HeatmapActivation::Relu };
    let fc = |batch_norm, heatmap| TopConfig::HeatmapFc { pool: 2, fc: vec![8, 4], batch_norm, heatmap };
    vec![
        (TopConfig::Average, MapPooling::Average),
        (TopConfig::Average, MapPooling::Max),
        (TopConfig::Average, MapPooling::TopK(4)),
        (TopConfig::Average, MapPooling::LogSumExp),
        (TopConfig::Average, MapPooling::AverageMax),
        (TopConfig::Residual { blocks: vec![[8, 8, 16]], repeats: 2 }, MapPooling::AverageMax),
        (TopConfig::Vgg { channels: vec![8], depth: 1 }, MapPooling::Max),
        (
            TopConfig::HeatmapResidual {
                blocks: vec![[4, 4, 8]],
                repeats: 1,
                heatmap: HeatmapRule::default(),
            },
            MapPooling::Average,
        ),
        (fc(false, HeatmapRule::default()), MapPooling::Average),
        (fc(true, heatmap), MapPooling::Average),
        (TopConfig::Yaroslav { pool: 2, fc: vec![8], batch_norm: true, heatmap }, MapPooling::Average),
        (log_odds(), MapPooling::Max),
    ]
}

/// Two images of noise, with the grey levels that the trunk expects.
fn images(trunk: &TrunkConfig, device: &Device) -> Tensor<4> {
    let mut rng = stream(1, "noise", 0);
    let range = if trunk.channel_norm.is_some() { 0.0..255.0 } else { -1.0..1.0 };
    let values: Vec<f32> = (0..2)
        .flat_map(|_| {
            let plane: Vec<f32> = (0..SIZE[0] * SIZE[1]).map(|_| rng.random_range(range.clone())).collect();
            plane.repeat(trunk.channels)
        })
        .collect();
    Tensor::from_data(TensorData::new(values, [2, trunk.channels, SIZE[0], SIZE[1]]), device)
}

fn config(trunk: &TrunkConfig, (top, pooling): &(TopConfig, MapPooling)) -> ImageClassifierConfig {
    ImageClassifierConfig {
        trunk: trunk.clone(),
        top: top.clone(),
        pooling: *pooling,
        top_conventions: trunk.conventions,
        n_patch_classes: 5,
        input_px: SIZE,
        dropout: 0.3,
        exam: None,
    }
}

#[test]
fn every_network_learns_a_step_under_every_rule_in_both_number_types() {
    let device = Device::flex().autodiff();
    let kinds = [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Muon, OptimizerKind::Sgd];
    for (i, trunk) in trunks().iter().enumerate() {
        for (j, top) in tops().iter().enumerate() {
            let config = config(trunk, top);
            let kind = kinds[(i + j) % kinds.len()];
            let losses = TYPES.map(|numbers| {
                let model = initialise(ImageClassifier::new(&config, &device).unwrap(), 3).train();
                let before = state_dict(&model);
                let logits =
                    model.logits(images(trunk, &device).cast(numbers), Some(&mut stream(2, "dropout", 0)));
                assert_eq!(logits.dtype(), DType::F32, "{config:?}");
                let loss = logits.square().mean();
                let value = loss.clone().into_scalar::<f32>();
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                let depthwise = model.trunk().depthwise_kernels();
                let model = optimizer(kind, 1e-3, depthwise).unwrap().step(1e-3, model, gradients);
                let after = state_dict(&model);
                let finite = after.values().flat_map(|tensor| &tensor.values).all(|v| v.is_finite());
                assert!(finite && value.is_finite(), "{config:?} {kind:?} {numbers:?}");
                assert_ne!(before, after, "{config:?} {kind:?} {numbers:?}");
                value
            });
            let [exact, rounded] = losses;
            // Batch norms over two images amplify rounding errors; 0.23 of the loss is the largest that was observed.
            assert!((exact - rounded).abs() < 0.4 * exact.max(0.05), "{config:?}: {exact} and {rounded}");
        }
    }
}

#[test]
fn heat_maps_and_attribution_take_images_of_both_number_types() {
    let device = Device::flex().autodiff();
    for trunk in trunks() {
        let patch = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
        let patch = initialise(PatchClassifier::new(&patch, &device).unwrap(), 3).freeze();
        let window = PatchWindow::new(2 * trunk.stride(), None, &trunk).unwrap();
        let maps = TYPES.map(|numbers| {
            let map = class_probabilities(&patch, window, images(&trunk, &device).cast(numbers));
            map.into_data().iter::<f32>().collect::<Vec<f32>>()
        });
        let difference = maps[0].iter().zip(&maps[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 0.1, "{trunk:?}: {difference}");

        let config = config(&trunk, &tops()[3]);
        let network = initialise(ImageClassifier::new(&config, &device).unwrap(), 3).freeze();
        for numbers in TYPES {
            let image = || images(&trunk, &device).narrow(0, 0, 1).cast(numbers);
            let cam = |layer| grad_cam(&network, &config, layer, image()).unwrap();
            for map in [saliency(&network, image()), cam(MapLayer::Trunk), cam(MapLayer::Top)] {
                assert!(map.values.iter().all(|v| v.is_finite()), "{trunk:?} {numbers:?}");
            }
            assert!(saliency(&network, image()).max() > 0.0, "{trunk:?} {numbers:?}");
        }
    }
}
