//! From nothing to a trained model: draws synthetic mammograms, imports and splits them, trains a patch classifier and
//! with it a whole-image classifier. So small that it takes seconds, and learns as little.
//!
//! ```text
//! cargo run --release -p mammo --example train_on_phantoms -- FOLDER
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};

use mammo::data::import::{Verify, import_tables};
use mammo::data::split::{SplitConfig, split_by_patient};
use mammo::training::{ImageStart, RunPlace, TrainImage, TrainPatch, train_image, train_patch};
use mammo::{Data, RunConfig, Silent};
use mammo_phantom::{PhantomConfig, write_dataset};

const SETTINGS: &str = r#"
seed = 1
preprocessing = { height_px = 64, width_px = 48 }
sampling = { patch_px = 24, per_lesion = 2, background_per_image = 2 }

[patch]
trunk = { family = "yaroslav", width = 0.125, stages = 3, channels = 1 }
augmentation = {}
[patch.training]
batch_size = 8
examples_per_epoch = 32
stages = [{ train = "all", epochs = 2, learning_rate = 1e-3 }]

[image]
top = { kind = "residual", blocks = [[8, 8, 16]], repeats = 1 }
augmentation = {}
[image.training]
batch_size = 4
stages = [{ train = "top", epochs = 1, learning_rate = 1e-3 }, { train = "all", epochs = 1, learning_rate = 1e-3 }]
"#;

/// Trains in a folder and returns the whole-image model.
pub fn run(dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let films = dir.join("films");
    let phantoms = PhantomConfig { n_patients: 14, height_px: 128, width_px: 96, ..PhantomConfig::default() };
    write_dataset(&films, &phantoms, &|_done, _total| {})?;

    let manifest = import_tables(&films, Verify::Pixels, &|_done, _total| {})?.manifest;
    let shares = SplitConfig { train: 0.4, validation: 0.3, test: 0.3, seed: 1 };
    split_by_patient(&manifest, &shares)?.write(&films.join("split.json"))?;
    manifest.write(&films.join("manifest.json"))?;

    let data = Data::read(&films.join("manifest.json"), None)?;
    let config = RunConfig::parse(SETTINGS, &[])?;
    let place = |name: &str| RunPlace {
        out: dir.join(name),
        device: "cpu".to_string(),
        resume: false,
        command: Vec::new(),
    };
    let request = TrainPatch { config: &config, data: &data, patches: None, place: &place("patch") };
    let patch = train_patch(&request, &Silent)?;
    let patch = mammo::nn::model_file::load(&patch.model)?;
    let start = ImageStart::Patch(&patch);
    let request = TrainImage { config: &config, data: &data, start, place: &place("image") };
    Ok(train_image(&request, &Silent)?.model)
}

#[allow(dead_code, reason = "the test of the examples calls `run`")]
fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("expected FOLDER")?;
    println!("{}", run(dir.as_ref())?.display());
    Ok(())
}
