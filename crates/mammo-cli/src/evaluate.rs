//! `mammo evaluate`: evaluates a score table.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mammo_core::record::Mammogram;
use mammo_core::write::write_atomically;
use mammo_data::manifest::Manifest;
use mammo_eval::tables::aggregate::Case;
use mammo_eval::tables::findings::read_findings;
use mammo_eval::tables::sample::Sample;
use mammo_eval::{
    BootstrapConfig, EvalConfig, EvalInputs, FigureTable, Interval, OperatingPoint, OperatingRule, ScoreRow,
    ScoreTable, Unit, evaluate_patches, evaluate_scores,
};
use mammo_models::Registry;
use mammo_nn::model_file::ModelCard;

use mammo_pipeline::config::with_settings;
use mammo_pipeline::scoring::{is_patch_scores, read_patch_scores};

use crate::{Done, models};

/// Evaluate a score table: ROC, calibration, operating points, subgroups, localisation, readers.
///
/// Scores come from `mammo predict` or from any CSV with the columns patient_id, label (malignant
/// or benign, 1 or 0) and probability (or score, on any scale). With columns file, laterality and
/// view, breasts are evaluated as well; columns reader_NAME are readers' ratings; all other columns
/// define subgroups. Intervals come from resampling patients. In tables of `mammo predict --by breast`
/// and `--by patient` (column by) rows are breasts or patients, and so are the figures. Patch scores
/// give accuracy and the confusion matrix.
///
/// Examples:
///   mammo evaluate --scores scores.csv
///   mammo evaluate scores.csv --model run/image/model.safetensors --out evaluation
///   mammo evaluate ours.csv --choose-on validation.csv --compare theirs.csv \
///                  --set prevalence=0.005 --set bootstrap.n_resamples=5000
///   mammo evaluate scores.csv --manifest manifest.json --findings findings.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Score table.
    #[arg(required_unless_present = "named_scores")]
    pub scores: Option<PathBuf>,
    /// Score table, by name.
    #[arg(long = "scores", value_name = "SCORES", conflicts_with = "scores")]
    pub named_scores: Option<PathBuf>,
    /// Model whose stored operating point and calibration are applied; it must be the model that scored
    /// the images: a file, or the name of a bundled model.
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Scores of the validation side, on which operating points, pooling of views and calibration are
    /// chosen.
    #[arg(long)]
    pub choose_on: Option<PathBuf>,
    /// Score table of another model on the same images, for a paired test; may be repeated.
    #[arg(long)]
    pub compare: Vec<PathBuf>,
    /// Manifest of the images: adds subgroups by density, assessment, site and lesions.
    #[arg(long)]
    pub manifest: Option<PathBuf>,
    /// Findings table, compared with the manifest's lesions (FROC).
    #[arg(long, requires = "manifest")]
    pub findings: Option<PathBuf>,
    /// Folder for evaluation.json, evaluation.csv and evaluation.md.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// A setting of the evaluation (docs/evaluation.md), such as bootstrap.seed=1; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let Some(scores) = args.scores.as_ref().or(args.named_scores.as_ref()) else {
        bail!("no score table; expected its path");
    };
    if is_patch_scores(scores)? {
        return evaluate_patch_scores(scores, args);
    }
    let table = ScoreTable::read(scores)?;
    let config: EvalConfig = with_settings(&EvalConfig::default(), &args.set)?;
    let validation = args.choose_on.as_deref().map(|path| validation(path, table.unit)).transpose()?;
    let card = args.model.as_deref().map(|path| card_of_scores(path, scores, &table)).transpose()?;
    let card = card.as_ref();
    let unit = table.unit;
    note_rows(scores, unit, card);
    if unit != Unit::Image && (args.manifest.is_some() || args.findings.is_some()) {
        let way_out = "leave --manifest and --findings out, or score with `mammo predict` without --by";
        bail!("{}: one row per {unit}, a manifest describes images; {way_out}", scores.display());
    }
    let images: Vec<Mammogram> = match &args.manifest {
        Some(path) => Manifest::read(path)?.images,
        None => vec![],
    };
    let findings = args.findings.as_deref().map(read_findings).transpose()?;
    let others: Vec<(String, Vec<ScoreRow>)> =
        args.compare.iter().map(|path| Ok((name(path), rows_of(path, unit)?))).collect::<Result<_>>()?;
    let inputs = EvalInputs {
        operating_point: card.and_then(|card| card.point_for(unit)),
        calibrator: card.and_then(|card| card.calibration.as_ref()).map(|c| &c.calibrator),
        validation: validation.as_ref(),
        images: &images,
        findings: findings.as_deref(),
        others: &others,
    };
    let evaluation = evaluate_scores(&table, &inputs, &config)
        .with_context(|| format!("{}: cannot be evaluated", scores.display()))?;
    publish(&evaluation, args.out.as_deref())?;
    for compared in &evaluation.comparisons {
        println!("\n{} against {}", compared.name, name(scores));
        print!("{}", compared.comparison.to_markdown());
    }
    Ok(Done::All)
}

