//! Measures how fast inputs are made and how fast windows are cut from them.
//!
//! ```text
//! cargo run --release -p mammo-image --example input_speed [-- DATA_FOLDER N_IMAGES]
//! ```
//!
//! Without arguments: megapixels per second and core of the augmentation sampler, for whole
//! inputs and for patches. With a folder in the open table format also images per second of
//! building a cache, on all cores. Takes about ten seconds, and a minute for 1,200 images.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use mammo_core::image::GreyView;
use mammo_core::record::{Laterality, Mammogram, View};
use mammo_core::seed::stream;
use mammo_image::augment::{Augmentation, PatchWindow, Warp};
use mammo_image::cache::InputCache;
use mammo_image::preprocess::Preprocessing;

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Preprocessing::default();
    let (width, height) = (settings.width_px, settings.height_px);
    let pixels: Vec<u16> =
        (0..(width * height) as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as u16).collect();
    let input = GreyView { pixels: &pixels, width, height };
    let patch = PatchWindow { center_x: 400.0, center_y: 500.0, width: 224, height: 224 };
    for (name, window) in [("whole input", PatchWindow::whole(&input)), ("patch", patch)] {
        let random: Vec<Warp> =
            (0..64).map(|i| Augmentation::default().draw(&mut stream(1, "speed", i))).collect();
        for (kind, warps) in [("random warp", random), ("identity", vec![Warp::IDENTITY])] {
            let mut out = vec![0.0_f32; window.width * window.height];
            let n = 150_000_000 / out.len();
            let start = Instant::now();
            for i in 0..n {
                warps[i % warps.len()].window(input, &window, settings.normaliser(), black_box(&mut out));
            }
            let rate = (n * out.len()) as f64 / 1e6 / start.elapsed().as_secs_f64();
            println!("{name}, {kind}: {rate:.0} Mpixel/s per core");
        }
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [data, n_images, ..] = arguments.as_slice() {
        build_cache(Path::new(data), n_images.parse()?, &settings)?;
    }
    Ok(())
}

fn build_cache(data: &Path, n_images: usize, settings: &Preprocessing) -> Result<(), Box<dyn Error>> {
    let mut images = Vec::new();
    for row in csv::Reader::from_path(data.join("images.csv"))?.records().take(n_images) {
        let file = row?.get(0).ok_or("images.csv has an empty row")?.to_string();
        images.push(unlabelled(file));
    }
    let folder = std::env::temp_dir().join(format!("mammo-input-speed-{}", std::process::id()));
    for attempt in ["build", "reuse"] {
        let cache = InputCache::open(&folder, settings)?;
        let start = Instant::now();
        let failures = cache.build(data, &images, &|_, _| {});
        let rate = images.len() as f64 / start.elapsed().as_secs_f64();
        println!("cache {attempt}: {} images, {rate:.1} images/s, {} failed", images.len(), failures.len());
        if attempt == "build" {
            report_grey_levels(&cache, &images)?;
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Mean and standard deviation over all input pixels: what `Preprocessing::{mean, std}` hold.
fn report_grey_levels(cache: &InputCache, images: &[Mammogram]) -> Result<(), mammo_core::Error> {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for image in images {
        let input = cache.get(&image.file)?;
        for &v in input.pixels() {
            let grey = f64::from(v) / 257.0;
            count += 1.0;
            sum += grey;
            squares += grey * grey;
        }
    }
    let mean = sum / count;
    println!("grey levels: mean {mean:.2}, standard deviation {:.2}", (squares / count - mean * mean).sqrt());
    Ok(())
}

fn unlabelled(file: String) -> Mammogram {
    Mammogram {
        width_px: 800,
        height_px: 800,
        ..Mammogram::new(&file, "unknown", Laterality::Left, View::Cc)
    }
}
