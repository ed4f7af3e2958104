//! Parameters and batch-norm statistics of frozen layers do not change by a bit.

use burn::tensor::Device;
use mammo_nn::model_file;
use mammo_nn::networks::Scope;
use mammo_nn::networks::state::{StateDict, state_dict};
use mammo_nn::networks::trunk::Family;
use mammo_nn::training::run::{MODEL_FILE, TrainingRun};
use mammo_nn::training::schedule::StageConfig;
use mammo_nn::training::train::train;

use crate::toy::{Recorder, Stripes, network, run, stage, training};

/// Names of the tensors that one epoch in `scope` changes.
fn changed(scope: Scope) -> Vec<String> {
    changed_under(stage(scope, 1, 1e-2))
}

fn changed_under(stage: StageConfig) -> Vec<String> {
    let [before, after] = before_and_after(stage, 0.0);
    before.iter().filter(|(name, tensor)| after[*name] != **tensor).map(|(name, _)| name.clone()).collect()
}

/// The tensors before one epoch and those saved after it.
fn before_and_after(stage: StageConfig, start_share: f64) -> [StateDict; 2] {
    let dir = tempfile::tempdir().unwrap();
    let config = training(vec![stage]);
    let device = Device::flex();
    let data = Stripes { n: 16, seed: 1 };
    let start = network(Family::Resnet18, 1);
    let before: StateDict = state_dict(&start);
    let run = TrainingRun { start_share, ..run(Family::Resnet18, &config, &device, dir.path()) };
    train(start, &data, &data, &run, &mut Recorder::default()).unwrap();
    [before, model_file::load(&dir.path().join(MODEL_FILE)).unwrap().tensors]
}

#[test]
fn only_the_head_changes_when_only_the_head_learns() {
    let changed = changed(Scope::Head);
    assert_eq!(changed, ["head.bias", "head.weight"]);
}

#[test]
fn head_and_last_block_change_when_the_top_learns() {
    let changed = changed(Scope::Top);
    assert!(changed.iter().any(|name| name.starts_with("head")));
    // Two stages of two blocks: the last is blocks.3.
    assert!(changed.iter().all(|name| name.starts_with("head") || name.contains("blocks.3.")), "{changed:?}");
    assert!(changed.iter().any(|name| name.ends_with("running_mean")), "{changed:?}");
}

#[test]
fn everything_changes_when_everything_learns() {
    let n = state_dict(&network(Family::Resnet18, 1)).len();
    assert_eq!(changed(Scope::All).len(), n);
}

#[test]
fn weights_and_scales_learn_but_statistics_stay_when_they_are_kept() {
    let changed = changed_under(StageConfig { keep_norm_statistics: true, ..stage(Scope::All, 1, 1e-2) });
    let n_statistics = |names: &[String]| names.iter().filter(|name| name.contains("running_")).count();
    let all: Vec<String> = state_dict(&network(Family::Resnet18, 1)).into_keys().collect();
    assert_eq!(n_statistics(&changed), 0, "{changed:?}");
    assert_eq!(changed.len(), all.len() - n_statistics(&all));
}

#[test]
fn the_share_of_the_start_is_kept_and_the_rest_is_what_training_came_to() {
    let stage = stage(Scope::All, 1, 1e-2);
    let [start, trained] = before_and_after(stage, 0.0);
    let [_, kept] = before_and_after(stage, 0.25);
    for (name, kept) in &kept {
        for ((kept, start), trained) in kept.values.iter().zip(&start[name].values).zip(&trained[name].values)
        {
            let expected = 0.25 * f64::from(*start) + 0.75 * f64::from(*trained);
            assert!((f64::from(*kept) - expected).abs() < 1e-6, "{name}: {kept}, expected {expected}");
        }
    }
}
