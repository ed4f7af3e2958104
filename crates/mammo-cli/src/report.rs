//! `mammo report`: runs in, one page to look at out.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mammo_data::manifest::Manifest;
use mammo_data::split::{Side, Split};
use mammo_eval::tables::findings::read_findings;
use mammo_eval::{
    BootstrapConfig, Defined, EvalConfig, EvalInputs, Evaluation, ScoreRow, ScoreTable, compare_auc,
    evaluate_scores,
};
use mammo_nn::model_file::{self, ModelFile};
use mammo_nn::training::run::{EpochRow, METRICS_FILE, MODEL_FILE};
use mammo_report::{Epoch, Flow, FlowStep, LeftOut, Report, Run, RunComparison};

use crate::config::with_settings;
use crate::{Done, model_card, report_pictures};

/// Write a report: one HTML page with results, figures, cases, data flow and model card.
///
/// RUN is a run folder that holds scores.csv (written there by `mammo predict --out
/// RUN/scores.csv`), or any score table. It is evaluated anew for every report. The page is about
/// the first run; further ones are set beside it with paired tests. It needs no network; figures
/// are written as SVG and JSON beside it.
///
/// Examples:
///   mammo report run/image --manifest data/film/manifest.json
///   mammo report run/image run/scratch --manifest data/film/manifest.json --out report
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run folders or score tables.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Manifest of the scored images: adds subgroups, data flow, preprocessing and cases.
    #[arg(long)]
    pub manifest: Option<PathBuf>,
    /// Folder for the report.
    #[arg(long, default_value = "report")]
    pub out: PathBuf,
    /// Heading of the page [default: the first run's name].
    #[arg(long)]
    pub title: Option<String>,
    /// Cases shown of each kind.
    #[arg(long, default_value_t = 5)]
    pub cases: usize,
    /// Where to compute heat maps: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// A setting of the evaluation (docs/evaluation.md), such as bootstrap.seed=1; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    let runs: Vec<RunFiles> = args.runs.iter().map(|path| RunFiles::find(path)).collect::<Result<_>>()?;
    let page = write(&runs, args)?;
    println!("{}", page.display());
    Ok(Done::All)
}

/// The files of one run.
pub struct RunFiles {
    /// Its name on the page.
    pub name: String,
    /// Score table.
    pub scores: PathBuf,
    /// Model file.
    pub model: Option<PathBuf>,
    /// Table of epochs.
    pub metrics: Option<PathBuf>,
    /// Findings of a patch model on the same images.
    pub findings: Option<PathBuf>,
}

impl RunFiles {
    /// What a run folder holds, or a score table alone.
    fn find(path: &Path) -> Result<Self> {
        let name = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        if !path.is_dir() {
            let scores = path.to_path_buf();
            return Ok(Self { name: name(path), scores, model: None, metrics: None, findings: None });
        }
        let there = |names: &[&str]| names.iter().map(|file| path.join(file)).find(|file| file.exists());
        let Some(scores) = there(&["scores.csv"]) else {
            bail!(
                "{0}: no scores.csv; write it with `mammo predict MANIFEST --side test --model {0}/{MODEL_FILE} \
                 --out {0}/scores.csv`",
                path.display()
            );
        };
        Ok(Self {
            name: name(&path.canonicalize().unwrap_or_else(|_| path.to_path_buf())),
            scores,
            model: there(&[MODEL_FILE]),
            metrics: there(&[METRICS_FILE]),
            findings: there(&["findings.csv", "heatmaps/findings.csv"]),
        })
    }

    /// Evaluates the score table. Nothing is kept from one report to the next: scores, findings,
    /// manifest, model and settings all change the result, and computing it takes less time than the
    /// heat maps of two cases.
    fn evaluate(
        &self,
        table: &ScoreTable,
        model: Option<&ModelFile>,
        manifest: Option<&Manifest>,
        config: &EvalConfig,
    ) -> Result<Evaluation> {
        let card = model.map(|model| &model.card);
        let findings = self.findings.as_deref().map(read_findings).transpose()?;
        let inputs = EvalInputs {
            operating_point: card.and_then(|card| card.operating_point.as_ref()),
            calibrator: card.and_then(|card| card.calibration.as_ref()).map(|c| &c.calibrator),
            validation: None,
            images: manifest.map_or(&[], |manifest| &manifest.images),
            findings: findings.as_deref().filter(|_| manifest.is_some()),
            others: &[],
        };
        evaluate_scores(table, &inputs, config)
            .with_context(|| format!("{}: cannot be evaluated", self.scores.display()))
    }

    fn training(&self) -> Result<Defined<Vec<Epoch>>> {
        let Some(path) = &self.metrics else {
            return Ok(Defined::undefined(format!("no {METRICS_FILE} beside {}", self.scores.display())));
        };
        let mut reader = csv::Reader::from_path(path).with_context(|| format!("{}", path.display()))?;
        let rows = reader.deserialize().map(|row| {
            let row: EpochRow = row?;
            Ok(Epoch {
                stage: row.stage,
                epoch: row.epoch,
                train_loss: row.train_loss,
                validation_loss: row.validation_loss,
                validation_metric: row.validation_metric,
                best: row.best,
            })
        });
        let rows: Vec<Epoch> = rows.collect::<Result<_>>().with_context(|| format!("{}", path.display()))?;
        Ok(match rows.is_empty() {
            true => Defined::undefined(format!("{} holds no epoch", path.display())),
            false => Defined::Value(rows),
        })
    }
}

