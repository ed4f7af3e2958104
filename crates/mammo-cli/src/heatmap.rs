//! `mammo heatmap`: where a model sees cancer, as pictures, maps and a table of findings.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mammo_core::geometry::{Affine, Rect};
use mammo_core::image::GrayImage;
use mammo_core::record::Mammogram;
use mammo_core::write::{write_atomically, write_json};
use mammo_data::split::Side;
use mammo_dicom::image_file::write_png16;
use mammo_nn::device;
use mammo_nn::inference::heatmap::{BreastFrame, MapGrid};
use serde::Serialize;

use crate::heatmap_tables::{FindingRow, IMAGES_FILE, ImageRow, Tables};
use crate::mapper::{Mapper, Method};
use crate::output::{FEW_IMAGES, LeftOut, count};
use crate::{Done, output, overlay, predict, progress};

/// Show where a model sees cancer: overlays, 16-bit maps and a table of findings.
///
/// A patch model gives the probability of a malignant lesion at every place, in one pass over
/// the image, and findings.csv with position, size, type and probability of each peak, the
/// views of one breast listed together. A whole-image model gives an attribution map: grad-cam
/// of its top blocks (default) or of its trunk, or the saliency of each pixel.
///
/// The findings of up to four images are printed, those of more with --list.
///
/// Examples:
///   mammo heatmap scans/ --model run/patch/model.safetensors --out heatmaps
///   mammo heatmap data/film/manifest.json --side test --model run/image/model.safetensors \
///                 --method saliency --out saliency
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A manifest (.json), or image files and folders.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Patch model or whole-image model.
    #[arg(long)]
    pub model: PathBuf,
    /// Folder for the maps.
    #[arg(long)]
    pub out: PathBuf,
    /// What to show of a whole-image model.
    #[arg(long, value_enum)]
    pub method: Option<Method>,
    /// Only this side of the split beside the manifest.
    #[arg(long)]
    pub side: Option<Side>,
    /// Pixels between the windows of a patch model [default: the trunk's stride].
    #[arg(long)]
    pub stride: Option<usize>,
    /// Least probability of a finding.
    #[arg(long, default_value_t = 0.1)]
    pub min_score: f64,
    /// Print every finding, of however many images.
    #[arg(long)]
    pub list: bool,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// Findings boxed on an overlay, the surest first; the table has all.
const MAX_BOXES: usize = 6;

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    if !(0.0..=1.0).contains(&args.min_score) {
        bail!("--min-score {}: expected a probability between 0 and 1", args.min_score);
    }
    let mapper = Mapper::load(&args.model, args.method, args.stride, &device::by_name(&args.device)?)?;
    let (root, images) = predict::select(&args.images, args.side, None)?;
    let (mut tables, mut rejected) = (Tables::default(), LeftOut::new("rejected"));
    let bar = progress::bar("mapping", images.len() as u64);
    for image in &images {
        if progress::stop_requested() {
            break;
        }
        match map_image(&mapper, &root, image, args) {
            Ok((row, findings)) => {
                tables.images.push(row);
                tables.findings.extend(findings);
            }
            Err(error) => rejected.add(&image.file, &format!("{error:#}"), &bar),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if tables.images.is_empty() && !progress::stop_requested() {
        bail!("none of {} images could be mapped", images.len());
    }
    tables.write(&args.out, mapper.finds())?;
    let table = rejected.write(&args.out)?;
    if mapper.finds() {
        let listed = args.list || tables.images.len() <= FEW_IMAGES;
        output::results(&if listed { tables.listing() } else { String::new() });
        output::results(&tables.summary(&args.out, args.min_score, listed));
    }
    let pictures = args.out.join(IMAGES_FILE);
    output::results(&format!("{} mapped: {}\n", count(tables.images.len(), "image"), pictures.display()));
    if let Some(table) = table {
        output::results(&format!("{} rejected: {}\n", count(rejected.len(), "image"), table.display()));
        rejected.say_rest(&format!("all are listed in {}", table.display()));
    }
    Ok(match (progress::stop_requested(), rejected.len()) {
        (true, _) => Done::Interrupted,
        (false, 0) => Done::All,
        (false, _) => Done::WithRejections,
    })
}

/// What a `.map.json` says about the `.map.png` beside it.
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
    args: &Args,
) -> Result<(ImageRow, Vec<FindingRow>)> {
    let mapped = mapper.map(root, image, args.min_score)?;
    let breast = BreastFrame::of(&mapped.prepared);
    let grid = mapped.map.grid;
    let name = Path::new(&image.file).with_extension("").to_string_lossy().replace(['/', '\\', ':'], "_");
    let name = name.trim_start_matches(['_', '.']).to_string();
    let [overlay_file, map_file, record_file] =
        ["overlay.png", "map.png", "map.json"].map(|suffix| format!("{name}.{suffix}"));

    let boxes: Vec<Rect> = mapped.findings.iter().take(MAX_BOXES).map(|finding| finding.bounds).collect();
    let picture = overlay::draw(&mapped.prepared.image, &mapped.colours(), &mapped.scale, &boxes)?;
    write_atomically(&args.out.join(&overlay_file), &png(&picture)?)?;
    let white = mapped.scale.max;
    let level = |v: &f32| (v / white.max(f32::MIN_POSITIVE) * 65535.0).round().clamp(0.0, 65535.0) as u16;
    let pixels = mapped.map.values.iter().map(level).collect();
    write_png16(&args.out.join(&map_file), &GrayImage { width: grid.cols, height: grid.rows, pixels })?;
    let record = MapRecord {
        file: &image.file,
        model: &mapper.digest,
        meaning: mapped.scale.meaning,
        value_of_white: white,
        grid,
        stored_from_cell: grid.stored_from_cell(),
    };
    write_json(&args.out.join(record_file), &record)?;

    let findings: Vec<FindingRow> = mapped
        .findings
        .iter()
        .enumerate()
        .map(|(i, finding)| FindingRow::new(image, &grid, &breast, finding, i + 1))
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
pub fn png(image: &image::RgbImage) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
