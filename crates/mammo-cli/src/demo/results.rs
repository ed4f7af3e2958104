//! Results of the demo: as a file, as a table, and as the final summary.

use std::path::Path;

use mammo_eval::{Comparison, Interval, PatchEvaluation};
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
    /// Paired difference: from patches minus from scratch.
    pub gain_from_patches: Comparison,
    /// Seconds since this start of the program.
    pub seconds: f64,
    /// Whether the demo continues an earlier start, whose time is not counted.
    pub continued: bool,
    /// Size of the demo and its reason.
    pub plan: Plan,
}

/// The table of results with explanations: `results.md` and the upper part of the final summary.
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
        if results.continued { String::new() } else { format!(", expected about {}", results.plan.about()) },
        100.0 * results.plan.amount
    );
    text
}

/// The final summary: at most 23 lines of 100 columns, and the prompt.
pub(super) fn last_screen(results: &Results, out: &Path) -> String {
    let files = [
        ("report/report.html", "the results as a page for the browser: curves, cases, model card"),
        ("gallery.png", "test images with their predicted probability of cancer"),
        ("heatmaps/", "heat maps of the patch classifier for each image, findings.csv"),
        ("scores/", "the probability of cancer of every test image, one table per line above"),
        ("*/model.safetensors", "the trained models; metrics.csv beside each has its training epochs"),
        ("results.md, .json", "this table"),
    ];
    let mut text = format!("\n{}\nwritten to {}:\n", table(results), out.display());
    for (name, what) in files {
        text += &format!("  {name:<20} {what}\n");
    }
    text + "next: open the report; then try your own images, as \"Your own data\" in the README describes\n"
}

#[cfg(test)]
mod tests {
    use mammo_core::record::Pathology;
    use mammo_eval::{BootstrapConfig, ScoreRow, compare_auc, evaluate_patches};
    use mammo_pipeline::fit::pace::NetworkPace;

    use super::*;
    use crate::demo::pace::Pace;
    use crate::evaluate::auc_per_image;

    /// Forty images of forty patients; malignant ones have mostly high scores.
    fn rows() -> Vec<ScoreRow> {
        let row = |i: usize| ScoreRow {
            file: format!("{i}.png"),
            patient_id: i.to_string(),
            laterality: None,
            view: None,
            label: if i.is_multiple_of(3) || i > 30 { Pathology::Malignant } else { Pathology::Benign },
            probability: i as f64 / 40.0,
            calibrated: None,
            model: String::new(),
            preprocessing: String::new(),
            tta: String::new(),
            seconds: 0.0,
        };
        (0..40).map(row).collect()
    }

    #[test]
    fn the_last_screen_fits_24_lines_of_100_columns() {
        let rows = rows();
        let row =
            |what| ResultRow { what, site: "digital", n_images: 1234, auc: auc_per_image(&rows).unwrap() };
        let network = NetworkPace { patch_s: 0.001, top_s: 0.006, image_s: 0.02 };
        let pace = Pace { patient_s: 0.02, network };
        let mut results = Results {
            patches: evaluate_patches(&["a", "b"], &[0, 1], &[0.9, 0.1, 0.2, 0.8]).unwrap(),
            rows: (0..5).map(|_| row("(c) mean of two models like (b) and 4 flips")).collect(),
            gain_from_patches: compare_auc(&rows, &rows, &BootstrapConfig::default()).unwrap(),
            seconds: 3599.0,
            continued: false,
            plan: Plan::of(pace, None),
        };
        for continued in [false, true] {
            results.continued = continued;
            let screen = last_screen(&results, Path::new("runs/demo"));
            assert!(screen.lines().count() <= 23, "{screen}");
            assert!(screen.lines().all(|line| line.chars().count() <= 100), "{screen}");
            assert!(screen.contains("59 min 59 s") && screen.ends_with('\n'), "{screen}");
        }
    }
}
