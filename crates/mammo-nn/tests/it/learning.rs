//! The first loss equals that of chance, and the last one is near zero.

use burn::tensor::Device;
use mammo_nn::model_file;
use mammo_nn::networks::Scope;
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::precision::Precision;
use mammo_nn::networks::precision::PrecisionChoice;
use mammo_nn::networks::state::state_dict;
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use mammo_nn::training::optimizer::OptimizerKind;
use mammo_nn::training::run::{METRICS_FILE, MODEL_FILE, Outcome};
use mammo_nn::training::schedule::TrainingConfig;
use mammo_nn::training::train::train;
use mammo_nn::training::validation::assess;

use crate::toy::{Recorder, Stripes, network, run, stage, training};

#[test]
fn the_first_loss_is_the_logarithm_of_the_number_of_classes() {
    let stripes = Stripes { n: 64, seed: 1 };
    for family in Family::ALL {
        let loss = assess(&network(family, 3), &stripes, 32, &Device::flex().autodiff(), Precision::F32)
            .unwrap()
            .loss;
        assert!((loss - 2f64.ln()).abs() < 0.1, "{family:?} starts at {loss}");
    }
}

#[test]
fn every_family_learns_one_batch_by_heart() {
    for family in Family::ALL {
        let dir = tempfile::tempdir().unwrap();
        let batch = Stripes { n: 8, seed: 2 };
        let config = training(vec![stage(Scope::All, 40, 3e-3)]);
        let device = Device::flex();
        let mut recorder = Recorder::default();
        train(network(family, 1), &batch, &batch, &run(family, &config, &device, dir.path()), &mut recorder)
            .unwrap();
        let last = recorder.rows.last().unwrap().train_loss;
        assert!(last < 0.1, "{family:?} ends at {last}");
    }
}

#[test]
fn muon_steps_kernels_of_convolutions_and_leaves_the_rest_to_adamw() {
    let after_a_step = |optimizer| {
        let dir = tempfile::tempdir().unwrap();
        let (batch, device) = (Stripes { n: 8, seed: 2 }, Device::flex());
        let config = TrainingConfig { optimizer, ..training(vec![stage(Scope::All, 1, 1e-3)]) };
        let run = run(Family::Resnet18, &config, &device, dir.path());
        train(network(Family::Resnet18, 1), &batch, &batch, &run, &mut Recorder::default()).unwrap();
        model_file::load(&dir.path().join(MODEL_FILE)).unwrap().tensors
    };
    let (adamw, muon) = (after_a_step(OptimizerKind::AdamW), after_a_step(OptimizerKind::Muon));
    for (name, tensor) in &adamw {
        assert_eq!(name.ends_with("conv.weight"), muon[name] != *tensor, "{name}");
    }
}

#[test]
fn training_generalises_and_writes_its_best_model_and_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let (training_side, validation) = (Stripes { n: 96, seed: 3 }, Stripes { n: 64, seed: 4 });
    let config = training(vec![stage(Scope::Head, 1, 1e-3), stage(Scope::All, 5, 3e-3)]);
    let device = Device::flex();
    let run = run(Family::Resnet18, &config, &device, dir.path());
    let mut recorder = Recorder::default();
    let outcome =
        train(network(Family::Resnet18, 1), &training_side, &validation, &run, &mut recorder).unwrap();
    let Outcome::Finished { best_metric } = outcome else { panic!("{outcome:?}") };
    assert!(best_metric > 0.95, "balanced accuracy {best_metric}");

    let metrics = std::fs::read_to_string(dir.path().join(METRICS_FILE)).unwrap();
    assert_eq!(metrics.lines().count(), 1 + recorder.rows.len(), "{metrics}");
    let file = model_file::load(&dir.path().join(MODEL_FILE)).unwrap();
    assert_eq!(file.card.training.validation_metric, Some(best_metric));
    let model = file.patch_classifier(&device).unwrap();
    let again = assess(&model, &validation, 7, &device, Precision::F32).unwrap();
    let row = recorder.rows.iter().find(|row| row.validation_metric == best_metric).unwrap();
    assert!((again.loss - row.validation_loss).abs() < 1e-5, "{} and {}", again.loss, row.validation_loss);
}

#[test]
fn bf16_trains_as_f32_does() {
    let curve = |precision| {
        let dir = tempfile::tempdir().unwrap();
        let (data, device) = (Stripes { n: 96, seed: 3 }, Device::flex());
        let config = TrainingConfig { precision, ..training(vec![stage(Scope::All, 5, 3e-3)]) };
        let mut recorder = Recorder::default();
        train(
            network(Family::Resnet18, 1),
            &data,
            &data,
            &run(Family::Resnet18, &config, &device, dir.path()),
            &mut recorder,
        )
        .unwrap();
        recorder.rows.iter().map(|row| row.train_loss).collect::<Vec<_>>()
    };
    let (full, half) = (curve(PrecisionChoice::F32), curve(PrecisionChoice::Bf16));
    assert_ne!(full, half, "bf16 rounds");
    for (epoch, (f, h)) in full.iter().zip(&half).enumerate() {
        assert!((f - h).abs() < 0.1, "epoch {epoch}: {f} and {h}");
    }
}

#[test]
fn the_same_seed_gives_the_same_start_and_another_seed_another() {
    let weights = |seed| state_dict(&network(Family::Resnet18, seed));
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn a_validation_side_of_one_class_is_refused_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let config = training(vec![stage(Scope::All, 1, 1e-3)]);
    let device = Device::flex();
    let one_class = Stripes { n: 1, seed: 1 };
    let error = train(
        network(Family::Resnet18, 1),
        &Stripes { n: 8, seed: 1 },
        &one_class,
        &run(Family::Resnet18, &config, &device, dir.path()),
        &mut Recorder::default(),
    );
    assert!(error.unwrap_err().to_string().contains("validation side"));
}

#[test]
fn a_rate_that_explodes_is_an_error_not_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let config = training(vec![stage(Scope::All, 3, 1e30)]);
    let device = Device::flex();
    let data = Stripes { n: 16, seed: 1 };
    let outcome = train(
        network(Family::Vgg16, 1),
        &data,
        &data,
        &run(Family::Vgg16, &config, &device, dir.path()),
        &mut Recorder::default(),
    );
    assert!(outcome.unwrap_err().to_string().contains("lower the learning rate"));
}

#[test]
fn published_networks_have_their_published_parameter_counts() {
    use burn::module::Module;
    // torchvision 0.20 without its 1000-class heads, three input channels; batch norm counted
    // as scale, shift and two running statistics.
    let count = |family| {
        let trunk = TrunkConfig { channels: 3, ..TrunkConfig::new(family) };
        let config = PatchClassifierConfig { trunk, n_classes: 5, dropout: 0.0 };
        PatchClassifier::new(&config, &Device::flex()).unwrap().trunk.num_params()
    };
    assert_eq!(count(Family::Vgg16), 14_714_688);
    assert_eq!(count(Family::Vgg19), 20_024_384);
    assert_eq!(count(Family::Resnet18), 11_176_512 + 2 * 4_800);
    assert_eq!(count(Family::Resnet50), 23_508_032 + 2 * 26_560);
    // Building is cheap: the weights above are lazily made, this one is filled.
    drop(initialise(network(Family::Yaroslav, 1), 2));
}
