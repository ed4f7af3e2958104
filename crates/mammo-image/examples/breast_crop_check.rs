//! Measures whether the breast outline cuts annotated lesions, over a data set in the open
//! table format (`images.csv` and `lesions.csv` in one folder).
//!
//! ```text
//! cargo run --release -p mammo-image --example breast_crop_check -- DATA_FOLDER [SHEET_FOLDER]
//! ```
//!
//! Prints how many lesion boxes lie outside the crop or the outline, every cut box, and the
//! outlines that were not trusted. With a second folder it also draws contact sheets, with
//! lesions black and what is thrown away shaded. About half a minute for 1,200 small images.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_dicom::image_file::write_png16;
use mammo_image::preprocess::{Aspect, Crop, Orient, Prepared, Preprocessing, Window};
use rayon::prelude::*;

/// Share of a lesion box that may fall away before it counts as cut.
const TOLERATED: f64 = 0.1;

/// Side of one image on a contact sheet, and pictures per sheet row and column.
const PICTURE_PX: usize = 160;
const ACROSS: usize = 10;

type Lesions = BTreeMap<String, Vec<Rect>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let data = Path::new(arguments.first().ok_or("usage: breast_crop_check DATA_FOLDER [SHEET_FOLDER]")?);
    let lesions = read_lesions(data)?;
    let checks: Vec<Check> =
        lesions.par_iter().map(|(file, boxes)| check(data, file, boxes)).collect::<Result<_, _>>()?;
    let boxes: usize = lesions.values().map(Vec::len).sum();
    let count = |test: fn(&Cut) -> bool| checks.iter().flat_map(|c| &c.cuts).filter(|cut| test(cut)).count();
    println!("{} images, {boxes} lesion boxes", checks.len());
    println!(
        "crop:    centre outside {}, cut {}",
        count(|c| c.centre_cropped),
        count(|c| c.cropped > TOLERATED)
    );
    println!(
        "outline: centre outside {}, cut {}",
        count(|c| c.centre_masked),
        count(|c| c.masked > TOLERATED)
    );
    let kept: f64 = checks.iter().map(|c| c.kept).sum::<f64>() / checks.len().max(1) as f64;
    println!("mean share of the image kept by the crop: {kept:.3}");
    for check in &checks {
        for cut in check.cuts.iter().filter(|cut| cut.cropped.max(cut.masked) > TOLERATED) {
            println!("cut\t{}\tcrop {:.2}\toutline {:.2}", check.file, cut.cropped, cut.masked);
        }
        if let Some(doubt) = &check.doubt {
            println!("doubt\t{}\t{doubt}", check.file);
        }
    }
    if let Some(folder) = arguments.get(1) {
        draw_sheets(&checks, Path::new(folder))?;
    }
    Ok(())
}

/// How much of one lesion box falls away.
struct Cut {
    cropped: f64,
    masked: f64,
    centre_cropped: bool,
    centre_masked: bool,
}

struct Check {
    file: String,
    cuts: Vec<Cut>,
    kept: f64,
    doubt: Option<String>,
    picture: GreyImage,
}

fn read_lesions(data: &Path) -> Result<Lesions, Box<dyn Error>> {
    let mut lesions = Lesions::new();
    for row in csv::Reader::from_path(data.join("images.csv"))?.deserialize::<BTreeMap<String, String>>() {
        lesions.insert(row?.remove("file").ok_or("images.csv has no column 'file'")?, Vec::new());
    }
    for row in csv::Reader::from_path(data.join("lesions.csv"))?.deserialize::<BTreeMap<String, String>>() {
        let row = row?;
        let number = |name: &str| -> Result<f64, Box<dyn Error>> {
            Ok(row.get(name).ok_or_else(|| format!("lesions.csv has no column '{name}'"))?.parse()?)
        };
        let lesion = Rect::new(number("x")?, number("y")?, number("width")?, number("height")?);
        let file = row.get("file").ok_or("lesions.csv has no column 'file'")?;
        lesions.get_mut(file).ok_or_else(|| format!("{file} is not in images.csv"))?.push(lesion);
    }
    Ok(lesions)
}

