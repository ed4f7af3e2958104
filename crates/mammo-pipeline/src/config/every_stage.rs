//! Every stage of every committed configuration runs: on small networks and images, from random weights and from a
//! model file, with one channel and with three, in `f32` and in bf16, stopped after a step and resumed.
//!
//! Networks are narrower than in the files, images and batches smaller, epochs two steps long. All else is the
//! file's: stages, scopes, optimizers, rates, schedules, tops, pooling, dropout, channels, channel norms.

use std::collections::BTreeSet;
use std::path::Path;

use mammo_nn::device::Device;
use mammo_nn::inference::heatmap::{ImageExplainer, PatchMapper};
use mammo_nn::inference::predict::{ImageModel, Tta};
use mammo_nn::model_file::{self, ModelCard, Network, TrainingRecord};
use mammo_nn::networks::conventions::ChannelNorm;
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig, MapLayer};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::precision::{Precision, PrecisionChoice, RequiredPrecision};
use mammo_nn::networks::state::{StateDict, state_dict};
use mammo_nn::networks::{Classifier, Scope};
use mammo_nn::training::batches::Examples;
use mammo_nn::training::resume;
use mammo_nn::training::resume::Saved;
use mammo_nn::training::run::{EpochRow, MODEL_FILE, Outcome, StepReport, TrainingObserver, TrainingRun};
use mammo_nn::training::schedule::StageConfig;
use mammo_nn::training::train::train;
use mammo_nn::training::validation::Metric;

use super::*;

/// Factor on all channel counts of trunks.
const WIDTH: f64 = 0.125;
const BATCH: usize = 4;
const STEPS: usize = 2;

/// Pictures of noise, brighter in the second class.
struct Noise {
    n_classes: usize,
    shape: [usize; 3],
    preprocessing: Preprocessing,
}

impl Examples for Noise {
    fn len(&self) -> usize {
        2 * self.n_classes
    }
    fn n_classes(&self) -> usize {
        self.n_classes
    }
    fn class(&self, index: usize) -> usize {
        index % self.n_classes
    }
    fn shape(&self) -> [usize; 3] {
        self.shape
    }
    fn write(
        &self,
        index: usize,
        _: Option<&mut mammo_core::seed::Rng>,
        out: &mut [f32],
    ) -> mammo_nn::Result<()> {
        let normalise = self.preprocessing.normaliser();
        let (plane, copies) = out.split_at_mut(self.shape[1] * self.shape[2]);
        for (value, pixel) in plane.iter_mut().zip(pixels(self.shape, index)) {
            *value = normalise.apply(f32::from(pixel));
        }
        copies.chunks_exact_mut(plane.len()).for_each(|channel| channel.copy_from_slice(plane));
        Ok(())
    }
}

fn pixels([_, h, w]: [usize; 3], index: usize) -> Vec<u16> {
    use rand::RngExt;
    let mut rng = mammo_core::seed::stream(3, "noise", index as u64);
    let brightness = 10_000 * (index % 2) as u16;
    (0..h * w).map(|_| brightness + rng.random_range(0..50_000)).collect()
}

/// Counts steps, keeps losses, and stops after a number of steps.
#[derive(Default)]
struct Recorder {
    losses: Vec<f64>,
    stop_after: Option<usize>,
}

impl TrainingObserver for Recorder {
    fn step(&mut self, report: &StepReport) {
        self.losses.push(report.loss);
    }
    fn epoch(&mut self, row: &EpochRow) {
        assert!(row.validation_loss.is_finite() && row.train_loss.is_finite(), "{row:?}");
    }
    fn stop_requested(&self) -> bool {
        self.stop_after.is_some_and(|n| self.losses.len() >= n)
    }
}

/// A configuration made small, in one of its variants.
struct Walk {
    name: String,
    config: RunConfig,
    /// Whether runs start from model files.
    from_files: bool,
}

