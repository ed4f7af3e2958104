//! `mammo model`: import of weights, inspection and export of models.

mod describe;
mod list;
mod shrink;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mammo_image::preprocess::Preprocessing;
use mammo_nn::interop::onnx;
use mammo_nn::interop::onnx::{Input, Norms};
use mammo_nn::interop::weights;
use mammo_nn::model_file::{self, ModelCard, Network, Source, TrainingRecord};
use mammo_nn::networks::conventions::{ChannelNorm, Conventions};
use serde::Deserialize;

use mammo_pipeline::config::with_nearest_key;
use mammo_pipeline::training::start_lines;

use mammo_models::Registry;

use crate::{Done, models};

/// The commands under `mammo model`.
#[derive(clap::Subcommand)]
pub enum Model {
    Import(ImportArgs),
    Inspect(InspectArgs),
    List(list::ListArgs),
    Describe(describe::DescribeArgs),
    Shrink(shrink::ShrinkArgs),
    Export(ExportArgs),
}

impl Model {
    /// The file to write.
    pub fn output(&self) -> Option<PathBuf> {
        match self {
            Self::Import(args) => Some(args.out.clone()),
            Self::Inspect(_) | Self::List(_) => None,
            Self::Describe(args) => Some(args.out.clone()),
            Self::Shrink(args) => Some(args.out.clone()),
            Self::Export(args) => Some(args.out.clone()),
        }
    }
}

/// Convert weights of other programs to a model file.
///
/// Reads PyTorch checkpoints (.pth) and safetensors with the names of torchvision or timm
/// (ResNet18, ResNet50, VGG16, VGG19, EfficientNet-Lite), and Keras files (.h5): whole models of Keras 2, among
/// them the patch and whole-image models of the paper's authors, and weights of
/// keras.applications. No code in a file is executed.
///
/// A weight file does not state its preprocessing; give it with --preprocessing:
///   torchvision  grey 0..1, minus ImageNet's mean, divided by its deviation (RGB)
///   keras-caffe  grey 0..255, minus ImageNet's mean (BGR): Keras ResNet50, VGG16, VGG19
///   keras-tf     grey -1..1
///   efficientnet-lite  grey 0..255, minus 127, divided by 128: Google's EfficientNet-Lite
///   paper        the authors' whole-image preprocessing: stretched, minus 52.18
///   FILE.toml    [preprocessing] as in a run configuration, and [channel_norm] if needed
///
/// Example:
///   mammo model import resnet50.pth --preprocessing torchvision --out imagenet.safetensors
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ImportArgs {
    /// Weight file.
    pub file: PathBuf,
    /// Preprocessing of the weights: torchvision, keras-caffe, keras-tf, efficientnet-lite, paper, or a
    /// TOML file.
    #[arg(long, value_name = "NAME|FILE")]
    pub preprocessing: String,
    /// Who trained an EfficientNet-Lite under timm's names, which the file does not state.
    #[arg(long, value_enum)]
    pub trained_by: Option<TrainedBy>,
    /// Model file to write.
    #[arg(long)]
    pub out: PathBuf,
    /// Class names in the order of the outputs [default: benign,malignant for whole-image
    /// models, class-0,class-1,... for others].
    #[arg(long, value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Licence of the weights, for the card.
    #[arg(long, default_value = model_file::NO_LICENCE)]
    pub licence: String,
}

/// Who trained weights under timm's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TrainedBy {
    /// Google (timm's `tf_efficientnet_lite`): padding as in TensorFlow, epsilon 1e-3.
    Google,
    /// timm (`efficientnet_lite`): padding of half the kernel, epsilon 1e-5.
    Timm,
}

/// Print a model's card: network, conventions, preprocessing, training record, intended use.
///
/// The whole file is checked first. What the model cannot do is printed first.
///
/// Example: mammo model inspect run/image/model.safetensors
#[derive(clap::Args)]
pub struct InspectArgs {
    /// Model file, or the name of a bundled model [default: the bundled model].
    pub model: Option<PathBuf>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
    /// Print the [patch] and [preprocessing] sections of a configuration that starts from this model.
    #[arg(long, conflicts_with = "json")]
    pub toml: bool,
}

/// Export a model for other programs.
///
/// onnx: opset 17, batch and image size free, logits and probabilities out, the card in the
/// metadata. safetensors: the trunk under PyTorch's names, for torchvision's ResNet or VGG.
///
/// Examples:
///   mammo model export run/image/model.safetensors --format onnx --out model.onnx
///   mammo model export run/patch/model.safetensors --format safetensors --out trunk.safetensors
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ExportArgs {
    /// Model file, or the name of a bundled model.
    pub model: PathBuf,
    /// Format of the file.
    #[arg(long, value_enum)]
    pub format: Format,
    /// File to write.
    #[arg(long)]
    pub out: PathBuf,
    /// ONNX: keep batch norms as operations instead of folding them into convolutions.
    #[arg(long)]
    pub keep_norms: bool,
    /// ONNX: accept grey values of 0 to 65535; mean and deviation become part of the graph.
    #[arg(long)]
    pub pixels: bool,
}

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// ONNX, opset 17.
    Onnx,
    /// PyTorch names.
    Safetensors,
}

