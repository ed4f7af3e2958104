//! `mammo heatmap`: where a model sees cancer, as pictures, maps and a table of findings.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mammo::geometry::{Affine, Rect};
use mammo::pixels::{GrayImage, write_png16};
use mammo::preprocess::{Prepared, Preprocessing};
use mammo::record::{Laterality, LesionKind, Mammogram, View};
use mammo::split::Side;
use mammo::write::{write_atomically, write_json};
use mammo_nn::device::{self, Device};
use mammo_nn::heatmap::{
    BreastFrame, Finding, FindingRule, HeatMap, ImageExplainer, MapGrid, PatchMapper, find,
};
use mammo_nn::image_classifier::MapLayer;
use mammo_nn::model_file::Network;
use serde::Serialize;

use crate::overlay::{self, Scale};
use crate::training::read_model;
use crate::{Done, predict, progress};

/// Show where a model sees cancer: overlays, 16-bit maps and a table of findings.
///
/// A patch model gives the probability of a malignant lesion at every place, in one pass over
/// the image, and findings.csv with position, size, type and probability of each peak, the
/// views of one breast listed together. A whole-image model gives an attribution map: grad-cam
/// of its top blocks (default) or of its trunk, or the saliency of each pixel.
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
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// Attribution of a whole-image model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// Grad-CAM of the top's last feature map.
    GradCam,
    /// Grad-CAM of the trunk's features: finer, less close to the answer.
    GradCamTrunk,
    /// Slope of the log odds of cancer with each pixel.
    Saliency,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    if !(0.0..=1.0).contains(&args.min_score) {
        bail!("--min-score {}: expected a probability between 0 and 1", args.min_score);
    }
    let mapper = Mapper::load(&args.model, args.method, args.stride, &device::by_name(&args.device)?)?;
    let (root, images) = predict::select(&args.images, args.side, None)?;
    let mut mapped = Mapped::default();
    let bar = progress::bar("mapping", images.len() as u64);
    for image in &images {
        if progress::stop_requested() {
            break;
        }
        match map_image(&mapper, &root, image, args) {
            Ok((row, findings)) => {
                mapped.images.push(row);
                mapped.findings.extend(findings);
            }
            Err(error) => {
                bar.suspend(|| eprintln!("rejected: {error:#}"));
                mapped.n_rejected += 1;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if mapped.images.is_empty() && !progress::stop_requested() {
        bail!("none of {} images could be mapped", images.len());
    }
    mapped.write(&args.out, mapper.finds())?;
    println!(
        "{}: {} images mapped, {} rejected",
        args.out.join(IMAGES_FILE).display(),
        mapped.images.len(),
        mapped.n_rejected
    );
    Ok(match (progress::stop_requested(), mapped.n_rejected) {
        (true, _) => Done::Interrupted,
        (false, 0) => Done::All,
        (false, _) => Done::WithRejections,
    })
}

/// The images that were read, those without findings included.
const IMAGES_FILE: &str = "heatmaps.csv";
const FINDINGS_FILE: &str = "findings.csv";

/// A model ready to draw maps.
pub struct Mapper {
    preprocessing: Preprocessing,
    digest: String,
    kind: Kind,
}

/// What is drawn.
// One mapper exists per run: boxing the larger variant would buy nothing.
#[allow(clippy::large_enum_variant)]
enum Kind {
    Patch(PatchMapper),
    Image(ImageExplainer, Method),
}

/// The map of one image with all that belongs to it.
pub struct ImageMap {
    /// The image as the network sees it.
    pub prepared: Prepared,
    /// The map, tied to the stored image.
    pub map: HeatMap,
    /// Its colours.
    pub scale: Scale,
    /// Findings in input pixels, the surest first; none for whole-image models.
    pub findings: Vec<Finding>,
}

impl Mapper {
    /// Builds the network of a model file for one method.
    pub fn load(path: &Path, method: Option<Method>, stride: Option<usize>, device: &Device) -> Result<Self> {
        let file = read_model(path)?;
        let kind = match &file.card.network {
            Network::Trunk(_) => {
                bail!("{}: a trunk alone, without classes; give a trained model", path.display())
            }
            Network::Patch(_) if method.is_some() => {
                bail!("{}: a patch model; --method is for whole-image models", path.display())
            }
            Network::Patch(_) => Kind::Patch(PatchMapper::load(path, &file, stride, device)?),
            Network::Image(_) if stride.is_some() => {
                bail!("{}: a whole-image model; --stride is for patch models", path.display())
            }
            Network::Image(_) => {
                let explainer = ImageExplainer::load(path, &file, device)?;
                Kind::Image(explainer, method.unwrap_or(Method::GradCam))
            }
        };
        Ok(Self { preprocessing: file.card.preprocessing, digest: file.digest, kind })
    }

    /// Whether the maps come with findings.
    fn finds(&self) -> bool {
        matches!(self.kind, Kind::Patch(_))
    }

    /// Prepares one image file and maps it.
    pub fn map(&self, root: &Path, image: &Mammogram, min_score: f64) -> Result<ImageMap> {
        let prepared = self.preprocessing.read(&root.join(&image.file), image.polarity)?;
        let pixels = &prepared.image.pixels;
        let (map, scale, findings) = match &self.kind {
            Kind::Patch(mapper) => {
                let map = mapper.map(pixels)?;
                let rule = FindingRule::new(min_score, mapper.window.patch_px);
                let findings = find(&map, &BreastFrame::of(&prepared), &rule);
                (map.malignant(), Scale::probability("Probability of a malignant lesion"), findings)
            }
            Kind::Image(explainer, method) => {
                let (map, meaning) = match method {
                    Method::GradCam => (explainer.grad_cam(MapLayer::Top, pixels), "Grad-CAM, top blocks"),
                    Method::GradCamTrunk => (explainer.grad_cam(MapLayer::Trunk, pixels), "Grad-CAM, trunk"),
                    Method::Saliency => (explainer.saliency(pixels), "Saliency: slope of the log odds"),
                };
                let scale = Scale::relative(meaning, &map);
                (map, scale, Vec::new())
            }
        };
        let grid = map.grid.of_stored(&prepared.input_from_stored, spacing_mm(image));
        let grid = grid.with_context(|| format!("{}: its preparation cannot be undone", image.file))?;
        Ok(ImageMap { map: HeatMap { grid, ..map }, prepared, scale, findings })
    }
}

/// Millimetres per stored pixel along x and y. Records do not carry a spacing yet.
fn spacing_mm(_image: &Mammogram) -> Option<[f64; 2]> {
    None
}

/// A row of `findings.csv`; positions are pixels of the image as stored.
#[derive(Clone, Debug, Serialize)]
struct FindingRow {
    file: String,
    patient_id: String,
    laterality: Laterality,
    view: View,
    /// 1 for the surest of its image.
    rank: usize,
    kind: LesionKind,
    /// Probability of the malignant class of this kind.
    probability: f64,
    probability_benign: f64,
    /// Box: left, top, width, height.
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Where the map peaks.
    peak_x: f64,
    peak_y: f64,
    /// The box in millimetres; blank without a known spacing.
    x_mm: Option<f64>,
    y_mm: Option<f64>,
    width_mm: Option<f64>,
    height_mm: Option<f64>,
    /// 0 at the chest wall, 1 at the front of the breast.
    depth_in_breast: f64,
    /// 0 at the top of the breast, 1 at its bottom, as the image is stored.
    height_in_breast: f64,
}

/// A row of `heatmaps.csv`.
#[derive(Clone, Debug, Serialize)]
struct ImageRow {
    file: String,
    patient_id: String,
    laterality: Laterality,
    view: View,
    overlay: String,
    map: String,
    max: f32,
    n_findings: Option<usize>,
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

#[derive(Default)]
struct Mapped {
    images: Vec<ImageRow>,
    findings: Vec<FindingRow>,
    n_rejected: usize,
}

impl Mapped {
    /// Writes the tables, the views of one breast together, and prints the findings.
    fn write(&mut self, dir: &Path, with_findings: bool) -> Result<()> {
        write_table(&dir.join(IMAGES_FILE), &self.images)?;
        if !with_findings {
            return Ok(());
        }
        self.findings.sort_by(|a, b| {
            let key = |row: &FindingRow| {
                (row.patient_id.clone(), row.laterality, row.view, row.file.clone(), row.rank)
            };
            key(a).cmp(&key(b))
        });
        let path = dir.join(FINDINGS_FILE);
        match self.findings.is_empty() {
            // The header alone, which a row would otherwise bring.
            true => write_atomically(&path, b"file,x,y,width,height,probability,kind\n")?,
            false => write_table(&path, &self.findings)?,
        }
        print!("{}", self.listing());
        println!("{}: {} findings", path.display(), self.findings.len());
        Ok(())
    }

    /// The findings by breast, CC before MLO.
    fn listing(&self) -> String {
        let mut text = String::new();
        let mut breast = None;
        for row in &self.findings {
            let here = Some((&row.patient_id, row.laterality));
            if breast != here {
                text += &format!("patient {}, {} breast\n", row.patient_id, row.laterality);
                breast = here;
            }
            text += &format!(
                "  {:<4} {:<13} {:.2}  at {:>5.0}, {:>5.0}  size {:>4.0} x {:>4.0}  depth {:.2}  height {:.2}\n",
                row.view.to_string().to_uppercase(),
                row.kind.to_string(),
                row.probability,
                row.peak_x,
                row.peak_y,
                row.width,
                row.height,
                row.depth_in_breast,
                row.height_in_breast,
            );
        }
        text
    }
}

fn write_table<T: Serialize>(path: &Path, rows: &[T]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(write_atomically(path, &bytes)?)
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

    let boxes: Vec<Rect> = mapped.findings.iter().map(|finding| finding.bounds).collect();
    let picture = overlay::draw(&mapped.prepared.image, &mapped.map, &mapped.scale, &boxes)?;
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
    };
    Ok((row, findings))
}

fn finding_row(
    image: &Mammogram,
    grid: &MapGrid,
    breast: &BreastFrame,
    finding: &Finding,
    rank: usize,
) -> FindingRow {
    let frame = Rect::new(0.0, 0.0, f64::from(image.width_px), f64::from(image.height_px));
    let bounds = grid.stored_from_input.apply_rect(&finding.bounds).intersection(&frame);
    let (peak_x, peak_y) = grid.stored_from_input.apply(finding.peak.0, finding.peak.1);
    let mm = grid.millimetres(&bounds);
    let [depth_in_breast, height_in_breast] = breast.relative(finding.peak.0, finding.peak.1);
    FindingRow {
        file: image.file.clone(),
        patient_id: image.patient_id.clone(),
        laterality: image.laterality,
        view: image.view,
        rank,
        kind: finding.kind,
        probability: finding.probability_malignant,
        probability_benign: finding.probability_benign,
        x: bounds.x,
        y: bounds.y,
        width: bounds.width,
        height: bounds.height,
        peak_x,
        peak_y,
        x_mm: mm.map(|r| r.x),
        y_mm: mm.map(|r| r.y),
        width_mm: mm.map(|r| r.width),
        height_mm: mm.map(|r| r.height),
        depth_in_breast,
        height_in_breast,
    }
}

/// An image as the bytes of a PNG file.
pub fn png(image: &image::RgbImage) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