impl Walk {
    fn new(file: &Path, channels: usize, from_files: bool, precision: PrecisionChoice) -> Self {
        let mut config = RunConfig::read(file, &[]).unwrap();
        let patch = config.patch.as_mut().unwrap();
        let trunk = &mut patch.trunk;
        trunk.width = WIDTH;
        if channels != trunk.channels {
            trunk.channels = channels;
            trunk.channel_norm = (channels == 3).then(ChannelNorm::torchvision);
        }
        let stride = trunk.stride();
        let preprocessing = config.preprocessing.as_mut().unwrap();
        // Either the network normalises grey levels, or their preparation.
        (preprocessing.mean, preprocessing.std) =
            if trunk.channel_norm.is_some() { (0.0, 1.0) } else { (100.0, 60.0) };
        config.sampling.as_mut().unwrap().patch_px = 2 * stride;
        let preprocessing = config.preprocessing.as_mut().unwrap();
        (preprocessing.height_px, preprocessing.width_px) = (4 * stride, 2 * stride);
        let (image, transfer) = (config.image.as_mut().unwrap(), config.transfer.as_mut().unwrap());
        image.top = narrow(&image.top);
        for (training, n_classes) in
            [(&mut patch.training, 5), (&mut image.training, 2), (&mut transfer.training, 2)]
        {
            training.batch_size = BATCH;
            training.examples_per_epoch = Some(STEPS * BATCH);
            training.precision = precision;
            training.stages = all_scopes(&training.stages, n_classes == 5);
        }
        let name = format!("{} {channels} channels, files {from_files}, {precision:?}", file.display());
        Self { name, config, from_files }
    }

    fn trunk(&self) -> &TrunkConfig {
        &self.config.patch().unwrap().trunk
    }

    fn noise(&self, n_classes: usize) -> Noise {
        let preprocessing = self.config.preprocessing().unwrap().clone();
        let channels = self.trunk().channels;
        let patch_px = self.config.sampling().unwrap().patch_px;
        let shape = match n_classes {
            5 => [channels, patch_px, patch_px],
            _ => [channels, preprocessing.height_px, preprocessing.width_px],
        };
        Noise { n_classes, shape, preprocessing }
    }

    fn patch_network(&self) -> PatchClassifierConfig {
        let patch = self.config.patch().unwrap();
        PatchClassifierConfig { trunk: patch.trunk.clone(), n_classes: 5, dropout: patch.dropout }
    }

    fn image_network(&self) -> ImageClassifierConfig {
        let (image, preprocessing) = (self.config.image().unwrap(), self.config.preprocessing().unwrap());
        ImageClassifierConfig {
            trunk: self.trunk().clone(),
            top: image.top.clone(),
            pooling: image.pooling,
            top_conventions: self.trunk().conventions,
            n_patch_classes: 5,
            input_px: [preprocessing.height_px, preprocessing.width_px],
            dropout: image.dropout,
            exam: None,
        }
    }

    fn card(&self, network: Network) -> ModelCard {
        let classes: &[&str] = match &network {
            Network::Image(_) => &["benign", "malignant"],
            _ => &["background", "mass_benign", "mass_malignant", "calc_benign", "calc_malignant"],
        };
        let classes = classes.iter().map(ToString::to_string).collect();
        let patch_px = self.config.sampling().unwrap().patch_px;
        let record = TrainingRecord { patch_px: Some(patch_px), ..TrainingRecord::default() };
        ModelCard::new(network, classes, self.config.preprocessing().unwrap().clone(), record)
    }

    /// A network as `train patch` makes it.
    fn patch_classifier(&self, dir: &Path) -> PatchClassifier {
        let device = Device::flex().autodiff();
        let network = self.patch_network();
        let mut model = initialise(PatchClassifier::new(&network, &device).unwrap(), 1);
        if self.from_files {
            let path = dir.join("trunk.safetensors");
            let start = initialise(PatchClassifier::new(&network, &device).unwrap(), 2);
            let tensors = state_dict(&start).into_iter().filter(|(name, _)| name.starts_with("trunk."));
            let card = self.card(Network::Trunk(network.trunk));
            let card = ModelCard { classes: Vec::new(), ..card };
            model_file::save(&path, &card, &tensors.collect()).unwrap();
            model.trunk = model_file::load(&path).unwrap().trunk(&device).unwrap();
        }
        model
    }

