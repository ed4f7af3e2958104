//! `mammo train patch`: the patch classifier.

use std::path::PathBuf;

use anyhow::{Result, bail};
use mammo_data::split::Side;
use mammo_image::augment::Augmentation;
use mammo_image::patch_sampling::PatchClass;
use mammo_nn::model_file::{CalibrationMethod, Network};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::run::TrainingRun;
use mammo_nn::training::step_memory::check_memory;
use mammo_nn::training::train::train;
use mammo_nn::training::validation::Metric;

use crate::Done;
use crate::config::RunConfig;
use crate::inputs::{classes_present, draw_patches, prepare, stored_patches};
use crate::model::check_start;
use crate::progress::TrainingProgress;
use crate::training::{Data, RunSetup, check_out, read_model, report};

/// Train a patch classifier on lesion and background patches, in stages.
///
/// `[patch] start` in the configuration names a model file to take the trunk from, such as
/// ImageNet weights that `mammo model import` has read; the paper starts so.
///
/// Inputs are prepared and patches drawn on the way, as the configuration says. The run folder
/// gets model.safetensors (the best epoch), metrics.csv, run.json and a resume state: after
/// Ctrl-C, the same command with --resume continues as if never stopped.
///
/// Example: mammo train patch data/film/manifest.json --config configs/demo.toml --out run/patch
#[derive(clap::Args)]
pub struct Args {
    /// Manifest written by `mammo import`.
    pub manifest: PathBuf,
    /// Run configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Split written by `mammo split` [default: split.json beside the manifest].
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// Run folder.
    #[arg(long)]
    pub out: PathBuf,
    /// Patch set by the paper's name, in place of the counts in the configuration.
    #[arg(long, value_name = "S<n>")]
    pub patch_set: Option<String>,
    /// Folder of patches drawn by `mammo sample`; drawn on the way by default.
    #[arg(long)]
    pub patches: Option<PathBuf>,
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
    let mut config = RunConfig::read(&args.config, &args.set)?;
    config.use_patch_set(args.patch_set.as_deref())?;
    let (preprocessing, sampling, section) = (config.preprocessing()?, config.sampling()?, config.patch()?);
    check_out(&args.out, args.resume)?;
    let data = Data::read(&args.manifest, args.split.as_deref())?;
    let start = match &section.start {
        Some(path) => {
            let file = read_model(path)?;
            check_start(path, &file.card, &section.trunk, preprocessing)?;
            Some(file)
        }
        None => None,
    };
    let setup = RunSetup {
        config: &config,
        preprocessing,
        training: serde_json::json!({ "patch": section, "sampling": sampling }),
        data: &data,
        started_from: start.as_ref().map(|file| file.digest.clone()),
        device: &args.device,
        out: &args.out,
    };
    let device = setup.burn_device()?;
    let network = |n_classes| PatchClassifierConfig {
        trunk: section.trunk.clone(),
        n_classes,
        dropout: section.dropout,
    };
    // Of the classes it is not yet known which occur; a memory so small that this matters is none.
    let of_all_classes = Network::Patch(network(PatchClass::ALL.len()));
    let patch_shape = [section.trunk.channels, sampling.patch_px, sampling.patch_px];
    check_memory(&of_all_classes, patch_shape, &section.training, &device).map_err(|e| e.within("patch"))?;
    setup.begin()?;

    let prepare_side = |side| prepare(&data.cache_dir, preprocessing, &data.manifest.root, data.side(side));
    let (train_side, validation_side) = (prepare_side(Side::Train)?, prepare_side(Side::Validation)?);
    let patches = |side, prepared| match &args.patches {
        Some(folder) => stored_patches(&folder.join(Side::to_string(&side)), prepared, &data, &config),
        None => draw_patches(prepared, &data, &config),
    };
    let train_patches = patches(Side::Train, &train_side)?.patches;
    let validation_patches = patches(Side::Validation, &validation_side)?.patches;
    let classes = classes_present(&train_patches);
    if classes.len() < 2 {
        bail!(
            "{}: the training side yields patches of {} class(es); lesions are needed",
            args.manifest.display(),
            classes.len()
        );
    }

    let examples = |side, patches, augmentation: &Augmentation| {
        let (px, channels) = (sampling.patch_px, section.trunk.channels);
        WindowExamples::patches(side, patches, &classes, px, channels, augmentation.clone())
    };
    let training = examples(&train_side.cache, &train_patches, &section.augmentation);
    let validation = examples(&validation_side.cache, &validation_patches, &Augmentation::none());
    let network = network(classes.len());
    let device_autodiff = device.clone().autodiff();
    let mut model = initialise(PatchClassifier::new(&network, &device_autodiff)?, config.seed);
    if let Some(file) = &start {
        model.trunk = file.trunk(&device_autodiff)?;
    }
    let network = Network::Patch(network);
    let names = classes.iter().map(ToString::to_string).collect();
    let mut card = setup.card(network.clone(), names, &train_side.images, train_patches.len());
    card.training.patch_px = Some(sampling.patch_px);
    let run = TrainingRun {
        config: &section.training,
        seed: config.seed,
        device: &device,
        dir: &args.out,
        metric: Metric::BalancedAccuracy,
        calibration: CalibrationMethod::None,
        start_share: 0.0,
        digest: setup.digest(&network)?,
        card,
        resume: args.resume,
    };
    let mut progress = TrainingProgress::new("training on patches", "balanced accuracy");
    let outcome = train(model, &training, &validation, &run, &mut progress)?;
    drop(progress);
    let n_failed = train_side.n_failed + validation_side.n_failed;
    report(&outcome, &args.out, "balanced accuracy", n_failed)
}
