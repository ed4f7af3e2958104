//! A picture of test images with their scores: the highest and the lowest scores of each truth.

use std::path::Path;

use image::{Rgb, RgbImage, imageops};
use mammo_core::geometry::{Affine, Rect};
use mammo_core::record::{Lesion, Mammogram, Pathology};
use mammo_data::manifest::Manifest;
use mammo_dicom::image_file::read_grey;
use mammo_eval::ScoreRow;
use mammo_image::preprocess::Preprocessing;

use super::in_manifest;
use crate::Result;

/// Images in a row.
const COLUMNS: usize = 6;
const HEIGHT_PX: usize = 288;
const WIDTH_PX: usize = 224;
/// Height of the probability bar under each image.
const BAR_PX: u32 = 12;
const GAP_PX: u32 = 4;

const BACKGROUND: Rgb<u8> = Rgb([24, 24, 24]);
const EMPTY_BAR: Rgb<u8> = Rgb([70, 70, 70]);
// Okabe and Ito's colours, which colour-blind readers can distinguish.
const MALIGNANT: Rgb<u8> = Rgb([213, 94, 0]);
const BENIGN: Rgb<u8> = Rgb([86, 180, 233]);

/// Writes the gallery of a scored test side.
///
/// Upper row: images with cancer; lower row: without. From left to right the probability
/// falls, taken at even steps through the ranking. The bar under an image is its probability
/// of cancer; lesions are boxed in their own truth's colour.
///
/// # Errors
/// A manifest or an image that cannot be read; a folder that cannot be written to.
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
            let image = in_manifest(&manifest, &score.file)?;
            let tile_image = tile_of(&manifest, image, score.probability)?;
            let (x, y) = (GAP_PX + column as u32 * tile.0, GAP_PX + row * tile.1);
            imageops::replace(&mut sheet, &tile_image, i64::from(x), i64::from(y));
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(mammo_core::write::write_atomically(path, bytes.get_ref())?)
}

/// One image as the default preprocessing shows it, its lesions boxed, its bar below.
fn tile_of(manifest: &Manifest, image: &Mammogram, probability: f64) -> Result<RgbImage> {
    let preprocessing =
        Preprocessing { height_px: HEIGHT_PX, width_px: WIDTH_PX, ..Preprocessing::default() };
    let prepared = preprocessing.apply(read_grey(&manifest.image_path(image))?, image.polarity)?;
    let mut tile = RgbImage::from_pixel(WIDTH_PX as u32, HEIGHT_PX as u32 + BAR_PX + GAP_PX, BACKGROUND);
    for (i, &value) in prepared.image.pixels.iter().enumerate() {
        let grey = (value >> 8) as u8;
        tile.put_pixel((i % WIDTH_PX) as u32, (i / WIDTH_PX) as u32, Rgb([grey; 3]));
    }
    outline_lesions(&mut tile, &prepared.input_from_stored, &image.lesions);
    let filled = (probability * WIDTH_PX as f64).round() as u32;
    for y in HEIGHT_PX as u32 + GAP_PX..HEIGHT_PX as u32 + GAP_PX + BAR_PX {
        for x in 0..WIDTH_PX as u32 {
            tile.put_pixel(x, y, if x < filled { MALIGNANT } else { EMPTY_BAR });
        }
    }
    Ok(tile)
}

/// Boxes the lesions of an image on a picture: solid and orange where malignant, broken and
/// blue elsewhere, so that they differ not only in colour.
pub fn outline_lesions(picture: &mut RgbImage, picture_from_stored: &Affine, lesions: &[Lesion]) {
    for lesion in lesions {
        let bounds = picture_from_stored.apply_rect(&lesion.shape.bounds());
        let (colour, broken) = match lesion.pathology {
            Pathology::Malignant => (MALIGNANT, false),
            _ => (BENIGN, true),
        };
        let wider = Rect::new(bounds.x - 2.0, bounds.y - 2.0, bounds.width + 4.0, bounds.height + 4.0);
        outline(picture, &wider, colour, broken);
    }
}

/// Draws a frame two pixels wide around a rectangle, cut at the picture's border.
pub fn outline(picture: &mut RgbImage, bounds: &Rect, colour: Rgb<u8>, broken: bool) {
    let edge = |v: f64, limit: u32| (v.round().max(0.0) as u32).min(limit - 1);
    let drawn = |i: u32| !broken || i % 9 < 6;
    for grow in [0.0, 1.0] {
        let (left, right) = (bounds.x - grow, bounds.right() + grow);
        let (left, right) = (edge(left, picture.width()), edge(right, picture.width()));
        let (top, bottom) = (bounds.y - grow, bounds.bottom() + grow);
        let (top, bottom) = (edge(top, picture.height()), edge(bottom, picture.height()));
        for x in (left..=right).filter(|&x| drawn(x)) {
            [top, bottom].iter().for_each(|&y| picture.put_pixel(x, y, colour));
        }
        for y in (top..=bottom).filter(|&y| drawn(y)) {
            [left, right].iter().for_each(|&x| picture.put_pixel(x, y, colour));
        }
    }
}
