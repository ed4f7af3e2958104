//! `mammo sample`: draws patch sets.

use std::path::{Path, PathBuf};

use anyhow::Result;
use mammo_data::split::Side;
use mammo_image::patch_sampling::write_patches;
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::data::Data;
use mammo_pipeline::inputs::{draw_patches, prepare};

use crate::output::count;
use crate::progress::Terminal;
use crate::{Done, output};

/// Draw patch sets (S1, S10, S30, any S<n>) from the lesions and backgrounds of each side.
///
/// `mammo train patch` with the same settings draws the same patches; this command writes them. Patches
/// are stored as coordinates in the prepared image, in OUT/train, OUT/validation and OUT/test.
///
/// Example: mammo sample data/film/manifest.json --config configs/demo.toml --out patches
#[derive(clap::Args)]
pub struct Args {
    /// Manifest written by `mammo import`.
    pub manifest: PathBuf,
    /// Run configuration; the sections [sampling] and [preprocessing] are used.
    #[arg(long)]
    pub config: PathBuf,
    /// Split written by `mammo split` [default: split.json beside the manifest].
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// Patch set by the paper's name, in place of the counts in the configuration.
    #[arg(long, value_name = "S<n>")]
    pub patch_set: Option<String>,
    /// Folder to write.
    #[arg(long)]
    pub out: PathBuf,
    /// Override a setting: section.key=value; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let mut config = RunConfig::read(&args.config, &args.set)?;
    config.use_patch_set(args.patch_set.as_deref())?;
    draw(&config, &Data::read(&args.manifest, args.split.as_deref())?, &args.out)
}

/// Draws the patches of every side into a separate folder.
pub fn draw(config: &RunConfig, data: &Data, out: &Path) -> Result<Done> {
    let preprocessing = config.preprocessing()?;
    config.sampling()?;
    let mut n_failed = 0;
    for side in Side::ALL {
        let images = data.side(side);
        if images.is_empty() {
            continue;
        }
        tracing::info!("{side} side");
        let prepared = prepare(data, preprocessing, images, &Terminal)?;
        let drawn = draw_patches(&prepared, data, config, &Terminal)?;
        let folder = out.join(side.to_string());
        write_patches(&folder, &drawn.header, &drawn.patches)?;
        output::results(&format!(
            "{}: {} from {}\n",
            folder.display(),
            count(drawn.patches.len(), "patch"),
            count(prepared.images.len(), "image")
        ));
        n_failed += prepared.n_failed;
    }
    Ok(if n_failed == 0 { Done::All } else { Done::WithRejections })
}
