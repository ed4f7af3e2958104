//! Seconds of one prediction on 1152 x 896: `predict_speed [resnet50|vgg16] [f32|bf16] [repeats]`.
//!
//! Three channels of weights, as for ImageNet starts; the plan folds them into one grey plane.

use std::time::Instant;

use burn::tensor::Device;
use mammo_nn::networks::precision::Precision;
use mammo_nn::networks::trunk::{Family, Trunk, TrunkConfig};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let family = if words.iter().any(|w| w == "vgg16") { Family::Vgg16 } else { Family::Resnet50 };
    let precision = if words.iter().any(|w| w == "bf16") { Precision::Bf16 } else { Precision::F32 };
    let repeats = words.last().and_then(|w| w.parse().ok()).unwrap_or(9);
    let device = Device::flex();
    let Ok(trunk) = Trunk::new(&TrunkConfig { channels: 3, ..TrunkConfig::new(family) }, &device) else {
        return;
    };
    let plan = trunk.plan(3).0.build(precision);
    drop(trunk);
    let plane: Vec<f32> = (0..1152 * 896).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect();
    let mut seconds: Vec<f64> = (0..repeats + 2)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(plan.feature_map(&plane, [1, 1152, 896], &device));
            start.elapsed().as_secs_f64()
        })
        .skip(2)
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!(
        "{family:?} {precision:?} median {:.4} s, least {:.4} s",
        seconds[seconds.len() / 2],
        seconds[0]
    );
}
