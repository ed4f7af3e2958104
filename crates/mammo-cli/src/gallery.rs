//! A picture of what a model thinks of test images: the surest and the least sure of each truth.

use std::path::Path;

use anyhow::{Context, Result};
use image::{Rgb, RgbImage, imageops};
use mammo::eval::ScoreRow;
use mammo::manifest::Manifest;
use mammo::pixels::read_gray;
use mammo::preprocess::Preprocessing;
use mammo::record::Mammogram;

/// Images in a row.
const COLUMNS: usize = 6;
const HEIGHT_PX: usize = 288;
const WIDTH_PX: usize = 224;
/// Height of the probability bar under each image.
const BAR_PX: u32 = 12;
const GAP_PX: u32 = 4;

const BACKGROUND: Rgb<u8> = Rgb([24, 24, 24]);
const EMPTY_BAR: Rgb<u8> = Rgb([70, 70, 70]);
// Okabe and Ito's colours, told apart by colour-blind readers.
const MALIGNANT: Rgb<u8> = Rgb([213, 94, 0]);
const BENIGN: Rgb<u8> = Rgb([86, 180, 233]);

/// Writes the gallery of a scored test side.
///
/// Upper row: images with cancer; lower row: without. From left to right the probability
/// falls, taken at even steps through the ranking. The bar under an image is its probability
/// of cancer; lesions are boxed in their own truth's colour.
pub fn write(path: &Path, manifest: &Path, rows: &[ScoreRow]) -> Result<()> {
    let manifest = Manifest::read(manifest)?;
    let tile = (WIDTH_PX as u32 + GAP_PX, HEIGHT_PX as u32 + BAR_PX + 2 * GAP_PX);
    let mut sheet = RgbImage::from_pixel(COLUMNS as u32 * tile.0 + GAP_PX, 2 * tile.1 + GAP_PX, BACKGROUND);
    for (row, malignant) in [(0, true), (1, false)] {
        let mut side: Vec<&ScoreRow> = rows.iter().filter(|r| r.malignant() == Some(malignant)).collect();
        side.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let n = side.len();
        for column in 0..COLUMNS.min(n) {
            let score = side[column * (n - 1) / (COLUMNS - 1).max(1)];
            let image =
                manifest.find(&score.file).with_context(|| format!("{}: not in the manifest", score.file))?;
            let tile_image = tile_of(&manifest, image, score.probability)?;
            let (x, y) = (GAP_PX + column as u32 * tile.0, GAP_PX + row * tile.1);
            imageops::replace(&mut sheet, &tile_image, i64::from(x), i64::from(y));
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(mammo::write::write_atomically(path, bytes.get_ref())?)
}

/// One image as the default preprocessing shows it, its lesions boxed, its bar below.
fn tile_of(manifest: &Manifest, image: &Mammogram, probability: f64) -> Result<RgbImage> {
    let preprocessing =
        Preprocessing { height_px: HEIGHT_PX, width_px: WIDTH_PX, ..Preprocessing::default() };
    let prepared = preprocessing.apply(read_gray(&manifest.image_path(image))?, image.polarity)?;
    let mut tile = RgbImage::from_pixel(WIDTH_PX as u32, HEIGHT_PX as u32 + BAR_PX + GAP_PX, BACKGROUND);
    for (i, &value) in prepared.image.pixels.iter().enumerate() {
        let grey = (value >> 8) as u8;
        tile.put_pixel((i % WIDTH_PX) as u32, (i / WIDTH_PX) as u32, Rgb([grey; 3]));
    }
    for lesion in &image.lesions {
        let bounds = prepared.input_from_stored.apply_rect(&lesion.shape.bounds());
        let colour = match lesion.pathology {
            mammo::record::Pathology::Malignant => MALIGNANT,
            _ => BENIGN,
        };
        let edge = |v: f64, limit: usize| (v.round().max(0.0) as u32).min(limit as u32 - 1);
        let (left, right) = (edge(bounds.x - 2.0, WIDTH_PX), edge(bounds.right() + 2.0, WIDTH_PX));
        let (top, bottom) = (edge(bounds.y - 2.0, HEIGHT_PX), edge(bounds.bottom() + 2.0, HEIGHT_PX));
        (left..=right).for_each(|x| [top, bottom].iter().for_each(|&y| tile.put_pixel(x, y, colour)));
        (top..=bottom).for_each(|y| [left, right].iter().for_each(|&x| tile.put_pixel(x, y, colour)));
    }
    let filled = (probability * WIDTH_PX as f64).round() as u32;
    for y in HEIGHT_PX as u32 + GAP_PX..HEIGHT_PX as u32 + GAP_PX + BAR_PX {
        for x in 0..WIDTH_PX as u32 {
            tile.put_pixel(x, y, if x < filled { MALIGNANT } else { EMPTY_BAR });
        }
    }
    Ok(tile)
}
