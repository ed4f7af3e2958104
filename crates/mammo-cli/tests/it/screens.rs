//! What commands over many images print: a summary, the first few of what was left out, and all on request.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::program::{command, mammo};

/// Lines of step sheets among what was printed.
fn n_sheets(stdout: &str) -> usize {
    stdout.lines().filter(|line| line.starts_with("sheet: ")).count()
}

/// Files that are no images, beside a few that are.
fn broken_files(folder: &Path, n: usize) {
    for i in 0..n {
        fs::write(folder.join(format!("broken{i}.png")), "not a picture").unwrap();
    }
}

#[test]
fn steps_are_printed_for_one_examination_and_for_more_on_request() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, "phantom --out data --patients 3 --height 128 --width 96 --seed 3").expect(0);
    let images = fs::read_dir(dir.join("data/images")).unwrap().count();
    assert!(images > 4);
    let summary = mammo(dir, "preprocess data/images --explain --out sheets").expect(0);
    assert_eq!(n_sheets(&summary.stdout), 0, "{}", summary.stdout);
    assert_eq!(summary.stdout.lines().count(), 1, "{}", summary.stdout);
    let summary = summary.says("--list");
    assert!(summary.stdout.contains(&format!("{images} images")), "{}", summary.stdout);
    let listed = mammo(dir, "preprocess data/images --explain --list --out sheets").expect(0);
    assert_eq!(n_sheets(&listed.stdout), images, "{}", listed.stdout);

    let one = fs::read_dir(dir.join("data/images")).unwrap().next().unwrap().unwrap().path();
    let words = ["preprocess", "--explain", one.to_str().unwrap()];
    let described: crate::program::Ran = command(dir, &words).output().unwrap().into();
    assert_eq!(n_sheets(&described.expect(0).stdout), 1);
    // A reader that stops early, such as `head`, is no failure.
    let mut child = command(dir, &words).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn of_many_broken_files_ten_are_named_and_all_are_listed() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, "phantom --out data --patients 2 --height 128 --width 96 --seed 3").expect(0);
    broken_files(&dir.join("data/images"), 15);
    let ran = mammo(dir, "preprocess data/images --out inputs").expect(1).says("rejected: 5 more");
    assert_eq!(ran.stderr.matches("rejected: data").count(), 10, "{}", ran.stderr);
    assert!(ran.stdout.contains("15 images rejected: inputs/rejected_images.csv"), "{}", ran.stdout);
    let table = fs::read_to_string(dir.join("inputs/rejected_images.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 15, "{table}");
}

#[test]
fn the_plan_of_a_demo_is_printed_and_nothing_is_done() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let plan = mammo(dir, "demo --plan --out runs/demo").expect(0);
    for part in ["the demo will take about", "% as much as the full one", "patches/s", "patients"] {
        assert!(plan.stdout.contains(part), "no '{part}' in {}", plan.stdout);
    }
    assert!(plan.stdout.lines().count() < 8 && plan.stdout.lines().all(|line| line.len() <= 160));
    assert!(!dir.join("runs").exists(), "a plan leaves no files");
    let full = mammo(dir, "demo --plan --size full --out runs/demo").expect(0).stdout;
    assert!(full.contains("13 epochs of 9600 patches") && full.contains("the requested size"), "{full}");
}
