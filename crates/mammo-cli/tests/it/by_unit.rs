//! `predict --by`: one row per breast or patient, and its evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::program::{mammo, tiny_data_set};

const PREDICT: &str = "predict data/manifest.json --model image/model.safetensors";

/// The rows of a table as maps from column to cell.
fn rows(table: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row =
        |record: csv::StringRecord| header.iter().zip(&record).map(|(k, v)| (k.into(), v.into())).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

fn trained(dir: &Path) {
    tiny_data_set(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out image").expect(0);
}

/// The images of each breast of a table, by patient and side.
fn by_breast(images: &[BTreeMap<String, String>]) -> BTreeMap<(String, String), Vec<f64>> {
    let mut breasts: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for image in images {
        let breast = (image["patient_id"].clone(), image["laterality"].clone());
        breasts.entry(breast).or_default().push(number(image, "probability"));
    }
    breasts
}

#[test]
fn a_breast_has_the_mean_of_its_images_and_evaluates_as_images_pooled_per_breast() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let predict =
        |by: &str| mammo(dir, &format!("{PREDICT} --tta flips {by} --out scores.csv")).expect(0).stdout;
    assert!(predict("").contains("images scored") && predict("").contains("one image per row"));
    let table = fs::read_to_string(dir.join("scores.csv")).unwrap();
    fs::copy(dir.join("scores.csv"), dir.join("images.csv")).unwrap();
    predict("--by image");
    let header = |name: &str| fs::read_to_string(dir.join(name)).unwrap().lines().next().unwrap().to_string();
    assert_eq!(header("scores.csv"), header("images.csv"));
    let images = rows(&table);
    let said = predict("--by breast");
    assert!(said.contains("breasts scored") && said.contains("one breast per row"), "{said}");
    fs::copy(dir.join("scores.csv"), dir.join("breasts.csv")).unwrap();
    let breasts = rows(&fs::read_to_string(dir.join("breasts.csv")).unwrap());
    let expected = by_breast(&images);
    assert_eq!(breasts.len(), expected.len());
    assert!(breasts.iter().any(|row| row["n_images"] == "2"), "{breasts:?}");
    for row in &breasts {
        let scores = &expected[&(row["patient_id"].clone(), row["laterality"].clone())];
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        assert!((number(row, "probability") - mean).abs() < 1e-12, "{row:?} {scores:?}");
        assert_eq!(
            (row["by"].as_str(), row["gate"].as_str(), row["view"].as_str()),
            ("breast", "passed", "")
        );
        assert_eq!(row["file"].split(';').count(), scores.len());
        assert_eq!(row["views"].split(';').count(), scores.len());
    }
    let calibrated: f64 = images.iter().map(|row| number(row, "calibrated")).sum();
    assert!(calibrated > 0.0, "the test needs a calibrated model");

    assert!(predict("--by patient").contains("patients scored"));
    fs::copy(dir.join("scores.csv"), dir.join("patients.csv")).unwrap();
    let patients = rows(&fs::read_to_string(dir.join("patients.csv")).unwrap());
    assert_eq!(patients.iter().map(|row| &row["patient_id"]).collect::<BTreeSet<_>>().len(), patients.len());
    for patient in &patients {
        let of_breasts = breasts.iter().filter(|row| row["patient_id"] == patient["patient_id"]);
        let largest = of_breasts.map(|row| number(row, "probability")).fold(0.0, f64::max);
        assert!((number(patient, "probability") - largest).abs() < 1e-12);
        assert_eq!(patient["laterality"], "");
    }

    let figure = |table: &str, name: &str| -> String {
        let folder = format!("{table}-evaluation");
        let quick = "--set bootstrap.n_resamples=100";
        mammo(dir, &format!("evaluate {table}.csv {quick} --out {folder}")).expect(0);
        let figures = fs::read_to_string(dir.join(folder).join("evaluation.csv")).unwrap();
        let found = figures.lines().find(|line| line.starts_with(&format!("{name},")));
        let line = found.unwrap_or_else(|| panic!("no {name} in {figures}"));
        line.split(',').nth(1).unwrap().to_string()
    };
    assert_eq!(figure("breasts", "auc_breast"), figure("images", "auc_breast"));
    for table in ["breasts", "patients"] {
        assert_eq!(figure(table, "auc_patient"), figure("images", "auc_patient"));
    }
    mammo(dir, "evaluate breasts.csv").expect(0).says("one row per breast (column by)");
    let text = mammo(dir, "evaluate breasts.csv --model image/model.safetensors")
        .expect(0)
        .says("not chosen on scores per breast")
        .stdout;
    assert!(text.contains("calibrated_brier") && !text.contains("| threshold "), "{text}");
    for (words, said) in [
        ("--manifest data/manifest.json", "a manifest describes images"),
        ("--choose-on images.csv", "one row per image, the table to be evaluated has one per breast"),
        ("--compare patients.csv", "one row per patient, the other table has one per breast"),
    ] {
        mammo(dir, &format!("evaluate breasts.csv {words}")).expect(2).says(said);
    }
    mammo(dir, "evaluate breasts.csv --compare breasts.csv").expect(0);
    mammo(dir, "report breasts.csv").expect(2).says("a report needs one row per image");
}

#[test]
fn exam_heads_combine_views_and_keep_image_breast_and_patient_in_order() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let train = "train exam data/manifest.json --config tiny.toml --model image/model.safetensors --out exam";
    mammo(dir, train).expect(0);
    let table = |by: &str| {
        let model = "--model exam/model.safetensors --tta flips";
        rows(&mammo(dir, &format!("predict data/manifest.json {model} --by {by}")).expect(0).stdout)
    };
    let (images, breasts, patients) = (table("image"), table("breast"), table("patient"));
    let of_images = by_breast(&images);
    let of_breasts = by_breast(&breasts);
    for (breast, scores) in &of_images {
        let largest = scores.iter().copied().fold(0.0, f64::max);
        let score = of_breasts[breast][0];
        match scores.len() {
            1 => assert!((score - largest).abs() < 1e-6, "{breast:?}: {score}, its only view {largest}"),
            _ => assert!(score > largest, "{breast:?}: {score}, views {scores:?}"),
        }
    }
    for patient in &patients {
        let own = of_breasts.iter().filter(|((id, _), _)| *id == patient["patient_id"]);
        let largest = own.map(|(_, score)| score[0]).fold(0.0, f64::max);
        assert!(number(patient, "probability") >= largest - 1e-9);
    }
    // The threshold of an exam model was chosen on patients.
    for (by, says) in [("patient", false), ("breast", true), ("image", true)] {
        let predict = "predict data/manifest.json --model exam/model.safetensors";
        mammo(dir, &format!("{predict} --by {by} --out scores.csv")).expect(0);
        let ran = mammo(dir, "evaluate scores.csv --model exam/model.safetensors").expect(0);
        assert_eq!(
            ran.stderr.contains("operating point of the model was not chosen"),
            says,
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stdout.contains("| threshold "), !says, "{}", ran.stdout);
    }
    mammo(dir, &format!("{PREDICT} --model exam/model.safetensors --by breast"))
        .expect(2)
        .says("combines views by its exam heads");
}

