//! What users get wrong: each a clear error or a counted rejection, and nothing lost.

use std::fs;

use crate::program::{Ran, command, mammo, tiny_data_set};

#[test]
fn a_config_typo_is_refused_with_the_nearest_key_before_any_work() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let text = fs::read_to_string(dir.join("tiny.toml")).unwrap();
    fs::write(dir.join("typo.toml"), text.replace("per_lesion", "per_leson")).unwrap();
    mammo(dir, "train patch data/manifest.json --config typo.toml --out run")
        .expect(2)
        .says("typo.toml")
        .says("did you mean `per_lesion`?");
    assert!(!dir.join("run").exists());
}

#[test]
fn a_batch_that_no_memory_holds_is_refused_before_any_work() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let patch = "train patch data/manifest.json --config tiny.toml --out run --set sampling.patch_px=2400";
    mammo(dir, &format!("{patch} --set patch.training.batch_size=1000000"))
        .expect(2)
        .says("patch.training.batch_size: 1000000, with which a step needs about ")
        .says("GiB are available");
    let image = "train image data/manifest.json --config tiny.toml --from-scratch --out run";
    let large = "--set preprocessing.height_px=4096 --set preprocessing.width_px=4096";
    mammo(dir, &format!("{image} {large} --set image.training.batch_size=1000000"))
        .expect(2)
        .says("image.training.batch_size: 1000000, with which");
    assert!(!dir.join("run").exists() && !dir.join("data/cache").exists());
}

#[test]
fn a_command_runs_without_the_sections_that_others_need() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let text = fs::read_to_string(dir.join("tiny.toml")).unwrap();
    fs::write(dir.join("patch.toml"), &text[..text.find("[image]").unwrap()]).unwrap();
    mammo(dir, "train patch data/manifest.json --config patch.toml --out patch").expect(0);
    mammo(dir, "train image data/manifest.json --config patch.toml --from-scratch --out image")
        .expect(2)
        .says("patch.toml: no section [image], which this command needs; add one with `top`");
    let record = fs::read_to_string(dir.join("patch/run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let burn = format!("name = \"burn\"\nversion = {}\n", record["burn_version"]);
    assert!(lock.contains(&burn), "{record}");
}

#[test]
fn a_word_that_names_no_instructions_is_refused_with_those_that_do() {
    let temporary = tempfile::tempdir().unwrap();
    let run_with = |word: &str| -> Ran {
        command(temporary.path(), &["split", "none.json"]).env("MAMMO_ISA", word).output().unwrap().into()
    };
    run_with("typo").expect(2).says("MAMMO_ISA is 'typo'").says("expected one of portable");
    run_with("portable").expect(2).says("none.json");
    assert_eq!(
        mammo(temporary.path(), "--version").expect(0).stdout.trim(),
        concat!("mammo ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_damaged_image_is_rejected_and_counted_and_the_others_are_scored() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out run").expect(0);
    let first = fs::read_dir(dir.join("data/images")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[..bytes.len() / 2]).unwrap();

    let name = first.file_name().unwrap().to_str().unwrap().to_string();
    mammo(dir, "predict data/images --model run/model.safetensors --out scores.csv").expect(1).says(&name);
    let n_images = fs::read_dir(dir.join("data/images")).unwrap().count();
    let table = fs::read_to_string(dir.join("scores.csv")).unwrap();
    assert_eq!(table.lines().count(), n_images + 1);
    assert_eq!(table.lines().filter(|line| line.contains(",passed,")).count(), n_images - 1, "{table}");
    assert!(table.lines().any(|line| line.contains(&name) && line.contains(",unreadable,")), "{table}");

    let imported = mammo(dir, "import data --out again.json").expect(1);
    assert!(imported.stdout.contains("rejected"), "{}", imported.stdout);
    assert!(fs::read_to_string(dir.join("rejected.csv")).unwrap().contains(&name));
}

#[test]
fn what_is_no_mammogram_gets_a_code_and_no_score() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out run").expect(0);
    let first = fs::read_dir(dir.join("data/images")).unwrap().next().unwrap().unwrap().path();
    fs::create_dir(dir.join("scans")).unwrap();
    fs::copy(&first, dir.join("scans/film.png")).unwrap();
    let film = mammo_dicom::image_file::read_grey(&first).unwrap();
    let changed = |name: &str, change: fn(u16) -> u16| {
        let pixels = film.pixels.iter().map(|&v| change(v)).collect();
        let image = mammo_core::image::GreyImage { pixels, ..film.clone() };
        mammo_dicom::image_file::write_png16(&dir.join("scans").join(name), &image).unwrap();
    };
    changed("blank.png", |_| 5_000);
    changed("negative.png", |v| u16::MAX - v);
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom");
    let mut capture = fs::read(fixtures.join("explicit_u12.dcm")).unwrap();
    // The SOP class, once in the file meta group and once in the data set.
    let (from, to) = (b"1.2.840.10008.5.1.4.1.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.7\0\0\0");
    while let Some(at) = capture.windows(from.len()).position(|window| window == from) {
        capture[at..at + to.len()].copy_from_slice(to);
    }
    let (no, yes) = (b"\x28\0\x01\x03CS\x02\0NO", b"\x28\0\x01\x03CS\x04\0YES ");
    let at = capture.windows(no.len()).position(|window| window == no).unwrap();
    capture.splice(at..at + no.len(), *yes);
    fs::write(dir.join("scans/capture"), capture).unwrap();
    let of = |modality: &str, class: &str, centre: &str| {
        crate::odd_dicom::mammogram(&film, modality, class, &[("1050", "DS", centre), ("1051", "DS", "4096")])
    };
    let (digital, secondary) = ("1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.7");
    fs::write(dir.join("scans/unstated"), of("", "", "2048")).unwrap();
    fs::write(dir.join("scans/by_class"), of("", digital, "2048")).unwrap();
    fs::write(dir.join("scans/digitised"), of("MG", secondary, "2048")).unwrap();
    fs::write(dir.join("scans/window"), of("MG", digital, "n/a")).unwrap();
    fs::write(dir.join("scans/tomograph"), of("CT", "", "2048")).unwrap();

    mammo(dir, "predict scans --model run/model.safetensors --out scores.csv").expect(1);
    let table = fs::read_to_string(dir.join("scores.csv")).unwrap();
    for (file, code) in [
        ("film", "passed"),
        ("blank", "blank"),
        ("negative", "passed,stored inverted; turned"),
        ("capture", "secondary_capture"),
        ("unstated", "unknown_object"),
        ("by_class", "passed,no Modality;"),
        ("digitised", "passed,\"stored as a secondary capture"),
        ("window", "passed,\"a window is not usable (Window Center 'n/a'"),
        ("tomograph", "not_mammography"),
    ] {
        let line = table.lines().find(|line| line.starts_with(&format!("scans/{file}")));
        assert!(line.is_some_and(|line| line.contains(&format!(",{code}"))), "{file} {code}\n{table}");
    }
    let flag = "predict scans --model run/model.safetensors --assume-mammography --out assumed.csv";
    mammo(dir, flag).expect(1).says("1 image scored: taken for a mammogram");
    let assumed = fs::read_to_string(dir.join("assumed.csv")).unwrap();
    assert!(assumed.contains(",passed,\"taken for a mammogram because of --assume-mammography"), "{assumed}");
    assert!(assumed.contains(",not_mammography,"), "{assumed}");
    // A table with refused images can be evaluated: they are passed over.
    mammo(dir, "predict data/manifest.json --model run/model.safetensors --out all.csv").expect(0);
    let refused = table.lines().find(|line| line.starts_with("scans/blank")).unwrap();
    let all = fs::read_to_string(dir.join("all.csv")).unwrap();
    fs::write(dir.join("all.csv"), format!("{all}{refused}\n")).unwrap();
    mammo(dir, "evaluate all.csv").expect(0);
}