    /// A network as `train image` makes it.
    fn image_classifier(&self, dir: &Path) -> ImageClassifier {
        let device = Device::flex().autodiff();
        let model = initialise(ImageClassifier::new(&self.image_network(), &device).unwrap(), 1);
        if !self.from_files {
            return model;
        }
        let path = dir.join("patch.safetensors");
        let start = initialise(PatchClassifier::new(&self.patch_network(), &device).unwrap(), 2);
        model_file::save(&path, &self.card(Network::Patch(self.patch_network())), &state_dict(&start))
            .unwrap();
        let file = model_file::load(&path).unwrap();
        model.with_patch_classifier(file.patch_classifier(&device).unwrap())
    }

    /// Trains once without a stop, and once stopped after a step and after every stage; returns the losses.
    fn train<C: Classifier>(
        &self,
        dir: &Path,
        training: &TrainingConfig,
        network: Network,
        start_share: f64,
        model: impl Fn() -> C,
    ) -> Vec<f64> {
        let is_patch = matches!(network, Network::Patch(_));
        let examples = self.noise(network.n_classes());
        let device = Device::flex();
        let calibration = self.config.image().unwrap().calibration;
        let run = |dir: &Path, stop_after: Option<usize>| {
            std::fs::create_dir_all(dir).unwrap();
            let run = TrainingRun {
                config: training,
                seed: self.config.seed,
                device: &device,
                dir,
                metric: if is_patch { Metric::BalancedAccuracy } else { Metric::Auc },
                calibration,
                start_share,
                card: self.card(network.clone()),
                digest: "walk".into(),
                resume: true,
            };
            let mut recorder = Recorder { stop_after, ..Recorder::default() };
            let outcome = train(model(), &examples, &examples, &run, &mut recorder)
                .unwrap_or_else(|e| panic!("{}, {network:?}: {e}", self.name));
            (outcome, recorder.losses)
        };
        let (outcome, losses) = run(dir, None);
        assert_eq!(losses.len(), STEPS * training.stages.len(), "{}", self.name);
        assert!(losses.iter().all(|loss| loss.is_finite()), "{}: {losses:?}", self.name);

        let stopped = dir.join("stopped");
        let mut before = state_dict(&model());
        let mut resumed = run(&stopped, Some(1)).1;
        for (i, stage) in training.stages.iter().enumerate() {
            let left = (i + 1) * STEPS - resumed.len();
            let (outcome, losses) = run(&stopped, Some(left));
            assert_eq!(outcome == Outcome::Interrupted, i + 1 < training.stages.len(), "{}", self.name);
            resumed.extend(losses);
            let path = stopped.join(resume::FILE);
            let after = state_dict(&Saved::load(&path, "walk").unwrap().model(&path, model()).unwrap());
            self.check_changes(stage, is_patch, &before, &after);
            before = after;
        }
        assert_eq!(resumed, losses, "{}: the losses of a resumed run", self.name);
        assert!(matches!(outcome, Outcome::Finished { .. }));
        let tensors = |dir: &Path| model_file::load(&dir.join(MODEL_FILE)).unwrap().tensors;
        assert_eq!(tensors(&stopped), tensors(dir), "{}: the model of a resumed run", self.name);
        losses
    }

