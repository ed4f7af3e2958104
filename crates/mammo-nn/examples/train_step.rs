//! Seconds of a training step on 8 x 3 x 224 x 224: `train_step [resnet50|vgg16] [f32|bf16] [steps]`.
//!
//! Forward, cross-entropy, backward; no optimiser step, as in `bench/peers.py`.

use std::time::Instant;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let family = if words.iter().any(|w| w == "vgg16") { Family::Vgg16 } else { Family::Resnet50 };
    let dtype = if words.iter().any(|w| w == "bf16") { DType::BF16 } else { DType::F32 };
    let steps = words.last().and_then(|w| w.parse().ok()).unwrap_or(9);
    let device = Device::flex().autodiff();
    let trunk = TrunkConfig { channels: 3, ..TrunkConfig::new(family) };
    let Ok(model) =
        PatchClassifier::new(&PatchClassifierConfig { trunk, n_classes: 5, dropout: 0.0 }, &device)
    else {
        return;
    };
    let pixels: Vec<f32> = (0..8 * 3 * 224 * 224).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect();
    let images = Tensor::<4>::from_data(TensorData::new(pixels, [8, 3, 224, 224]), &device).cast(dtype);
    let targets = Tensor::<1, Int>::from_data([0, 1, 2, 3, 4, 0, 1, 2], &device);
    let mut seconds: Vec<f64> = (0..steps)
        .map(|_| {
            let start = Instant::now();
            let logits = model.logits(images.clone(), None);
            let forward = start.elapsed().as_secs_f64();
            let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, targets.clone());
            drop(loss.backward());
            let all = start.elapsed().as_secs_f64();
            eprintln!("forward {forward:.3} s, all {all:.3} s");
            all
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{family:?} {dtype:?} median {:.4} s", seconds[seconds.len() / 2]);
}
