//! The steps of the demo: other verbs with their arguments, each left out when its output is there.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use mammo::eval::ScoreRow;
use mammo::eval::scores::write_scores;
use mammo::phantom::{Layout, Site};
use mammo::split::Side;
use mammo_nn::run::{METRICS_FILE, MODEL_FILE};

use super::Args;
use super::size::Choice;
use crate::config::RunConfig;
use crate::predict::TtaArg;
use crate::report::RunFiles;
use crate::{
    Done, Interrupted, heatmap, import, patch_scores, phantom, predict, progress, report, sample, split,
    train_image, train_patch, transfer,
};

/// The demo's images have a ninth of the paper's pixels, too few to show the margins and
/// grains of life-size lesions; somewhat larger ones show about what the paper's images show.
const LESION_SCALE: f64 = 1.6;
/// At the contrast of real masses, networks this small learn too little in ten minutes to show
/// anything: their areas stay near 0.5 (docs/experiments.md). The demo's masses are plainer.
const MASS_CONTRAST: f64 = 1.6;
/// Patients of the second site that transfer trains on (paper notes 1.8 begin with 20).
const N_TRANSFER: usize = 20;

/// Files of the demo and the verbs that make them.
pub(super) struct Demo<'a> {
    pub args: &'a Args,
    pub config: PathBuf,
    pub size: Choice,
    pub started: Instant,
}
/// Turns Ctrl-C in a step into the end of the demo.
pub(super) fn stop_if(done: Done) -> Result<()> {
    match done {
        Done::Interrupted => Err(Interrupted.into()),
        Done::All | Done::WithRejections => Ok(()),
    }
}
impl Demo<'_> {
    pub(super) fn step(&self, what: &str) {
        eprintln!("\n[{:>4.0} s] {what}", self.started.elapsed().as_secs_f64());
    }

    /// What this demo's size and a step change in the configuration.
    pub(super) fn changes(&self, of_step: &[&str]) -> Vec<String> {
        self.size.size.changes().into_iter().chain(of_step.iter().map(ToString::to_string)).collect()
    }

    pub(super) fn model(&self, name: &str) -> PathBuf {
        self.args.out.join(name).join(MODEL_FILE)
    }

    /// Runs a verb unless its output is there from an earlier start.
    pub(super) fn unless_there(&self, output: &Path, verb: impl FnOnce() -> Result<Done>) -> Result<()> {
        if output.exists() {
            eprintln!("{}: there already", output.display());
            return Ok(());
        }
        stop_if(verb()?)
    }

    /// Phantoms, manifest and split of one site, the second in the layout of INbreast, as DICOM; returns
    /// the manifest.
    pub(super) fn data_set(&self, site: Site, patients: usize, settings: &RunConfig) -> Result<PathBuf> {
        let dir = self.args.out.join(site.to_string());
        let preprocessing = settings.preprocessing()?;
        let (height, width) = (preprocessing.height_px, preprocessing.width_px);
        // The table is written last.
        let (layout, table, import) = match site {
            Site::Film => (Layout::Film, "images.csv", import::Args::of_tables(dir.clone())),
            Site::Digital => (Layout::Inbreast, "INbreast.csv", import::Args::of_inbreast(dir.clone())),
        };
        let phantom = phantom::Args {
            out: dir.clone(),
            patients,
            layout,
            height,
            width,
            lesion_scale: LESION_SCALE,
            mass_contrast: MASS_CONTRAST,
            seed: settings.seed,
        };
        let manifest = import.manifest();
        // The transfer set needs few training patients and a large test side.
        let (validation, test) = match site {
            Site::Film => (0.08, 0.17),
            Site::Digital => (0.2, 0.5),
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
        self.unless_there(&dir.join(table), || phantom::run(&phantom))?;
        self.unless_there(&manifest, || import::run(&import))?;
        self.unless_there(&dir.join("split.json"), || split::run(&split))?;
        Ok(manifest)
    }

    pub(super) fn sample(&self, manifest: &Path, out: &Path) -> sample::Args {
        sample::Args {
            manifest: manifest.to_path_buf(),
            config: self.config.clone(),
            split: None,
            patch_set: None,
            out: out.to_path_buf(),
            set: self.changes(&[]),
        }
    }

    pub(super) fn train_patch(&self, manifest: &Path, patches: &Path) -> train_patch::Args {
        let out = self.args.out.join("patch");
        train_patch::Args {
            manifest: manifest.to_path_buf(),
            config: self.config.clone(),
            split: None,
            resume: out.exists(),
            out,
            patch_set: None,
            patches: Some(patches.to_path_buf()),
            device: self.args.device.clone(),
            set: self.changes(&[]),
        }
    }

    pub(super) fn train_image(
        &self,
        manifest: &Path,
        name: &str,
        from_patch: Option<&Path>,
        set: &[&str],
    ) -> train_image::Args {
        let out = self.args.out.join(name);
        train_image::Args {
            manifest: manifest.to_path_buf(),
            config: self.config.clone(),
            split: None,
            resume: out.exists(),
            out,
            from_patch: from_patch.map(Path::to_path_buf),
            from_scratch: from_patch.is_none(),
            device: self.args.device.clone(),
            set: self.changes(set),
        }
    }

    pub(super) fn transfer(&self, manifest: &Path) -> transfer::Args {
        let out = self.args.out.join("transfer");
        transfer::Args {
            manifest: manifest.to_path_buf(),
            config: self.config.clone(),
            split: None,
            model: self.model("from-patches"),
            patients: Some(N_TRANSFER),
            resume: out.exists(),
            out,
            device: self.args.device.clone(),
            set: self.changes(&[]),
        }
    }

    fn predict(&self, manifest: &Path, models: &[&Path]) -> predict::Args {
        predict::Args {
            images: vec![manifest.to_path_buf()],
            model: models.iter().map(|model| model.to_path_buf()).collect(),
            side: Some(Side::Test),
            split: None,
            tta: TtaArg::None,
            patches: None,
            out: None,
            device: self.args.device.clone(),
        }
    }

    /// Scores the test side and keeps the table.
    pub(super) fn score(
        &self,
        name: &str,
        manifest: &Path,
        models: &[&PathBuf],
        tta: TtaArg,
    ) -> Result<Vec<ScoreRow>> {
        let models: Vec<&Path> = models.iter().map(|model| model.as_path()).collect();
        let scored = predict::score(&predict::Args { tta, ..self.predict(manifest, &models) })?;
        if progress::stop_requested() {
            return Err(Interrupted.into());
        }
        write_scores(&self.args.out.join("scores").join(format!("{name}.csv")), &scored.rows)?;
        Ok(scored.rows)
    }

    pub(super) fn heatmap(&self, manifest: &Path, model: &Path, out: &Path) -> heatmap::Args {
        heatmap::Args {
            images: vec![manifest.to_path_buf()],
            model: model.to_path_buf(),
            out: out.to_path_buf(),
            method: None,
            side: Some(Side::Test),
            stride: None,
            min_score: 0.05,
            device: self.args.device.clone(),
        }
    }

    /// Writes the report of the first hospital's test side; returns the page's path.
    pub(super) fn report(&self, manifest: &Path, findings: &Path) -> Result<PathBuf> {
        let file = |name: &str| Some(self.args.out.join(name)).filter(|path| path.exists());
        let run = |name: &str, scores: &str, folder: &str| RunFiles {
            name: name.to_string(),
            scores: self.args.out.join("scores").join(format!("{scores}.csv")),
            evaluation: self.args.out.join("evaluation").join(scores),
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
        report::write(
            &runs,
            &report::Args {
                runs: Vec::new(),
                manifest: Some(manifest.to_path_buf()),
                out: self.args.out.join("report"),
                title: Some("Demo: phantoms of the film site".into()),
                cases: 5,
                device: self.args.device.clone(),
            },
        )
    }

    pub(super) fn score_patches(
        &self,
        manifest: &Path,
        folder: &Path,
        model: &Path,
    ) -> Result<patch_scores::PatchScores> {
        let out = self.args.out.join("scores/patches.csv");
        let args = predict::Args { out: Some(out.clone()), ..self.predict(manifest, &[model]) };
        patch_scores::run(&args, folder)?;
        patch_scores::read(&out)
    }
}
