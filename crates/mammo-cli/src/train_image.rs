//! `mammo train image`: the whole-image classifier, on a patch classifier's trunk or from
//! scratch.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mammo_image::preprocess::Preprocessing;
use mammo_nn::model_file::{ModelFile, Network};
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::PatchClassifierConfig;
use mammo_nn::networks::trunk::TrunkConfig;

use crate::Done;
use crate::config::RunConfig;
use crate::training::{Data, ImageRun, RunSetup, check_out, read_model, train_images};

/// Train a whole-image classifier end to end from image labels.
///
/// With --from-patch it takes over the trunk of a patch classifier, which is the paper's
/// method; with --from-scratch it starts from random weights, which is what the paper compares
/// with. Top blocks, stages and rates come from [image] in the configuration.
///
/// Example: mammo train image data/film/manifest.json --config configs/demo.toml \
///          --from-patch run/patch/model.safetensors --out run/image
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
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
    /// Patch model to take the trunk from.
    #[arg(long, required_unless_present = "from_scratch", conflicts_with = "from_scratch")]
    pub from_patch: Option<PathBuf>,
    /// Start from random weights.
    #[arg(long)]
    pub from_scratch: bool,
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
    let (preprocessing, section, trunk) = (config.preprocessing()?, config.image()?, &config.patch()?.trunk);
    check_out(&args.out, args.resume)?;
    let data = Data::read(&args.manifest, args.split.as_deref())?;
    let start = match &args.from_patch {
        Some(path) => {
            let file = read_model(path)?;
            let network = patch_network(path, &file, trunk, preprocessing)?;
            Some((file, network))
        }
        None => None,
    };
    let setup = RunSetup {
        config: &config,
        preprocessing,
        training: serde_json::json!({ "image": section }),
        data: &data,
        started_from: start.as_ref().map(|(file, _)| file.digest.clone()),
        device: &args.device,
        out: &args.out,
    };
    let device = setup.burn_device()?;
    let network = ImageClassifierConfig {
        trunk: trunk.clone(),
        top: section.top.clone(),
        pooling: section.pooling,
        top_conventions: trunk.conventions,
        n_patch_classes: start.as_ref().map_or(5, |(_, patch)| patch.n_classes),
        input_px: [preprocessing.height_px, preprocessing.width_px],
        dropout: section.dropout,
    };
    let model = initialise(ImageClassifier::new(&network, &device.clone().autodiff())?, config.seed);
    let model = match &start {
        Some((file, _)) => model.with_patch_classifier(file.patch_classifier(&device.clone().autodiff())?),
        None => model,
    };
    train_images(&ImageRun {
        setup: &setup,
        section: "image",
        network: Network::Image(network),
        model,
        augmentation: &section.augmentation,
        training: &section.training,
        calibration: section.calibration,
        start_share: 0.0,
        channels: trunk.channels,
        n_patients: None,
        resume: args.resume,
    })
}

/// The patch network of a model file, which must fit the configuration and its pixels.
fn patch_network(
    path: &Path,
    file: &ModelFile,
    trunk: &TrunkConfig,
    preprocessing: &Preprocessing,
) -> Result<PatchClassifierConfig> {
    let Network::Patch(patch) = &file.card.network else {
        bail!("{}: a whole-image model; --from-patch needs one from `mammo train patch`", path.display());
    };
    if patch.trunk != *trunk {
        bail!(
            "{}: its trunk is {:?}, the configuration says {:?}; they must be equal",
            path.display(),
            patch.trunk,
            trunk
        );
    }
    if file.card.preprocessing_digest != preprocessing.digest() {
        bail!(
            "{}: trained with preprocessing {}, the configuration gives {}; they must be equal",
            path.display(),
            file.card.preprocessing_digest,
            preprocessing.digest()
        );
    }
    Ok(patch.clone())
}
