//! Measures DICOM files to network inputs, on as many threads as rayon is told to use.
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo run --release -p mammo --example dicom_speed -- FOLDER
//! ```
//!
//! Prints images per second for reading and decoding alone (stored values to grey) and for all
//! steps of the default preprocessing, each file twice, and the peak memory.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use mammo::dicom::{Voi, read_any};
use mammo::preprocess::Preprocessing;
use mammo::record::Polarity;
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: dicom_speed FOLDER")?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "dcm"));
    let twice: Vec<&PathBuf> = files.iter().chain(&files).collect();
    let settings = Preprocessing::default();
    let rate = |work: &(dyn Fn(&PathBuf) -> mammo::Result<()> + Sync)| -> Result<f64, mammo::Error> {
        let started = Instant::now();
        twice.par_iter().with_max_len(1).try_for_each(|file| work(file))?;
        Ok(twice.len() as f64 / started.elapsed().as_secs_f64())
    };
    let decode = |file: &PathBuf| read_any(file, Voi::Apply).map(|_| ());
    let prepare = |file: &PathBuf| settings.read(file, Polarity::Normal).map(|_| ());
    rate(&prepare)?;
    println!("mammo: {:.2} images/s decoded", rate(&decode)?);
    println!("mammo: {:.2} images/s to network input", rate(&prepare)?);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    Ok(())
}