/// Gathers everything and writes the report; returns the page's path.
pub fn write(files: &[RunFiles], args: &Args) -> Result<PathBuf> {
    let manifest = match args.manifest.as_deref() {
        Some(path) => Some((path, Manifest::read(path)?)),
        None => None,
    };
    let config: EvalConfig = with_settings(&EvalConfig::default(), &args.set)?;
    let mut runs = Vec::new();
    let mut rows = Vec::new();
    for file in files {
        let table = ScoreTable::read(&file.scores)?;
        let model = file.model.as_deref().map(model_file::load).transpose()?;
        runs.push(Run {
            name: file.name.clone(),
            evaluation: file.evaluate(
                &table,
                model.as_ref(),
                manifest.as_ref().map(|(_, manifest)| manifest),
                &config,
            )?,
            training: file.training()?,
            card: match &model {
                Some(model) => Defined::Value(model_card::sections(model)),
                None => Defined::undefined(format!("no {MODEL_FILE} beside {}", file.scores.display())),
            },
        });
        rows.push(table.rows);
    }
    let (Some(main), Some(first)) = (files.first(), rows.first()) else {
        bail!("no run; expected at least one")
    };
    let comparisons = files.iter().zip(&rows).skip(1).map(|(file, other)| RunComparison {
        name: file.name.clone(),
        result: match compare_auc(other, first, &BootstrapConfig::default()) {
            Ok(comparison) => Defined::Value(comparison),
            Err(error) => Defined::undefined(error.to_string()),
        },
    });
    let without = || "no manifest was given; add --manifest".to_string();
    let (flow, pictures) = match &manifest {
        Some((path, manifest)) => {
            let flow = flow(path, manifest, first, &runs[0].evaluation)?;
            let pictures =
                report_pictures::draw(manifest, main.model.as_deref(), first, &runs[0].evaluation, args)?;
            (Defined::Value(flow), pictures)
        }
        None => {
            (Defined::undefined(without()), (Defined::undefined(without()), Defined::undefined(without())))
        }
    };
    let report = Report {
        title: args.title.clone().unwrap_or_else(|| main.name.clone()),
        mammo_version: env!("CARGO_PKG_VERSION").to_string(),
        comparisons: comparisons.collect(),
        runs,
        flow,
        preprocessing: pictures.0,
        gallery: pictures.1,
    };
    Ok(mammo_report::write(&report, &args.out)?)
}

/// How many images were left at each step, and where the others went.
fn flow(path: &Path, manifest: &Manifest, rows: &[ScoreRow], evaluation: &Evaluation) -> Result<Flow> {
    let counts = manifest.counts();
    let mut steps = vec![FlowStep {
        label: "accepted by import".into(),
        n_images: counts.images,
        n_patients: Some(counts.patients),
        n_malignant: Some(counts.malignant),
        left_out: rejections(&path.with_file_name("rejected.csv"))?,
    }];
    let scored: HashSet<&str> = rows.iter().map(|row| row.file.as_str()).collect();
    let split_path = path.with_file_name("split.json");
    if split_path.exists() {
        let split = Split::read(&split_path)?;
        split.verify(manifest).with_context(|| format!("{}", split_path.display()))?;
        let sides = [Side::Train, Side::Validation, Side::Test];
        let of = |side| split.images(manifest, side);
        let side = sides.into_iter().find(|&side| {
            let files: HashSet<&str> = of(side).iter().map(|image| image.file.as_str()).collect();
            scored.iter().all(|file| files.contains(file))
        });
        if let Some(side) = side {
            let images = of(side);
            let elsewhere = sides
                .into_iter()
                .filter(|&other| other != side)
                .map(|other| LeftOut { reason: format!("on the {other} side"), n: of(other).len() });
            let mut left_out: Vec<LeftOut> = elsewhere.collect();
            let on_no_side = counts.images - left_out.iter().map(|out| out.n).sum::<usize>() - images.len();
            left_out.push(LeftOut { reason: "on no side: truth not recorded".into(), n: on_no_side });
            left_out.retain(|out| out.n > 0);
            steps.push(FlowStep {
                label: format!("{side} side of the split, by patient"),
                n_images: images.len(),
                n_patients: Some(images.iter().map(|image| &image.patient_id).collect::<HashSet<_>>().len()),
                n_malignant: Some(images.iter().filter(|image| image.malignant() == Some(true)).count()),
                left_out,
            });
        }
    }
    let before = steps[steps.len() - 1].n_images;
    let patients: HashSet<&str> = rows.iter().map(|row| row.patient_id.as_str()).collect();
    let not = |n: usize, reason: &str| match n {
        0 => Vec::new(),
        n => vec![LeftOut { reason: reason.into(), n }],
    };
    steps.push(FlowStep {
        label: "scored".into(),
        n_images: rows.len(),
        n_patients: Some(patients.len()),
        n_malignant: Some(rows.iter().filter(|row| row.malignant() == Some(true)).count()),
        left_out: not(before.saturating_sub(rows.len()), "not scored: not chosen, or not readable"),
    });
    steps.push(FlowStep {
        label: "evaluated".into(),
        n_images: evaluation.images.n,
        n_patients: Some(evaluation.images.n_patients),
        n_malignant: Some(evaluation.images.n_malignant),
        left_out: not(evaluation.n_unlabelled, "truth not recorded"),
    });
    Ok(Flow { steps })
}

/// Rows that import rejected, counted by reason.
fn rejections(path: &Path) -> Result<Vec<LeftOut>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("{}", path.display()))?;
    let code = reader.headers()?.iter().position(|header| header == "code");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("{}", path.display()))?;
        let reason = code.and_then(|column| record.get(column)).unwrap_or("rejected");
        *counts.entry(reason.replace('_', " ")).or_default() += 1;
    }
    Ok(counts
        .into_iter()
        .map(|(reason, n)| LeftOut { reason: format!("rows rejected: {reason}"), n })
        .collect())
}
