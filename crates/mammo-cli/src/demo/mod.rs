//! `mammo demo`: the whole method on phantoms, without data or configuration.
//!
//! Calls the steps of the pipeline in order with typed settings. A second call with the same folder
//! continues a stopped demo.

mod pace;
mod plan;
mod results;
mod size;
mod steps;
mod time;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use mammo_core::write::{write_atomically, write_json};
use mammo_eval::{BootstrapConfig, ScoreRow, compare_auc, evaluate_patches};
use mammo_nn::inference::predict::Tta;
use mammo_nn::model_file;
use mammo_nn::networks::Scope;
use mammo_nn::networks::top::TopConfig;
use mammo_nn::training::schedule::StageConfig;
use mammo_phantom::Site;
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::data::Data;
use mammo_pipeline::report::gallery;
use mammo_pipeline::training::ImageStart;

use crate::evaluate::auc_per_image;
use crate::{Done, Interrupted, output, progress};
use plan::{N_DIGITAL, Plan};
use results::{ResultRow, Results, last_screen, table};
use size::Named;
use steps::Demo;

/// How a demo that was stopped goes on.
const CONTINUES: Interrupted = Interrupted("run the same command again to continue");

/// The embedded configuration, as in `configs/demo.toml`.
const CONFIG: &str = include_str!("../../configs/demo.toml");

/// Run the whole method on synthetic mammograms; needs no data and no GPU.
///
/// Phantoms of two hospitals are made, those of the second as DICOM in the layout of INbreast. On the
/// first, a patch classifier is trained and converted to a whole-image classifier; another one is
/// trained from scratch for comparison; two models and four flips are averaged. Then one model is
/// fine-tuned on twenty patients of the second hospital. The demo takes 5 to 9 minutes on 2 recent
/// cores: a few training steps are timed first, and the numbers of patients and steps are chosen
/// accordingly. On slower cores it takes longer, because less training shows nothing; it prints the
/// expected time before it starts. Run it again to continue a stopped demo.
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
    /// Amount of training [default: chosen for 5 to 9 minutes on this machine].
    #[arg(long, value_enum)]
    pub size: Option<Named>,
    /// Print the size and the expected duration of the demo only.
    #[arg(long)]
    pub plan: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    let started = Instant::now();
    let config = RunConfig::parse(CONFIG, &[])?;
    let (plan, continued) = Plan::make(&args.out, args.size, &config, &args.device)?;
    if progress::stop_requested() {
        return Err(CONTINUES.into());
    }
    if args.plan {
        output::results(&plan.text());
        return Ok(Done::All);
    }
    // The result of the demo is the final summary; the results of its commands are the log.
    output::results_to_log();
    tracing::info!("{}", plan.announcement(&args.out, continued));
    plan.write(&args.out)?;
    write_atomically(&args.out.join("demo.toml"), CONFIG.as_bytes())?;
    let demo = Demo { args, config: plan.size.apply(config)?, plan, continued, started };
    let made = train(&demo).map_err(resumable)?;
    let results = evaluate(&demo, &made).map_err(resumable)?;
    print!("{}", &last_screen(&results, &args.out));
    Ok(Done::All)
}

/// Says how a stop goes on.
fn resumable(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<mammo_pipeline::Error>() {
        Ok(error) => CONTINUES.instead_of_stop(error),
        Err(other) => other,
    }
}

/// Results of the training part of the demo for the scoring part.
struct Made {
    /// Manifest of the first hospital, and its data.
    film: PathBuf,
    film_data: Data,
    /// Manifest of the second.
    digital: PathBuf,
    /// Folder of patches of the first.
    patches: PathBuf,
    patch_model: PathBuf,
}

