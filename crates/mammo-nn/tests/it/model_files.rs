//! A model file comes back bit for bit, or not at all.

use burn::tensor::Device;
use mammo::seed::stream;
use mammo_nn::model_file;
use mammo_nn::predict::{ImageModel, patch_classifier};
use mammo_nn::state::state_dict;
use mammo_nn::trunk::Family;
use rand::RngExt;

use crate::toy::{card, network};

#[test]
fn a_model_comes_back_bit_for_bit_with_its_card() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let tensors = state_dict(&network(Family::Resnet18, 1));
    model_file::save(&path, &card(), &tensors).unwrap();
    let file = model_file::load(&path).unwrap();
    assert_eq!(file.tensors, tensors);
    assert_eq!(file.card, card());
    let again = patch_classifier(&path, &file, &Device::flex()).unwrap();
    assert_eq!(state_dict(&again), tensors);
}

#[test]
fn a_patch_model_is_refused_where_an_image_model_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    model_file::save(&path, &card(), &state_dict(&network(Family::Resnet18, 1))).unwrap();
    let error = ImageModel::load(&path, &Device::flex()).err().unwrap().to_string();
    assert!(error.contains("a patch model"), "{error}");
}

#[test]
fn weights_of_another_architecture_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    model_file::save(&path, &card(), &state_dict(&network(Family::Vgg16, 1))).unwrap();
    let file = model_file::load(&path).unwrap();
    let error = patch_classifier(&path, &file, &Device::flex()).err().unwrap().to_string();
    assert!(error.contains("tensor 'trunk."), "{error}");
}

#[test]
fn a_weight_that_is_not_finite_is_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let mut tensors = state_dict(&network(Family::Resnet18, 1));
    tensors.get_mut("head.bias").unwrap().values[0] = f32::NAN;
    assert!(model_file::save(&path, &card(), &tensors).is_err());
    assert!(!path.exists());
}

#[test]
fn a_file_cut_short_or_with_a_damaged_header_never_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    model_file::save(&path, &card(), &state_dict(&network(Family::Resnet18, 1))).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut rng = stream(1, "damage", 0);
    for _ in 0..200 {
        let length = rng.random_range(0..whole.len());
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(model_file::load(&path).is_err(), "cut to {length} bytes");
    }
}
