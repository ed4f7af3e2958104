//! `mammo transfer`: a whole-image classifier moves to another hospital's images.

use std::path::PathBuf;

use anyhow::Result;

use crate::Done;
use crate::config::RunConfig;
use crate::training::{Data, ImageRun, RunSetup, check_out, read_model, train_images};

/// Fine-tune a whole-image model on another data set, from image labels alone.
///
/// Preprocessing comes from the model; stages, rates and augmentation from [transfer] in the
/// configuration, and start_share, the share of the weights before transfer that is kept: with
/// few patients, halfway (0.5) is steadier than training alone (0). --patients trains on that
/// many patients only, for the few-patients curve.
///
/// Example: mammo transfer data/digital/manifest.json --config configs/demo.toml \
///          --model run/image/model.safetensors --patients 20 --out run/transfer
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Manifest of the other data set.
    pub manifest: PathBuf,
    /// Run configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Split of the other data set [default: split.json beside the manifest].
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// Whole-image model to start from.
    #[arg(long)]
    pub model: PathBuf,
    /// Train on this many patients of the training side, drawn by the seed, both classes
    /// present; all of them by default.
    #[arg(long)]
    pub patients: Option<usize>,
    /// Run folder.
    #[arg(long)]
    pub out: PathBuf,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Continue a stopped run.
    #[arg(long)]
    pub resume: bool,
    /// Override a setting: section.key=value; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    let config = RunConfig::read(&args.config, &args.set)?;
    config.transfer()?;
    check_out(&args.out, args.resume)?;
    let data = Data::read(&args.manifest, args.split.as_deref())?;
    let file = read_model(&args.model)?;
    let config = config.with_preprocessing(file.card.preprocessing.clone());
    let section = config.transfer()?;
    let setup = RunSetup {
        config: &config,
        preprocessing: &file.card.preprocessing,
        training: serde_json::json!({ "transfer": section, "patients": args.patients }),
        data: &data,
        started_from: Some(file.digest.clone()),
        device: &args.device,
        out: &args.out,
    };
    let device = setup.burn_device()?;
    let model = file.image_classifier(&device.autodiff())?;
    train_images(&ImageRun {
        setup: &setup,
        section: "transfer",
        network: file.card.network.clone(),
        model,
        augmentation: &section.augmentation,
        training: &section.training,
        calibration: section.calibration,
        start_share: section.start_share,
        channels: file.card.network.channels(),
        n_patients: args.patients,
        resume: args.resume,
    })
}
