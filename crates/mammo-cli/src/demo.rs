//! `mammo demo`: the whole method on phantoms, with nothing but this binary.
//!
//! Calls the other verbs one after another, exactly as a user would, so the demo is also
//! their example. Run it again in the same folder and it continues where it stopped.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use mammo::eval::scores::write_scores;
use mammo::eval::{BootstrapConfig, Comparison, Interval, PatchEvaluation, ScoreRow};
use mammo::eval::{compare_auc, evaluate_patches};
use mammo::phantom::{Layout, Site};
use mammo::split::Side;
use mammo::write::{write_atomically, write_json};
use mammo_nn::train::{METRICS_FILE, MODEL_FILE};
use serde::Serialize;

use crate::config::RunConfig;
use crate::demo_size::{Choice, Size};
use crate::evaluate::auc_per_image;
use crate::predict::TtaArg;
use crate::report::RunFiles;
use crate::{
    Done, Interrupted, gallery, heatmap, import, patch_scores, phantom, predict, progress, report, sample,
    split, train_image, train_patch, transfer,
};

/// The embedded configuration, as in `configs/demo.toml`.
const CONFIG: &str = include_str!("../../../configs/demo.toml");

/// The demo's images have a ninth of the paper's pixels, too few to show the margins and
/// grains of life-size lesions; somewhat larger ones show about what the paper's images show.
const LESION_SCALE: f64 = 1.6;
/// At the contrast of real masses, networks this small learn too little in ten minutes to show
/// anything: their areas stay near 0.5 (docs/experiments.md). The demo's masses are plainer.
const MASS_CONTRAST: f64 = 1.6;
/// Patients of the second site, known by image labels only; an eighth has BI-RADS 3, which is no truth.
const N_DIGITAL: usize = 184;
/// Patients of the second site that transfer trains on (paper notes 1.8 begin with 20).
const N_TRANSFER: usize = 20;

/// Run the whole method on synthetic mammograms; needs no data and no GPU.
///
/// Two hospitals' phantoms are made, those of the second as DICOM in the layout of INbreast; at the first, patches train a patch classifier, which
/// becomes a whole-image classifier; a second one is trained from scratch for comparison; two
/// models and four flips are averaged; then one model moves to the second hospital with twenty
/// patients. Under 10 minutes on 2 cores: on a slow processor the networks are narrower. Run it again to continue a stopped demo.
///
/// Example: mammo demo --out runs/demo
#[derive(clap::Args)]
pub struct Args {
    /// Folder for data, models, scores and results.
    #[arg(long, default_value = "runs/demo")]
    pub out: PathBuf,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Which demo; by default the one that takes under ten minutes on two cores of this machine's speed.
    #[arg(long, value_enum)]
    pub size: Option<Size>,
}

/// One line of the result table.
#[derive(Serialize)]
struct ResultRow {
    what: &'static str,
    site: &'static str,
    auc: Interval,
}

/// `results.json`.
#[derive(Serialize)]
struct Results {
    patches: PatchEvaluation,
    rows: Vec<ResultRow>,
    /// From patches less from scratch, paired.
    gain_from_patches: Comparison,
    seconds: f64,
    /// Which demo, and why.
    size: Choice,
}