/// Runs the command.
pub fn run(command: &Model) -> Result<Done> {
    match command {
        Model::Import(args) => import(args),
        Model::Inspect(args) => inspect(args),
        Model::List(_) => list::run(&Registry::bundled()),
        Model::Describe(args) => describe::run(args),
        Model::Shrink(args) => shrink::run(args),
        Model::Export(args) => export(args),
    }
}

/// The preprocessing given with `--preprocessing`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pixels {
    preprocessing: Preprocessing,
    #[serde(default)]
    channel_norm: Option<ChannelNorm>,
}

impl Pixels {
    fn named(name: &str) -> Result<Self> {
        // Grey levels without scaling; the network's channel norm normalises them.
        let levels = |norm| {
            let preprocessing = Preprocessing { mean: 0.0, std: 1.0, ..Preprocessing::default() };
            Self { preprocessing, channel_norm: Some(norm) }
        };
        Ok(match name {
            "torchvision" => levels(ChannelNorm::torchvision()),
            "keras-caffe" => levels(ChannelNorm::caffe()),
            "keras-tf" => levels(ChannelNorm::symmetric()),
            "efficientnet-lite" => levels(ChannelNorm::efficientnet_lite()),
            "paper" => Self { preprocessing: Preprocessing::paper(), channel_norm: None },
            file if file.ends_with(".toml") => {
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("--preprocessing {file}"))?;
                toml::from_str(&text)
                    .map_err(|e| anyhow::anyhow!("{file}: {}", with_nearest_key(&e.to_string())))?
            }
            other => bail!(
                "--preprocessing {other}: expected torchvision, keras-caffe, keras-tf, efficientnet-lite, \
                 paper or a .toml file"
            ),
        })
    }
}

fn import(args: &ImportArgs) -> Result<Done> {
    let mut pixels = Pixels::named(&args.preprocessing)?;
    let imported = weights::read(&args.file)?;
    let mut network = imported.network;
    let trunk = match &mut network {
        Network::Trunk(trunk) => trunk,
        Network::Patch(config) => &mut config.trunk,
        Network::Image(config) => {
            [pixels.preprocessing.height_px, pixels.preprocessing.width_px] = config.input_px;
            &mut config.trunk
        }
    };
    match (imported.conventions_known, args.trained_by) {
        (true, None) => {}
        (true, Some(_)) => bail!("--trained-by is for EfficientNet-Lite under timm's names only"),
        (false, Some(TrainedBy::Google)) => trunk.conventions = Conventions::efficientnet_lite(),
        (false, Some(TrainedBy::Timm)) => trunk.conventions = Conventions::default(),
        (false, None) => bail!(
            "{}: an EfficientNet-Lite under timm's names; weights of Google and of timm have these names and need \
             other padding and norms. Give --trained-by google for tf_efficientnet_lite, --trained-by timm for \
             efficientnet_lite",
            args.file.display()
        ),
    }
    trunk.channel_norm = pixels.channel_norm;
    trunk.check().with_context(|| format!("--preprocessing {}", args.preprocessing))?;
    let n_classes = network.n_classes();
    let classes = match (&network, args.classes.is_empty()) {
        (_, false) => args.classes.clone(),
        (Network::Image(_), true) => vec!["benign".into(), "malignant".into()],
        (_, true) => (0..n_classes).map(|i| format!("class-{i}")).collect(),
    };
    if classes.len() != n_classes {
        bail!("--classes: {} names, the network has {n_classes} outputs", classes.len());
    }
    let record =
        TrainingRecord { mammo_version: env!("CARGO_PKG_VERSION").into(), ..TrainingRecord::default() };
    let mut card = ModelCard::new(network, classes, pixels.preprocessing, record);
    card.licence = args.licence.clone();
    card.source = Some(Source {
        file: args.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        digest: imported.digest,
        format: imported.format,
        notes: imported.notes.clone(),
    });
    model_file::save(&args.out, &card, &imported.tensors)?;
    for note in &imported.notes {
        tracing::info!(label = "note", "{note}");
    }
    println!("{}: {}, {} tensors", args.out.display(), card.network.kind(), imported.tensors.len());
    Ok(Done::All)
}

fn inspect(args: &InspectArgs) -> Result<Done> {
    let file = models::chosen(&Registry::bundled(), args.model.as_deref(), "<MODEL>")?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&file.card)?);
    } else if args.toml {
        if !file.path.exists() {
            bail!("--toml: a training starts from a model file; give one");
        }
        print!("{}", start_lines(&file.path, file.card.network.trunk(), &file.card.preprocessing)?);
    } else {
        print!("{file}");
    }
    Ok(Done::All)
}

fn export(args: &ExportArgs) -> Result<Done> {
    let file = models::named(&Registry::bundled(), &args.model)?;
    match args.format {
        Format::Onnx => {
            let norms = if args.keep_norms { Norms::Separate } else { Norms::Folded };
            let input = if args.pixels { Input::Pixels } else { Input::Normalised };
            onnx::write(&args.out, &file, onnx::Options { norms, input })?;
        }
        Format::Safetensors => {
            if args.keep_norms || args.pixels {
                bail!("--keep-norms and --pixels are for --format onnx only");
            }
            for note in weights::write_torch_safetensors(&args.out, &file)? {
                tracing::info!(label = "note", "{note}");
            }
        }
    }
    println!("{}: written from model {}", args.out.display(), file.digest);
    Ok(Done::All)
}
