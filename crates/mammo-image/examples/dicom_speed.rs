//! Measures DICOM files to network inputs, on as many threads as rayon is told to use.
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo run --release -p mammo-image --example dicom_speed -- FOLDER prepare
//! ```
//!
//! `decode` reads stored values to grey, `prepare` does all steps of the default preprocessing.
//! Each file is taken twice, after one that is not timed. Prints images per second and the peak
//! memory in MiB; `bench/dicom/run.sh` compares.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use mammo_core::record::Polarity;
use mammo_dicom::{Voi, read_any};
use mammo_image::preprocess::Preprocessing;
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: dicom_speed FOLDER decode|prepare";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, work] = &arguments[..] else { return Err(usage.into()) };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "dcm"));
    let settings = Preprocessing::default();
    let one = |file: &PathBuf| -> mammo_core::Result<()> {
        match work.as_str() {
            "decode" => read_any(file, Voi::Apply).map(|_| ()),
            _ => settings.read(file, Polarity::Normal).map(|_| ()),
        }
    };
    if !["decode", "prepare"].contains(&work.as_str()) || files.is_empty() {
        return Err(usage.into());
    }
    let twice: Vec<&PathBuf> = files.iter().chain(&files).collect();
    one(&files[0])?;
    let started = Instant::now();
    twice.par_iter().with_max_len(1).try_for_each(|file| one(file))?;
    let rate = twice.len() as f64 / started.elapsed().as_secs_f64();
    println!("{rate:.3} {}", peak_mib().unwrap_or_default());
    Ok(())
}

/// Largest memory that this process has held; known on Linux.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib >> 10)
}
