//! The page says what the evaluation says, and says what it does not have.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use mammo_eval::{Defined, EvalConfig, EvalInputs, Evaluation, ScoreTable, evaluate_scores};
use mammo_report::{Epoch, Flow, FlowStep, LeftOut, Report, Run, render, write};

/// Forty patients with an image each, from a table as a user would bring it.
fn evaluation(folder: &std::path::Path, shift: f64) -> Evaluation {
    let mut table = String::from("file,patient_id,label,probability,site\n");
    for i in 0..40 {
        let malignant = i % 3 == 0;
        let probability = (f64::from(i * 7 % 40) / 60.0 + if malignant { shift } else { 0.0 }).min(1.0);
        let (label, site) = (if malignant { "malignant" } else { "benign" }, ["a", "b"][i as usize % 2]);
        table += &format!("img<{i}>.png,p{i},{label},{probability},{site}\n");
    }
    let path = folder.join("scores.csv");
    std::fs::write(&path, table).unwrap();
    let inputs = EvalInputs::default();
    let mut config = EvalConfig::default();
    config.bootstrap.n_resamples = 200;
    evaluate_scores(&ScoreTable::read(&path).unwrap(), &inputs, &config).unwrap()
}

fn report(folder: &std::path::Path) -> Report {
    let epoch = |epoch, loss, best| Epoch {
        stage: 1,
        epoch,
        train_loss: loss,
        validation_loss: loss + 0.1,
        validation_metric: 1.0 - loss,
        best,
    };
    let run = |name: &str, shift, training| Run {
        name: name.into(),
        evaluation: evaluation(folder, shift),
        training,
        card: Defined::undefined("no model"),
    };
    Report {
        title: "A </script> & B".into(),
        mammo_version: "0".into(),
        runs: vec![
            run("first", 0.3, Defined::Value(vec![epoch(1, 0.7, true), epoch(2, 0.6, true)])),
            run("second", 0.1, Defined::undefined("no epochs")),
        ],
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

#[test]
fn every_number_on_the_page_is_the_one_in_report_json() {
    let folder = tempfile::tempdir().unwrap();
    let page = write(&report(folder.path()), folder.path()).unwrap();
    let page = std::fs::read_to_string(page).unwrap();
    let json = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let mut n = 0;
    for element in page.split("<data value=\"").skip(1) {
        let attribute =
            |name: &str| element.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        let value: f64 = element.split('"').next().unwrap().parse().unwrap();
        let pointer = attribute("data-pointer");
        assert_eq!(
            json.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).as_f64(),
            Some(value),
            "{pointer}"
        );
        n += 1;
    }
    assert!(n > 60, "only {n} numbers");
    for figure in ["roc", "precision-recall", "calibration", "scores", "subgroups", "training-loss"] {
        assert!(json["figures"].get(figure).is_some(), "{figure}");
        let [svg, data] = ["svg", "json"].map(|e| folder.path().join(format!("figures/{figure}.{e}")));
        assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg xmlns="));
        let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(data).unwrap()).unwrap();
        assert_eq!(data, json["figures"][figure]);
        assert!(page.contains(&format!("id=\"fig-{figure}\"")));
    }
}

#[test]
fn what_is_missing_is_said_with_its_reason_and_not_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let page = render(&report(folder.path())).unwrap();
    assert!(page.contains("What this report does not have"));
    for reason in ["no manifest", "no model", "no findings were evaluated"] {
        assert!(page.contains(reason), "{reason}");
    }
    assert!(
        page.contains("<figure class=\"chart\" id=\"fig-froc\" aria-labelledby=\"h-froc\" data-missing>")
    );
}

#[test]
fn words_of_the_data_cannot_break_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = render(&report(folder.path())).unwrap();
    assert_eq!(page.matches("</script>").count(), 1, "a title closed the script element");
    assert!(page.contains("A &#60;/script&#62; &#38; B"));
    assert!(!page.contains("http://") && !page.contains("https://"));
}
