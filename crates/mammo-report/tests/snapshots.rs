//! The words of a report, in the order of the page, without marks, drawings and programs: a reader's view of a change.
//!
//! `INSTA_UPDATE=always cargo nextest run -p mammo-report snapshot` writes the file anew; `git diff` then shows the
//! change.
#![allow(clippy::unwrap_used, missing_docs)]

use mammo_eval::{Defined, EvalConfig, EvalInputs, Evaluation, ScoreTable, evaluate_scores};
use mammo_report::{Epoch, Flow, FlowStep, LeftOut, Report, Run, render};

/// Forty patients with an image each.
fn evaluation() -> Evaluation {
    let mut table = String::from("file,patient_id,laterality,view,label,probability\n");
    for i in 0..40 {
        let malignant = i % 3 == 0;
        let probability = f64::from(i * 7 % 40) / 60.0 + if malignant { 0.3 } else { 0.0 };
        let (label, view) = (if malignant { "malignant" } else { "benign" }, ["cc", "mlo"][i as usize % 2]);
        table += &format!("img{i}.png,p{i},left,{view},{label},{probability}\n");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.csv");
    std::fs::write(&path, table).unwrap();
    let mut config = EvalConfig::default();
    config.bootstrap.n_resamples = 200;
    evaluate_scores(&ScoreTable::read(&path).unwrap(), &EvalInputs::default(), &config).unwrap()
}

fn report() -> Report {
    let epoch = Epoch {
        stage: 1,
        epoch: 1,
        train_loss: 0.7,
        validation_loss: 0.8,
        validation_metric: 0.6,
        best: true,
    };
    Report {
        title: "Forty patients".into(),
        mammo_version: "VERSION".into(),
        runs: vec![Run {
            name: "first".into(),
            evaluation: evaluation(),
            training: Defined::Value(vec![epoch]),
            card: Defined::undefined("no model"),
        }],
        comparisons: vec![],
        flow: Defined::Value(Flow {
            steps: vec![FlowStep {
                label: "accepted".into(),
                n_images: 40,
                n_patients: Some(40),
                n_malignant: None,
                left_out: vec![LeftOut { reason: "unreadable".into(), n: 3 }],
            }],
        }),
        preprocessing: Defined::undefined("no manifest"),
        gallery: Defined::undefined("no manifest"),
    }
}

/// The text between the marks, a line for each block; what is drawn or run, and the numbers of a drawing that its
/// `details` hold, are left out.
fn words(page: &str) -> String {
    let mut page = page.to_string();
    for element in ["head", "script", "style", "svg", "details"] {
        let opens = [format!("<{element}>"), format!("<{element} ")];
        while let Some(from) = opens.iter().filter_map(|open| page.find(open)).min() {
            let end = format!("</{element}>");
            let to = from + page[from..].find(&end).unwrap() + end.len();
            page.replace_range(from..to, "");
        }
    }
    let mut lines = vec![String::new()];
    for piece in page.split('<') {
        let (mark, text) = piece.split_once('>').unwrap_or(("", piece));
        let element = mark.split([' ', '\n', '/']).next().unwrap();
        if BLOCKS.contains(&element) {
            lines.push(String::new());
        }
        let line = lines.last_mut().unwrap();
        for word in text.split_whitespace() {
            *line += word;
            line.push(' ');
        }
    }
    // Sizes of embedded files change with every drawing.
    let sizes = |line: &&str| line.is_empty() || line.ends_with(" kB") || line.ends_with(" bytes");
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !sizes(line)).collect();
    lines.join("\n")
}

/// Elements whose text begins a line.
const BLOCKS: [&str; 18] = [
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "div",
    "section",
    "header",
    "footer",
    "nav",
    "li",
    "tr",
    "dt",
    "dd",
    "figure",
    "figcaption",
    "summary",
    "caption",
];

#[test]
fn the_words_of_a_report_are_the_snapshot() {
    let page = render(&report()).unwrap();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("report", words(&page));
    });
}
