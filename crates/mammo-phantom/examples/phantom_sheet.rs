//! Contact sheets of phantom mammograms, to look at what the generator makes.
//!
//! Writes `<out>/<site>_<height>.png` (plain) and `<out>/<site>_<height>_outlined.png` (benign
//! lesions outlined dark, malignant ones bright). Takes a few seconds.
//!
//! ```text
//! cargo run --release -p mammo-phantom --example phantom_sheet -- OUT [HEIGHT_PX] [FIRST_INDEX] [SHRINK]
//! ```

use std::path::Path;

use mammo_core::image::GreyImage;
use mammo_core::record::{Pathology, Polarity};
use mammo_dicom::image_file::write_png16;
use mammo_phantom::{PhantomConfig, PhantomImage, Site, patient};

const COLUMNS: usize = 6;
const ROWS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, otherwise: usize| arguments.get(i).map_or(Ok(otherwise), |word| word.parse());
    let out = Path::new(arguments.first().map_or(".", String::as_str));
    let height_px = number(1, 288)?;
    let (first, shrink) = (number(2, 0)?, number(3, 1)?);
    for site in [Site::Film, Site::Digital] {
        let config =
            PhantomConfig { site, height_px, width_px: height_px * 7 / 9, ..PhantomConfig::default() };
        let started = std::time::Instant::now();
        let images: Vec<PhantomImage> =
            (first..).flat_map(|index| patient(&config, index).images).take(COLUMNS * ROWS).collect();
        println!("{site} {height_px} px: {:.0} ms per image", started.elapsed().as_millis() as f64 / 12.0);
        for image in &images {
            let lesions: Vec<String> =
                image.record.lesions.iter().map(|l| format!("{} {}", l.pathology, l.kind)).collect();
            println!("  {} density {:?}: {}", image.record.file, image.record.density, lesions.join(", "));
        }
        for (outlined, suffix) in [(false, ""), (true, "_outlined")] {
            let tiles: Vec<GreyImage> = images.iter().map(|image| tile(image, outlined, shrink)).collect();
            write_png16(&out.join(format!("{site}_{height_px}{suffix}.png")), &sheet(&tiles))?;
        }
    }
    Ok(())
}

/// The image as a reader would hang it: dense tissue bright, full range.
fn tile(image: &PhantomImage, outlined: bool, shrink: usize) -> GreyImage {
    let mut shown = image.pixels.clone();
    if image.record.polarity == Polarity::Inverted {
        shown.pixels.iter_mut().for_each(|v| *v = 4095_u16.saturating_sub(*v).saturating_mul(16));
    }
    if outlined {
        for (lesion, mask) in image.record.lesions.iter().zip(&image.masks) {
            let ink = if lesion.pathology == Pathology::Malignant { u16::MAX } else { 0 };
            outline(&mut shown, mask, ink, shrink);
        }
    }
    let (width, height) = (shown.width / shrink, shown.height / shrink);
    let mut small = GreyImage::black(width, height);
    for (i, value) in small.pixels.iter_mut().enumerate() {
        let (row, column) = (i / width * shrink, i % width * shrink);
        let block = (row..row + shrink).flat_map(|row| &shown.row(row)[column..column + shrink]);
        *value = (block.map(|&v| u64::from(v)).sum::<u64>() / (shrink * shrink) as u64) as u16;
    }
    small
}

/// Draws along the outside of the mask, `thickness` pixels wide.
fn outline(shown: &mut GreyImage, mask: &GreyImage, ink: u16, thickness: usize) {
    let inside = |row: usize, column: usize| mask.row(row)[column] > 0;
    for row in 0..mask.height {
        for column in 0..mask.width {
            let rows = row.saturating_sub(thickness)..(row + thickness + 1).min(mask.height);
            let columns = column.saturating_sub(thickness)..(column + thickness + 1).min(mask.width);
            let touches = rows.into_iter().any(|r| columns.clone().any(|c| inside(r, c)));
            if touches && !inside(row, column) {
                shown.pixels[row * shown.width + column] = ink;
            }
        }
    }
}

fn sheet(tiles: &[GreyImage]) -> GreyImage {
    let (width, height) = (tiles[0].width, tiles[0].height);
    let mut sheet = GreyImage::black(COLUMNS * width, ROWS * height);
    for (i, tile) in tiles.iter().enumerate() {
        let (left, top) = (i % COLUMNS * width, i / COLUMNS * height);
        for row in 0..height {
            let start = (top + row) * sheet.width + left;
            sheet.pixels[start..start + width].copy_from_slice(tile.row(row));
        }
    }
    sheet
}