/// Files of the demo and the verbs that make them.
struct Demo<'a> {
    args: &'a Args,
    config: PathBuf,
    size: Choice,
    started: Instant,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    let size = Choice::make(&args.out, args.size, &args.device)?;
    let demo = Demo { args, config: args.out.join("demo.toml"), size, started: Instant::now() };
    eprintln!("{}", size.explained());
    write_atomically(&demo.config, CONFIG.as_bytes())?;
    let settings = RunConfig::read(&demo.config, &demo.changes(&[]))?;

    demo.step("two hospitals' phantoms");
    let film = demo.data_set(Site::Film, size.size.n_film(), &settings)?;
    let digital = demo.data_set(Site::Digital, N_DIGITAL, &settings)?;

    demo.step("patches around lesions and in the background");
    let patches = args.out.join("patches");
    demo.unless_there(&patches.join("test/patches.csv"), || sample::run(&demo.sample(&film, &patches)))?;

    demo.step("patch classifier");
    let patch_model = demo.model("patch");
    stop_if(train_patch::run(&demo.train_patch(&film, &patches))?)?;

    demo.step("whole-image classifier on the patch classifier's trunk");
    stop_if(train_image::run(&demo.train_image(&film, "from-patches", Some(&patch_model), &[]))?)?;
    demo.step("a second one, with a VGG top and another seed, to average with");
    let vgg_top = ["seed=2", "image.top={kind=\"vgg\",channels=[64],depth=1}"];
    stop_if(train_image::run(&demo.train_image(&film, "from-patches-vgg", Some(&patch_model), &vgg_top))?)?;
    demo.step("for comparison: the same network from scratch");
    // A frozen random trunk would waste its first epochs: all of it learns from the start, for as
    // many epochs as the others have in all.
    let epochs: usize = settings.image.training.stages.iter().map(|stage| stage.epochs).sum();
    let all = format!("{{train=\"all\",epochs={epochs},learning_rate=1e-3,weight_decay=1e-2}}");
    let all = format!("image.training.stages=[{all}]");
    stop_if(train_image::run(&demo.train_image(&film, "from-scratch", None, &[&all]))?)?;

    demo.step("transfer to the second hospital, 20 patients, image labels only");
    stop_if(transfer::run(&demo.transfer(&digital))?)?;

    demo.step("scores of the test sides");
    let [a, b, vgg, after] =
        ["from-scratch", "from-patches", "from-patches-vgg", "transfer"].map(|m| demo.model(m));
    let scratch = demo.score("a-from-scratch", &film, &[&a], TtaArg::None)?;
    let from_patches = demo.score("b-from-patches", &film, &[&b], TtaArg::None)?;
    let averaged = demo.score("c-averaged", &film, &[&b, &vgg], TtaArg::Flips)?;
    let before_transfer = demo.score("d-before-transfer", &digital, &[&b], TtaArg::None)?;
    let after_transfer = demo.score("d-after-transfer", &digital, &[&after], TtaArg::None)?;
    let patch_table = demo.score_patches(&film, &patches, &patch_model)?;

    let row = |what, site, rows: &[ScoreRow]| Ok(ResultRow { what, site, auc: auc_per_image(rows)? });
    let classes: Vec<&str> = patch_table.classes.iter().map(String::as_str).collect();
    let results = Results {
        patches: evaluate_patches(&classes, &patch_table.truth, &patch_table.probabilities)?,
        rows: [
            row("(a) from scratch", "film", &scratch),
            row("(b) from patches", "film", &from_patches),
            row("(c) two models averaged, flips", "film", &averaged),
            row("(d) before transfer", "digital", &before_transfer),
            row("(d) after transfer, 20 patients", "digital", &after_transfer),
        ]
        .into_iter()
        .collect::<Result<_>>()?,
        gain_from_patches: compare_auc(&scratch, &from_patches, &BootstrapConfig::default())?,
        seconds: demo.started.elapsed().as_secs_f64(),
        size,
    };
    let table = table(&results);
    write_json(&args.out.join("results.json"), &results)?;
    write_atomically(&args.out.join("results.md"), table.as_bytes())?;
    let picture = args.out.join("gallery.png");
    gallery::write(&picture, &film, &averaged)?;

    demo.step("report");
    let heatmaps = args.out.join("heatmaps");
    demo.unless_there(&heatmaps.join("findings.csv"), || {
        heatmap::run(&demo.heatmap(&film, &patch_model, &heatmaps))
    })?;
    let page = demo.report(&film, &heatmaps.join("findings.csv"))?;
    println!("\n{table}\npicture: {}\nresults: {}", picture.display(), args.out.join("results.md").display());
    println!("report:  {}", page.display());
    Ok(Done::All)
}

