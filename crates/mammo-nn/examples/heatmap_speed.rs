//! Compares one fully convolutional pass with the sweep of the original code, on a whole image of the paper's size.
//!
//! ```sh
//! cargo run --release -p mammo-nn --example heatmap_speed            # ResNet50
//! cargo run --release -p mammo-nn --example heatmap_speed resnet18
//! ```
//!
//! Prints the seconds of both, their ratio, and the difference of a cell's probabilities between the pass and a sweep
//! of bare patches, which are padded with zeros where the image continues.

use std::time::Instant;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use mammo_core::seed::stream;
use mammo_nn::inference::heatmap::{PatchWindow, class_probabilities};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use rand::RngExt;

const HEIGHT: usize = 1152;
const WIDTH: usize = 896;
const PATCH: usize = 224;
/// Windows per batch of the sweep.
const BATCH: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let family = match std::env::args().nth(1).as_deref() {
        Some("resnet18") => Family::Resnet18,
        Some("vgg16") => Family::Vgg16,
        _ => Family::Resnet50,
    };
    let device = Device::flex();
    let trunk = TrunkConfig::new(family);
    let config = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
    let model = initialise(PatchClassifier::new(&config, &device)?, 1);
    let mut rng = stream(1, "heatmap speed", 0);
    let pixels: Vec<f32> = (0..HEIGHT * WIDTH).map(|_| rng.random_range(-1.0..1.0)).collect();
    let image = Tensor::<4>::from_data(TensorData::new(pixels, [1, 1, HEIGHT, WIDTH]), &device);
    let window = PatchWindow::new(PATCH, None, &trunk)?;
    let grid = window.grid(&trunk, HEIGHT, WIDTH)?;

    let started = Instant::now();
    let map: Vec<f32> = class_probabilities(&model, window, image.clone()).into_data().iter().collect();
    let pass = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let n = grid.rows * grid.cols;
    let corners: Vec<[usize; 2]> =
        (0..n).map(|i| [i / grid.cols, i % grid.cols].map(|cell| cell * window.step_px)).collect();
    let mut worst = 0.0_f32;
    for (batch, corners) in corners.chunks(BATCH).enumerate() {
        let cut = |&[y, x]: &[usize; 2]| image.clone().slice([0..1, 0..1, y..y + PATCH, x..x + PATCH]);
        let windows = Tensor::cat(corners.iter().map(cut).collect(), 0);
        let swept: Vec<f32> = softmax(model.logits(windows, None), 1).into_data().iter().collect();
        for (i, classes) in swept.chunks_exact(5).enumerate() {
            let cell = batch * BATCH + i;
            let differences = classes.iter().enumerate().map(|(c, p)| (p - map[c * n + cell]).abs());
            worst = differences.fold(worst, f32::max);
        }
    }
    let sweep = started.elapsed().as_secs_f64();
    println!("{family:?}, {HEIGHT}x{WIDTH}, {PATCH} px patches, {n} windows");
    println!("one pass {pass:.2} s, sweep {sweep:.1} s, ratio {:.1}", sweep / pass);
    println!("largest difference to bare patches: {worst:.4} (random weights)");
    Ok(())
}
