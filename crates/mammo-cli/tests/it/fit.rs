//! `mammo fit`: from a folder of phantoms to a report.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::archives::copy_films_to_strangers;
use crate::program::{command, mammo};

const PHANTOMS: &str = "phantom --out data --patients 40 --height 128 --width 96 --seed 3";

/// Shortens the training that a plan chose to a few steps, as a user may edit the settings.
fn shorten(config: &Path, epochs: usize) {
    let text = fs::read_to_string(config).unwrap();
    let shortened = text.lines().map(|line| {
        if line.starts_with("examples_per_epoch = ") {
            return "examples_per_epoch = 64".to_string();
        }
        match line.split_once("epochs = ") {
            Some((before, after)) if line.starts_with("  {") => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}epochs = {epochs}{rest}")
            }
            _ => line.to_string(),
        }
    });
    fs::write(config, shortened.collect::<Vec<_>>().join("\n")).unwrap();
}

#[test]
fn a_plan_is_printed_edited_trained_and_repeated_at_no_cost() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, PHANTOMS).expect(0);
    let plan = mammo(dir, "fit data --out run --hours 1 --plan --start none")
        .expect(0)
        .says("a folder with images.csv");
    let plan = plan.says("train on patches").says("in all").says("no --start").says("--resume");
    let config = dir.join("run/config.toml");
    assert_eq!(plan.stdout, fs::read_to_string(&config).unwrap());
    for part in ["family = \"resnet18\"", "[sampling]", "height_px = 128", "{ train = \"top\", epochs = "] {
        assert!(plan.stdout.contains(part), "no '{part}' in {}", plan.stdout);
    }
    assert!(!dir.join("run/patch").exists() && !dir.join("run/cache").exists(), "a plan trains nothing");
    mammo(dir, "fit data --out run").expect(2).says("holds a run already; add --resume");
    assert_eq!(mammo(dir, "fit data --out run --plan --resume").expect(0).stdout, plan.stdout);

    shorten(&config, 1);
    let ran = mammo(dir, "fit data --out run --resume").expect(0).says("continued with its settings");
    for part in ["Area under the ROC curve", "\nimage ", "\nbreast ", "\npatient ", "next: open the report"] {
        assert!(ran.stdout.contains(part), "no '{part}' in {}", ran.stdout);
    }
    for file in [
        "manifest.json",
        "split.json",
        "fingerprint.json",
        "patch/model.safetensors",
        "image/model.safetensors",
        "scores.csv",
        "evaluation.json",
        "evaluation.csv",
        "evaluation.md",
        "report.html",
    ] {
        assert!(dir.join("run").join(file).exists(), "{file}");
    }
    let scores = fs::metadata(dir.join("run/scores.csv")).unwrap().modified().unwrap();
    let again = mammo(dir, "fit data --out run --resume").expect(0);
    assert_eq!(fs::metadata(dir.join("run/scores.csv")).unwrap().modified().unwrap(), scores);
    let table = |stdout: &str| stdout.split("time:").next().unwrap().to_string();
    assert_eq!(table(&again.stdout), table(&ran.stdout));
    // The settings are an ordinary file, for every command.
    mammo(dir, "sample run/manifest.json --config run/config.toml --out patches").expect(0);
    // The folder belongs to its data.
    mammo(dir, "phantom --out other --patients 20 --height 128 --width 96 --seed 4").expect(0);
    mammo(dir, "fit other --out run --resume").expect(2).says("of other data");
}

