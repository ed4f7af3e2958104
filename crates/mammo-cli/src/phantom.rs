//! `mammo phantom`: writes a synthetic data set, also in the layouts of public archives.

use std::path::PathBuf;

use anyhow::Result;
use mammo_phantom::{ArchiveLayout, PhantomConfig, write_layout};

use crate::output::count;
use crate::{Done, output, progress};

/// Write a synthetic mammography data set.
///
/// The layouts film and digital are folders in the open table format: 16-bit PNG, exact lesion masks
/// and tables. Other layouts have the tables, folders, files and known defects of an archive, to try
/// an import without the archive: cbis-ddsm, cbis-ddsm-nbia, cbis-ddsm-jpeg, inbreast, mini-mias,
/// vindr, cmmd, rsna, original.
///
/// Examples:
///   mammo phantom --patients 200 --layout film --out data/film
///   mammo phantom --patients 20 --layout inbreast --out data/inbreast
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder to write; it can be imported.
    #[arg(long)]
    pub out: PathBuf,
    /// Number of patients.
    #[arg(long, default_value_t = 200)]
    pub patients: usize,
    /// Layout: film (digitised, labels and edges), digital (inverted, other contrast), or an archive's
    /// name. Also --site.
    #[arg(long, alias = "site", default_value_t = ArchiveLayout::Film)]
    pub layout: ArchiveLayout,
    /// Image height in pixels.
    #[arg(long, default_value_t = 1152)]
    pub height: usize,
    /// Image width in pixels.
    #[arg(long, default_value_t = 896)]
    pub width: usize,
    /// Factor on lesion lengths; values above 1 compensate for small images.
    #[arg(long, default_value_t = 1.0)]
    pub lesion_scale: f64,
    /// Factor on the contrast of masses; 1 is near that of real ones.
    #[arg(long, default_value_t = 1.0)]
    pub mass_contrast: f64,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let config = PhantomConfig {
        n_patients: args.patients,
        site: args.layout.site(),
        seed: args.seed,
        height_px: args.height,
        width_px: args.width,
        lesion_scale: args.lesion_scale,
        mass_contrast: args.mass_contrast,
        ..PhantomConfig::default()
    };
    let bar = progress::bar("phantoms", args.patients as u64);
    let summary = write_layout(&args.out, args.layout, &config, &progress::counter(&bar))?;
    bar.finish_and_clear();
    output::results(&format!(
        "{}: {} of {}, {} with cancer, {}\n",
        args.out.display(),
        count(summary.n_images, "image"),
        count(summary.n_patients, "patient"),
        count(summary.n_malignant_images, "image"),
        count(summary.n_lesions, "lesion")
    ));
    Ok(Done::All)
}
