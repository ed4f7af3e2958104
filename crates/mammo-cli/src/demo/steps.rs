//! The steps of the demo; a step whose output exists is skipped.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use mammo_core::write::write_atomically;
use mammo_data::split::Side;
use mammo_eval::{EvalConfig, ScoreRow};
use mammo_nn::device;
use mammo_nn::inference::predict::Tta;
use mammo_nn::model_file;
use mammo_nn::training::run::{METRICS_FILE, MODEL_FILE};
use mammo_phantom::{ArchiveLayout, PhantomConfig, Site};
use mammo_pipeline::Observer;
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::data::Data;
use mammo_pipeline::fit::steps::Workplace;
use mammo_pipeline::heatmap::{Mapper, write_maps};
use mammo_pipeline::report::{self, RunFiles, write_report};
use mammo_pipeline::scoring::{PatchScores, Selected, score_patches, select};
use mammo_pipeline::training::{Trained, Transfer, transfer};

use super::plan::{DIGITAL_SHARES, FILM_SHARES, N_TRANSFER, Plan};
use super::{Args, CONTINUES};
use crate::output::{count, duration};
use crate::progress::{self, Terminal};
use crate::{Done, import, phantom, sample, split};

/// Factor on lesion lengths. The demo's images have a ninth of the paper's pixels, too few to resolve
/// the margins and grains of lesions of natural size; this factor compensates.
const LESION_SCALE: f64 = 1.6;
/// Factor on the contrast of masses. With the contrast of real masses, the AUC of networks this small is
/// near 0.5 after ten minutes of training (docs/experiments.md).
const MASS_CONTRAST: f64 = 1.6;
/// The demo's phantoms of a site, apart from their number.
pub(super) fn phantoms(site: Site, settings: &RunConfig) -> Result<PhantomConfig> {
    let preprocessing = settings.preprocessing()?;
    Ok(PhantomConfig {
        site,
        seed: settings.seed,
        height_px: preprocessing.height_px,
        width_px: preprocessing.width_px,
        lesion_scale: LESION_SCALE,
        mass_contrast: MASS_CONTRAST,
        ..PhantomConfig::default()
    })
}

/// Findings of lower probability are left out of the demo's maps.
const MIN_SCORE: f64 = 0.05;

