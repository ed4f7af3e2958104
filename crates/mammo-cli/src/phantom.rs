//! `mammo phantom`: writes a synthetic data set.

use std::path::PathBuf;

use anyhow::Result;
use mammo::phantom::{PhantomConfig, Site, write_dataset};

use crate::{Done, progress};

/// Write a synthetic mammography data set: 16-bit PNG, exact lesion masks and tables.
///
/// Example: mammo phantom --patients 200 --site film --out data/film
#[derive(clap::Args)]
pub struct Args {
    /// Folder to write; `images.csv` and `lesions.csv` in it can be imported.
    #[arg(long)]
    pub out: PathBuf,
    /// Number of patients.
    #[arg(long, default_value_t = 200)]
    pub patients: usize,
    /// Whose images: film (digitised, labels and edges) or digital (inverted, other contrast).
    #[arg(long, default_value_t = Site::Film)]
    pub site: Site,
    /// Image height in pixels.
    #[arg(long, default_value_t = 1152)]
    pub height: usize,
    /// Image width in pixels.
    #[arg(long, default_value_t = 896)]
    pub width: usize,
    /// Factor on lesion lengths; above 1, small images show what larger ones show at 1.
    #[arg(long, default_value_t = 1.0)]
    pub lesion_scale: f64,
    /// Factor on the contrast of masses; 1 is near that of real ones.
    #[arg(long, default_value_t = 1.0)]
    pub mass_contrast: f64,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    let config = PhantomConfig {
        n_patients: args.patients,
        site: args.site,
        seed: args.seed,
        height_px: args.height,
        width_px: args.width,
        lesion_scale: args.lesion_scale,
        mass_contrast: args.mass_contrast,
        ..PhantomConfig::default()
    };
    let bar = progress::bar("phantoms", args.patients as u64);
    let summary = write_dataset(&args.out, &config, &progress::counter(&bar))?;
    bar.finish_and_clear();
    println!(
        "{}: {} images of {} patients, {} with cancer, {} lesions",
        args.out.display(),
        summary.n_images,
        summary.n_patients,
        summary.n_malignant_images,
        summary.n_lesions
    );
    Ok(Done::All)
}