/// Makes data and models, unless they exist from an earlier start.
fn train(demo: &Demo) -> Result<Made> {
    let config = &demo.config;
    demo.step("synthetic mammograms (phantoms) of two hospitals, film and digital");
    let film = demo.data_set(Site::Film, demo.plan.size.film_patients, config)?;
    let digital = demo.data_set(Site::Digital, N_DIGITAL, config)?;
    let film_data = Data::read(&film, None)?;

    demo.step("patches around lesions and in the background");
    let patches = demo.args.out.join("patches");
    demo.sample(&film_data, &patches)?;

    demo.step("patch classifier");
    let patch_model = demo.model("patch");
    let work = demo.work();
    work.train_patch("patch", config, &film_data, Some(&patches))?;

    demo.step("whole-image classifier (b), from the patch classifier's trunk");
    let patch_file = model_file::load(&patch_model)?;
    let from_patches = ImageStart::Patch(&patch_file);
    work.train_image("from-patches", config, &film_data, from_patches)?;
    demo.step("a second one with other top layers and another seed, for the average (c)");
    work.train_image("from-patches-vgg", &with_vgg_top(config)?, &film_data, from_patches)?;
    demo.step("for comparison: the network of (b) from scratch, without patches (a)");
    work.train_image("from-scratch", &from_scratch(config)?, &film_data, ImageStart::Random)?;

    demo.step("transfer of (b) to the digital hospital (d): 20 patients, image labels only");
    demo.transfer(&Data::read(&digital, None)?)?;
    Ok(Made { film, film_data, digital, patches, patch_model })
}

/// Other top layers and another seed.
fn with_vgg_top(config: &RunConfig) -> Result<RunConfig> {
    let mut config = config.clone();
    config.seed = 2;
    config.image_mut()?.top = TopConfig::Vgg { channels: vec![64], depth: 1 };
    Ok(config)
}

/// One stage for all layers, because training a head on a frozen random trunk is useless. It has as many
/// epochs as the stages of the other networks together.
fn from_scratch(config: &RunConfig) -> Result<RunConfig> {
    let mut config = config.clone();
    let training = &mut config.image_mut()?.training;
    training.stages = vec![StageConfig {
        train: Scope::All,
        epochs: training.stages.iter().map(|stage| stage.epochs).sum(),
        learning_rate: 1e-3,
        weight_decay: 1e-2,
        keep_norm_statistics: false,
    }];
    Ok(config)
}

/// Scores the test sides and writes results, images and the report.
fn evaluate(demo: &Demo, made: &Made) -> Result<Results> {
    let args = demo.args;
    let Made { film, film_data, digital, patches, patch_model } = made;
    demo.step("scores of the test sides");
    let [a, b, vgg, after] =
        ["from-scratch", "from-patches", "from-patches-vgg", "transfer"].map(|m| demo.model(m));
    let scratch = demo.score("a-from-scratch", film, &[&a], Tta::None)?;
    let from_patches = demo.score("b-from-patches", film, &[&b], Tta::None)?;
    let averaged = demo.score("c-averaged", film, &[&b, &vgg], Tta::Flips)?;
    let before_transfer = demo.score("d-before-transfer", digital, &[&b], Tta::None)?;
    let after_transfer = demo.score("d-after-transfer", digital, &[&after], Tta::None)?;
    let patch_table = demo.score_patches(film_data, patches, patch_model)?;
    gallery::write(&args.out.join("gallery.png"), film, &averaged)?;

    demo.step("heat maps and report of the film hospital's test side");
    let heatmaps = args.out.join("heatmaps");
    if !heatmaps.join("findings.csv").exists() {
        demo.heatmap(film, patch_model, &heatmaps)?;
    }
    demo.report(film, &heatmaps.join("findings.csv"))?;

    let row = |what, site, rows: &[ScoreRow]| {
        let n_images = rows.iter().filter(|row| row.malignant().is_some()).count();
        Ok(ResultRow { what, site, n_images, auc: auc_per_image(rows)? })
    };
    let classes: Vec<&str> = patch_table.classes.iter().map(String::as_str).collect();
    let results = Results {
        patches: evaluate_patches(&classes, &patch_table.truth, &patch_table.probabilities)?,
        rows: [
            row("(a) from scratch, without patches", "film", &scratch),
            row("(b) from the patch classifier", "film", &from_patches),
            row("(c) mean of two models like (b) and 4 flips", "film", &averaged),
            row("(d) model (b) before transfer", "digital", &before_transfer),
            row("(d) model (b) after transfer, 20 patients", "digital", &after_transfer),
        ]
        .into_iter()
        .collect::<Result<_>>()?,
        gain_from_patches: compare_auc(&scratch, &from_patches, &BootstrapConfig::default())?,
        seconds: demo.started.elapsed().as_secs_f64(),
        continued: demo.continued,
        plan: demo.plan,
    };
    write_json(&args.out.join("results.json"), &results)?;
    write_atomically(&args.out.join("results.md"), table(&results).as_bytes())?;
    Ok(results)
}
