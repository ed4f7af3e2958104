//! Shrinking and describing a model, its evidence in scores, and commands without `--model`.

use std::fs;
use std::path::Path;

use crate::program::{mammo, tiny_data_set};

/// A whole-image model of the tiny configuration.
fn trained(dir: &Path) {
    tiny_data_set(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out image").expect(0);
}

/// The cells of a column of a score table.
fn column(table: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let at = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
    reader.records().map(|record| record.unwrap()[at].to_string()).collect()
}

#[test]
fn a_shrunk_model_scores_nearly_the_same_under_another_digest() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let scores = |model: &str| mammo(dir, &format!("predict data/images --model {model}")).expect(0).stdout;
    let whole = scores("image/model.safetensors");
    for weights in ["f16", "bf16"] {
        let shrink =
            format!("model shrink image/model.safetensors --weights {weights} --out {weights}.safetensors");
        let said = mammo(dir, &shrink).expect(0).stdout;
        assert!(
            said.contains("bytes, weights in f32") && said.contains(&format!("in {weights}\n")),
            "{said}"
        );
        let small = scores(&format!("{weights}.safetensors"));
        assert_ne!(column(&small, "model"), column(&whole, "model"));
        let numbers = |table: &str| -> Vec<f64> {
            column(table, "probability").iter().map(|cell| cell.parse().unwrap()).collect()
        };
        for (a, b) in numbers(&whole).into_iter().zip(numbers(&small)) {
            assert!((a - b).abs() < 0.02, "{a} {b}");
        }
        let card = mammo(dir, &format!("model inspect {weights}.safetensors")).expect(0).stdout;
        assert!(card.contains(&format!("in {weights}; norms, biases and small tensors in f32")), "{card}");
    }
    mammo(dir, "model shrink image/model.safetensors --weights f8 --out no.safetensors")
        .expect(2)
        .says("f16");
}

const CARD: &str = r#"
name = "tiny-1"
licence = "CC0-1.0"
limits = ["Synthetic images only."]
[[evidence]]
detector = "digital"
vendors = ["ACME"]
views = ["cc", "mlo"]
n_images = 20
n_patients = 10
auc = { value = 0.7, interval = [0.6, 0.8] }
"#;

#[test]
fn a_card_is_described_and_what_it_does_not_know_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let describe = "model describe image/model.safetensors --card card.toml --out named.safetensors";
    mammo(dir, describe).expect(2).says("card.toml");
    for (wrong, named) in [
        (CARD.replace("limits", "limit"), "did you mean `limits`?"),
        (CARD.replace("detector", "detektor"), "did you mean `detector`?"),
        (CARD.replace("digital", "digitl"), "did you mean `digital`?"),
        (CARD.replace("[0.6, 0.8]", "[0.8, 0.9]"), "evidence.auc"),
        (CARD.replace("tiny-1", "tiny/1"), "name: 'tiny/1'"),
    ] {
        fs::write(dir.join("card.toml"), wrong).unwrap();
        mammo(dir, describe).expect(2).says(named).says("card.toml");
    }
    assert!(!dir.join("named.safetensors").exists());
    fs::write(dir.join("card.toml"), CARD).unwrap();
    mammo(dir, describe).expect(0);
    let card = mammo(dir, "model inspect named.safetensors").expect(0).stdout;
    assert!(card.starts_with("limit                 Synthetic images only.\n"), "{card}");
    for text in ["tiny-1, ", "digital of ACME, CC or MLO: AUC 0.700 (0.600 to 0.800)", "CC0-1.0"] {
        assert!(card.contains(text), "no '{text}' in\n{card}");
    }
}

#[test]
fn a_model_may_require_f32_and_its_descendants_do_too() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let card = |model: &str| mammo(dir, &format!("model inspect {model}")).expect(0).stdout;
    assert!(card("image/model.safetensors").contains("\nprecision             auto: bf16 on a processor"));
    fs::write(dir.join("card.toml"), "precision = \"f16\"\n").unwrap();
    let describe = "model describe image/model.safetensors --card card.toml --out exact.safetensors";
    mammo(dir, describe).expect(2).says("card.toml").says("`auto` or `f32`");
    fs::write(dir.join("card.toml"), "precision = \"f32\"\n").unwrap();
    mammo(dir, describe).expect(0);
    mammo(dir, "model shrink exact.safetensors --weights f16 --out small.safetensors").expect(0);
    for command in ["transfer", "train exam"] {
        let out = command.replace(' ', "-");
        let train = "data/manifest.json --config tiny.toml --model exact.safetensors --out";
        mammo(dir, &format!("{command} {train} {out}")).expect(0);
    }
    fs::write(dir.join("named.toml"), "name = \"exact-1\"\n").unwrap();
    mammo(dir, "model describe small.safetensors --card named.toml --out named.safetensors").expect(0);
    let models = ["exact", "small", "named", "transfer/model", "train-exam/model"];
    for model in models.map(|model| format!("{model}.safetensors")) {
        assert!(
            card(&model).contains("\nprecision             f32 on every processor\n"),
            "{}",
            card(&model)
        );
    }
    fs::write(dir.join("card.toml"), "precision = \"auto\"\n").unwrap();
    mammo(dir, "model describe exact.safetensors --card card.toml --out again.safetensors").expect(0);
    let bytes = |name: &str| fs::read(dir.join(name)).unwrap();
    assert!(bytes("again.safetensors") == bytes("image/model.safetensors"), "auto is what old files have");
}

