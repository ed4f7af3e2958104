//! Commands in the documents parse, and every verb's help has an example that does.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Ran, command};

/// Whether clap accepts a command line: files need not exist, so only usage errors count.
fn parses(words: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    // Long verbs must not start: they stop at their first missing file.
    command(dir.path(), words).output().unwrap().into()
}

/// Every `mammo ...` command of a text, continuation lines joined.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n#", " ").replace("\\\n", " ");
    joined
        .lines()
        .map(|line| line.trim_start_matches(['#', ' ', '/', '$']).trim())
        .map(|line| line.strip_prefix("Example: ").unwrap_or(line))
        .filter_map(|line| {
            line.strip_prefix("mammo ").or_else(|| line.strip_prefix("cargo run --release -- "))
        })
        .map(|line| line.split(" #").next().unwrap_or(line).replace(['#', '`'], " "))
        .collect()
}

#[track_caller]
fn check(source: &Path, text: &str) -> usize {
    let found = commands(text);
    for line in &found {
        // The demo and the phantom generator would really run.
        if ["demo", "phantom", "<", "VERB"].iter().any(|word| line.starts_with(word)) {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = parses(&words);
        let usage = ran.stderr.contains("Usage:") || ran.stderr.contains("unexpected argument");
        assert!(!usage, "{}: `mammo {line}`\n{}", source.display(), ran.stderr);
    }
    found.len()
}

#[test]
fn every_command_in_readme_docs_and_configs_parses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md")];
    for (folder, extension) in [("docs", "md"), ("configs", "toml")] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|e| e == extension)));
    }
    let n: usize = files.iter().map(|file: &PathBuf| check(file, &fs::read_to_string(file).unwrap())).sum();
    assert!(n >= 10, "only {n} commands found");
}

#[test]
fn every_verb_has_help_with_an_example_that_parses() {
    let verbs: [&[&str]; 17] = [
        &["demo"],
        &["phantom"],
        &["import"],
        &["split"],
        &["doctor"],
        &["sample"],
        &["train", "patch"],
        &["train", "image"],
        &["transfer"],
        &["preprocess"],
        &["predict"],
        &["evaluate"],
        &["heatmap"],
        &["report"],
        &["model", "import"],
        &["model", "inspect"],
        &["model", "export"],
    ];
    for verb in verbs {
        let help = parses(&[verb, &["--help"][..]].concat()).expect(0).stdout;
        let n = check(Path::new("--help"), &help);
        assert!(n >= 1, "mammo {}: no example in\n{help}", verb.join(" "));
        let flags = help.lines().filter(|line| line.trim_start().starts_with("--")).count();
        let standard = 2; // --threads and --version; --help has a short form and is not counted.
        assert!(flags <= 8 + standard, "mammo {}: {flags} flags", verb.join(" "));
    }
}
