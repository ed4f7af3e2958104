//! Runs a plan: from a folder of images to a model with its evaluation.

use std::path::{Path, PathBuf};
use std::time::Instant;

use mammo_core::text::duration;
use mammo_core::write::{read_json, write_atomically};
use mammo_data::doctor::Report;
use mammo_eval::{EvalConfig, Evaluation, FigureTable, ScoreTable};
use mammo_nn::device;
use mammo_nn::inference::predict::Tta;
use mammo_nn::model_file;
use mammo_nn::training::run::{METRICS_FILE, MODEL_FILE};

use super::data_set::{Checked, import_and_split};
use super::fingerprint::Fingerprint;
use super::measure::plan_for_this_machine;
use super::plan::Plan;
use super::source::Source;
use super::start::Start;
use super::steps::Workplace;
use crate::config::RunConfig;
use crate::data::Data;
use crate::error::{Place, refuse};
use crate::report::{self, RunFiles, write_report};
use crate::training::ImageStart;
use crate::{Error, Observer, Result};

/// The manifest in the folder of a run.
pub const MANIFEST: &str = "manifest.json";
/// The split.
pub const SPLIT: &str = "split.json";
/// The facts of the data set.
pub const FINGERPRINT: &str = "fingerprint.json";
/// The configuration that was chosen.
pub const CONFIG: &str = "config.toml";
/// A start that is bundled with the program.
pub const START_FILE: &str = "start.safetensors";
const PATCH: &str = "patch";
const IMAGE: &str = "image";
const SCORES: &str = "scores.csv";
const EVALUATION: &str = "evaluation";

/// Cases of each kind in the report.
const CASES: usize = 5;

/// What is asked for.
pub struct Fit<'a> {
    /// Folder of the data set, or a manifest.
    pub data: &'a Path,
    /// Folder of the run.
    pub out: &'a Path,
    /// Hours for everything.
    pub hours: f64,
    /// Device name.
    pub device: &'a str,
    /// Seed of all randomness.
    pub seed: u64,
    /// The model to start from.
    pub start: Option<&'a Start>,
    /// Its bytes if it is not a file yet; they are written to its path.
    pub bundled: Option<&'a [u8]>,
    /// Continue a run.
    pub resume: bool,
    /// The command as typed, for run records.
    pub command: Vec<String>,
    /// When the program was started.
    pub begun: Instant,
}

/// A data set that is imported, split and planned.
pub struct Prepared {
    /// Images and split.
    pub data: Data,
    /// What is known of the data set.
    pub fingerprint: Fingerprint,
    /// All settings.
    pub config: RunConfig,
    /// Their file's text.
    pub config_text: String,
    /// Why they were chosen and how long they take; `None` for a run that is continued.
    pub plan: Option<Plan>,
    /// Rows of the tables that could not be used.
    pub n_rejected: usize,
}

/// What the preparation of a data set ended with.
pub enum Preparation {
    /// It can be trained on.
    Ready(Box<Prepared>),
    /// It has leaks or contradictory labels.
    Unclean(Report),
}

/// The result of a run.
pub struct Fitted {
    /// Figures of the test side.
    pub evaluation: Evaluation,
    /// The whole-image model.
    pub model: PathBuf,
    /// The report.
    pub report: PathBuf,
    /// Images that could not be prepared or scored.
    pub n_left_out: usize,
}

/// Imports, checks, splits, measures and plans; each step that was done in a run that is continued is skipped.
///
/// # Errors
/// A folder that holds a run, without `resume`; data that are not recognised, have too few patients or one class only;
/// less time than the shortest training takes; [`Error::Stopped`].
pub fn prepare(fit: &Fit, observer: &dyn Observer) -> Result<Preparation> {
    check_out(fit, observer)?;
    if !(fit.hours.is_finite() && fit.hours > 0.0) {
        refuse!("--hours {}: expected a number of hours above 0", fit.hours);
    }
    device::by_name(fit.device)?;
    let source = Source::recognise(fit.data)?;
    observer.note(&source.describe());
    let n_rejected = match import_and_split(fit, &source, observer)? {
        Checked::Clean { n_rejected } => n_rejected,
        Checked::Unclean(report) => return Ok(Preparation::Unclean(report)),
    };
    let data = Data::read(&fit.out.join(MANIFEST), None)?;
    let (config_path, fingerprint_path) = (fit.out.join(CONFIG), fit.out.join(FINGERPRINT));
    let prepared = if config_path.exists() && fingerprint_path.exists() {
        observer.note(&format!("{}: continued with its settings", config_path.display()));
        let config_text = std::fs::read_to_string(&config_path)
            .map_err(|e| mammo_core::Error::io(&config_path, "read the configuration", e))?;
        let fingerprint = read_json(&fingerprint_path, "a fingerprint written by `mammo fit`")?;
        let config = RunConfig::read(&config_path, &[])?;
        Prepared { data, fingerprint, config, config_text, plan: None, n_rejected }
    } else {
        let (fingerprint, prepare_s) = Fingerprint::of(&data, fit.seed, observer)?;
        fingerprint.write(&fingerprint_path)?;
        stop_if_asked(observer)?;
        if let (Some(start), Some(bytes)) = (fit.start, fit.bundled) {
            write_atomically(&start.path, bytes)?;
        }
        let plan = plan_for_this_machine(fit, &data, &fingerprint, prepare_s, observer)?;
        let config_text = plan.config_text(&source.describe(), &fingerprint, fit.hours)?;
        write_atomically(&config_path, config_text.as_bytes())?;
        Prepared { data, fingerprint, config: plan.config.clone(), config_text, plan: Some(plan), n_rejected }
    };
    Ok(Preparation::Ready(Box::new(prepared)))
}

