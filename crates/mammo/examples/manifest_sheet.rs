//! A contact sheet of an imported data set with its lesions outlined, to look at what an import
//! made of an archive: benign lesions dark, malignant ones bright, others grey.
//!
//! ```text
//! cargo run --release -p mammo --example manifest_sheet -- MANIFEST OUT.png [FIRST] [HEIGHT_PX]
//! ```

use std::path::Path;

use mammo::cache::{InputFrame, LesionFill, lesion_mask};
use mammo::geometry::{Affine, Rect};
use mammo::manifest::Manifest;
use mammo::pixels::{GrayImage, read_gray, write_png16};
use mammo::preprocess::{Resample, resample};
use mammo::record::{Mammogram, Pathology, Polarity};

const COLUMNS: usize = 6;
const ROWS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [manifest, out] = [0, 1].map(|at| arguments.get(at).map_or("", String::as_str));
    let number = |at: usize, otherwise: usize| arguments.get(at).map_or(Ok(otherwise), |word| word.parse());
    let (first, height) = (number(2, 0)?, number(3, 400)?);
    let manifest = Manifest::read(Path::new(manifest))?;
    let images: Vec<&Mammogram> = manifest.images.iter().skip(first).take(COLUMNS * ROWS).collect();
    let width = height * 4 / 5;
    let mut sheet = GrayImage::black(COLUMNS * width, ROWS * height);
    for (at, image) in images.iter().enumerate() {
        println!(
            "{at:>2} {} {} {} {} {}: {} lesions",
            image.file,
            image.patient_id,
            image.laterality,
            image.view,
            image.pathology,
            image.lesions.len()
        );
        let tile = tile(&manifest, image, width, height)?;
        let (left, top) = (at % COLUMNS * width, at / COLUMNS * height);
        for y in 0..height {
            let start = (top + y) * sheet.width + left;
            sheet.pixels[start..start + width].copy_from_slice(tile.row(y));
        }
    }
    write_png16(Path::new(out), &sheet)?;
    Ok(())
}

/// The image squeezed into a tile, its lesions outlined by what later stages take them for.
fn tile(
    manifest: &Manifest,
    image: &Mammogram,
    width: usize,
    height: usize,
) -> Result<GrayImage, Box<dyn std::error::Error>> {
    let stored = read_gray(&manifest.image_path(image))?;
    let whole = Rect::new(0.0, 0.0, stored.width as f64, stored.height as f64);
    let mut tile = resample(&stored, &whole, width, height, Resample::Area);
    if image.polarity == Polarity::Inverted {
        tile.pixels.iter_mut().for_each(|value| *value = u16::MAX - *value);
    }
    let scale = Affine::scale(width as f64 / whole.width, height as f64 / whole.height);
    let frame = InputFrame {
        stored_width: stored.width,
        stored_height: stored.height,
        width,
        height,
        input_from_stored: scale,
    };
    for lesion in &image.lesions {
        let mask = lesion_mask(lesion, LesionFill::Ellipse, &frame, &manifest.root)?;
        let ink = match lesion.pathology {
            Pathology::Malignant => u16::MAX,
            Pathology::Benign => 0,
            Pathology::Unknown => u16::MAX / 2,
        };
        let inside = |x: usize, y: usize| mask.cells[y * width + x];
        for (y, x) in (1..height - 1).flat_map(|y| (1..width - 1).map(move |x| (y, x))) {
            let beside = inside(x - 1, y) || inside(x + 1, y) || inside(x, y - 1) || inside(x, y + 1);
            if beside && !inside(x, y) {
                tile.pixels[y * width + x] = ink;
            }
        }
    }
    Ok(tile)
}