#[test]
fn without_outlines_the_trunk_of_a_start_is_trained_on_images() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, PHANTOMS).expect(0);
    mammo(dir, "fit data --out first --plan --start none").expect(0);
    shorten(&dir.join("first/config.toml"), 1);
    mammo(dir, "fit data --out first --resume").expect(0);

    fs::remove_file(dir.join("data/lesions.csv")).unwrap();
    mammo(dir, "fit data --out run --start none").expect(2).says("expected --start MODEL");
    mammo(dir, "fit data --out run --start absent").expect(2).says("absent");
    // A refusal is not a run.
    let plan = mammo(dir, "fit data --out run --plan --start first/patch/model.safetensors").expect(0);
    assert!(!plan.stdout.contains("[sampling]") && plan.stdout.contains("# as for the model to start from"));
    assert!(!plan.stderr.contains("train on patches"), "{}", plan.stderr);
    shorten(&dir.join("run/config.toml"), 1);
    mammo(dir, "fit data --out run --resume").expect(0);
    assert!(!dir.join("run/patch").exists());
    let record = fs::read_to_string(dir.join("run/image/run.json")).unwrap();
    let digest = mammo(dir, "model inspect first/patch/model.safetensors").expect(0).stdout;
    let digest = digest.split_whitespace().nth(1).unwrap().to_string();
    assert!(record.contains(&format!("\"started_from\": \"{digest}\"")), "{digest} {record}");
    // The same by hand; a top with a heat map needs more than a trunk, and the trunk must be that of the settings.
    let by_hand = "train image run/manifest.json --config run/config.toml";
    mammo(dir, &format!("{by_hand} --out hand")).expect(0);
    let model = |run: &str| fs::read(dir.join(run).join("model.safetensors")).unwrap();
    assert!(model("hand") == model("run/image"));
    let heatmap = "--set image.top={kind=\"heatmap_fc\",pool=1,fc=[4]} --set image.pooling=average";
    mammo(dir, &format!("{by_hand} --out heat {heatmap}"))
        .expect(2)
        .says("needs the head of a patch classifier");
    mammo(dir, &format!("{by_hand} --out other --set patch.trunk.width=0.5"))
        .expect(2)
        .says("its trunk is another");
    mammo(dir, "train image run/manifest.json --config first/config.toml --out none")
        .expect(2)
        .says("[image] start");
}

#[test]
fn a_run_stopped_by_ctrl_c_is_resumed_to_its_end() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, PHANTOMS).expect(0);
    mammo(dir, "fit data --out run --plan --start none").expect(0);
    shorten(&dir.join("run/config.toml"), 9);
    let mut child = command(dir, &["fit", "data", "--out", "run", "--resume"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !dir.join("run/patch/metrics.csv").exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no epoch has ended");
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let mut text = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("stopped; the same command with --resume continues"), "{text}");
    assert!(!dir.join("run/scores.csv").exists());
    mammo(dir, "fit data --out run --resume").expect(0);
    let epochs = fs::read_to_string(dir.join("run/patch/metrics.csv")).unwrap().lines().count() - 1;
    assert_eq!(epochs, 9);
}

#[test]
fn what_cannot_be_fitted_is_refused_before_any_training() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    fs::create_dir(dir.join("empty")).unwrap();
    mammo(dir, "fit empty --out run").expect(2).says("looked for").says("INbreast.csv");
    mammo(dir, "fit none --out run").expect(2).says("no such file or folder");
    mammo(dir, PHANTOMS).expect(0);
    mammo(dir, "fit data --out run --hours 0").expect(2).says("--hours 0");
    mammo(dir, "fit data --out run --device abacus").expect(2).says("abacus");
    mammo(dir, "fit data --out run --hours 0.0001").expect(2).says("expected at least");
    fs::remove_dir_all(dir.join("run")).unwrap();
    let images = dir.join("data/images.csv");
    let table = fs::read_to_string(&images).unwrap();
    fs::write(&images, table.replace(",malignant,", ",benign,")).unwrap();
    let lesions = dir.join("data/lesions.csv");
    let outlines = fs::read_to_string(&lesions).unwrap();
    fs::remove_file(&lesions).unwrap();
    mammo(dir, "fit data --out run").expect(2).says("0 with cancer, 40 without");
    let few: Vec<&str> = table.lines().take(14).collect();
    fs::write(&images, few.join("\n")).unwrap();
    mammo(dir, "fit data --out run").expect(2).says("expected at least 5 of each");
    assert!(!dir.join("run").exists() || fs::read_dir(dir.join("run")).unwrap().count() == 0);

    // A film of two patients ends the run as it does `mammo split`.
    fs::write(&images, &table).unwrap();
    fs::write(&lesions, outlines).unwrap();
    copy_films_to_strangers(&dir.join("data"));
    mammo(dir, "fit data --out run").expect(1).says("two patients").says("not trained");
    assert!(!dir.join("run/manifest.json").exists());
}

#[test]
fn a_manifest_with_its_split_is_used_as_it_is_and_an_archive_is_recognised() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, PHANTOMS).expect(0);
    mammo(dir, "import data").expect(0);
    mammo(dir, "split data/manifest.json --validation 0.3 --test 0.3").expect(0);
    mammo(dir, "fit data/manifest.json --out run --plan").expect(0).says("the split beside the manifest");
    let sides = |path: &str| fs::read_to_string(dir.join(path)).unwrap();
    assert_eq!(sides("run/split.json"), sides("data/split.json"));
    let archive = "phantom --out inbreast --layout inbreast --patients 60 --height 128 --width 96 --seed 3";
    mammo(dir, archive).expect(0);
    mammo(dir, "fit inbreast --out second --plan --hours 1").says("the archive inbreast");
}