/// Trains, scores, evaluates and reports as planned.
///
/// # Errors
/// Data that cannot be read; a loss that is no number; a full disk; [`Error::Stopped`].
pub fn train(fit: &Fit, prepared: &Prepared, observer: &dyn Observer) -> Result<Fitted> {
    let Prepared { data, config, .. } = prepared;
    let work = Workplace { out: fit.out, device: fit.device, command: fit.command.clone(), observer };
    // The remaining time of a run that is continued is unknown.
    let all = match &prepared.plan {
        Some(plan) => format!(" of about {}", duration(plan.elapsed_s + plan.seconds())),
        None => String::new(),
    };
    let step = |what: &str| {
        observer.step(&format!("[{}{all}] {what}", duration(fit.begun.elapsed().as_secs_f64())));
    };
    let mut n_left_out = 0;
    let patch = match config.sampling() {
        Ok(_) => {
            step("patch classifier");
            let trained = work.train_patch(PATCH, config, data, None)?;
            n_left_out = n_left_out.max(trained.n_failed);
            Some(trained.model)
        }
        Err(_) => None,
    };
    let file = match patch.as_ref().or(config.image()?.start.as_ref()) {
        Some(path) => Some(model_file::load(path).at(|| "cannot start from this model")?),
        None => None,
    };
    let start = match &file {
        Some(file) if patch.is_some() => ImageStart::Patch(file),
        Some(file) => ImageStart::Trunk(file),
        None => ImageStart::Random,
    };
    step("whole-image classifier");
    let trained = work.train_image(IMAGE, config, data, start)?;
    n_left_out = n_left_out.max(trained.n_failed);
    step("scores of the test side, evaluation, report");
    let scores = fit.out.join(SCORES);
    if !scored_with(&scores, &trained.model)? {
        let scored = work.score(&scores, &data.path, std::slice::from_ref(&trained.model), Tta::None)?;
        n_left_out += scored.course.refused.len();
    }
    let (evaluation, report) = evaluate(fit, data, &scores, observer)?;
    Ok(Fitted { evaluation, model: trained.model, report, n_left_out })
}

pub(super) fn stop_if_asked(observer: &dyn Observer) -> Result<()> {
    if observer.stop_requested() { Err(Error::Stopped) } else { Ok(()) }
}

/// Refuses a folder that holds a run, unless it is continued.
fn check_out(fit: &Fit, observer: &dyn Observer) -> Result<()> {
    let out = fit.out.display();
    // A manifest alone is of a preparation that was refused or stopped; it is made anew.
    let holds_a_run = [CONFIG, PATCH, IMAGE].iter().any(|name| fit.out.join(name).exists());
    match (holds_a_run, fit.resume) {
        (true, false) => {
            refuse!("{out}: holds a run already; add --resume to continue it, or give another --out")
        }
        (false, true) if !fit.out.join(MANIFEST).exists() => {
            observer.note(&format!("{out}: nothing to resume, starting anew"));
        }
        _ => {}
    }
    Ok(())
}

/// Whether a score table is of this model.
fn scored_with(scores: &Path, model: &Path) -> Result<bool> {
    if !scores.exists() {
        return Ok(false);
    }
    let digest = model_file::load(model)?.digest;
    let rows = ScoreTable::read(scores).map(|table| table.rows);
    Ok(rows.is_ok_and(|rows| !rows.is_empty() && rows.iter().all(|row| row.model == digest)))
}

/// Evaluates the scores of the test side, and writes figures and report.
fn evaluate(fit: &Fit, data: &Data, scores: &Path, observer: &dyn Observer) -> Result<(Evaluation, PathBuf)> {
    let image = fit.out.join(IMAGE);
    let name = fit.out.canonicalize().unwrap_or_else(|_| fit.out.to_path_buf());
    let files = RunFiles {
        name: name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned(),
        scores: scores.to_path_buf(),
        model: Some(image.join(MODEL_FILE)),
        metrics: Some(image.join(METRICS_FILE)),
        findings: None,
    };
    let settings = EvalConfig::default();
    let model = model_file::load(&image.join(MODEL_FILE))?;
    let table = ScoreTable::read(scores)?;
    let evaluation = files.evaluate(&table, Some(&model), Some(&data.manifest), &settings)?;
    evaluation.write(fit.out, EVALUATION)?;
    write_atomically(&fit.out.join(format!("{EVALUATION}.md")), evaluation.to_markdown().as_bytes())?;
    let request = report::Request {
        runs: &[files],
        manifest: Some(&data.path),
        out: fit.out,
        title: None,
        cases: CASES,
        device: fit.device,
        evaluation: &settings,
    };
    let page = write_report(&request, observer)?;
    Ok((evaluation, page))
}
