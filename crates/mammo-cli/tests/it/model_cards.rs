//! What commands take from a model's card: preprocessing, operating point, calibration; and cards that
//! contradict themselves.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use mammo_nn::model_file::{N_DIGITS, self_digest};
use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::program::{mammo, tiny_data_set};

const TRAIN: &str = "train image data/manifest.json --config tiny.toml --from-scratch --out image";

/// A whole-image model of the tiny configuration, with the first scores of its test side.
fn trained(dir: &Path) {
    tiny_data_set(dir);
    mammo(dir, TRAIN).expect(0);
    mammo(dir, "predict data/manifest.json --side test --model image/model.safetensors --out scores.csv")
        .expect(0);
}

/// Writes a model file again with another card, as somebody could who also puts its digest right.
fn with_card(from: &Path, to: &Path, change: impl FnOnce(&mut Value)) {
    let bytes = fs::read(from).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let stored: Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["mammo.card"]).unwrap();
    let mut card = stored["card"].clone();
    change(&mut card);
    let text = format!(r#"{{"sha256":"{}","card":{card}}}"#, "0".repeat(N_DIGITS));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let metadata = HashMap::from([("mammo.card".to_string(), text)]);
    let mut bytes = safetensors::serialize(file.tensors(), Some(metadata)).unwrap();
    let (start, digest) = self_digest(&bytes).unwrap();
    bytes[start..start + N_DIGITS].copy_from_slice(digest.as_bytes());
    fs::write(to, bytes).unwrap();
}

#[test]
fn predict_transfer_and_evaluate_refuse_a_card_that_contradicts_itself() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 9] = [
        ("size", |card| card["network"]["image"]["input_px"] = json!([96, 64]), "expected the same size"),
        (
            "channels",
            |card| card["network"]["image"]["trunk"]["channels"] = json!(3),
            "the architecture needs",
        ),
        ("pixels", |card| card["preprocessing"]["mean"] = json!(7.0), "expected equal digests"),
        ("digest", |card| card["preprocessing_digest"] = json!("0123456789abcdef"), "expected equal digests"),
        ("version", |card| card["preprocessing"]["version"] = json!(1), "use the release that the model"),
        ("older", |card| card["format_version"] = json!(1), "expected format version 2 to 4"),
        ("newer", |card| card["format_version"] = json!(5), "use the program version that wrote it"),
        ("classes", |card| card["classes"] = json!(["benign"]), "one per logit"),
        (
            "falling",
            |card| {
                let falling = json!({"method": "platt", "intercept": 0.0, "slope": -1.0});
                card["calibration"] =
                    json!({"calibrator": falling, "n_images": 9, "n_malignant": 4, "n_patients": 5});
            },
            "a slope above 0",
        ),
    ];
    for (name, change, message) in cases {
        let file = format!("{name}.safetensors");
        with_card(&dir.join("image/model.safetensors"), &dir.join(&file), change);
        for command in [
            "predict data/images",
            "transfer data/manifest.json --config tiny.toml --out moved",
            "evaluate scores.csv",
        ] {
            let ran = mammo(dir, &format!("{command} --model {file}")).expect(2).says(message).says(&file);
            assert!(ran.stdout.is_empty(), "{name}: {}", ran.stdout);
        }
    }
    assert!(!dir.join("moved").exists());
}

#[test]
fn pixels_come_from_the_model_whatever_the_configuration_says() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let card = |model: &str| -> Value {
        let text = mammo(dir, &format!("model inspect {model}/model.safetensors --json")).expect(0).stdout;
        serde_json::from_str(&text).unwrap()
    };
    let trained = card("image")["preprocessing_digest"].as_str().unwrap().to_string();
    let scores = fs::read_to_string(dir.join("scores.csv")).unwrap();
    assert!(scores.lines().skip(1).all(|line| line.contains(&trained)), "{scores}");
    mammo(
        dir,
        "transfer data/manifest.json --config tiny.toml --model image/model.safetensors --out moved \
         --set preprocessing.height_px=96 --set preprocessing.mean=9.0",
    )
    .expect(0);
    assert_eq!(card("moved")["preprocessing_digest"], trained.as_str());
}

