//! `mammo predict`: scores images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mammo_core::write::write_atomically;
use mammo_data::split::Side;
use mammo_dicom::UnknownObjects;
use mammo_eval::{Domain, ScoreRow, Unit};
use mammo_models::Registry;
use mammo_nn::device;
use mammo_nn::inference::predict::Tta;
use mammo_pipeline::data::Data;
use mammo_pipeline::scoring::{
    Course, Remark, Request, build_models, score, score_patches, score_units, select,
};

use crate::output::count;
use crate::progress::Terminal;
use crate::{Done, models, output, progress};

/// Score images: probability of cancer per image, as CSV.
///
/// IMAGES is a manifest, or image files and folders (DICOM, PNG, JPEG, TIFF, PGM). The preprocessing
/// of each model is applied. Images that are not mammograms, blank or too small are not scored: the
/// column gate has the reason, and the exit code is 1. For scored images the column reason lists
/// irregularities, such as an image that was stored inverted. Several models are averaged, with --tta
/// flips also over the four mirror images. The column calibrated is the calibrated probability; the
/// calibration is applied to each model and mirror image before averaging, and the column is blank
/// when a model has none. The column domain says whether the model was evaluated on this kind of image
/// (inside, outside, unknown); outside, there is no calibrated probability. A patch model scores patches drawn by `mammo sample` instead.
///
/// With --by breast a row is a breast, with --by patient a patient: file has the names of the scored
/// images, views their views, n_images and n_refused the numbers of scored and refused images. A model
/// from `mammo train exam` combines the images by its exam heads. For others a breast has the mean of
/// its images, which can be lower than the score of one view, and a patient the maximum of the
/// breasts; both of raw and of calibrated probabilities, averaged over models and flips first. An
/// image of unknown side is a breast of its own, with blank laterality. An image whose patient neither
/// header nor file name states is a patient of its own, which takes the name of the file. All images
/// of a patient are combined, whatever their dates.
///
/// Examples:
///   mammo predict scans/ --model run/image/model.safetensors
///   mammo predict data/film/manifest.json --side test --model a.safetensors \
///                 --model b.safetensors --tta flips --out scores.csv
///   mammo predict scans/ --by breast --out breasts.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A manifest (.json), or image files and folders.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Model file, or the name of a bundled model; give several to average them [default: the bundled
    /// model].
    #[arg(long)]
    pub model: Vec<PathBuf>,
    /// Only this side of the split.
    #[arg(long)]
    pub side: Option<Side>,
    /// Split written by `mammo split` [default: split.json beside the manifest].
    #[arg(long, requires = "side")]
    pub split: Option<PathBuf>,
    /// Test-time augmentation.
    #[arg(long, value_enum, default_value_t = TtaArg::None)]
    pub tta: TtaArg,
    /// What a row stands for: image, breast or patient.
    #[arg(long, default_value_t = Unit::Image, conflicts_with = "patches")]
    pub by: Unit,
    /// Folder of patches drawn by `mammo sample`, to score with a patch model.
    #[arg(long, requires = "side")]
    pub patches: Option<PathBuf>,
    /// Score table to write [default: standard output].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Accept DICOM files whose header does not identify them as mammograms (RSNA challenge).
    #[arg(long)]
    pub assume_mammography: bool,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// [`Tta`] as a command-line word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TtaArg {
    /// No augmentation.
    None,
    /// Mean over the image and its three mirror images.
    Flips,
}

