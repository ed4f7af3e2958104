//! A model of the paper's size with starting weights, to time `mammo predict` with.
//!
//!     cargo run --release --example untrained_model -- ANY_IMAGE_MODEL OUT
//!
//! ResNet50 with two [512-512-1024] blocks on 1152x896; the rest of the card is that of the model given.

use std::path::Path;

use burn::tensor::Device;
use mammo::preprocess::Preprocessing;
use mammo_nn::conventions::Conventions;
use mammo_nn::image_classifier::{ImageClassifier, ImageClassifierConfig};
use mammo_nn::init::initialise;
use mammo_nn::model_file::{self, ModelCard, Network};
use mammo_nn::state::state_dict;
use mammo_nn::top::TopConfig;
use mammo_nn::trunk::{Family, TrunkConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [any, out] = &args[..] else { return Err("usage: untrained_model ANY_IMAGE_MODEL OUT".into()) };
    let card = model_file::load(Path::new(any))?.card;
    let config = ImageClassifierConfig {
        trunk: TrunkConfig { channels: 1, ..TrunkConfig::new(Family::Resnet50) },
        top: TopConfig::Residual { blocks: vec![[512, 512, 1024]], repeats: 2 },
        top_conventions: Conventions::default(),
        n_patch_classes: 5,
        input_px: [1152, 896],
        dropout: 0.0,
    };
    let tensors = state_dict(&initialise(ImageClassifier::new(&config, &Device::flex())?, 1));
    let preprocessing = Preprocessing { height_px: 1152, width_px: 896, ..card.preprocessing };
    let card = ModelCard::new(Network::Image(config), card.classes, preprocessing, card.training);
    Ok(model_file::save(Path::new(out), &card, &tensors)?)
}