#[test]
fn the_column_domain_says_of_which_images_the_model_knows() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let predict = |model: &str| mammo(dir, &format!("predict data/images --model {model}")).expect(0);
    // Without evidence nothing changes but the column.
    let bare = predict("image/model.safetensors");
    assert!(column(&bare.stdout, "domain").iter().all(|domain| domain == "unknown"), "{}", bare.stdout);
    assert!(!bare.stderr.contains("figures"), "{}", bare.stderr);
    // The phantoms' pictures state no detector, but their names or records state the view.
    fs::write(dir.join("card.toml"), CARD).unwrap();
    mammo(dir, "model describe image/model.safetensors --card card.toml --out named.safetensors").expect(0);
    let named = predict("named.safetensors").says("not known to be of a kind with figures");
    assert!(column(&named.stdout, "domain").iter().all(|domain| domain == "unknown"));
    assert_eq!(column(&named.stdout, "probability"), column(&bare.stdout, "probability"));
    // Readers take tables with and without the column.
    fs::write(
        dir.join("scores.csv"),
        &mammo(dir, "predict data/manifest.json --model named.safetensors").stdout,
    )
    .unwrap();
    mammo(dir, "evaluate scores.csv").expect(0);
}

#[test]
fn outside_of_its_evidence_a_model_scores_without_a_calibrated_probability() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let train = "train image data/manifest.json --config tiny.toml --from-scratch --out image";
    mammo(dir, &format!("{train} --set image.calibration=isotonic")).expect(0);
    // DICOM files of the SOP class of digital mammograms, of another manufacturer.
    mammo(dir, "phantom --layout inbreast --patients 3 --height 128 --width 96 --out inbreast").expect(0);
    let any_vendor = CARD.replace("vendors = [\"ACME\"]\n", "");
    let film = any_vendor.replace("\"digital\"", "\"film\"");
    for (card, domain) in [(CARD, "outside"), (&any_vendor, "inside"), (&film, "outside")] {
        fs::write(dir.join("card.toml"), card).unwrap();
        let describe = "model describe image/model.safetensors --card card.toml --out";
        mammo(dir, &format!("{describe} {domain}.safetensors")).expect(0);
        let ran = mammo(dir, &format!("predict inbreast --model {domain}.safetensors"));
        let cells = |name: &str| column(&ran.stdout, name);
        let scored: Vec<usize> = (0..cells("gate").len()).filter(|&i| cells("gate")[i] == "passed").collect();
        assert!(!scored.is_empty(), "{}\n{}", ran.stdout, ran.stderr);
        for &i in &scored {
            assert_eq!(cells("domain")[i], domain);
            assert!(!cells("probability")[i].is_empty());
            assert_eq!(cells("calibrated")[i].is_empty(), domain == "outside");
            assert_eq!(cells("reason")[i].contains("no figures"), domain == "outside");
        }
        let warned = ran.stderr.contains("without calibrated probability");
        assert_eq!(warned, domain == "outside", "{}", ran.stderr);
    }
    // With several models the worst domain counts.
    let both = mammo(dir, "predict inbreast --model inside.safetensors --model outside.safetensors");
    assert!(column(&both.stdout, "domain").contains(&"outside".to_string()));
    assert!(!column(&both.stdout, "domain").contains(&"inside".to_string()));
}

#[test]
fn a_build_without_a_bundled_model_asks_for_a_file() {
    if !mammo_models::Registry::bundled().models().is_empty() {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    for command in [
        "predict data/images",
        "heatmap data/images --out maps",
        "transfer data/manifest.json --config tiny.toml --out moved",
        "train exam data/manifest.json --config tiny.toml --out moved",
        "model inspect",
    ] {
        mammo(dir, command)
            .expect(2)
            .says("required arguments were not provided: ")
            .says("<MODEL>")
            .says("this build bundles no model");
    }
    fs::write(dir.join("card.toml"), CARD).unwrap();
    fs::write(dir.join("scores.csv"), "patient_id,label,probability\np,1,0.5\n").unwrap();
    // Wherever a model is given, so may be the name of a bundled one.
    for command in [
        "predict data/images --model none",
        "predict data/manifest.json --side test --patches patches --model none",
        "heatmap data/images --out maps --model none",
        "transfer data/manifest.json --config tiny.toml --out moved --model none",
        "train exam data/manifest.json --config tiny.toml --out moved --model none",
        "train image data/manifest.json --config tiny.toml --out moved --from-patch none",
        "evaluate scores.csv --model none",
        "preprocess data/images --model none",
        "model inspect none",
        "model describe none --card card.toml --out new.safetensors",
        "model shrink none --weights f16 --out new.safetensors",
        "model export none --format onnx --out new.onnx",
    ] {
        mammo(dir, command).expect(2).says("none: ").says("no such file (this build bundles no model)");
    }
    let list = mammo(dir, "model list").expect(0).stdout;
    assert!(list.contains("this build bundles no model"), "{list}");
}
