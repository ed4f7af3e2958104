//! Images that the input check must reject: degraded films, and images of other objects.

use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::resample::{Resample, resample};
use mammo_core::seed::stream;
use rand::RngExt;

/// Makes a bad image from a film, or of its size alone, and a seed.
type Picture = fn(&GreyImage, u64) -> GreyImage;

/// Every kind by name.
pub const KINDS: [(&str, Picture); 13] = [
    ("inverted", inverted),
    ("blank", |image, _| GreyImage { pixels: vec![9_000; image.pixels.len()], ..image.clone() }),
    ("blank with noise", |image, seed| noise(image, seed, 20_000, 900)),
    ("saturated", saturated),
    ("noise", |image, seed| noise(image, seed, 32_768, 32_000)),
    ("photo-like", dead_leaves),
    ("tiny", |image, _| shrunk(image, 200)),
    ("background only", background),
    ("upside contrast", |image, _| clipped(image)),
    ("CT-like slice", |image, seed| drawn(image, seed, chest)),
    ("MR-like slice", |image, seed| drawn(image, seed, head)),
    ("text page", |image, seed| text(image, seed, 60_000, 4_000)),
    ("text on black", |image, seed| text(image, seed, 2_000, 58_000)),
];

fn inverted(image: &GreyImage, _: u64) -> GreyImage {
    GreyImage { pixels: image.pixels.iter().map(|v| u16::MAX - v).collect(), ..image.clone() }
}

/// Three times as bright, so that the tissue burns out.
fn saturated(image: &GreyImage, _: u64) -> GreyImage {
    GreyImage { pixels: image.pixels.iter().map(|v| v.saturating_mul(3)).collect(), ..image.clone() }
}

/// Only the brightest tenth of the scale left, as a wrong window gives.
fn clipped(image: &GreyImage) -> GreyImage {
    GreyImage {
        pixels: image.pixels.iter().map(|v| v.saturating_sub(62_000).saturating_mul(15)).collect(),
        ..image.clone()
    }
}

fn noise(image: &GreyImage, seed: u64, middle: i32, amplitude: i32) -> GreyImage {
    let mut rng = stream(seed, "gate check noise", 0);
    let pixels =
        image.pixels.iter().map(|_| (middle + rng.random_range(-amplitude..amplitude)) as u16).collect();
    GreyImage { pixels, ..image.clone() }
}

/// Opaque discs of random grey and size on top of each other, the statistics of photographs
/// (Lee, Mumford and Huang 2001, Int. J. Comput. Vis. 41:35-59).
fn dead_leaves(image: &GreyImage, seed: u64) -> GreyImage {
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

fn shrunk(image: &GreyImage, side: usize) -> GreyImage {
    let all = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
    resample(image, &all, side, side, Resample::Area)
}

/// The darkest corner, enlarged.
fn background(image: &GreyImage, _: u64) -> GreyImage {
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
    let sum = |image: &GreyImage| image.pixels.iter().map(|&v| u64::from(v)).sum::<u64>();
    corners.into_iter().min_by_key(sum).unwrap_or_else(|| image.clone())
}

/// Paints every pixel by its place, -1 to 1 on both axes, moved and stretched a little, with
/// noise.
fn drawn(image: &GreyImage, seed: u64, grey: fn(f64, f64) -> f64) -> GreyImage {
    let mut rng = stream(seed, "gate check slice", 0);
    let (dx, dy) = (rng.random_range(-0.1..0.1), rng.random_range(-0.1..0.1));
    let (sx, sy) = (rng.random_range(0.9..1.15), rng.random_range(0.9..1.15));
    let mut slice = image.clone();
    for y in 0..image.height {
        for x in 0..image.width {
            let place = |at: usize, length: usize| 2.0 * at as f64 / length as f64 - 1.0;
            let (u, v) = (sx * place(x, image.width) + dx, sy * place(y, image.height) + dy);
            let value = 65_535.0 * grey(u, v) + rng.random_range(-700.0..700.0);
            slice.pixels[y * image.width + x] = value.clamp(0.0, 65_535.0) as u16;
        }
    }
    slice
}

/// How far a place lies inside of an ellipse: below 1 is inside.
fn ellipse(x: f64, y: f64, centre: (f64, f64), radii: (f64, f64)) -> f64 {
    ((x - centre.0) / radii.0).hypot((y - centre.1) / radii.1)
}

/// A chest in cross-section: body, lungs, heart, spine, ribs, and the table below.
fn chest(x: f64, y: f64) -> f64 {
    let body = ellipse(x, y, (0.0, 0.0), (0.78, 0.55));
    let lung = ellipse(x.abs(), y, (0.34, -0.03), (0.25, 0.34));
    let heart = ellipse(x, y, (0.08, -0.12), (0.17, 0.2));
    let spine = ellipse(x, y, (0.0, 0.33), (0.1, 0.1));
    let rib = (0.80..0.84).contains(&body) && (14.0 * y.atan2(x)).sin() > 0.4;
    match () {
        () if body >= 1.0 && (0.62..0.65).contains(&y) => 0.35,
        () if body >= 1.0 => 0.02,
        () if spine < 1.0 || rib => 0.9,
        () if heart < 1.0 => 0.5,
        () if lung < 1.0 => 0.08 + 0.05 * (30.0 * x).sin() * (27.0 * y).sin(),
        () if body > 0.92 => 0.36,
        () => 0.47,
    }
}

/// A head in cross-section: scalp, skull, grey and white matter, ventricles.
fn head(x: f64, y: f64) -> f64 {
    let skull = ellipse(x, y, (0.0, 0.0), (0.6, 0.76));
    let folds = 0.06 * (9.0 * y.atan2(x)).sin();
    let ventricle = ellipse(x.abs(), y, (0.09, -0.05), (0.06, 0.22));
    match () {
        () if skull >= 1.0 => 0.01,
        () if skull > 0.94 => 0.85,
        () if skull > 0.87 => 0.08,
        () if ventricle < 1.0 => 0.15,
        () if skull + folds > 0.7 => 0.45,
        () => 0.6,
    }
}

/// Lines of words made of strokes, between margins.
fn text(image: &GreyImage, seed: u64, paper: u16, ink: u16) -> GreyImage {
    let mut rng = stream(seed, "gate check text", 0);
    let (width, height) = (image.width, image.height);
    let mut page = GreyImage { pixels: vec![paper; image.pixels.len()], ..image.clone() };
    let (letter, line) = (width / 90 + 2, height / 45 + 4);
    for top in (height / 10..height * 9 / 10 - line).step_by(line) {
        let mut x = width / 10;
        let end = width * rng.random_range(6..10) / 10;
        while x + letter < end {
            // A space, or a letter of two strokes.
            if rng.random_range(0..6) > 0 {
                let rows = top..top + line / 2;
                let stroke = x + rng.random_range(0..letter / 2);
                let bar = rng.random_range(rows.clone());
                rows.for_each(|y| page.pixels[y * width + stroke] = ink);
                page.pixels[bar * width + x..bar * width + x + letter - 1].fill(ink);
            }
            x += letter;
        }
    }
    page
}
