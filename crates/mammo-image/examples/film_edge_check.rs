//! Measures how often film edges survive in prepared inputs, over a folder of images.
//!
//! ```text
//! cargo run --release -p mammo-image --example film_edge_check -- IMAGE_FOLDER [SHEET.png]
//! ```
//!
//! A remnant is a white line along a border of the breast's box in the input: at least a
//! twentieth of that side is at white within 1 % of it, and darker behind. Prints every image
//! with one. With a second path it draws every thirtieth input, and those with remnants first.

use std::error::Error;
use std::path::{Path, PathBuf};

use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_dicom::image_file::write_png16;
use mammo_image::preprocess::{Prepared, Preprocessing};
use rayon::prelude::*;

/// Grey from which a pixel counts as white.
const WHITE: u16 = 63_000;

/// Depth in which a remnant is looked for, and where it must be darker, as shares of the side.
const DEPTH: f64 = 0.012;
const BEHIND: f64 = 0.04;

/// Share of a border that must be white.
const LENGTH: f64 = 0.05;

/// Pictures in a row of the sheet.
const ACROSS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(arguments.first().ok_or("usage: film_edge_check IMAGE_FOLDER [SHEET.png]")?);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.sort();
    let settings = Preprocessing { height_px: 576, width_px: 448, ..Preprocessing::default() };
    let inputs: Vec<(String, Prepared)> = files
        .par_iter()
        .map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, settings.read(file, Polarity::Normal)?))
        })
        .collect::<Result<_, mammo_core::Error>>()?;
    let mut with_remnants = Vec::new();
    for (name, input) in &inputs {
        let shares = remnants(input);
        if shares.iter().any(|&share| share > LENGTH) {
            println!(
                "remnant\t{name}\tleft {:.2} right {:.2} top {:.2} bottom {:.2}",
                shares[0], shares[1], shares[2], shares[3]
            );
            with_remnants.push(&input.image);
        }
    }
    println!("{} of {} inputs with a remnant of a film edge", with_remnants.len(), inputs.len());
    if let Some(path) = arguments.get(1) {
        let regular = inputs.iter().step_by(30).map(|(_, input)| &input.image);
        let pictures: Vec<&GreyImage> = with_remnants.into_iter().take(40).chain(regular).collect();
        draw_sheet(Path::new(path), &pictures)?;
    }
    Ok(())
}

/// Share of each border that is white and darker behind: left, right, top, bottom.
fn remnants(input: &Prepared) -> [f64; 4] {
    let (image, breast) = (&input.image, &input.breast);
    let (left, top) = (breast.x.round() as usize, breast.y.round() as usize);
    let (right, bottom) = (
        (breast.right().round() as usize).min(image.width),
        (breast.bottom().round() as usize).min(image.height),
    );
    let (width, height) = (right - left, bottom - top);
    let share = |length: usize, side: usize, at: &dyn Fn(usize, usize) -> u16| {
        let white = |along: usize| {
            let near = (0..(side as f64 * DEPTH).ceil() as usize).any(|depth| at(along, depth) >= WHITE);
            near && at(along, (side as f64 * BEHIND) as usize) < WHITE - 6_000
        };
        (0..length).filter(|&along| white(along)).count() as f64 / length.max(1) as f64
    };
    let at = |x: usize, y: usize| image.row(y.min(image.height - 1))[x.min(image.width - 1)];
    [
        share(height, width, &|along, depth| at(left + depth, top + along)),
        share(height, width, &|along, depth| at(right - 1 - depth, top + along)),
        share(width, height, &|along, depth| at(left + along, top + depth)),
        share(width, height, &|along, depth| at(left + along, bottom - 1 - depth)),
    ]
}

fn draw_sheet(path: &Path, pictures: &[&GreyImage]) -> Result<(), mammo_core::Error> {
    let (width, height) = (224, 288);
    let mut sheet = GreyImage::black(ACROSS * width, pictures.len().div_ceil(ACROSS) * height);
    for (i, picture) in pictures.iter().enumerate() {
        let all = mammo_core::geometry::Rect::new(0.0, 0.0, picture.width as f64, picture.height as f64);
        let small = mammo_core::resample::resample(
            *picture,
            &all,
            width - 4,
            height - 4,
            mammo_core::resample::Resample::Area,
        );
        for y in 0..small.height {
            let start = ((i / ACROSS) * height + y) * sheet.width + (i % ACROSS) * width;
            sheet.pixels[start..start + small.width].copy_from_slice(small.row(y));
        }
    }
    write_png16(path, &sheet)
}
