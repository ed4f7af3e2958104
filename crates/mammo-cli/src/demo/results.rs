//! What the demo found, as a file and as a table.

use mammo::eval::{Comparison, Interval, PatchEvaluation};
use serde::Serialize;

use super::size::Choice;

/// One line of the result table.
#[derive(Serialize)]
pub(super) struct ResultRow {
    pub what: &'static str,
    pub site: &'static str,
    pub auc: Interval,
}

/// `results.json`.
#[derive(Serialize)]
pub(super) struct Results {
    pub patches: PatchEvaluation,
    pub rows: Vec<ResultRow>,
    /// From patches less from scratch, paired.
    pub gain_from_patches: Comparison,
    pub seconds: f64,
    /// Which demo, and why.
    pub size: Choice,
}
pub(super) fn table(results: &Results) -> String {
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