impl TtaArg {
    fn tta(self) -> Tta {
        match self {
            Self::None => Tta::None,
            Self::Flips => Tta::Flips,
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    if let Some(folder) = &args.patches {
        return run_patches(args, folder);
    }
    let device = device::by_name(&args.device)?;
    let files = models::all_chosen(&Registry::bundled(), &args.model)?;
    let models = build_models(files, &device)?;
    let selected = select(&args.images, args.side, args.split.as_deref(), &Terminal)?;
    let unknown = unknown_objects(args.assume_mammography);
    let request = Request { models: &models, tta: args.tta.tta(), unknown };
    let (table, rows, course) = match args.by {
        Unit::Image => {
            let scored = score(&request, &selected, &Terminal);
            (scored.table()?, Probabilities::of(scored.rows.iter()), scored.course)
        }
        unit => {
            let scored = score_units(&request, unit, &selected, &Terminal)?;
            (scored.table()?, Probabilities::of(scored.rows.iter().map(|row| &row.row)), scored.course)
        }
    };
    print_remarks(&course);
    match &args.out {
        Some(path) => {
            write_atomically(path, &table)?;
            output::summary(path, &summary(args.by, &rows, &course, path));
        }
        None => output::results(&String::from_utf8(table)?),
    }
    if rows.n == 0 && !progress::stop_requested() {
        bail!("none of {} could be scored", count(course.refused.len(), "image"));
    }
    Ok(match (progress::stop_requested(), course.refused.len()) {
        (true, _) => Done::Interrupted,
        (false, 0) => Done::All,
        (false, _) => Done::WithRejections,
    })
}

/// Scores the patches of one side with a patch model.
fn run_patches(args: &Args, folder: &Path) -> Result<Done> {
    let ([manifest], [model], Some(side)) = (&args.images[..], &args.model[..], args.side) else {
        bail!("--patches needs one manifest, one --model and --side");
    };
    let data = Data::read(manifest, args.split.as_deref())?;
    let (scores, n_failed) = score_patches(
        &models::named(&Registry::bundled(), model)?,
        &data,
        side,
        folder,
        &args.device,
        &Terminal,
    )?;
    let table = scores.to_csv()?;
    match &args.out {
        Some(path) => {
            write_atomically(path, &table)?;
            let n = count(scores.truth.len(), "patch");
            output::summary(path, &format!("{}: {n} scored\n", path.display()));
        }
        None => output::results(&String::from_utf8(table)?),
    }
    Ok(if n_failed == 0 { Done::All } else { Done::WithRejections })
}

/// The number of rows and the range of their probabilities.
struct Probabilities {
    n: usize,
    range: Option<(f64, f64)>,
}

impl Probabilities {
    fn of<'r>(rows: impl Iterator<Item = &'r ScoreRow>) -> Self {
        let all: Vec<f64> = rows.map(|row| row.probability).collect();
        let of = |best: fn(f64, f64) -> f64| all.iter().copied().reduce(best);
        Self { n: all.len(), range: of(f64::min).zip(of(f64::max)) }
    }
}

/// Prints on stderr counts of irregularities and the duration of scoring.
fn print_remarks(course: &Course) {
    if course.refused.len() > output::FEW_LINES {
        tracing::warn!(label = "refused", "the score table lists all of them with their reasons");
    }
    let mut counts: BTreeMap<(bool, String), usize> = BTreeMap::new();
    for remark in course.remarks.iter().flatten() {
        let outside = matches!(remark, Remark::Kind(finding) if finding.domain == Domain::Outside);
        *counts.entry((outside, remark.kind())).or_default() += 1;
    }
    for ((outside, kind), n) in counts {
        if outside {
            tracing::warn!("{} scored: {kind}; without calibrated probability", count(n, "image"));
            continue;
        }
        tracing::info!(label = "note", "{} scored: {kind} (column reason)", count(n, "image"));
    }
    let (n, seconds) = (course.n_images(), course.duration.as_secs_f64());
    tracing::info!(
        "{} in {seconds:.1} s, {:.1} per second; reading, checking and preparing took {:.0} % of the time",
        count(n, "image"),
        n as f64 / seconds,
        100.0 * course.preparing.as_secs_f64() / seconds
    );
}

/// Summary of a score table.
fn summary(unit: Unit, rows: &Probabilities, course: &Course, table: &Path) -> String {
    let mut text = format!("{} scored", count(rows.n, unit.name()));
    if let Some((low, high)) = rows.range {
        text += &format!(", probability of cancer from {low:.3} to {high:.3}");
    }
    let n_refused = course.refused.len();
    text += &match unit {
        Unit::Image => format!("; {n_refused} refused"),
        Unit::Breast | Unit::Patient => {
            format!("; {n_refused} of {} refused", count(course.n_images(), "image"))
        }
    };
    if n_refused > 0 {
        text += " (reasons in columns gate and reason)";
    }
    format!("{text}\nscores, one {unit} per row: {}\n", table.display())
}

/// Treatment of unidentified objects by the flag `--assume-mammography`.
pub fn unknown_objects(assume_mammography: bool) -> UnknownObjects {
    if assume_mammography { UnknownObjects::Assumed } else { UnknownObjects::Refused }
}
