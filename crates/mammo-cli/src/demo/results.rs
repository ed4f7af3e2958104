//! What the demo found: as a file, as a table, and as the last screen.

use std::path::Path;

use mammo::eval::{Comparison, Interval, PatchEvaluation};
use serde::Serialize;

use super::plan::Plan;
use crate::output::duration;

/// One line of the result table.
#[derive(Serialize)]
pub(super) struct ResultRow {
    pub what: &'static str,
    pub site: &'static str,
    pub n_images: usize,
    pub auc: Interval,
}

/// `results.json`.
#[derive(Serialize)]
pub(super) struct Results {
    pub patches: PatchEvaluation,
    pub rows: Vec<ResultRow>,
    /// From patches minus from scratch, paired.
    pub gain_from_patches: Comparison,
    /// Since this start of the program.
    pub seconds: f64,
    /// Whether the demo was begun by an earlier start, whose time is not counted.
    pub continued: bool,
    /// Which demo, and why.
    pub plan: Plan,
}

/// The table of results and what its figures are: `results.md` and the upper part of the last screen.
pub(super) fn table(results: &Results) -> String {
    let mut text = String::from(
        "Area under the ROC curve (AUC) on test images of patients that no model was trained on:\n\
         1 is perfect, 0.5 is guessing; 95 % intervals from resampled patients\n\n",
    );
    text += &format!("{:<46} {:<8} {:>6} {:>7}  95 % interval\n", "model", "hospital", "images", "AUC");
    for row in &results.rows {
        let auc = &row.auc;
        text += &format!(
            "{:<46} {:<8} {:>6} {:>7.3}  {:.3} to {:.3}\n",
            row.what, row.site, row.n_images, auc.estimate, auc.low, auc.high
        );
    }
    let gain = &results.gain_from_patches.difference;
    text += &format!(
        "{:<46} {:<8} {:>6} {:>+7.3}  {:+.3} to {:+.3}\n",
        "(b) minus (a), on the same images", "film", "", gain.estimate, gain.low, gain.high
    );
    let classes = results.patches.confusion.classes.len();
    text += &format!(
        "\npatch classifier: balanced accuracy {:.3} on {} test patches of {classes} classes (guessing: {:.3})\n",
        results.patches.balanced_accuracy,
        results.patches.n,
        1.0 / classes as f64
    );
    text += &format!(
        "time: {}{}{}; training: {:.0} % of the full demo's\n",
        duration(results.seconds),
        if results.continued { " since it was continued" } else { "" },
        if results.continued {
            String::new()
        } else {
            format!(", expected {}", duration(results.plan.expected_s))
        },
        100.0 * results.plan.amount
    );
    text
}

/// The last screen: at most 24 lines of 100 columns.
pub(super) fn last_screen(results: &Results, out: &Path) -> String {
    let files = [
        ("report/report.html", "all results as a page for the browser: curves, cases, heat maps, model card"),
        ("gallery.png", "test images with the predicted probability of cancer"),
        ("heatmaps/", "where the patch classifier sees cancer: a picture for each test image, findings.csv"),
        ("scores/", "the probability of every test image, one table for each line above"),
        ("*/model.safetensors", "the trained models, each with its training curve in metrics.csv"),
        ("results.md, .json", "this table"),
    ];
    let mut text = format!("\n{}\nwritten to {}:\n", table(results), out.display());
    for (name, what) in files {
        text += &format!("  {name:<20} {what}\n");
    }
    let next = "\nnext: open the report; for your own images, `mammo import --help` and the README's \"Your own data\"\n";
    text + next.trim_start_matches('\n')
}