fn check(data: &Path, file: &str, boxes: &[Rect]) -> Result<Check, mammo_core::Error> {
    // The whole image, unmirrored, so that the outline can be compared with stored boxes.
    let whole = Preprocessing {
        crop: Crop::None,
        orient: Orient::AsStored,
        aspect: Aspect::Stretch,
        window: Window::FullScale,
        remove_artifacts: false,
        height_px: 800,
        width_px: 800,
        ..Preprocessing::default()
    };
    let prepared = whole.read(&data.join(file), Polarity::Normal)?;
    // Stretched, so that the input shows the crop and no padding.
    let crop = Crop::Breast { margin_fraction: 0.02 };
    let cropped = Preprocessing { crop, height_px: 64, width_px: 64, ..whole.clone() };
    let crop = crop_in(&cropped.read(&data.join(file), Polarity::Normal)?, &prepared);
    let frame = &prepared.input_from_stored;
    let cuts = boxes.iter().map(|lesion| {
        let lesion = frame.apply_rect(lesion);
        let (x, y) = lesion.centre();
        let inside = |x: f64, y: f64| prepared_inside(&prepared, x, y);
        let grid = 16;
        let at = |i: usize, start: f64, length: f64| start + length * (i as f64 + 0.5) / grid as f64;
        let points = (0..grid * grid)
            .map(|i| (at(i % grid, lesion.x, lesion.width), at(i / grid, lesion.y, lesion.height)));
        let masked = points.filter(|&(x, y)| !inside(x, y)).count() as f64 / (grid * grid) as f64;
        let point = Rect::new(x, y, 1e-6, 1e-6);
        Cut {
            cropped: 1.0 - lesion.intersection(&crop).area() / lesion.area(),
            masked,
            centre_cropped: point.intersection(&crop).area() == 0.0,
            centre_masked: !inside(x, y),
        }
    });
    Ok(Check {
        file: file.to_string(),
        cuts: cuts.collect(),
        kept: crop.area() / (800.0 * 800.0),
        doubt: prepared.doubt.map(|doubt| doubt.to_string()),
        picture: picture(&prepared, &crop, boxes),
    })
}

/// The rectangle of the whole image that a cropped input shows.
fn crop_in(cropped: &Prepared, whole: &Prepared) -> Rect {
    let back = cropped.input_from_stored.inverse().unwrap_or(mammo_core::geometry::Affine::IDENTITY);
    let all = Rect::new(0.0, 0.0, cropped.image.width as f64, cropped.image.height as f64);
    whole.input_from_stored.apply_rect(&back.apply_rect(&all))
}

fn prepared_inside(prepared: &Prepared, x: f64, y: f64) -> bool {
    let cell = |v: f64, n: usize| ((v.max(0.0) as usize) / Prepared::MASK_CELL_PX).min(n - 1);
    let mask = &prepared.breast_mask;
    mask.row(cell(y, mask.height))[cell(x, mask.width)]
}

fn picture(prepared: &Prepared, crop: &Rect, boxes: &[Rect]) -> GreyImage {
    let mut picture = GreyImage::black(PICTURE_PX, PICTURE_PX);
    let scale = 800.0 / PICTURE_PX as f64;
    let boxes: Vec<Rect> = boxes.iter().map(|b| prepared.input_from_stored.apply_rect(b)).collect();
    for (i, pixel) in picture.pixels.iter_mut().enumerate() {
        let (x, y) = ((i % PICTURE_PX) as f64 * scale + 2.0, (i / PICTURE_PX) as f64 * scale + 2.0);
        let value = prepared.image.row(y as usize)[x as usize];
        let bright = 65535.0 * (f64::from(value) / 65535.0).powf(0.6);
        let edge = |b: &Rect| {
            let (dx, dy) = ((x - b.x).min(b.right() - x), (y - b.y).min(b.bottom() - y));
            (0.0..=2.0 * scale).contains(&dx.min(dy))
        };
        let inside_crop = x >= crop.x && x < crop.right() && y >= crop.y && y < crop.bottom();
        *pixel = if boxes.iter().any(edge) {
            0
        } else if !inside_crop {
            30000 + (bright / 2.2) as u16
        } else if !prepared_inside(prepared, x, y) {
            12000 + (bright / 1.5) as u16
        } else {
            bright as u16
        };
    }
    picture
}

fn draw_sheets(checks: &[Check], folder: &Path) -> Result<(), mammo_core::Error> {
    for (number, part) in checks.chunks(ACROSS * ACROSS).enumerate() {
        let mut sheet = GreyImage::black(ACROSS * PICTURE_PX, part.len().div_ceil(ACROSS) * PICTURE_PX);
        for (i, check) in part.iter().enumerate() {
            for y in 0..PICTURE_PX {
                let start = ((i / ACROSS) * PICTURE_PX + y) * sheet.width + (i % ACROSS) * PICTURE_PX;
                sheet.pixels[start..start + PICTURE_PX].copy_from_slice(check.picture.row(y));
            }
        }
        write_png16(&folder.join(format!("sheet_{number:02}.png")), &sheet)?;
    }
    Ok(())
}