    /// What learns has changed; what is frozen has not.
    fn check_changes(&self, stage: &StageConfig, is_patch: bool, before: &StateDict, after: &StateDict) {
        let changed: BTreeSet<&str> = before
            .iter()
            .filter(|(name, tensor)| after[*name] != **tensor)
            .map(|(name, _)| name.as_str())
            .collect();
        let last_block = last_block(before);
        let learns = |name: &str| match (stage.train, is_patch) {
            (Scope::All, _) => true,
            (Scope::Head, _) => name.starts_with("head."),
            (Scope::Top, true) => {
                // The convolution after the last block is trained with it.
                let last = ["head.", &last_block, "trunk.EfficientNet.last."];
                last.iter().any(|part| name.starts_with(part))
            }
            (Scope::Top, false) => name.starts_with("head.") || name.starts_with("top."),
        };
        for name in &changed {
            let kept = stage.keep_norm_statistics && name.contains(".running_");
            assert!(learns(name) && !kept, "{}, {stage:?}: {name} has changed", self.name);
        }
        assert!(changed.contains("head.weight"), "{}, {stage:?}: the head has not changed", self.name);
        let trunk = changed.iter().any(|name| name.starts_with("trunk."));
        let trunk_learns = stage.train == Scope::All || stage.train == Scope::Top && is_patch;
        assert_eq!(trunk, trunk_learns, "{}, {stage:?}: {changed:?}", self.name);
    }

    /// Trains patches, images and a transfer, and looks at what comes of them; returns the losses of each.
    fn run(&self, dir: &Path) -> [Vec<f64>; 3] {
        let folder = |name: &str| {
            let folder = dir.join(name);
            std::fs::create_dir_all(&folder).unwrap();
            folder
        };
        let (patch_dir, image_dir, transfer_dir) = (folder("patch"), folder("image"), folder("transfer"));
        let patch = self.config.patch().unwrap();
        let network = Network::Patch(self.patch_network());
        let patch_model = || self.patch_classifier(&patch_dir);
        let of_patches = self.train(&patch_dir, &patch.training, network, 0.0, patch_model);
        self.look_at_patch_model(&patch_dir.join(MODEL_FILE));

        let (image, transfer) = (self.config.image().unwrap(), self.config.transfer().unwrap());
        let network = Network::Image(self.image_network());
        let image_model = || self.image_classifier(&image_dir);
        let of_images = self.train(&image_dir, &image.training, network.clone(), 0.0, image_model);
        let image_path = image_dir.join(MODEL_FILE);
        self.look_at_image_model(&image_path);

        // From a file that both precisions share, so that their losses can be compared.
        let start = transfer_dir.join("start.safetensors");
        model_file::save(&start, &self.card(network.clone()), &state_dict(&image_model())).unwrap();
        let file = model_file::load(&start).unwrap();
        let device = Device::flex().autodiff();
        let transferred = || file.image_classifier(&device).unwrap();
        let of_transfer =
            self.train(&transfer_dir, &transfer.training, network, transfer.start_share, transferred);
        [of_patches, of_images, of_transfer]
    }

    /// `mammo heatmap` with a patch model.
    fn look_at_patch_model(&self, path: &Path) {
        let file = model_file::load(path).unwrap();
        let mapper = PatchMapper::load(&file, None, &Device::flex()).unwrap();
        let map = mapper.map(&pixels(self.noise(2).shape, 1)).unwrap();
        for probabilities in [map.windows.probabilities, map.cells.probabilities] {
            assert!(!probabilities.is_empty(), "{}", self.name);
            assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)), "{}", self.name);
        }
    }

    /// `mammo predict`, and `mammo heatmap` with a whole-image model.
    fn look_at_image_model(&self, path: &Path) {
        let pixels = pixels(self.noise(2).shape, 1);
        let probability = |precision| {
            let model = ImageModel::load(path, &Device::flex()).unwrap().with_precision(precision);
            model.score(&pixels, Tta::Flips).probability
        };
        let [f32, bf16] = [Precision::F32, Precision::Bf16].map(probability);
        assert!((f32 - bf16).abs() < 0.02, "{}: {f32} and {bf16}", self.name);
        let mut file = model_file::load(path).unwrap();
        file.card.precision = RequiredPrecision::F32;
        let required = ImageModel::of(file, &Device::flex()).unwrap();
        assert_eq!(required.score(&pixels, Tta::Flips).probability, f32, "{}", self.name);
        let forced = required.with_precision(Precision::Bf16).score(&pixels, Tta::Flips).probability;
        assert_eq!(forced, f32, "{}", self.name);
        let explainer = ImageExplainer::load(&model_file::load(path).unwrap(), &Device::flex()).unwrap();
        let cams = [MapLayer::Trunk, MapLayer::Top].map(|layer| explainer.grad_cam(layer, &pixels).unwrap());
        for map in cams.iter().chain([&explainer.saliency(&pixels)]) {
            assert!(map.values.iter().all(|v| v.is_finite()), "{}", self.name);
        }
        assert!(explainer.saliency(&pixels).max() > 0.0, "{}", self.name);
    }
}

