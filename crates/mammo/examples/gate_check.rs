//! Measures how often the gate refuses real mammograms, and how often it lets through images
//! made from them that nobody should score.
//!
//! ```text
//! cargo run --release -p mammo --example gate_check -- IMAGE_FOLDER
//! ```
//!
//! Prints refusals of the images as they are, the extremes of every sign, and the share caught
//! of each kind of bad image, one per tenth image. About two minutes for 1,200 small images.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use mammo::gate::{Signs, judge};
use mammo::geometry::Rect;
use mammo::pixels::{GrayImage, read_gray};
use mammo::preprocess::{Preprocessing, Resample, resample};
use mammo::record::Polarity;
use mammo::seed::stream;
use rand::RngExt;
use rayon::prelude::*;

type Damage = fn(&GrayImage, u64) -> GrayImage;

const KINDS: [(&str, Damage); 9] = [
    ("inverted", inverted),
    ("blank", |image, _| GrayImage { pixels: vec![9_000; image.pixels.len()], ..image.clone() }),
    ("blank with noise", |image, seed| noise(image, seed, 20_000, 900)),
    ("saturated", saturated),
    ("noise", |image, seed| noise(image, seed, 32_768, 32_000)),
    ("photo-like", dead_leaves),
    ("tiny", |image, _| shrunk(image, 200)),
    ("background only", background),
    ("upside contrast", |image, _| clipped(image)),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: gate_check IMAGE_FOLDER")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(&folder))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.sort();
    let preprocessing = Preprocessing::default();
    let judged: Vec<(String, Signs, Option<String>)> = files
        .par_iter()
        .map(|file| {
            let image = read_gray(file)?;
            let refused = judge(&image, Polarity::Normal, None, &preprocessing)
                .err()
                .map(|refused| refused.to_string());
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, Signs::of(&image, Polarity::Normal), refused))
        })
        .collect::<Result<_, mammo::Error>>()?;
    for (name, _, refused) in judged.iter().filter(|(_, _, refused)| refused.is_some()) {
        println!("refused\t{name}\t{}", refused.as_deref().unwrap_or_default());
    }
    let n_refused = judged.iter().filter(|(_, _, refused)| refused.is_some()).count();
    println!("{n_refused} of {} real mammograms refused", judged.len());
    let sign = |name: &str, of: &dyn Fn(&Signs) -> f64| {
        let mut values: Vec<f64> = judged.iter().map(|(_, signs, _)| of(signs)).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        println!(
            "{name:>10}  min {:.3}  0.5 % {:.3}  median {:.3}  99.5 % {:.3}  max {:.3}",
            at(0.0),
            at(0.005),
            at(0.5),
            at(0.995),
            at(1.0)
        );
    };
    sign("contrast", &|signs| signs.contrast);
    sign("saturated", &|signs| signs.saturated);
    sign("roughness", &|signs| signs.roughness);
    sign("edges", &|signs| signs.edges);
    sign("outside", &|signs| signs.outside);
    sign("wall", &|signs| signs.wall);
    sign("solidity", &|signs| signs.solidity);
    sign("median", &|signs| signs.median);
    for (kind, damage) in KINDS {
        let codes: Vec<String> = files
            .par_iter()
            .step_by(10)
            .enumerate()
            .map(|(i, file)| {
                let image = damage(&read_gray(file)?, i as u64);
                Ok(match judge(&image, Polarity::Normal, None, &preprocessing) {
                    Ok(()) => "let through".to_string(),
                    Err(refused) => refused.refusal.to_string(),
                })
            })
            .collect::<Result<_, mammo::Error>>()?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        codes.iter().for_each(|code| *counts.entry(code).or_default() += 1);
        let n = codes.len();
        println!(
            "{kind:>18}  caught {:>3} of {n}  {counts:?}",
            n - counts.get("let through").copied().unwrap_or(0)
        );
    }
    Ok(())
}

fn inverted(image: &GrayImage, _: u64) -> GrayImage {
    GrayImage { pixels: image.pixels.iter().map(|v| u16::MAX - v).collect(), ..image.clone() }
}

/// Three times as bright, so that the tissue burns out.
fn saturated(image: &GrayImage, _: u64) -> GrayImage {
    GrayImage { pixels: image.pixels.iter().map(|v| v.saturating_mul(3)).collect(), ..image.clone() }
}

/// Only the brightest tenth of the scale left, as a wrong window gives.
fn clipped(image: &GrayImage) -> GrayImage {
    GrayImage {
        pixels: image.pixels.iter().map(|v| v.saturating_sub(62_000).saturating_mul(15)).collect(),
        ..image.clone()
    }
}

fn noise(image: &GrayImage, seed: u64, middle: i32, amplitude: i32) -> GrayImage {
    let mut rng = stream(seed, "gate check noise", 0);
    let pixels =
        image.pixels.iter().map(|_| (middle + rng.random_range(-amplitude..amplitude)) as u16).collect();
    GrayImage { pixels, ..image.clone() }
}

/// Opaque discs of random grey and size on top of each other, the statistics of photographs
/// (Lee, Mumford and Huang 2001, Int. J. Comput. Vis. 41:35-59).
fn dead_leaves(image: &GrayImage, seed: u64) -> GrayImage {
    let mut rng = stream(seed, "gate check leaves", 0);
    let mut leaves = image.clone();
    let (width, height) = (image.width as i64, image.height as i64);
    for _ in 0..600 {
        let radius = (12.0 / rng.random_range(0.05_f64..1.0).powf(0.9)) as i64;
        let (cx, cy) = (rng.random_range(0..width), rng.random_range(0..height));
        let grey: u16 = rng.random_range(3_000..62_000);
        for y in (cy - radius).max(0)..(cy + radius).min(height) {
            for x in (cx - radius).max(0)..(cx + radius).min(width) {
                if (x - cx).pow(2) + (y - cy).pow(2) < radius * radius {
                    leaves.pixels[(y * width + x) as usize] = grey + ((x * 7 + y * 13) % 700) as u16;
                }
            }
        }
    }
    leaves
}

fn shrunk(image: &GrayImage, side: usize) -> GrayImage {
    let all = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
    resample(image, &all, side, side, Resample::Area)
}

/// The darkest corner, enlarged.
fn background(image: &GrayImage, _: u64) -> GrayImage {
    let (w, h) = (image.width as f64 / 8.0, image.height as f64 / 8.0);
    let corner = |x: f64, y: f64| {
        resample(image, &Rect::new(x, y, w, h), image.width, image.height, Resample::Bilinear)
    };
    let corners = [
        corner(w * 0.6, h * 0.6),
        corner(w * 6.4, h * 0.6),
        corner(w * 0.6, h * 6.4),
        corner(w * 6.4, h * 6.4),
    ];
    let sum = |image: &GrayImage| image.pixels.iter().map(|&v| u64::from(v)).sum::<u64>();
    corners.into_iter().min_by_key(sum).unwrap_or_else(|| image.clone())
}
