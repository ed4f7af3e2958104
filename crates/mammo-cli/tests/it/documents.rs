//! Commands in the documents parse, and every command's help has an example that does.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Ran, command};

/// Whether clap accepts a command line: files need not exist, so only usage errors count.
fn parses(words: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    // Long commands must not start: they stop at their first missing file.
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
        if ["demo", "phantom", "<", "= "].iter().any(|word| line.starts_with(word)) {
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
    let commands: [&[&str]; 22] = [
        &["demo"],
        &["fit"],
        &["phantom"],
        &["import"],
        &["split"],
        &["doctor"],
        &["sample"],
        &["train", "patch"],
        &["train", "image"],
        &["train", "exam"],
        &["transfer"],
        &["preprocess"],
        &["predict"],
        &["evaluate"],
        &["heatmap"],
        &["report"],
        &["model", "import"],
        &["model", "inspect"],
        &["model", "list"],
        &["model", "describe"],
        &["model", "shrink"],
        &["model", "export"],
    ];
    for command in commands {
        let help = parses(&[command, &["--help"][..]].concat()).expect(0).stdout;
        let n = check(Path::new("--help"), &help);
        assert!(n >= 1, "mammo {}: no example in\n{help}", command.join(" "));
        let flags = help.lines().filter(|line| line.trim_start().starts_with("--")).count();
        let standard = 2; // --threads and --version; --help has a short form and is not counted.
        assert!(flags <= 9 + standard, "mammo {}: {flags} flags", command.join(" "));
    }
}

/// Texts in backticks, outside of code blocks.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// The documents at the root and in docs/.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let in_folder = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = in_folder(root.clone()).chain(in_folder(root.join("docs")));
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["crates/", "docs/", "configs/", "fixtures/", "bench/", "fuzz/"];
    let (mut n, mut missing) = (0, Vec::new());
    for (document, text) in documents() {
        // What was true of an older version stays in its entry.
        if document.ends_with("CHANGELOG.md") || document.ends_with("experiments.md") {
            continue;
        }
        for name in quoted(&text) {
            let is_path = folders.iter().any(|folder| name.starts_with(folder));
            if is_path && !name.contains([' ', '<', '*']) {
                n += 1;
                if !root.join(name).exists() {
                    missing.push(format!("{}: {name}", document.display()));
                }
            }
        }
    }
    assert!(n > 60, "{n} paths");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_item_that_a_document_names_by_its_crate_exists() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = Vec::new();
    for (document, text) in documents() {
        if document.ends_with("CHANGELOG.md") || document.ends_with("experiments.md") {
            continue;
        }
        for name in quoted(&text).into_iter().filter(|name| name.starts_with("mammo") && name.contains("::"))
        {
            let path: Vec<&str> = name.split("::").collect();
            let last = path[path.len() - 1].trim_end_matches(|c: char| !c.is_alphanumeric());
            let source = crates.join(path[0].replace('_', "-")).join("src");
            let kinds = ["fn ", "struct ", "enum ", "trait ", "type ", "const ", "mod ", "macro_rules! "];
            let is_there = rust_files(&source).iter().any(|text| {
                kinds.iter().any(|kind| text.contains(&format!("{kind}{last}")))
                    || text.contains(&format!("{last}}}"))
                    || text.contains(&format!("{last},"))
            });
            if !is_there {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The sources below a folder.
fn rust_files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| match path.is_dir() {
        true => rust_files(&path),
        false => std::fs::read_to_string(&path).into_iter().collect(),
    };
    paths.flat_map(of).collect()
}

/// The arrows of the picture in ARCHITECTURE.md are dependencies, and no dependency points the other way.
#[test]
fn the_picture_of_the_crates_is_that_of_the_manifests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let (_, picture) = text.split_once("```mermaid").unwrap();
    let (picture, _) = picture.split_once("```").unwrap();
    let name = |node: &str| match node.split('[').next().unwrap().trim() {
        "facade" => "mammo".to_string(),
        short => format!("mammo-{short}"),
    };
    let mut n = 0;
    for (from, to) in picture.lines().filter_map(|line| line.split_once("-->")) {
        let manifest = |name: &str| {
            let text = std::fs::read_to_string(root.join("crates").join(name).join("Cargo.toml")).unwrap();
            let (_, dependencies) = text.split_once("[dependencies]").unwrap();
            dependencies.split("\n[").next().unwrap().to_string()
        };
        let (from, to) = (name(from), name(to));
        assert!(manifest(&from).contains(&format!("\n{to}")), "{from} does not depend on {to}");
        let back = manifest(&to).lines().any(|line| line.split(['.', ' ']).next() == Some(from.as_str()));
        assert!(!back, "{to} depends on {from}");
        n += 1;
    }
    assert!(n >= 14, "{n} arrows");
}
