//! A contact sheet of an imported data set with its lesions outlined, to look at what an import
//! made of an archive: benign lesions dark, malignant ones bright, others grey.
//!
//! Instead of a manifest an archive's name and folder may be given: it is then imported first.
//! The folder is filled with phantoms in that layout when it does not exist.
//!
//! ```text
//! cargo run --release -p mammo-data --example manifest_sheet -- MANIFEST OUT.png
//! cargo run --release -p mammo-data --example manifest_sheet -- inbreast FOLDER OUT.png
//! ```

use std::path::Path;

use mammo_core::geometry::{Affine, Rect};
use mammo_core::image::GreyImage;
use mammo_core::record::{Mammogram, Pathology, Polarity};
use mammo_core::resample::{Resample, resample};
use mammo_data::archive::{Birads3, import_archive};
use mammo_data::import::Verify;
use mammo_data::manifest::Manifest;
use mammo_dicom::image_file::{read_grey, write_png16};
use mammo_image::cache::{InputFrame, LesionFill, lesion_mask};
use mammo_phantom::{ArchiveLayout, PhantomConfig, write_layout};

const COLUMNS: usize = 6;
const ROWS: usize = 2;

const HEIGHT_PX: usize = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (manifest, out) = match &arguments[..] {
        [manifest, out] => (Manifest::read(Path::new(manifest))?, out),
        [archive, folder, out] => (import(archive, Path::new(folder))?, out),
        _ => return Err("expected MANIFEST OUT.png, or ARCHIVE FOLDER OUT.png".into()),
    };
    let height = HEIGHT_PX;
    let images: Vec<&Mammogram> = manifest.images.iter().take(COLUMNS * ROWS).collect();
    let width = height * 4 / 5;
    let mut sheet = GreyImage::black(COLUMNS * width, ROWS * height);
    for (at, image) in images.iter().enumerate() {
        println!(
            "{at:>2} {} {} {} {}: {} lesions",
            image.file,
            image.patient_id,
            image.side_and_view(),
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

fn import(layout: &str, folder: &Path) -> Result<Manifest, Box<dyn std::error::Error>> {
    if !folder.exists() {
        let layout: ArchiveLayout = layout.parse()?;
        let config =
            PhantomConfig { n_patients: 14, site: layout.site(), seed: 5, ..PhantomConfig::default() };
        write_layout(folder, layout, &config, &|_, _| {})?;
    }
    let archive = layout.trim_end_matches("-nbia").trim_end_matches("-jpeg").parse()?;
    let started = std::time::Instant::now();
    let imported = import_archive(archive, folder, Birads3::default(), Verify::Pixels, &|_, _| {})?;
    println!("{} images in {:.1} s", imported.manifest.images.len(), started.elapsed().as_secs_f64());
    imported.notes.iter().for_each(|note| println!("note: {note}"));
    for (reason, n) in imported.rejections_by_reason() {
        println!("rejected {n}: {}", reason.phrase());
    }
    Ok(imported.manifest)
}

/// The image squeezed into a tile, its lesions outlined by what later stages take them for.
fn tile(
    manifest: &Manifest,
    image: &Mammogram,
    width: usize,
    height: usize,
) -> Result<GreyImage, Box<dyn std::error::Error>> {
    let stored = read_grey(&manifest.image_path(image))?;
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
