//! `mammo predict`: images in, one probability each out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mammo_core::record::{Mammogram, Polarity};
use mammo_data::manifest::Manifest;
use mammo_data::split::Side;
use mammo_dicom::UnknownObjects;
use mammo_eval::tables::scores::ScoreRow;
use mammo_nn::device;
use mammo_nn::inference::predict::{ImageModel, Score, Tta};
use rayon::prelude::*;

use crate::gated::{self, Headers, Refused, Remark};
use crate::loose_images::find_images;
use crate::output::{LeftOut, count};
use crate::training::Data;
use crate::{Done, output, patch_scores, progress};

/// Score images: probability of cancer per image, as CSV.
///
/// IMAGES is a manifest, or image files and folders (DICOM, PNG, JPEG, TIFF, PGM). Each model's
/// own preprocessing is applied. Images that are no mammograms, blank or too small are not
/// scored: the table's column gate says why, and the exit code is 1. Of scored images the column
/// reason says what is unusual, such as an image that was stored inverted. Several models are averaged, and with --tta flips so are the four mirror images. The column calibrated
/// holds the probability after the models' own calibrations, which are applied to each model and
/// mirror image before the mean is taken; it is blank when a model has none. A patch model scores
/// patches drawn by `mammo sample` instead.
///
/// Examples:
///   mammo predict scans/ --model run/image/model.safetensors
///   mammo predict data/film/manifest.json --side test --model a.safetensors \
///                 --model b.safetensors --tta flips --out scores.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A manifest (.json), or image files and folders.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Model file; give several to average them.
    #[arg(long, required = true)]
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
    /// Folder of patches drawn by `mammo sample`, to score with a patch model.
    #[arg(long, requires = "side")]
    pub patches: Option<PathBuf>,
    /// Score table to write [default: standard output].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Take DICOM files that do not say what they show for mammograms (RSNA challenge).
    #[arg(long)]
    pub assume_mammography: bool,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// [`Tta`] as a command-line word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TtaArg {
    /// The image as it is.
    None,
    /// Mean over the image and its three mirror images.
    Flips,
}

impl TtaArg {
    fn tta(self) -> (Tta, &'static str) {
        match self {
            Self::None => (Tta::None, "none"),
            Self::Flips => (Tta::Flips, "flips"),
        }
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    if let Some(folder) = &args.patches {
        return patch_scores::run(args, folder);
    }
    let scored = score(args)?;
    gated::write_table(args.out.as_deref(), &scored)?;
    if let Some(path) = &args.out {
        output::summary(path, &scored.summary(path));
    }
    if scored.rows.is_empty() && !progress::stop_requested() {
        bail!("none of {} images could be scored", scored.refused.len());
    }
    Ok(match (progress::stop_requested(), scored.refused.len()) {
        (true, _) => Done::Interrupted,
        (false, 0) => Done::All,
        (false, _) => Done::WithRejections,
    })
}

/// Scores of all images that could be read.
pub struct Scored {
    /// One row per image.
    pub rows: Vec<ScoreRow>,
    /// What is unusual about the image of each row.
    pub remarks: Vec<Vec<Remark>>,
    /// Images that could not be read or that the gate refused, each reported.
    pub refused: Vec<(Mammogram, Refused)>,
}

impl Scored {
    /// How many images have which scores, for a table that has them one by one.
    fn summary(&self, table: &Path) -> String {
        let mut text = format!("{} scored", count(self.rows.len(), "image"));
        let of = |best: fn(f64, f64) -> f64| self.rows.iter().map(|row| row.probability).reduce(best);
        if let (Some(low), Some(high)) = (of(f64::min), of(f64::max)) {
            text += &format!(", probability of cancer from {low:.3} to {high:.3}");
        }
        text += &format!("; {} refused", self.refused.len());
        if !self.refused.is_empty() {
            text += " (columns gate and reason say why)";
        }
        format!("{text}\nscores, one image a row: {}\n", table.display())
    }

    /// Says how many images were unusual in which way; the table says which.
    fn report_remarks(&self) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        self.remarks.iter().flatten().for_each(|remark| *counts.entry(remark.kind()).or_default() += 1);
        for (kind, n) in counts {
            eprintln!("note: {} scored: {kind} (column reason)", count(n, "image"));
        }
    }
}