fn evaluate_patch_scores(scores: &Path, args: &Args) -> Result<Done> {
    let about_images = [&args.model, &args.choose_on, &args.manifest, &args.findings];
    if about_images.iter().any(|flag| flag.is_some()) || !args.compare.is_empty() || !args.set.is_empty() {
        bail!("{}: contains patch scores, which can be combined with --out only", scores.display());
    }
    let table = read_patch_scores(scores)?;
    let classes: Vec<&str> = table.classes.iter().map(String::as_str).collect();
    publish(&evaluate_patches(&classes, &table.truth, &table.probabilities)?, args.out.as_deref())
}

/// Says what rows are if they are no images, and which figures of the model do not hold for them.
fn note_rows(scores: &Path, unit: Unit, card: Option<&ModelCard>) {
    if unit != Unit::Image {
        let place = scores.display();
        tracing::info!(
            label = "note",
            "{place}: one row per {unit} (column by); the figures are of {}",
            unit.plural()
        );
    }
    if card.is_some_and(|card| card.operating_point.is_some() && card.point_for(unit).is_none()) {
        let what = "was not chosen on scores per";
        tracing::warn!("the operating point of the model {what} {unit} and is not applied; use --choose-on");
    }
}

/// Rows of another score table, which must stand for the same.
fn rows_of(path: &Path, unit: Unit) -> Result<Vec<ScoreRow>> {
    let table = ScoreTable::read(path)?;
    if table.unit != unit {
        bail!("{}: one row per {}, the other table has one per {unit}", path.display(), table.unit);
    }
    Ok(table.rows)
}

/// A score table's name: its file name without extension, or its run folder's name when the file is
/// called `scores`, as all runs' are.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    let folder = path.parent().and_then(Path::file_name).filter(|_| stem == "scores");
    folder.unwrap_or(stem).to_string_lossy().into_owned()
}

/// Validation scores; an error if no operating point can be chosen on them.
fn validation(path: &Path, unit: Unit) -> Result<ScoreTable> {
    let table = ScoreTable::read(path)?;
    if table.unit != unit {
        bail!("{}: one row per {}, the table to be evaluated has one per {unit}", path.display(), table.unit);
    }
    choose_operating_point(&table.rows)
        .with_context(|| format!("{}: no operating point can be chosen", path.display()))?;
    Ok(table)
}

/// The card of the model that produced the scores, with an operating point from validation data.
///
/// Tables of other systems have no model and no preprocessing; these are then not compared.
fn card_of_scores(path: &Path, scores: &Path, table: &ScoreTable) -> Result<ModelCard> {
    let file = models::named(&Registry::bundled(), path)?;
    let way_out = "score the images with this model, or leave --model out and use --choose-on";
    for row in &table.rows {
        for (what, found, expected) in [
            ("model", &row.model, &file.digest),
            ("preprocessing", &row.preprocessing, &file.card.preprocessing_digest),
        ] {
            if !found.is_empty() && found != expected {
                bail!(
                    "{}: {} was scored with {what} {found}, {} has {what} {expected}; {way_out}",
                    scores.display(),
                    row.file,
                    path.display()
                );
            }
        }
    }
    if file.card.operating_point.is_none() {
        bail!("{}: has no operating point; choose one with --choose-on", path.display());
    }
    Ok(file.card)
}

/// The threshold with the largest sensitivity + specificity on labelled validation scores.
fn choose_operating_point(rows: &[ScoreRow]) -> Result<OperatingPoint> {
    let (scores, malignant): (Vec<f64>, Vec<bool>) =
        rows.iter().filter_map(|row| Some((row.probability, row.malignant()?))).unzip();
    Ok(OperatingPoint::choose(OperatingRule::MaxYouden, &scores, &malignant)?)
}

/// Prints the figures and, with a folder, writes them as JSON, CSV and Markdown.
fn publish(report: &impl FigureTable, out: Option<&Path>) -> Result<Done> {
    print!("{}", report.to_markdown());
    if let Some(dir) = out {
        report.write(dir, "evaluation")?;
        write_atomically(&dir.join("evaluation.md"), report.to_markdown().as_bytes())?;
    }
    Ok(Done::All)
}

/// Area per image with its patient-clustered interval.
pub fn auc_per_image(rows: &[ScoreRow]) -> Result<Interval> {
    let images: Vec<Case> = rows.iter().filter_map(Case::of_image).collect();
    Ok(Sample::of(&images).auc(&BootstrapConfig::default())?)
}
