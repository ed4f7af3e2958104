//! `mammo demo`: the whole method on phantoms, with nothing but this binary.
//!
//! Calls the other verbs one after another, exactly as a user would, so the demo is also
//! their example. Run it again in the same folder and it continues where it stopped.

mod results;
mod size;
mod steps;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use mammo::eval::{BootstrapConfig, ScoreRow, compare_auc, evaluate_patches};
use mammo::phantom::Site;
use mammo::write::{write_atomically, write_json};

use crate::config::RunConfig;
use crate::evaluate::auc_per_image;
use crate::predict::TtaArg;
use crate::{Done, gallery, heatmap, progress, sample, train_image, train_patch, transfer};
use results::{ResultRow, Results, table};
use size::{Choice, Size};
use steps::{Demo, stop_if};

/// The embedded configuration, as in `configs/demo.toml`.
const CONFIG: &str = include_str!("../../../../configs/demo.toml");

/// Patients of the second site, known by image labels only; an eighth has BI-RADS 3, which is no truth.
const N_DIGITAL: usize = 184;

/// Run the whole method on synthetic mammograms; needs no data and no GPU.
///
/// Two hospitals' phantoms are made, those of the second as DICOM in the layout of INbreast; at
/// the first, patches train a patch classifier, which becomes a whole-image classifier; a second one
/// is trained from scratch for comparison; two models and four flips are averaged; then one model
/// moves to the second hospital with twenty patients. Under 10 minutes on 2 cores: on a slow
/// processor patients and steps are fewer. Run it again to continue a stopped demo.
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
    let epochs: usize = settings.image()?.training.stages.iter().map(|stage| stage.epochs).sum();
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
