//! `mammo heatmap`: heat maps of a model and a table of findings.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mammo_core::record::LesionKind;
use mammo_data::split::Side;
use mammo_eval::tables::findings::FindingRow;
use mammo_models::Registry;
use mammo_nn::device;
use mammo_pipeline::heatmap::{
    Attribution, FINDINGS_FILE, IMAGES_FILE, Mapper, Maps, Method, Tables, write_maps,
};
use mammo_pipeline::scoring::select;

use crate::output::{FEW_IMAGES, LeftOut, count};
use crate::progress::Terminal;
use crate::{Done, models, output, progress};

/// Draw heat maps: overlays, 16-bit maps and a table of findings.
///
/// A patch model gives the probability of a malignant lesion at every position, in one pass over
/// the image, and findings.csv with position, size, type and probability of each peak, sorted by
/// breast; so does a whole-image model whose top reads a heatmap. Other whole-image models give an
/// attribution map: grad-cam of their top blocks (default) or of their trunk, or the saliency of each
/// pixel.
///
/// Findings are printed for up to four images, or with --list.
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
    /// Patch model or whole-image model: a file, or the name of a bundled model [default: the bundled
    /// model].
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Folder for the maps.
    #[arg(long)]
    pub out: PathBuf,
    /// Kind of map of a whole-image model [default: its heatmap if it has one, else grad-cam].
    #[arg(long, value_enum)]
    pub method: Option<MethodArg>,
    /// Only this side of the split beside the manifest.
    #[arg(long)]
    pub side: Option<Side>,
    /// Pixels between the windows of a patch model or heatmap [default: the trunk's stride].
    #[arg(long)]
    pub stride: Option<usize>,
    /// Smallest probability of a finding.
    #[arg(long, default_value_t = 0.1)]
    pub min_score: f64,
    /// Print all findings, for any number of images.
    #[arg(long)]
    pub list: bool,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// [`Method`] as a command-line word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MethodArg {
    /// The heatmap of a model whose top reads one, with findings; its default.
    Heatmap,
    /// Grad-CAM of the top's last feature map.
    GradCam,
    /// Grad-CAM of the trunk's features: finer, but farther from the output.
    GradCamTrunk,
    /// Gradient of the log odds of cancer with respect to each pixel.
    Saliency,
}

impl From<MethodArg> for Method {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Heatmap => Self::Heatmap,
            MethodArg::GradCam => Self::Attribution(Attribution::GradCam),
            MethodArg::GradCamTrunk => Self::Attribution(Attribution::GradCamTrunk),
            MethodArg::Saliency => Self::Attribution(Attribution::Saliency),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    if !(0.0..=1.0).contains(&args.min_score) {
        bail!("--min-score {}: expected a probability between 0 and 1", args.min_score);
    }
    let device = device::by_name(&args.device)?;
    let file = models::chosen(&Registry::bundled(), args.model.as_deref(), models::MODEL_FLAG)?;
    let mapper = Mapper::of(file, args.method.map(Method::from), args.stride, &device)?;
    let selected = select(&args.images, args.side, None, &Terminal)?;
    let Maps { tables, rejected } = write_maps(&mapper, &selected, args.min_score, &args.out, &Terminal)?;
    let rejected = LeftOut::printed("rejected", rejected);
    if tables.images.is_empty() && !progress::stop_requested() {
        bail!("none of {} could be mapped", count(selected.images.len(), "image"));
    }
    let table = rejected.write(&args.out)?;
    if mapper.finds() {
        let listed = args.list || tables.images.len() <= FEW_IMAGES;
        output::results(&if listed { listing(&tables.findings) } else { String::new() });
        output::results(&summary(&tables, &args.out, args.min_score, listed));
    }
    let pictures = args.out.join(IMAGES_FILE);
    output::results(&format!("{} mapped: {}\n", count(tables.images.len(), "image"), pictures.display()));
    if let Some(table) = table {
        output::results(&format!("{} rejected: {}\n", count(rejected.len(), "image"), table.display()));
    }
    Ok(match (progress::stop_requested(), rejected.len()) {
        (true, _) => Done::Interrupted,
        (false, 0) => Done::All,
        (false, _) => Done::WithRejections,
    })
}

/// Counts of findings by kind, and the path of their table.
fn summary(tables: &Tables, dir: &Path, min_score: f64, listed: bool) -> String {
    let masses = tables.findings.iter().filter(|row| row.kind == LesionKind::Mass).count();
    let with_findings = tables.images.iter().filter(|image| image.n_findings > Some(0)).count();
    let highest = tables.findings.iter().map(|row| row.probability).fold(0.0, f64::max);
    let mut text = format!(
        "{} with a probability of cancer of at least {min_score}, in {with_findings} of {}",
        count(tables.findings.len(), "finding"),
        count(tables.images.len(), "image")
    );
    if !tables.findings.is_empty() {
        let others = tables.findings.len() - masses;
        text += &format!(" (masses: {masses}, calcifications: {others}); highest probability {highest:.2}");
    }
    let way = if listed { "" } else { " (--list prints them)" };
    text + &format!("\nfindings, one per row{way}: {}\n", dir.join(FINDINGS_FILE).display())
}

/// The findings by breast, CC before MLO; breasts of unknown side first.
fn listing(findings: &[FindingRow]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "view, kind, probability of cancer; position and size in pixels of the stored image; depth from 0 at the\n\
             chest wall to 1 at the front of the breast; height from 0 at its top to 1 at its bottom\n",
    );
    let mut breast = None;
    for row in findings {
        let here = Some((&row.patient_id, row.laterality));
        if breast != here {
            let side = row.laterality.map_or("unknown".to_string(), |side| side.to_string());
            text += &format!("patient {}, {side} breast\n", row.patient_id);
            breast = here;
        }
        text += &format!(
            "  {:<4} {:<13} {:.2}  at {:>5.0}, {:>5.0}  size {:>4.0} x {:>4.0}  depth {:.2}  height {:.2}\n",
            row.view.map_or("?".to_string(), |view| view.to_string().to_uppercase()),
            row.kind.to_string(),
            row.probability,
            row.center_x,
            row.center_y,
            row.width,
            row.height,
            row.depth_in_breast,
            row.height_in_breast,
        );
    }
    text
}
