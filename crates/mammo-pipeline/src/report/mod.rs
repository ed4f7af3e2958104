//! A run as one page: results, figures, cases, data flow, model card.

mod card;
mod flow;
pub mod gallery;
mod pictures;

use std::path::{Path, PathBuf};

use mammo_core::record::Mammogram;
use mammo_data::manifest::Manifest;
use mammo_eval::tables::findings::read_findings;
use mammo_eval::{
    BootstrapConfig, Defined, EvalConfig, EvalInputs, Evaluation, ScoreTable, Unit, compare_auc,
    evaluate_scores,
};
use mammo_nn::model_file::{self, ModelFile};
use mammo_nn::training::run::{EpochRow, METRICS_FILE, MODEL_FILE};
use mammo_report::{Epoch, Report, Run, RunComparison};

use crate::error::{Place, refuse};
use crate::{Error, Observer, Result};
use flow::flow;

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
    /// The files of a run folder, or a score table alone.
    ///
    /// # Errors
    /// A run folder without a score table.
    pub fn find(path: &Path) -> Result<Self> {
        let name = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        if !path.is_dir() {
            let scores = path.to_path_buf();
            return Ok(Self { name: name(path), scores, model: None, metrics: None, findings: None });
        }
        let there = |names: &[&str]| names.iter().map(|file| path.join(file)).find(|file| file.exists());
        let Some(scores) = there(&["scores.csv"]) else {
            refuse!(
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
    pub(crate) fn evaluate(
        &self,
        table: &ScoreTable,
        model: Option<&ModelFile>,
        manifest: Option<&Manifest>,
        config: &EvalConfig,
    ) -> Result<Evaluation> {
        let card = model.map(|model| &model.card);
        let findings = self.findings.as_deref().map(read_findings).transpose()?;
        let inputs = EvalInputs {
            operating_point: card.and_then(|card| card.point_for(table.unit)),
            calibrator: card.and_then(|card| card.calibration.as_ref()).map(|c| &c.calibrator),
            validation: None,
            images: manifest.map_or(&[], |manifest| &manifest.images),
            findings: findings.as_deref().filter(|_| manifest.is_some()),
            others: &[],
        };
        evaluate_scores(table, &inputs, config)
            .at(|| format!("{}: cannot be evaluated", self.scores.display()))
    }

    fn training(&self) -> Result<Defined<Vec<Epoch>>> {
        let Some(path) = &self.metrics else {
            return Ok(Defined::undefined(format!("no {METRICS_FILE} beside {}", self.scores.display())));
        };
        let mut reader = csv::Reader::from_path(path).at(|| path.display())?;
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
        let rows: Vec<Epoch> = rows.collect::<Result<_>>().at(|| path.display())?;
        Ok(match rows.is_empty() {
            true => Defined::undefined(format!("{} holds no epoch", path.display())),
            false => Defined::Value(rows),
        })
    }
}

/// Inputs of a report.
pub struct Request<'a> {
    /// Runs; the page is about the first, the others are set beside it with paired tests.
    pub runs: &'a [RunFiles],
    /// Manifest of the scored images: adds subgroups, data flow, preprocessing and cases.
    pub manifest: Option<&'a Path>,
    /// Folder for the report.
    pub out: &'a Path,
    /// Heading of the page; the first run's name without one.
    pub title: Option<&'a str>,
    /// Cases shown of each kind.
    pub cases: usize,
    /// Where to compute heat maps.
    pub device: &'a str,
    /// Settings of the evaluation.
    pub evaluation: &'a EvalConfig,
}

/// Evaluates runs and writes the report; returns the page's path.
///
/// # Errors
/// Files that cannot be read; scores that cannot be evaluated; a folder that cannot be written to.
pub fn write_report(request: &Request, observer: &dyn Observer) -> Result<PathBuf> {
    let (files, config) = (request.runs, request.evaluation);
    let manifest = match request.manifest {
        Some(path) => Some((path, Manifest::read(path)?)),
        None => None,
    };
    let mut runs = Vec::new();
    let mut rows = Vec::new();
    for file in files {
        let table = ScoreTable::read(&file.scores)?;
        if table.unit != Unit::Image {
            refuse!(
                "{}: one row per {}; a report needs one row per image, as from `mammo predict` without --by",
                file.scores.display(),
                table.unit
            );
        }
        let model = file.model.as_deref().map(model_file::load).transpose()?;
        runs.push(Run {
            name: file.name.clone(),
            evaluation: file.evaluate(
                &table,
                model.as_ref(),
                manifest.as_ref().map(|(_, manifest)| manifest),
                config,
            )?,
            training: file.training()?,
            card: match &model {
                Some(model) => Defined::Value(card::sections(model)),
                None => Defined::undefined(format!("no {MODEL_FILE} beside {}", file.scores.display())),
            },
        });
        rows.push(table.rows);
    }
    let (Some(main), Some(first)) = (files.first(), rows.first()) else {
        refuse!("no run; expected at least one")
    };
    let comparisons = files.iter().zip(&rows).skip(1).map(|(file, other)| RunComparison {
        name: file.name.clone(),
        result: match compare_auc(other, first, &BootstrapConfig::default()) {
            Ok(comparison) => Defined::Value(comparison),
            Err(error) => Defined::undefined(error.to_string()),
        },
    });
    let without = || "no manifest was given; add --manifest".to_string();
    let (flow, drawn) = match &manifest {
        Some((path, manifest)) => {
            let flow = flow(path, manifest, first, &runs[0].evaluation)?;
            let drawn = pictures::draw(
                manifest,
                main.model.as_deref(),
                first,
                &runs[0].evaluation,
                request,
                observer,
            )?;
            (Defined::Value(flow), drawn)
        }
        None => {
            (Defined::undefined(without()), (Defined::undefined(without()), Defined::undefined(without())))
        }
    };
    let report = Report {
        title: request.title.map_or_else(|| main.name.clone(), str::to_string),
        mammo_version: env!("CARGO_PKG_VERSION").to_string(),
        comparisons: comparisons.collect(),
        runs,
        flow,
        preprocessing: drawn.0,
        gallery: drawn.1,
    };
    Ok(mammo_report::write(&report, request.out)?)
}

/// The record of a scored image.
fn in_manifest<'m>(manifest: &'m Manifest, file: &str) -> Result<&'m Mammogram> {
    manifest.find(file).ok_or_else(|| Error::Refused(format!("{file}: not in the manifest")))
}
