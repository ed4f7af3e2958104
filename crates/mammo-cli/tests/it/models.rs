//! Weights in, a look at them, training from them, prediction with them, weights out.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::program::{mammo, tiny_data_set};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(name)
}

fn import_vgg(dir: &Path) -> String {
    let file = fixture("vgg_zip.pth");
    format!(
        "model import {} --preprocessing torchvision --out {}/vgg.safetensors",
        file.display(),
        dir.display()
    )
}

#[test]
fn pixels_are_asked_for_and_never_guessed() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let file = fixture("vgg_zip.pth");
    mammo(dir, &format!("model import {} --out m.safetensors", file.display()))
        .expect(2)
        .says("--preprocessing");
    mammo(dir, &format!("model import {} --preprocessing imagenet --out m.safetensors", file.display()))
        .expect(2)
        .says("expected torchvision, keras-caffe, keras-tf, efficientnet-lite, paper or a .toml file");
    fs::write(dir.join("p.toml"), "[preprocessing]\nmeen = 3\n").unwrap();
    mammo(dir, &format!("model import {} --preprocessing p.toml --out m.safetensors", file.display()))
        .expect(2)
        .says("did you mean `mean`?");
    assert!(!dir.join("m.safetensors").exists());
}

#[test]
fn imported_weights_are_inspected_trained_from_and_exported() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, &import_vgg(dir)).expect(0);
    let card = mammo(dir, "model inspect vgg.safetensors").expect(0).stdout;
    for text in ["a trunk alone", "vgg_zip.pth", "minus [123.675, 116.28, 103.53", "Not a medical device"] {
        assert!(card.contains(text), "no '{text}' in\n{card}");
    }
    let json = mammo(dir, "model inspect vgg.safetensors --json").expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["format_version"], 4);

    // The lines that the program prints are lines under which it trains.
    let lines: toml::Table =
        mammo(dir, "model inspect vgg.safetensors --toml").expect(0).stdout.parse().unwrap();
    let mut config: toml::Table = fs::read_to_string(dir.join("tiny.toml")).unwrap().parse().unwrap();
    for (section, values) in lines {
        let into = config[&section].as_table_mut().unwrap();
        into.extend(values.as_table().unwrap().clone());
    }
    let stages = "[[patch.training.stages]]\ntrain='head'\nepochs=1\nlearning_rate=1e-3\n";
    let stages: toml::Table = stages.parse().unwrap();
    let training = config["patch"]["training"].as_table_mut().unwrap();
    training.insert("stages".into(), stages["patch"]["training"]["stages"].clone());
    fs::write(dir.join("start.toml"), toml::to_string(&config).unwrap()).unwrap();
    mammo(dir, "train patch data/manifest.json --config start.toml --out patch").expect(0);
    let trained = mammo(dir, "model inspect patch/model.safetensors --json").expect(0).stdout;
    let trained: serde_json::Value = serde_json::from_str(&trained).unwrap();
    assert!(trained["training"]["started_from"].is_string(), "{trained}");

    // Only the head learned, so the trunk goes out as it came in.
    for (model, out) in [("vgg.safetensors", "a.safetensors"), ("patch/model.safetensors", "b.safetensors")] {
        mammo(dir, &format!("model export {model} --format safetensors --out {out}")).expect(0);
    }
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    let (a, b) = (read("a.safetensors"), read("b.safetensors"));
    let [a, b] = [&a, &b].map(|bytes| safetensors::SafeTensors::deserialize(bytes).unwrap());
    let key = "features.5.weight";
    assert_eq!(a.tensor(key).unwrap().data(), b.tensor(key).unwrap().data());

    mammo(dir, "train patch data/manifest.json --config start.toml --out no --set preprocessing.mean=9.0")
        .expect(2)
        .says("trained with mean 0 and standard deviation 1");
    mammo(dir, "train patch data/manifest.json --config start.toml --out no --set patch.trunk.channels=1")
        .expect(2)
        .says("channel");
}

#[test]
fn a_keras_whole_image_model_predicts_and_goes_out_as_onnx() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let packed = fs::File::open(fixture("keras_resnet50_image.h5.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    fs::write(dir.join("model.h5"), bytes).unwrap();
    mammo(dir, "model import model.h5 --preprocessing paper --out keras.safetensors").expect(0);
    let card = mammo(dir, "model inspect keras.safetensors").expect(0).stdout;
    assert!(card.contains("Keras 2.0; stride on the first 1x1"), "{card}");
    let scores = mammo(dir, "predict data/images --model keras.safetensors").expect(0).stdout;
    assert!(scores.lines().count() > 10, "{scores}");
    for flags in ["", "--keep-norms --pixels"] {
        mammo(dir, &format!("model export keras.safetensors --format onnx --out model.onnx {flags}"))
            .expect(0);
        let bytes = fs::read(dir.join("model.onnx")).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(holds("probabilities") && holds("preprocessing_digest"));
        assert_eq!(holds("BatchNormalization"), !flags.is_empty());
    }
}

#[test]
fn a_model_of_another_kind_is_refused_with_the_way_out() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, &import_vgg(dir)).expect(0);
    mammo(dir, "predict data/images --model vgg.safetensors")
        .expect(2)
        .says("a trunk alone; expected a whole-image");
    let again = "model import vgg.safetensors --preprocessing paper --out again.safetensors";
    mammo(dir, again).expect(2).says("needs no import");
}