#[test]
fn what_is_not_known_is_not_guessed_and_refused_images_are_counted() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    trained(dir);
    let films: Vec<_> = fs::read_dir(dir.join("data/images")).unwrap().map(|f| f.unwrap().path()).collect();
    for name in
        ["a/1.png", "b/1.png", "b/P1_LCC.png", "a/P1_LMLO.png", "P1_CC.png", "P2_RCC.png", "P3_LCC.png"]
    {
        let path = dir.join("scans").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(&films[0], path).unwrap();
    }
    for name in ["P1_L_2.png", "P3_R.png", "P4_L.png"] {
        fs::write(dir.join("scans").join(name), "no image").unwrap();
    }
    let predict = |by: &str| {
        let ran = mammo(dir, &format!("predict scans --model image/model.safetensors --by {by}")).expect(1);
        let ran = ran.says("2 images of unknown patient");
        let cells = |row: &BTreeMap<String, String>| {
            let cells = ["patient_id", "laterality", "file", "views", "n_images", "n_refused", "gate"];
            cells.map(|name| row[name].replace("scans/", "")).join(",")
        };
        let table = rows(&ran.stdout);
        let text = table.iter().map(cells).collect::<Vec<_>>();
        (text, table, ran.stderr)
    };
    let (breasts, table, said) = predict("breast");
    let expected = [
        "P1,,P1_CC.png,cc,1,0,passed",
        "P1,left,a/P1_LMLO.png;b/P1_LCC.png,mlo;cc,2,1,passed",
        "P2,right,P2_RCC.png,cc,1,0,passed",
        "P3,left,P3_LCC.png,cc,1,0,passed",
        "a/1.png,,a/1.png,unknown,1,0,passed",
        "b/1.png,,b/1.png,unknown,1,0,passed",
        "P3,right,P3_R.png,,0,1,unreadable",
        "P4,left,P4_L.png,,0,1,unreadable",
    ];
    assert_eq!(breasts, expected);
    assert!(said.contains("3 images of unknown side; each has a row of its own"), "{said}");
    assert!(table[1]["reason"].contains("refused (unreadable): scans/P1_L_2.png"), "{:?}", table[1]);
    let (patients, _, _) = predict("patient");
    let expected = [
        "P1,,P1_CC.png;a/P1_LMLO.png;b/P1_LCC.png,cc;mlo;cc,3,1,passed",
        "P2,,P2_RCC.png,cc,1,0,passed",
        "P3,,P3_LCC.png,cc,1,1,passed",
        "a/1.png,,a/1.png,unknown,1,0,passed",
        "b/1.png,,b/1.png,unknown,1,0,passed",
        "P4,,P4_L.png,,0,1,unreadable",
    ];
    assert_eq!(patients, expected);
    let all_refused = "predict scans/P4_L.png scans/P3_R.png --model image/model.safetensors --by patient";
    mammo(dir, all_refused).expect(2).says("none of 2 images could be scored");
    mammo(dir, "predict scans --by side").expect(2).says("image, breast, patient");
}
