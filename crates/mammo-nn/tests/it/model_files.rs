//! A model file is read bit for bit, or refused.

use std::path::Path;

use burn::tensor::Device;
use mammo_core::record::View;
use mammo_core::seed::stream;
use mammo_nn::inference::predict::ImageModel;
use mammo_nn::model_file::{
    self, Description, Detector, Estimate, Evidence, FORMAT_VERSION, Figure, Network, Weights,
};
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
    assert!(error.contains("format version 1; expected format version 2 to 4"), "{error}");
}

/// Written by the program when 2 was its version (fuzz/make_seeds.py's `yaroslav_image`).
#[test]
fn a_file_of_the_second_version_is_read_and_written_again_as_the_newest() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/version2.safetensors");
    let file = model_file::load(&old).unwrap();
    assert_eq!((file.card.format_version, &file.card.calibration), (2, &None));
    assert!(matches!(file.card.network, Network::Image(_)));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    model_file::save(&path, &file.card, &file.tensors).unwrap();
    let new = model_file::load(&path).unwrap();
    assert_eq!((new.card.format_version, &new.tensors), (FORMAT_VERSION, &file.tensors));
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

#[test]
fn weights_in_16_bits_come_back_rounded_and_vectors_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for family in [Family::Resnet18, Family::EfficientNetLite0, Family::Vgg16] {
        let tensors = state_dict(&network(family, 1));
        model_file::save(&path("f32"), &card(family), &tensors).unwrap();
        let whole = model_file::load(&path("f32")).unwrap();
        let n_bytes = |name: &str| std::fs::metadata(path(name)).unwrap().len();
        for (weights, share) in [(Weights::F16, 1.0 / 2048.0), (Weights::Bf16, 1.0 / 256.0)] {
            model_file::save_as(&path("small"), &card(family), &tensors, weights).unwrap();
            assert!(n_bytes("small") < n_bytes("f32"));
            let small = model_file::load(&path("small")).unwrap();
            assert_eq!((small.weights, &small.card), (weights, &whole.card));
            assert_ne!(small.digest, whole.digest);
            for (name, tensor) in &tensors {
                let read = &small.tensors[name];
                assert_eq!(read.shape, tensor.shape);
                for (a, b) in tensor.values.iter().zip(&read.values) {
                    let bound = if tensor.shape.len() < 2 { 0.0 } else { share * a.abs() + 3e-8 };
                    assert!((a - b).abs() <= bound, "{name}: {a} {b}");
                }
            }
            // Rounded values are stored as they are.
            model_file::save_as(&path("again"), &small.card, &small.tensors, weights).unwrap();
            assert_eq!(std::fs::read(path("again")).unwrap(), std::fs::read(path("small")).unwrap());
        }
    }
}

#[test]
fn a_weight_beyond_f16_is_never_written_in_f16() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let mut tensors = state_dict(&network(Family::Resnet18, 1));
    let largest = tensors.iter().max_by_key(|(_, tensor)| tensor.values.len()).unwrap().0.clone();
    tensors.get_mut(&largest).unwrap().values[3] = 1e5;
    let save = |weights| model_file::save_as(&path, &card(Family::Resnet18), &tensors, weights);
    let error = save(Weights::F16).unwrap_err().to_string();
    assert!(error.contains(&format!("tensor '{largest}' holds 1e5")), "{error}");
    assert!(!path.exists());
    save(Weights::Bf16).unwrap();
}

fn description() -> Description {
    let auc = Estimate { value: 0.85, interval: [0.8, 0.9] };
    Description {
        precision: None,
        name: Some("film-1".into()),
        licence: None,
        limits: Some(vec!["Evaluated on films only.".into()]),
        evidence: Some(vec![Evidence {
            detector: Detector::Film,
            vendors: None,
            views: vec![View::Cc, View::Mlo],
            n_images: 500,
            n_patients: 200,
            auc,
            note: None,
        }]),
        figures: Some(vec![Figure {
            name: "AUC".into(),
            value: 0.85,
            interval: [0.8, 0.9],
            n_images: 500,
            how: "five-fold cross-validation".into(),
        }]),
    }
}

#[test]
fn a_description_changes_the_card_and_no_byte_of_the_weights() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let tensors = state_dict(&network(Family::Resnet18, 1));
    for weights in Weights::ALL {
        model_file::save_as(&path("bare"), &card(Family::Resnet18), &tensors, weights).unwrap();
        let bytes = std::fs::read(path("bare")).unwrap();
        let bare = model_file::parse(&path("bare"), &bytes).unwrap();
        model_file::save_with_card(&path("named"), &description().applied_to(&bare.card), &bytes).unwrap();
        let named = model_file::load(&path("named")).unwrap();
        assert_eq!((&named.tensors, named.weights), (&bare.tensors, weights));
        let data = |name: &str| {
            let bytes = std::fs::read(path(name)).unwrap();
            let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            bytes[header..].to_vec()
        };
        assert_eq!(data("named"), data("bare"));
        assert_ne!(named.digest, bare.digest);
        let text = named.to_string();
        assert!(text.starts_with("limit                 Evaluated on films only.\n"), "{text}");
        for part in
            ["film-1, ", "AUC 0.850 (0.800 to 0.900), 500 images, five-fold", "film, CC or MLO: AUC 0.850"]
        {
            assert!(text.contains(part), "no '{part}' in\n{text}");
        }
        // A second description keeps what it does not name.
        let licence = Description { licence: Some("CC0-1.0".into()), ..Description::default() };
        let both = licence.applied_to(&named.card);
        assert_eq!((both.name.as_deref(), both.licence.as_str()), (Some("film-1"), "CC0-1.0"));
    }
}

#[test]
fn a_description_that_contradicts_itself_is_refused_by_its_field() {
    type Change = fn(&mut Description);
    let cases: [(Change, &str); 6] = [
        (|d| d.name = Some("a b".into()), "name: 'a b'"),
        (|d| d.limits = Some(vec![" ".into()]), "limits"),
        (|d| d.figures.as_mut().unwrap()[0].value = 0.95, "figures, 'AUC'"),
        (|d| d.evidence.as_mut().unwrap()[0].views.clear(), "evidence.views"),
        (|d| d.evidence.as_mut().unwrap()[0].vendors = Some(vec![]), "evidence.vendors"),
        (|d| d.evidence.as_mut().unwrap()[0].n_images = 3, "3 images of 200 patients"),
    ];
    for (change, named) in cases {
        let mut changed = description();
        change(&mut changed);
        let error = changed.applied_to(&card(Family::Resnet18)).check().unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
