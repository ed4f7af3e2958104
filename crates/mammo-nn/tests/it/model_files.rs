//! A model file is read bit for bit, or refused.

use std::path::Path;

use burn::tensor::Device;
use mammo_core::seed::stream;
use mammo_nn::inference::predict::ImageModel;
use mammo_nn::model_file::{self, Network};
use mammo_nn::networks::state::state_dict;
use mammo_nn::networks::trunk::Family;
use rand::RngExt;

use crate::toy::{card, network};

#[test]
fn a_model_comes_back_bit_for_bit_with_its_card() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let tensors = state_dict(&network(Family::Resnet18, 1));
    model_file::save(&path, &card(Family::Resnet18), &tensors).unwrap();
    let file = model_file::load(&path).unwrap();
    assert_eq!(file.tensors, tensors);
    assert_eq!(file.card, card(Family::Resnet18));
    let again = file.patch_classifier(&Device::flex()).unwrap();
    assert_eq!(state_dict(&again), tensors);
}

#[test]
fn a_patch_model_is_refused_where_an_image_model_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    model_file::save(&path, &card(Family::Resnet18), &state_dict(&network(Family::Resnet18, 1))).unwrap();
    let error = ImageModel::load(&path, &Device::flex()).err().unwrap().to_string();
    assert!(error.contains("a patch model"), "{error}");
}

#[test]
fn weights_of_another_architecture_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let tensors = state_dict(&network(Family::Vgg16, 1));
    let error = model_file::save(&path, &card(Family::Resnet18), &tensors).unwrap_err().to_string();
    assert!(error.contains("tensor 'head.weight' has shape [32, 2]"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_weight_that_is_not_finite_is_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let mut tensors = state_dict(&network(Family::Resnet18, 1));
    tensors.get_mut("head.bias").unwrap().values[0] = f32::NAN;
    assert!(model_file::save(&path, &card(Family::Resnet18), &tensors).is_err());
    assert!(!path.exists());
}

#[test]
fn a_file_of_the_first_version_is_refused_by_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let metadata = [("mammo.card".to_string(), r#"{"format_version":1}"#.to_string())].into();
    let none: [(&str, safetensors::tensor::TensorView); 0] = [];
    std::fs::write(&path, safetensors::serialize(none, Some(metadata)).unwrap()).unwrap();
    let error = model_file::load(&path).unwrap_err().to_string();
    assert!(error.contains("format version 1; expected format version 2 or 3"), "{error}");
}

/// Written by the program when 2 was its version (fuzz/make_seeds.py's `yaroslav_image`).
#[test]
fn a_file_of_the_second_version_is_read_and_written_again_as_the_third() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/version2.safetensors");
    let file = model_file::load(&old).unwrap();
    assert_eq!((file.card.format_version, &file.card.calibration), (2, &None));
    assert!(matches!(file.card.network, Network::Image(_)));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    model_file::save(&path, &file.card, &file.tensors).unwrap();
    let new = model_file::load(&path).unwrap();
    assert_eq!((new.card.format_version, &new.tensors), (3, &file.tensors));
    assert_eq!(new.card.preprocessing, file.card.preprocessing);
}

#[test]
fn a_thousand_damaged_files_never_load() {
    let path = Path::new("damaged");
    let dir = tempfile::tempdir().unwrap();
    let saved = dir.path().join("model.safetensors");
    model_file::save(&saved, &card(Family::Resnet18), &state_dict(&network(Family::Resnet18, 1))).unwrap();
    let whole = std::fs::read(&saved).unwrap();
    assert!(model_file::parse(path, &whole).is_ok());
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut rng = stream(1, "damage", 0);
    for i in 0..1000 {
        let mut bytes = whole.clone();
        // Half of the mutations are in the header, although weights are much longer.
        let place = if i % 2 == 0 { rng.random_range(0..header) } else { rng.random_range(0..bytes.len()) };
        match i % 5 {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 1 << rng.random_range(0..8),
            2 => bytes[place] = bytes[place].wrapping_add(rng.random_range(1..=255)),
            3 => bytes.insert(place, rng.random_range(0..=255)),
            _ => {
                let end = (place + rng.random_range(1..64)).min(bytes.len());
                bytes.drain(place..end);
            }
        }
        assert!(model_file::parse(path, &bytes).is_err(), "mutation {i} at {place} loaded");
    }
}

#[test]
fn lengths_that_a_file_states_are_not_trusted_with_memory() {
    let path = Path::new("damaged");
    for length in [u64::MAX, 1 << 40, 99_999_999] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
        assert!(model_file::parse(path, &bytes).is_err());
    }
    let mut huge = card(Family::Yaroslav);
    if let Network::Patch(config) = &mut huge.network {
        config.n_classes = usize::MAX;
    }
    assert!(huge.check().is_err());
}