/// The stages of a file, each one epoch long, and before them one for each scope that the file does not use, at the
/// rate of its last stage or 1e-3.
fn all_scopes(stages: &[StageConfig], is_patch: bool) -> Vec<StageConfig> {
    let last = stages[stages.len() - 1];
    let scopes: &[Scope] =
        if is_patch { &[Scope::Head, Scope::Top, Scope::All] } else { &[Scope::Top, Scope::All] };
    let unused = scopes.iter().filter(|scope| stages.iter().all(|stage| stage.train != **scope));
    // A rate for a few weights is too large for all layers.
    let learning_rate = last.learning_rate.min(1e-3);
    let added = unused.map(|&train| StageConfig { train, learning_rate, ..last });
    added.chain(stages.iter().copied()).map(|stage| StageConfig { epochs: 1, ..stage }).collect()
}

fn narrow(top: &TopConfig) -> TopConfig {
    let narrow = |c: &usize| ((*c as f64 * WIDTH) as usize).max(4);
    let mut top = top.clone();
    match &mut top {
        TopConfig::Residual { blocks, .. } | TopConfig::HeatmapResidual { blocks, .. } => {
            blocks.iter_mut().flatten().for_each(|c| *c = narrow(c));
        }
        TopConfig::Vgg { channels, .. } => channels.iter_mut().for_each(|c| *c = narrow(c)),
        // The grid of a patch here.
        TopConfig::Heatmap { heatmap } => heatmap.window = 2,
        TopConfig::Average | TopConfig::HeatmapFc { .. } | TopConfig::Yaroslav { .. } => {}
    }
    top
}

/// What the names of the trunk's last block begin with.
fn last_block(tensors: &StateDict) -> String {
    let blocks = tensors.keys().filter_map(|name| {
        let (before, after) = name.split_once(".blocks.")?;
        Some((after.split('.').next()?.parse::<usize>().ok()?, before))
    });
    let (last, before) = blocks.max().unwrap();
    format!("{before}.blocks.{last}.")
}

/// Losses of bf16 beside those of `f32`: those of a first stage differ by rounding, later ones also by what Adam makes
/// of a rounded gradient, whose size it divides by, and by statistics of few pixels.
fn compare(name: &str, f32: &[Vec<f64>], bf16: &[Vec<f64>]) {
    for (training, (f32, bf16)) in f32.iter().zip(bf16).enumerate() {
        for (step, (a, b)) in f32.iter().zip(bf16).enumerate() {
            let share = if step < STEPS { 0.05 } else { 0.2 };
            assert!(
                (a - b).abs() < share * a.abs().max(1.0),
                "{name}: loss {step} of training {training} is {a} in f32, {b} in bf16"
            );
        }
    }
}

fn walk(file: &Path, channels: usize, from_files: bool) {
    let [f32, bf16] = [PrecisionChoice::F32, PrecisionChoice::Bf16].map(|precision| {
        let dir = tempfile::tempdir().unwrap();
        let walk = Walk::new(file, channels, from_files, precision);
        walk.run(dir.path())
    });
    compare(&format!("{}, {channels} channels, files {from_files}", file.display()), &f32, &bf16);
}

#[test]
fn every_stage_of_every_committed_configuration_runs_in_f32_and_bf16() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        for channels in [1, 3] {
            for from_files in [false, true] {
                walk(&file, channels, from_files);
            }
        }
    }
}
