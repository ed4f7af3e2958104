//! `mammo evaluate` on tables that no other command wrote.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use mammo_core::record::word_or_blank;
use mammo_core::write::read_json;
use mammo_data::manifest::Manifest;
use mammo_eval::Evaluation;

use crate::program::{mammo, tiny_data_set};

const QUICK: &str = "--set bootstrap.n_resamples=100";

fn evaluation(folder: &Path) -> Evaluation {
    read_json(&folder.join("evaluation.json"), "an evaluation").unwrap()
}

#[test]
fn the_smallest_table_of_another_system_gets_its_figures() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let rows = (0..60)
        .map(|i| format!("p{i},{},{}\n", (i * 37) % 100 + 20 * i32::from(i % 3 == 0), i32::from(i % 3 == 0)));
    fs::write(dir.join("theirs.csv"), format!("patient_id,score,label\n{}", rows.collect::<String>()))
        .unwrap();
    let ran = mammo(dir, &format!("evaluate --scores theirs.csv --out out {QUICK}")).expect(0);
    assert!(ran.stdout.contains("| auc_image "), "{}", ran.stdout);
    let found = evaluation(&dir.join("out"));
    assert_eq!((found.images.n, found.images.n_malignant, found.breasts), (60, 20, None));
    assert!(found.calibration.reason().unwrap().contains("not probabilities"));
}

#[test]
fn a_wrong_table_or_setting_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    fs::write(dir.join("no_patient.csv"), "file,probability,label\na,0.5,1\n").unwrap();
    mammo(dir, "evaluate no_patient.csv").expect(2).says("no_patient.csv, line 1: no column 'patient_id'");
    fs::write(dir.join("good.csv"), "patient_id,probability,label\na,0.5,1\nb,0.4,0\n").unwrap();
    mammo(dir, "evaluate good.csv --set prevalance=0.1").expect(2).says("did you mean `prevalence`?");
    mammo(dir, "evaluate good.csv --set prevalence=7").expect(2).says("prevalence: 7");
    mammo(dir, "evaluate good.csv --findings f.csv").expect(2).says("--manifest");
}

#[test]
fn findings_at_the_lesions_of_a_manifest_find_them_all() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let manifest = Manifest::read(&dir.join("data/manifest.json")).unwrap();
    let mut scores = String::from("file,patient_id,side,view,label,probability\n");
    let mut findings = String::from("file,x,y,width,height,probability\n");
    for (number, image) in manifest.images.iter().enumerate() {
        let probability = (number * 7 % 10) as f64 / 10.0;
        let (file, patient) = (&image.file, &image.patient_id);
        writeln!(
            scores,
            "{file},{patient},{},{},{},{probability}",
            word_or_blank(image.laterality),
            word_or_blank(image.view),
            image.pathology
        )
        .unwrap();
        for lesion in image.lesions.iter().filter(|_| image.malignant() == Some(true)) {
            let bounds = lesion.shape.bounds();
            writeln!(findings, "{file},{},{},{},{},0.9", bounds.x, bounds.y, bounds.width, bounds.height)
                .unwrap();
        }
    }
    fs::write(dir.join("scores.csv"), scores).unwrap();
    fs::write(dir.join("findings.csv"), findings).unwrap();
    let words = format!(
        "evaluate scores.csv --manifest data/manifest.json --findings findings.csv --out out \
         --set hit_rule={{box_overlap=0.9}} {QUICK}"
    );
    mammo(dir, &words).expect(0);
    let found = evaluation(&dir.join("out"));
    let localisation = found.localisation.unwrap();
    assert!(localisation.n_lesions > 0);
    let froc = localisation.froc.value().unwrap();
    assert_eq!(froc.points.last().unwrap().sensitivity, 1.0);
    assert_eq!(localisation.mean_overlap.value().unwrap().estimate, 1.0);
    let columns: Vec<&str> = found.subgroups.iter().map(|groups| groups.column.as_str()).collect();
    assert!(columns.contains(&"lesion_kind") && columns.contains(&"view"), "{columns:?}");
}