/// Turns Ctrl-C in a step into the end of the demo.
fn stop_if(done: Done) -> Result<()> {
    match done {
        Done::Interrupted => Err(Interrupted.into()),
        Done::All | Done::WithRejections => Ok(()),
    }
}

fn table(results: &Results) -> String {
    let mut text = format!("{:<34} {:<8} {:>6}  95 % interval\n", "test images", "site", "AUC");
    for row in &results.rows {
        let auc = &row.auc;
        text += &format!(
            "{:<34} {:<8} {:>6.3}  {:.3} to {:.3}\n",
            row.what, row.site, auc.estimate, auc.low, auc.high
        );
    }
    let gain = &results.gain_from_patches.difference;
    text += &format!(
        "{:<34} {:<8} {:>+6.3}  {:+.3} to {:+.3}\n",
        "(b) - (a), paired", "film", gain.estimate, gain.low, gain.high
    );
    text += &format!(
        "\ntest patches: {}, balanced accuracy {:.3} over {} classes\n{}, {:.0} s in all\n",
        results.patches.n,
        results.patches.balanced_accuracy,
        results.patches.confusion.classes.len(),
        results.size.name(),
        results.seconds
    );
    text
}

impl Demo<'_> {
    fn step(&self, what: &str) {
        eprintln!("\n[{:>4.0} s] {what}", self.started.elapsed().as_secs_f64());
    }

    /// What this demo's size and a step change in the configuration.
    fn changes(&self, of_step: &[&str]) -> Vec<String> {
        self.size.size.changes().into_iter().chain(of_step.iter().map(ToString::to_string)).collect()
    }

    fn model(&self, name: &str) -> PathBuf {
        self.args.out.join(name).join(MODEL_FILE)
    }

    /// Runs a verb unless its output is there from an earlier start.
    fn unless_there(&self, output: &Path, verb: impl FnOnce() -> Result<Done>) -> Result<()> {
        if output.exists() {
            eprintln!("{}: there already", output.display());
            return Ok(());
        }
        stop_if(verb()?)
    }

    /// Phantoms, manifest and split of one site, the second in the layout of INbreast, as DICOM; returns
    /// the manifest.
    fn data_set(&self, site: Site, patients: usize, settings: &RunConfig) -> Result<PathBuf> {
        let dir = self.args.out.join(site.to_string());
        let (height, width) = (settings.preprocessing.height_px, settings.preprocessing.width_px);
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

    fn sample(&self, manifest: &Path, out: &Path) -> sample::Args {
        sample::Args {
            manifest: manifest.to_path_buf(),
            config: self.config.clone(),
            split: None,
            patch_set: None,
            out: out.to_path_buf(),
            set: self.changes(&[]),
        }
    }

    fn train_patch(&self, manifest: &Path, patches: &Path) -> train_patch::Args {
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

    fn train_image(
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

    fn transfer(&self, manifest: &Path) -> transfer::Args {
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
    fn score(&self, name: &str, manifest: &Path, models: &[&PathBuf], tta: TtaArg) -> Result<Vec<ScoreRow>> {
        let models: Vec<&Path> = models.iter().map(|model| model.as_path()).collect();
        let scored = predict::score(&predict::Args { tta, ..self.predict(manifest, &models) })?;
        if progress::stop_requested() {
            return Err(Interrupted.into());
        }
        write_scores(&self.args.out.join("scores").join(format!("{name}.csv")), &scored.rows)?;
        Ok(scored.rows)
    }

    fn heatmap(&self, manifest: &Path, model: &Path, out: &Path) -> heatmap::Args {
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
    fn report(&self, manifest: &Path, findings: &Path) -> Result<PathBuf> {
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

    fn score_patches(
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