/// Files of the demo and the steps that make them.
pub(super) struct Demo<'a> {
    pub args: &'a Args,
    /// The settings at this demo's size.
    pub config: RunConfig,
    pub plan: Plan,
    /// Whether the demo continues an earlier start.
    pub continued: bool,
    pub started: Instant,
}
/// Ends the demo after Ctrl-C in a step.
fn stop_if(done: Done) -> Result<()> {
    match done {
        Done::Interrupted => Err(CONTINUES.into()),
        Done::All | Done::WithRejections => Ok(()),
    }
}
impl Demo<'_> {
    pub(super) fn step(&self, what: &str) {
        // The remaining time of a continued demo is unknown.
        let all = match self.continued {
            true => String::new(),
            false => format!(" of about {}", self.plan.about()),
        };
        Terminal.step(&format!("[{}{all}] {what}", duration(self.started.elapsed().as_secs_f64())));
    }

    pub(super) fn model(&self, name: &str) -> PathBuf {
        self.args.out.join(name).join(MODEL_FILE)
    }

    /// Runs a command unless its output exists from an earlier start.
    pub(super) fn run_unless_exists(
        &self,
        output: &Path,
        command: impl FnOnce() -> Result<Done>,
    ) -> Result<()> {
        if output.exists() {
            tracing::info!("{}: exists already", output.display());
            return Ok(());
        }
        stop_if(command()?)
    }

    /// Phantoms, manifest and split of one site, the second in the layout of INbreast, as DICOM; returns
    /// the manifest.
    pub(super) fn data_set(&self, site: Site, patients: usize, settings: &RunConfig) -> Result<PathBuf> {
        let dir = self.args.out.join(site.to_string());
        let drawn = phantoms(site, settings)?;
        // The table is written last.
        let (layout, table, import) = match site {
            Site::Film => (ArchiveLayout::Film, "images.csv", import::Args::of_tables(dir.clone())),
            Site::Digital => {
                (ArchiveLayout::Inbreast, "INbreast.csv", import::Args::of_inbreast(dir.clone()))
            }
        };
        let phantom = phantom::Args {
            out: dir.clone(),
            patients,
            layout,
            height: drawn.height_px,
            width: drawn.width_px,
            lesion_scale: drawn.lesion_scale,
            mass_contrast: drawn.mass_contrast,
            seed: drawn.seed,
        };
        let manifest = import.manifest();
        let [validation, test] = match site {
            Site::Film => FILM_SHARES,
            Site::Digital => DIGITAL_SHARES,
        };
        let split = split::Args {
            manifest: manifest.clone(),
            out: None,
            validation,
            test,
            folds: None,
            fold: None,
            seed: settings.seed,
            official: false,
            pictures: false,
        };
        self.run_unless_exists(&dir.join(table), || phantom::run(&phantom))?;
        self.run_unless_exists(&manifest, || import::run(&import))?;
        self.run_unless_exists(&dir.join("split.json"), || split::run(&split))?;
        Ok(manifest)
    }

    /// Patches of every side.
    pub(super) fn sample(&self, film: &Data, patches: &Path) -> Result<()> {
        self.run_unless_exists(&patches.join("test/patches.csv"), || {
            sample::draw(&self.config, film, patches)
        })
    }

    /// The steps that the demo shares with `mammo fit`.
    pub(super) fn work(&self) -> Workplace<'_> {
        let command = std::env::args().collect();
        Workplace { out: &self.args.out, device: &self.args.device, command, observer: &Terminal }
    }

    pub(super) fn transfer(&self, digital: &Data) -> mammo_pipeline::Result<Trained> {
        let work = self.work();
        let (place, model) = (work.place("transfer"), model_file::load(&self.model("from-patches"))?);
        let request = Transfer {
            config: self.config.clone(),
            data: digital,
            model: &model,
            n_patients: Some(N_TRANSFER),
            place: &place,
        };
        work.finished(transfer(request, &Terminal)?)
    }

    /// The test side of a data set.
    fn test_side(manifest: &Path) -> Result<Selected> {
        Ok(select(&[manifest.to_path_buf()], Some(Side::Test), None, &Terminal)?)
    }

    /// Scores the test side and writes the table.
    pub(super) fn score(
        &self,
        name: &str,
        manifest: &Path,
        models: &[&PathBuf],
        tta: Tta,
    ) -> mammo_pipeline::Result<Vec<ScoreRow>> {
        let paths: Vec<PathBuf> = models.iter().map(|&model| model.clone()).collect();
        let table = self.args.out.join("scores").join(format!("{name}.csv"));
        Ok(self.work().score(&table, manifest, &paths, tta)?.rows)
    }

    /// Writes heat maps of the test side with the patch model.
    pub(super) fn heatmap(&self, manifest: &Path, model: &Path, out: &Path) -> Result<()> {
        let mapper = Mapper::load(model, None, None, &device::by_name(&self.args.device)?)?;
        let maps = write_maps(&mapper, &Self::test_side(manifest)?, MIN_SCORE, out, &Terminal)?;
        if progress::stop_requested() {
            return Err(CONTINUES.into());
        }
        tracing::info!("{}: {} mapped", out.display(), count(maps.tables.images.len(), "image"));
        Ok(())
    }

    /// Writes the report of the first hospital's test side; returns the page's path.
    pub(super) fn report(&self, manifest: &Path, findings: &Path) -> Result<PathBuf> {
        let file = |name: &str| Some(self.args.out.join(name)).filter(|path| path.exists());
        let run = |name: &str, scores: &str, folder: &str| RunFiles {
            name: name.to_string(),
            scores: self.args.out.join("scores").join(format!("{scores}.csv")),
            model: file(&format!("{folder}/{MODEL_FILE}")),
            metrics: file(&format!("{folder}/{METRICS_FILE}")),
            findings: None,
        };
        let from_patches = run("from patches", "b-from-patches", "from-patches");
        let runs = [
            RunFiles { findings: Some(findings.to_path_buf()), ..from_patches },
            RunFiles { model: None, metrics: None, ..run("two averaged, flips", "c-averaged", "") },
            run("from scratch", "a-from-scratch", "from-scratch"),
        ];
        let request = report::Request {
            runs: &runs,
            manifest: Some(manifest),
            out: &self.args.out.join("report"),
            title: Some("Demo: phantoms of the film site"),
            cases: 5,
            device: &self.args.device,
            evaluation: &EvalConfig::default(),
        };
        Ok(write_report(&request, &Terminal)?)
    }

    /// Scores the test side's patches and writes the table.
    pub(super) fn score_patches(&self, film: &Data, folder: &Path, model: &Path) -> Result<PatchScores> {
        let file = model_file::load(model)?;
        let (scores, _) = score_patches(&file, film, Side::Test, folder, &self.args.device, &Terminal)?;
        write_atomically(&self.args.out.join("scores/patches.csv"), &scores.to_csv()?)?;
        Ok(scores)
    }
}