#[test]
fn a_run_folder_is_not_overwritten_and_another_configuration_does_not_resume_it() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let train = "train patch data/manifest.json --config tiny.toml --out run";
    mammo(dir, train).expect(0);
    let model = fs::read(dir.join("run/model.safetensors")).unwrap();
    mammo(dir, train).expect(2).says("--resume");
    mammo(dir, &format!("{train} --resume --set seed=9")).expect(2).says("another run");
    assert_eq!(fs::read(dir.join("run/model.safetensors")).unwrap(), model);
}

#[test]
fn models_that_do_not_fit_are_refused_with_the_way_out() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train patch data/manifest.json --config tiny.toml --out patch").expect(0);
    mammo(dir, "predict data/images --model patch/model.safetensors").expect(2).says("a patch model");
    let from_patch = "train image data/manifest.json --config tiny.toml --from-patch patch/model.safetensors";
    mammo(dir, &format!("{from_patch} --out a --set preprocessing.mean=1.0")).expect(2).says("preprocessing");
    mammo(dir, &format!("{from_patch} --out b --set patch.trunk.width=0.25")).expect(2).says("trunk");
    let model = dir.join("patch/model.safetensors");
    let bytes = fs::read(&model).unwrap();
    fs::write(&model, &bytes[..bytes.len() - 100]).unwrap();
    mammo(dir, &format!("{from_patch} --out c")).expect(2).says("damaged");
}

#[test]
fn a_split_of_another_data_set_or_with_a_leak_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let split = dir.join("data/split.json");
    let text = fs::read_to_string(&split).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let patients = json["patients"].as_array_mut().unwrap();
    let mut twice = patients[0].clone();
    let other = if twice["side"] == "train" { "test" } else { "train" };
    twice["side"] = other.into();
    patients.push(twice);
    fs::write(&split, json.to_string()).unwrap();
    let train = "train patch data/manifest.json --config tiny.toml --out run";
    mammo(dir, train).expect(2).says("two sides");
    fs::write(&split, text.replacen("\"manifest_digest\": \"", "\"manifest_digest\": \"0", 1)).unwrap();
    mammo(dir, train).expect(2).says("split.json");
}

#[test]
fn an_unknown_device_names_those_there_are() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train patch data/manifest.json --config tiny.toml --out run --device cuda")
        .expect(2)
        .says("expected one of cpu")
        .says("--features cuda");
}

#[test]
fn a_missing_manifest_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    mammo(temporary.path(), "split nowhere/manifest.json").expect(2).says("nowhere/manifest.json");
}
