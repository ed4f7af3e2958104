//! Writes the maps of images: overlay, 16-bit map, its record; and the tables of all.

use std::path::Path;

use mammo_core::geometry::{Affine, Rect};
use mammo_core::image::GreyImage;
use mammo_core::record::Mammogram;
use mammo_core::write::{write_atomically, write_json};
use mammo_dicom::image_file::write_png16;
use mammo_eval::tables::findings::FindingRow;
use mammo_nn::inference::heatmap::{BreastFrame, MapGrid};
use serde::Serialize;

use super::mapper::Mapper;
use super::overlay;
use super::tables::{ImageRow, Tables, finding_row};
use crate::scoring::Selected;
use crate::{Observer, Result};

/// Findings boxed on an overlay, the surest first; the table has all.
const MAX_BOXES: usize = 6;

/// Images that were mapped, and images that were not.
#[derive(Default)]
pub struct Maps {
    /// Rows of the images mapped and of their findings.
    pub tables: Tables,
    /// Images that could not be mapped, with the reason.
    pub rejected: Vec<(String, String)>,
}

/// Maps images and writes an overlay, a 16-bit map and its record for each, then the tables. Images that cannot be
/// mapped are reported and left out; when the observer requests a stop, the tables contain the images mapped so far.
///
/// # Errors
/// A folder that cannot be written to.
pub fn write_maps(
    mapper: &Mapper,
    selected: &Selected,
    min_score: f64,
    out: &Path,
    observer: &dyn Observer,
) -> Result<Maps> {
    let Maps { mut tables, mut rejected } = Maps::default();
    let task = observer.begin("mapping", selected.images.len());
    for (i, image) in selected.images.iter().enumerate() {
        if observer.stop_requested() {
            break;
        }
        match map_image(mapper, &selected.root, image, min_score, out) {
            Ok((row, findings)) => {
                tables.images.push(row);
                tables.findings.extend(findings);
            }
            Err(error) => {
                task.left_out("rejected", &image.file, &error.to_string());
                rejected.push((image.file.clone(), error.to_string()));
            }
        }
        task.done(i + 1);
    }
    if !tables.images.is_empty() {
        tables.write(out, mapper.finds())?;
    }
    Ok(Maps { tables, rejected })
}

/// The content of a `.map.json`, which describes the `.map.png` of the same name.
#[derive(Serialize)]
struct MapRecord<'a> {
    file: &'a str,
    model: &'a str,
    meaning: &'a str,
    /// Value of grey level 65535; 0 is 0.
    value_of_white: f32,
    grid: MapGrid,
    /// The two maps of the grid in one.
    stored_from_cell: Affine,
}

/// Maps one image and writes its three files.
fn map_image(
    mapper: &Mapper,
    root: &Path,
    image: &Mammogram,
    min_score: f64,
    out: &Path,
) -> Result<(ImageRow, Vec<FindingRow>)> {
    let mapped = mapper.map(root, image, min_score)?;
    let breast = BreastFrame::of(&mapped.prepared);
    let grid = mapped.map.grid;
    let name = Path::new(&image.file).with_extension("").to_string_lossy().replace(['/', '\\', ':'], "_");
    let name = name.trim_start_matches(['_', '.']).to_string();
    let [overlay_file, map_file, record_file] =
        ["overlay.png", "map.png", "map.json"].map(|suffix| format!("{name}.{suffix}"));

    let boxes: Vec<Rect> = mapped.findings.iter().take(MAX_BOXES).map(|finding| finding.bounds).collect();
    let picture = overlay::draw(&mapped.prepared.image, &mapped.colours(), &mapped.scale, &boxes)?;
    write_atomically(&out.join(&overlay_file), &png(&picture)?)?;
    let white = mapped.scale.max;
    let level = |v: &f32| (v / white.max(f32::MIN_POSITIVE) * 65535.0).round().clamp(0.0, 65535.0) as u16;
    let pixels = mapped.map.values.iter().map(level).collect();
    write_png16(&out.join(&map_file), &GreyImage { width: grid.cols, height: grid.rows, pixels })?;
    let record = MapRecord {
        file: &image.file,
        model: &mapper.digest,
        meaning: mapped.scale.meaning,
        value_of_white: white,
        grid,
        stored_from_cell: grid.stored_from_cell(),
    };
    write_json(&out.join(record_file), &record)?;

    let findings: Vec<FindingRow> = mapped
        .findings
        .iter()
        .enumerate()
        .map(|(i, finding)| finding_row(image, &grid, &breast, finding, i + 1))
        .collect();
    let row = ImageRow {
        file: image.file.clone(),
        patient_id: image.patient_id.clone(),
        laterality: image.laterality,
        view: image.view,
        overlay: overlay_file,
        map: map_file,
        max: mapped.map.max(),
        n_findings: mapper.finds().then_some(findings.len()),
        spacing_x_mm: grid.spacing_mm.map(|[x, _]| x),
        spacing_y_mm: grid.spacing_mm.map(|[_, y]| y),
        spacing_source: mapped.spacing_source,
    };
    Ok((row, findings))
}

/// An image as the bytes of a PNG file.
fn png(image: &image::RgbImage) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
