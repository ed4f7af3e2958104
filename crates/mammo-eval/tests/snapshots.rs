//! The evaluation of a small score table in Markdown, as `evaluation.md` has it.
//!
//! `INSTA_UPDATE=always cargo nextest run -p mammo-eval snapshot` writes the file anew; `git diff` then shows the change.
#![allow(clippy::unwrap_used, missing_docs)]

use mammo_eval::{EvalConfig, EvalInputs, FigureTable, ScoreTable, evaluate_scores};

/// Thirty patients with two views of each breast; in every third patient the left breast has a cancer.
fn table() -> String {
    let mut table = String::from("file,patient_id,laterality,view,label,probability,site,density\n");
    for patient in 0..30_u32 {
        for (part, (side, view)) in
            [("left", "cc"), ("left", "mlo"), ("right", "cc"), ("right", "mlo")].into_iter().enumerate()
        {
            let malignant = patient % 3 == 0 && side == "left";
            let noise = f64::from((patient * 4 + part as u32) * 37 % 120) / 160.0;
            let probability = noise + if malignant { 0.25 } else { 0.0 };
            let label = if malignant { "malignant" } else { "benign" };
            let (site, density) = (["a", "b"][patient as usize % 2], patient % 4 + 1);
            table += &format!(
                "{patient}_{side}_{view}.png,p{patient},{side},{view},{label},{probability},{site},{density}\n"
            );
        }
    }
    table
}

#[test]
fn the_evaluation_in_markdown_is_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.csv");
    std::fs::write(&path, table()).unwrap();
    let mut config = EvalConfig::default();
    config.bootstrap.n_resamples = 200;
    let scores = ScoreTable::read(&path).unwrap();
    let evaluation = evaluate_scores(&scores, &EvalInputs::default(), &config).unwrap();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("evaluation", evaluation.to_markdown());
    });
}
