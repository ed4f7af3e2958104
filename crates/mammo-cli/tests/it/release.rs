//! The bundled models score the committed phantoms as on the day of their release, on every instruction set.

use std::path::{Path, PathBuf};

use mammo_models::Registry;

use crate::program::{Ran, command};

/// Largest difference of a score: what the order of sums changes is a hundred times smaller.
const TOLERANCE: f64 = 1e-4;

/// The names of `MAMMO_ISA`; the program refuses those that this processor lacks.
const INSTRUCTION_SETS: [&str; 5] = ["portable", "neon", "avx2", "avx512", "avx512bf16"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/release")
}

/// Scores of the phantoms by file name, or `None` where the processor lacks the instructions.
fn scores(name: &str, instructions: &str) -> Option<Vec<(String, f64)>> {
    let images = fixtures();
    let images: Vec<_> = std::fs::read_dir(&images)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jpg"))
        .collect();
    assert_eq!(images.len(), 4);
    let mut args = vec!["predict", "--model", name];
    args.extend(images.iter().map(|path| path.to_str().unwrap()));
    let ran: Ran = command(&fixtures(), &args).env("MAMMO_ISA", instructions).output().unwrap().into();
    if ran.code != 0 && ran.stderr.contains("which this processor lacks") {
        return None;
    }
    let table = ran.expect(0).stdout;
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (file, probability) = (at("file"), at("probability"));
    let mut scores: Vec<(String, f64)> = reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let name = Path::new(&record[file]).file_name().unwrap().to_str().unwrap().to_string();
            (name, record[probability].parse().unwrap())
        })
        .collect();
    scores.sort_by(|a, b| a.0.cmp(&b.0));
    Some(scores)
}

#[test]
fn bundled_models_score_as_released_on_every_instruction_set() {
    for bundled in Registry::bundled().models() {
        let path = fixtures().join(format!("{}.csv", bundled.name));
        if std::env::var_os("MAMMO_WRITE_RELEASE").is_some() {
            let lines = scores(bundled.name, "avx512").unwrap();
            let lines: String = lines.iter().map(|(file, p)| format!("{file},{p:.6}\n")).collect();
            std::fs::write(&path, format!("file,probability\n{lines}")).unwrap();
        }
        let released = csv::Reader::from_path(&path).unwrap().into_deserialize();
        let released: Vec<(String, f64)> = released.map(|row| row.unwrap()).collect();
        assert_eq!(released.len(), 4, "{}", path.display());
        let mut tried = 0;
        for instructions in INSTRUCTION_SETS {
            let Some(scores) = scores(bundled.name, instructions) else { continue };
            tried += 1;
            assert_eq!(scores.len(), released.len());
            for ((file, now), (released_file, then)) in scores.iter().zip(&released) {
                assert_eq!(file, released_file);
                assert!(
                    (now - then).abs() < TOLERANCE,
                    "{}, {instructions}, {file}: {now}, released as {then}",
                    bundled.name
                );
            }
        }
        assert!(tried >= 2, "only {tried} instruction sets");
    }
}
