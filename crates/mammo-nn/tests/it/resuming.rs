//! A run that was stopped and resumed equals one that was not.

use std::path::Path;

use burn::tensor::Device;
use mammo_nn::model_file;
use mammo_nn::networks::Scope;
use mammo_nn::networks::state::StateDict;
use mammo_nn::networks::trunk::Family;
use mammo_nn::training::optimizer::OptimizerKind;
use mammo_nn::training::resume;
use mammo_nn::training::run::{MODEL_FILE, Outcome, TrainingRun};
use mammo_nn::training::schedule::{RateSchedule, TrainingConfig};
use mammo_nn::training::train::train;

use crate::toy::{Recorder, Stripes, network, run, stage, training};

fn config(optimizer: OptimizerKind) -> TrainingConfig {
    TrainingConfig {
        optimizer,
        schedule: RateSchedule::Plateau { patience: 1, factor: 0.5 },
        ..training(vec![stage(Scope::Top, 2, 1e-3), stage(Scope::All, 2, 1e-3)])
    }
}

fn train_until(optimizer: OptimizerKind, dir: &Path, stop_after: Option<usize>) -> (Outcome, Recorder) {
    let (config, device) = (config(optimizer), Device::flex());
    let (training, validation) = (Stripes { n: 40, seed: 3 }, Stripes { n: 16, seed: 4 });
    let mut recorder = Recorder { stop_after, ..Recorder::default() };
    // With a share of the starting weights, which a resumed run must recover.
    let run = TrainingRun { start_share: 0.25, ..run(Family::Resnet18, &config, &device, dir) };
    let outcome = train(network(Family::Resnet18, 9), &training, &validation, &run, &mut recorder).unwrap();
    (outcome, recorder)
}

fn weights(dir: &Path) -> StateDict {
    model_file::load(&dir.join(MODEL_FILE)).unwrap().tensors
}

#[test]
fn a_run_stopped_anywhere_and_resumed_equals_one_never_stopped() {
    for optimizer in [OptimizerKind::Adam, OptimizerKind::Muon] {
        let whole = tempfile::tempdir().unwrap();
        let (outcome, recorder) = train_until(optimizer, whole.path(), None);
        assert!(matches!(outcome, Outcome::Finished { .. }));
        assert_eq!(recorder.losses.len(), 20, "four epochs of five steps");

        // In the first epoch, at the last step of an epoch, in the second stage.
        for stop_after in [2, 5, 13] {
            let dir = tempfile::tempdir().unwrap();
            let (stopped, _) = train_until(optimizer, dir.path(), Some(stop_after));
            assert_eq!(stopped, Outcome::Interrupted, "{optimizer:?} after {stop_after} steps");
            let (resumed, _) = train_until(optimizer, dir.path(), None);
            assert_eq!(resumed, outcome, "{optimizer:?} after {stop_after} steps");
            assert_eq!(weights(dir.path()), weights(whole.path()), "{optimizer:?} after {stop_after} steps");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_model() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train_until(OptimizerKind::Adam, a.path(), None);
    train_until(OptimizerKind::Adam, b.path(), None);
    assert_eq!(weights(a.path()), weights(b.path()));
}

#[test]
fn a_damaged_or_foreign_resume_state_is_an_error_not_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    train_until(OptimizerKind::Adam, dir.path(), Some(2));
    let path = dir.path().join(resume::FILE);
    let whole = std::fs::read(&path).unwrap();
    let resume_with = |digest: &str| {
        let (config, device) = (config(OptimizerKind::Adam), Device::flex());
        let data = Stripes { n: 40, seed: 3 };
        let mut run = run(Family::Resnet18, &config, &device, dir.path());
        run.digest = digest.into();
        train(network(Family::Resnet18, 9), &data, &data, &run, &mut Recorder::default())
    };
    assert!(resume_with("another").unwrap_err().to_string().contains("another run"));
    for length in [0, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(resume_with("toy").unwrap_err().to_string().contains("damaged"), "{length} bytes");
    }
}