#[test]
fn scores_of_another_model_or_other_pixels_are_not_evaluated_with_this_one() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let evaluate = "evaluate changed.csv --model image/model.safetensors";
    let text = fs::read_to_string(dir.join("scores.csv")).unwrap();
    let mut reader = csv_rows(&text);
    let columns: HashMap<String, usize> = reader.remove(0).into_iter().zip(0..).collect();
    for (column, message) in
        [("model", "was scored with model other"), ("preprocessing", "preprocessing other")]
    {
        let changed = text.replace(&reader[0][columns[column]], "other");
        fs::write(dir.join("changed.csv"), changed).unwrap();
        mammo(dir, evaluate)
            .expect(2)
            .says(message)
            .says("score the images with this model, or leave --model out");
    }
    fs::write(dir.join("changed.csv"), text).unwrap();
    mammo(dir, evaluate).expect(0);
}

fn csv_rows(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split(',').map(str::to_string).collect()).collect()
}

#[test]
fn a_calibrated_model_says_so_in_its_card_its_scores_and_its_evaluation() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let platt = json!({"method": "platt", "intercept": -0.5, "slope": 0.25});
    let calibration = json!({"calibrator": platt, "n_images": 40, "n_malignant": 9, "n_patients": 11});
    with_card(&dir.join("image/model.safetensors"), &dir.join("calibrated.safetensors"), |card| {
        card["calibration"] = calibration;
    });
    with_card(&dir.join("image/model.safetensors"), &dir.join("bare.safetensors"), |card| {
        card["calibration"] = Value::Null;
    });
    let card = mammo(dir, "model inspect calibrated.safetensors").expect(0).stdout;
    let line = "logit p becomes -0.5000 + 0.2500 logit p; fitted to 40 validation images of 11 patients, 9";
    assert!(card.contains(line), "{card}");

    let columns = |models: &str| -> Vec<[String; 2]> {
        let text = mammo(dir, &format!("predict data/manifest.json --side test {models}")).expect(0).stdout;
        let mut rows = csv_rows(&text);
        let header = rows.remove(0);
        let at = |name: &str| header.iter().position(|column| column == name).unwrap();
        rows.iter().map(|row| ["probability", "calibrated"].map(|name| row[at(name)].clone())).collect()
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for [raw, calibrated] in columns("--model calibrated.safetensors") {
        let p: f64 = raw.parse().unwrap();
        let expected = sigmoid(-0.5 + 0.25 * (p / (1.0 - p)).ln());
        let found: f64 = calibrated.parse().unwrap();
        assert!((found - expected).abs() < 1e-9, "{p}: {found}, expected {expected}");
    }
    assert!(columns("--model bare.safetensors").iter().all(|[_, calibrated]| calibrated.is_empty()));
    let both = columns("--model calibrated.safetensors --model bare.safetensors");
    assert!(both.iter().all(|[_, calibrated]| calibrated.is_empty()), "{both:?}");

    mammo(
        dir,
        "predict data/manifest.json --side test --tta flips --model calibrated.safetensors --out flips.csv",
    )
    .expect(0);
    let report = mammo(dir, "evaluate flips.csv --model calibrated.safetensors --out e").expect(0).stdout;
    assert!(report.contains("| calibrated_brier "), "{report}");
    let stored = fs::read_to_string(dir.join("e/evaluation.json")).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["recalibrated"][0]["origin"], "model file", "{stored}");
    // The column is no group of images.
    let groups = stored["subgroups"].as_array().unwrap();
    assert!(groups.iter().all(|group| group["column"] != "calibrated"), "{groups:?}");
}

#[test]
fn the_configuration_chooses_the_calibration() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, &format!("{TRAIN} --set image.calibration=plat")).expect(2).says("did you mean `platt`?");
    mammo(dir, &format!("{TRAIN} --set image.calibration=isotonic")).expect(0);
    let card = mammo(dir, "model inspect image/model.safetensors --json").expect(0).stdout;
    let card: Value = serde_json::from_str(&card).unwrap();
    assert_eq!(card["calibration"]["calibrator"]["method"], "isotonic", "{card}");
    assert_eq!(card["training"]["config"]["image"]["calibration"], "isotonic", "{card}");
    let run = fs::read_to_string(dir.join("image/run.json")).unwrap();
    assert!(run.contains("isotonic"), "{run}");
}
