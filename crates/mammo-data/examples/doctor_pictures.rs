//! How the doctor's comparison of pictures fares on a data set in the open table format: time,
//! and how like each other its most alike pictures are.
//!
//! ```text
//! cargo run --release -p mammo-data --example doctor_pictures -- FOLDER
//! ```

use std::path::Path;

use mammo_data::doctor::{entries_of_manifest, examine, find_duplicates};
use mammo_data::import::{Verify, import_tables};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("expected a folder with images.csv")?;
    let imported = import_tables(Path::new(&folder), Verify::Headers, &|_, _| {})?;
    let started = std::time::Instant::now();
    let (twins, n_unread) = find_duplicates(&imported.manifest, &|_, _| {});
    let n = imported.manifest.images.len();
    println!("{n} pictures compared in {:.1} s, {n_unread} unread", started.elapsed().as_secs_f64());
    let started = std::time::Instant::now();
    let report = examine(&entries_of_manifest(&imported.manifest, None), Some(&twins));
    println!("examined in {:.2} s\n{report}", started.elapsed().as_secs_f64());
    Ok(())
}