/// Scores what the arguments name; stops early, keeping its rows, on Ctrl-C.
pub fn score(args: &Args) -> Result<Scored> {
    let device = device::by_name(&args.device)?;
    let models =
        args.model.iter().map(|path| ImageModel::load(path, &device)).collect::<Result<Vec<_>, _>>()?;
    let (root, images) = select(&args.images, args.side, args.split.as_deref())?;
    note_unknowns(&root, &images);
    let (tta, tta_name) = args.tta.tta();
    let name = models.iter().map(|m| m.digest.as_str()).collect::<Vec<_>>().join("+");
    let mut digests: Vec<&str> = models.iter().map(|m| m.card.preprocessing_digest.as_str()).collect();
    digests.dedup();
    let preprocessing = digests.join("+");

    // Files of a manifest have no root of their own.
    let headers = if root.as_os_str().is_empty() {
        Headers::Judged(unknown_objects(args.assume_mammography))
    } else {
        Headers::Trusted
    };
    let mut scored =
        Scored { rows: Vec::with_capacity(images.len()), remarks: Vec::new(), refused: Vec::new() };
    let mut left_out = LeftOut::new("refused");
    let (started, mut prepared_in) = (Instant::now(), Duration::ZERO);
    let bar = progress::bar("scoring", images.len() as u64);
    // Preparing an image keeps one core busy, so some are prepared at once; a network keeps all
    // cores busy, so images go through it one by one.
    'chunks: for images in images.chunks(PREPARED_PER_THREAD * rayon::current_num_threads()) {
        let prepare =
            |image: &Mammogram| Inputs::of(&models, &root.join(&image.file), image.polarity, headers);
        let preparing = Instant::now();
        let inputs: Vec<_> = images.par_iter().map(prepare).collect();
        prepared_in += preparing.elapsed();
        for (image, inputs) in images.iter().zip(inputs) {
            if progress::stop_requested() {
                break 'chunks;
            }
            match inputs {
                Ok(inputs) => {
                    let started = Instant::now();
                    let Score { probability, calibrated } = inputs.score(&models, tta);
                    scored.remarks.push(inputs.remarks.clone());
                    scored.rows.push(ScoreRow {
                        file: image.file.clone(),
                        patient_id: image.patient_id.clone(),
                        laterality: image.laterality,
                        view: image.view,
                        label: image.pathology,
                        probability,
                        calibrated,
                        model: name.clone(),
                        preprocessing: preprocessing.clone(),
                        tta: tta_name.to_string(),
                        seconds: inputs.seconds + started.elapsed().as_secs_f64(),
                    });
                }
                Err(refused) => {
                    left_out.add(&image.file, &refused.reason, &bar);
                    scored.refused.push((image.clone(), refused));
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    left_out.say_rest("the score table lists all of them with their reasons");
    scored.report_remarks();
    let seconds = started.elapsed().as_secs_f64();
    let (n, share) = (scored.rows.len() + scored.refused.len(), prepared_in.as_secs_f64() / seconds);
    eprintln!(
        "{} in {seconds:.1} s, {:.1} a second; reading, checking and preparing them took {:.0} % of the time",
        count(n, "image"),
        n as f64 / seconds,
        100.0 * share
    );
    Ok(scored)
}

/// Says how many images of a manifest have no known side or view: those of files and folders were
/// told when they were found.
fn note_unknowns(root: &Path, images: &[Mammogram]) {
    let n = images.iter().filter(|image| !image.has_side_and_view()).count();
    if n > 0 && !root.as_os_str().is_empty() {
        eprintln!("note: {n} images whose side or view is unknown by the manifest");
    }
}

/// What the flag `--assume-mammography` means.
pub fn unknown_objects(assume_mammography: bool) -> UnknownObjects {
    if assume_mammography { UnknownObjects::Assumed } else { UnknownObjects::Refused }
}

/// Images prepared at once, for each thread.
const PREPARED_PER_THREAD: usize = 4;

/// An image as each model reads it.
struct Inputs {
    /// One per model; `None` where the model before has the same preprocessing.
    pixels: Vec<Option<Vec<u16>>>,
    /// What is unusual about the image.
    remarks: Vec<Remark>,
    /// What preparing them took.
    seconds: f64,
}

impl Inputs {
    /// Reads an image and prepares it for each model, past the gate of each.
    fn of(models: &[ImageModel], path: &Path, polarity: Polarity, headers: Headers) -> Result<Self, Refused> {
        let started = Instant::now();
        let mut pixels = Vec::with_capacity(models.len());
        let (mut before, mut remarks) = (None, Vec::new());
        for model in models {
            let (digest, preprocessing) = (&model.card.preprocessing_digest, &model.card.preprocessing);
            if before.replace(digest) == Some(digest) {
                pixels.push(None);
                continue;
            }
            let opened = gated::open(path, polarity, headers, preprocessing)?;
            let input = preprocessing.apply_file(path, opened.image, opened.polarity);
            pixels.push(Some(input.map_err(|e| Refused::unreadable(&e))?.image.pixels));
            remarks = opened.remarks;
        }
        Ok(Self { pixels, remarks, seconds: started.elapsed().as_secs_f64() })
    }

    /// Mean score over models.
    fn score(&self, models: &[ImageModel], tta: Tta) -> Score {
        let mut pixels: &[u16] = &[];
        let each = models.iter().zip(&self.pixels).map(|(model, own)| {
            pixels = own.as_deref().unwrap_or(pixels);
            model.score(pixels, tta)
        });
        Score::mean(&each.collect::<Vec<_>>())
    }
}

/// The images of a manifest, or of one side of its split, or of files and folders; and the
/// folder that their files are relative to.
pub fn select(
    images: &[PathBuf],
    side: Option<Side>,
    split: Option<&Path>,
) -> Result<(PathBuf, Vec<Mammogram>)> {
    let [manifest_path] = images else { return find_images(images) };
    if manifest_path.extension().is_none_or(|extension| extension != "json") {
        return find_images(images);
    }
    let Some(side) = side else {
        let manifest = Manifest::read(manifest_path)?;
        return Ok((manifest.root, manifest.images));
    };
    let data = Data::read(manifest_path, split)?;
    let images = data.side(side).into_iter().cloned().collect();
    Ok((data.manifest.root, images))
}
