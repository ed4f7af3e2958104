//! Frozen layers keep their bytes and their batch-norm statistics.

use burn::tensor::Device;
use mammo_nn::model_file;
use mammo_nn::schedule::Scope;
use mammo_nn::state::{StateDict, state_dict};
use mammo_nn::train::{MODEL_FILE, train};
use mammo_nn::trunk::Family;

use crate::toy::{Recorder, Stripes, network, run, stage, training};

/// Names of the tensors that one epoch under `scope` has changed.
fn changed(scope: Scope) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let config = training(vec![stage(scope, 1, 1e-2)]);
    let device = Device::flex();
    let data = Stripes { n: 16, seed: 1 };
    let start = network(Family::Resnet18, 1);
    let before: StateDict = state_dict(&start);
    train(start, &data, &data, &run(&config, &device, dir.path()), &mut Recorder::default()).unwrap();
    let after = model_file::load(&dir.path().join(MODEL_FILE)).unwrap().tensors;
    before.iter().filter(|(name, tensor)| after[*name] != **tensor).map(|(name, _)| name.clone()).collect()
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
