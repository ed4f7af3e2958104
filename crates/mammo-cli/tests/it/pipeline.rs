//! The whole way, from phantoms to evaluated scores, on a data set of a few patients.

use std::fs;
use std::time::{Duration, Instant};

use crate::program::{command, mammo, tiny_data_set};

const PATCH: &str = "train patch data/manifest.json --config tiny.toml --out patch";
const IMAGE: &str =
    "train image data/manifest.json --config tiny.toml --from-patch patch/model.safetensors --out image";

#[test]
fn every_verb_works_in_the_order_of_the_readme() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "sample data/manifest.json --config tiny.toml --out patches").expect(0);
    mammo(dir, &format!("{PATCH} --patches patches")).expect(0);
    mammo(dir, IMAGE).expect(0);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out scratch").expect(0);
    mammo(
        dir,
        "transfer data/manifest.json --config tiny.toml --model image/model.safetensors --patients 4 --out moved",
    )
    .expect(0);
    let exams = "train exam data/manifest.json --config tiny.toml";
    mammo(dir, &format!("{exams} --model image/model.safetensors --out exam"))
        .expect(0)
        .says("exams to train on");
    mammo(dir, &format!("{exams} --model exam/model.safetensors --set exam.units=9 --out other"))
        .expect(2)
        .says("exam heads have 16 units");
    mammo(dir, &format!("{exams} --model patch/model.safetensors --out other"))
        .expect(2)
        .says("a patch model");
    for file in ["model.safetensors", "metrics.csv", "run.json", "resume.safetensors"] {
        assert!(dir.join("image").join(file).exists(), "{file}");
    }

    mammo(
        dir,
        "predict data/manifest.json --side test --model image/model.safetensors \
         --model scratch/model.safetensors --tta flips --out scores.csv",
    )
    .expect(0);
    let scores = fs::read_to_string(dir.join("scores.csv")).unwrap();
    let first = scores.lines().nth(1).unwrap();
    assert!(first.contains(",flips,") && first.contains('+'), "two models and flips: {first}");
    // What one model learned on validation data does not hold for the mean of two.
    mammo(dir, "evaluate scores.csv --model image/model.safetensors").expect(2).says("or leave --model out");
    mammo(
        dir,
        "predict data/manifest.json --side test --model image/model.safetensors --tta flips --out one.csv",
    )
    .expect(0);
    let evaluated = mammo(dir, "evaluate one.csv --model image/model.safetensors --out evaluation").expect(0);
    assert!(evaluated.stdout.contains("auc_image"), "{}", evaluated.stdout);
    assert!(evaluated.stdout.contains("sensitivity"), "{}", evaluated.stdout);
    assert!(dir.join("evaluation/evaluation.json").exists());
    let compared = mammo(dir, "evaluate scores.csv --compare scores.csv").expect(0);
    assert!(compared.stdout.contains("auc_second_minus_first"), "{}", compared.stdout);

    mammo(
        dir,
        "predict data/manifest.json --side test --model patch/model.safetensors --patches patches \
         --out patch_scores.csv",
    )
    .expect(0);
    let patches = mammo(dir, "evaluate patch_scores.csv").expect(0);
    assert!(patches.stdout.contains("balanced_accuracy"), "{}", patches.stdout);

    let loose = mammo(dir, "predict data/images --model image/model.safetensors").expect(0);
    assert!(loose.stdout.starts_with("file,patient_id,"), "{}", loose.stdout);

    // Before the command or after it; the scores do not depend on it.
    let predict = "predict data/images --model image/model.safetensors";
    for words in [format!("--threads 1 {predict}"), format!("{predict} --threads 3")] {
        let scores = |table: &str| -> Vec<String> {
            table.lines().map(|line| line.split(',').nth(5).unwrap_or_default().to_string()).collect()
        };
        assert_eq!(scores(&mammo(dir, &words).expect(0).stdout), scores(&loose.stdout), "{words}");
    }
    mammo(dir, &format!("--threads 0 {predict}")).expect(2).says("--threads");
    let trained =
        "train image data/manifest.json --config tiny.toml --from-scratch --out threads --threads 3";
    mammo(dir, trained).expect(0);
    let record = fs::read_to_string(dir.join("threads/run.json")).unwrap();
    assert!(record.contains("\"threads\": 3"), "{record}");
}

#[test]
fn a_run_killed_by_ctrl_c_and_resumed_ends_with_the_weights_of_one_never_stopped() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let long = "--set patch.training.examples_per_epoch=640 \
                --set patch.training.stages=[{train=\"all\",epochs=8,learning_rate=1e-3}]";
    mammo(dir, &format!("{PATCH} {long}")).expect(0);

    let words = format!("{} {long}", PATCH.replace("--out patch", "--out stopped"));
    let args: Vec<&str> = words.split_whitespace().collect();
    let mut child = command(dir, &args).spawn().unwrap();
    let kill = |signal: &str| {
        let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill {signal}");
    };
    let epochs = || fs::read_to_string(dir.join("stopped/metrics.csv")).map_or(0, |t| t.lines().count() - 1);
    let begun = Instant::now();
    while epochs() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "no epoch has ended");
        std::thread::sleep(Duration::from_millis(1));
    }
    // The program halts while it is looked at: the interrupt comes in the middle, or the test fails here.
    kill("-STOP");
    let done = epochs();
    assert!((1..=6).contains(&done), "{done} of 8 epochs were over when the program was halted");
    kill("-INT");
    kill("-CONT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(epochs() < 8 && dir.join("stopped/resume.safetensors").exists());
    mammo(dir, &format!("{words} --resume")).expect(0);

    let weights = |run: &str| fs::read(dir.join(run).join("model.safetensors")).unwrap();
    assert!(weights("patch") == weights("stopped"));
}

#[test]
fn the_same_seed_gives_the_same_model_file() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, PATCH).expect(0);
    mammo(dir, &PATCH.replace("--out patch", "--out again")).expect(0);
    mammo(dir, &PATCH.replace("--out patch", "--out other --set seed=2")).expect(0);
    let weights = |run: &str| fs::read(dir.join(run).join("model.safetensors")).unwrap();
    assert!(weights("patch") == weights("again"));
    assert!(weights("patch") != weights("other"));
}
