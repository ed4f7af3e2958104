//! The steps of the demo: other verbs with their arguments, each left out when its output is there.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use mammo_data::split::Side;
use mammo_eval::ScoreRow;
use mammo_eval::tables::scores::write_scores;
use mammo_nn::training::run::{METRICS_FILE, MODEL_FILE};
use mammo_phantom::{Layout, PhantomConfig, Site};

use super::Args;
use super::plan::{DIGITAL_SHARES, FILM_SHARES, N_TRANSFER, Plan};
use crate::config::RunConfig;
use crate::output::{count, duration};
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

/// Files of the demo and the verbs that make them.
pub(super) struct Demo<'a> {
    pub args: &'a Args,
    pub config: PathBuf,
    pub plan: Plan,
    /// Whether an earlier start began it.
    pub continued: bool,
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
        // How much of a continued demo is left, the plan does not say.
        let all = match self.continued {
            true => String::new(),
            false => format!(" of about {}", self.plan.about()),
        };
        eprintln!("\n[{}{all}] {what}", duration(self.started.elapsed().as_secs_f64()));
    }

    /// What this demo's size and a step change in the configuration.
    pub(super) fn changes(&self, of_step: &[&str]) -> Vec<String> {
        self.plan.size.changes().into_iter().chain(of_step.iter().map(ToString::to_string)).collect()
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
        let drawn = phantoms(site, settings)?;
        // The table is written last.
        let (layout, table, import) = match site {
            Site::Film => (Layout::Film, "images.csv", import::Args::of_tables(dir.clone())),
            Site::Digital => (Layout::Inbreast, "INbreast.csv", import::Args::of_inbreast(dir.clone())),
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
            assume_mammography: false,
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
        let path = self.args.out.join("scores").join(format!("{name}.csv"));
        write_scores(&path, &scored.rows)?;
        eprintln!("{}: {} scored", path.display(), count(scored.rows.len(), "image"));
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
            list: false,
            device: self.args.device.clone(),
        }
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
        report::write(
            &runs,
            &report::Args {
                runs: Vec::new(),
                manifest: Some(manifest.to_path_buf()),
                out: self.args.out.join("report"),
                title: Some("Demo: phantoms of the film site".into()),
                cases: 5,
                device: self.args.device.clone(),
                set: Vec::new(),
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
