//! Small lists made by hand, values from SciPy, and the real case descriptions.

use std::path::Path;

use super::*;
use crate::manifest::Manifest;
use crate::manifest::tests::mammogram;
use mammo_core::image::GreyImage;
use mammo_core::record::Pathology;
use mammo_dicom::image_file::write_png16;
use mammo_phantom::{PhantomConfig, patient};

fn entry(image: &str, patient: &str, side: Side, malignant: bool) -> Entry {
    Entry {
        image: image.to_string(),
        list: "list".to_string(),
        patient_id: patient.to_string(),
        laterality: Some(Laterality::Left),
        view: Some(View::Cc),
        side: Some(side),
        malignant: Some(malignant),
        site: None,
    }
}

fn count(report: &Report, code: &str) -> usize {
    report.finding(code).map_or(0, |finding| finding.count)
}

#[test]
fn the_real_case_descriptions_leak_as_is_known() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cbis-ddsm-csv");
    if !dir.is_dir() {
        eprintln!("skipped: {} is not there", dir.display());
        return;
    }
    let (entries, rejections) = entries_of_cases(&dir).unwrap();
    assert_eq!((entries.len(), rejections.len()), (3568, 0));
    let report = examine(&entries, None);
    assert_eq!((report.images, report.patients), (3032, 1566));
    assert_eq!(count(&report, "patient_on_two_sides"), 31);
    assert_eq!(count(&report, "image_on_two_sides"), 29);
    assert_eq!(count(&report, "label_conflict"), 7);
    let conflicts = &report.finding("label_conflict").unwrap().cases;
    let of_patient: Vec<&String> = conflicts.iter().filter(|case| case.starts_with("P_00652")).collect();
    assert_eq!(of_patient, ["P_00652 left cc (test: benign, train: malignant)"]);
    assert_eq!(count(&report, "label_differs_between_lists"), 16);
    assert!(!report.is_clean());
    let test = &report.leak_free_test;
    let patients: std::collections::BTreeSet<_> = test.iter().map(|image| &image.patient_id).collect();
    let malignant = test.iter().filter(|image| image.malignant == Some(true)).count();
    assert_eq!((test.len(), patients.len(), malignant), (591, 318, 244));

    let folder = tempfile::tempdir().unwrap();
    write_report(folder.path(), &report).unwrap();
    let list = std::fs::read_to_string(folder.path().join("leak_free_test.csv")).unwrap();
    assert_eq!(list.lines().count(), 1 + 591);
    let markdown = std::fs::read_to_string(folder.path().join("doctor.md")).unwrap();
    assert!(markdown.contains("591 images of 318 patients, 244 malignant"));
}

#[test]
fn a_clean_split_is_clean_and_a_leak_names_patient_breast_and_image() {
    use Side::{Test, Train};
    let clean = [
        entry("a", "p", Train, true),
        entry("b", "q", Train, false),
        entry("c", "r", Test, true),
        entry("d", "s", Test, false),
    ];
    let report = examine(&clean, None);
    assert!(report.is_clean() && report.findings.is_empty(), "{report}");
    assert_eq!(report.leak_free_test.len(), 2);

    let leaking = [&clean[..], &[entry("a", "p", Test, false), entry("e", "q", Test, false)]].concat();
    let report = examine(&leaking, None);
    assert_eq!(report.finding("patient_on_two_sides").unwrap().cases, ["p (train, test)", "q (train, test)"]);
    assert_eq!(count(&report, "breast_on_two_sides"), 2);
    assert_eq!(report.finding("image_on_two_sides").unwrap().cases, ["a (train, test)"]);
    assert_eq!(report.finding("label_conflict").unwrap().cases, ["a (test: benign, train: malignant)"]);
    assert_eq!(report.findings[0].severity, Severity::Leak, "the worst first");
    let names: Vec<&str> = report.leak_free_test.iter().map(|image| image.image.as_str()).collect();
    assert_eq!(names, ["c", "d"]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["findings"][0]["severity"], "leak");
}

#[test]
fn a_side_with_one_class_is_named() {
    let entries = [
        entry("a", "p", Side::Train, true),
        entry("b", "q", Side::Train, false),
        entry("c", "r", Side::Test, true),
    ];
    assert_eq!(examine(&entries, None).finding("side_with_one_class").unwrap().cases, ["test"]);
}

#[test]
fn chi_squared_and_cramers_v_are_scipys_and_the_chance_is_near_its_own() {
    #[derive(serde::Deserialize)]
    struct Case {
        table: Vec<Vec<usize>>,
        chi_squared: f64,
        cramers_v: f64,
        p: f64,
    }
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../fixtures/doctor/association.json")).unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let mut pairs = Vec::new();
        for (row, counts) in case.table.iter().enumerate() {
            for (column, n) in counts.iter().enumerate() {
                pairs.extend(std::iter::repeat_n((format!("site {row}"), format!("label {column}")), *n));
            }
        }
        let found = associate(("site", "label", "patients"), &pairs).unwrap();
        assert!((found.chi_squared - case.chi_squared).abs() < 1e-9, "{found:?}");
        assert!((found.cramers_v - case.cramers_v).abs() < 1e-9, "{found:?}");
        // 4,999 permutations: four standard errors, and the smallest chance that they can tell.
        let tolerance = 4.0 * (case.p * (1.0 - case.p) / 5000.0).sqrt() + 0.02 * case.p + 2.0 / 5000.0;
        assert!((found.p - case.p).abs() <= tolerance, "{} against {}", found.p, case.p);
    }
    assert_eq!(associate(("site", "label", "patients"), &[("a".into(), "b".into())]), None);
}

#[test]
fn a_scanner_that_tells_the_label_is_reported_and_one_that_does_not_is_not() {
    let entries = |malignant_at_a: usize| -> Vec<Entry> {
        (0..200)
            .map(|i| {
                let at_a = i % 2 == 0;
                let malignant = if at_a { i / 2 < malignant_at_a } else { i / 2 < 40 };
                let mut entry = entry(&format!("i{i}"), &format!("p{i}"), Side::Train, malignant);
                entry.site = Some(if at_a { "scanner A" } else { "scanner B" }.to_string());
                entry
            })
            .collect()
    };
    let report = examine(&entries(85), None);
    let finding = report.finding("site_confounded").unwrap();
    assert_eq!(finding.cases, ["scanner A: 15 benign, 85 malignant", "scanner B: 60 benign, 40 malignant"]);
    assert!(examine(&entries(42), None).finding("site_confounded").is_none());
}

/// Phantoms with copies: brighter, smaller, mirrored, and another patient's name.
#[test]
fn a_picture_under_another_name_is_found_and_other_pictures_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let config = PhantomConfig { height_px: 288, width_px: 224, ..PhantomConfig::default() };
    let mut images = Vec::new();
    let mut add = |name: &str, patient: &str, pathology: Pathology, picture: &GreyImage| {
        write_png16(&folder.path().join(name), picture).unwrap();
        images.push(mammogram(name, patient, pathology));
    };
    let mut first = None;
    for index in 0..12 {
        for (view, image) in patient(&config, index).images.iter().enumerate() {
            let name = format!("{index:02}_{view}.png");
            add(&name, &format!("p{index:02}"), Pathology::Benign, &image.pixels);
            first.get_or_insert_with(|| image.pixels.clone());
        }
    }
    let first = first.unwrap();
    let mut brighter = first.clone();
    brighter.pixels.iter_mut().for_each(|value| *value = 3000 + *value / 2);
    add("brighter.png", "stranger", Pathology::Malignant, &brighter);
    let whole = mammo_core::geometry::Rect::new(0.0, 0.0, 224.0, 288.0);
    let smaller =
        mammo_core::resample::resample(&first, &whole, 150, 192, mammo_core::resample::Resample::Area);
    add("smaller.png", "p00", Pathology::Benign, &smaller);
    let mirrored = GreyImage {
        pixels: (0..first.height).flat_map(|y| first.row(y).iter().rev().copied()).collect(),
        ..first
    };
    add("mirrored.png", "p00", Pathology::Benign, &mirrored);
    let mut manifest = Manifest::new(folder.path(), images);
    for image in &mut manifest.images {
        image.official_side = Some(if image.patient_id == "stranger" { Side::Test } else { Side::Train });
    }
    let (twins, unread) = find_duplicates(&manifest, &|_, _| {});
    assert_eq!(unread, 0);
    let names: std::collections::BTreeSet<&str> =
        twins.iter().flat_map(|twin| [twin.first.as_str(), twin.second.as_str()]).collect();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["00_0.png", "brighter.png", "mirrored.png", "smaller.png"]
    );
    assert_eq!(twins.len(), 6, "{twins:#?}");
    assert_eq!(twins.iter().filter(|twin| twin.mirrored).count(), 3);

    let report = examine(&entries_of_manifest(&manifest, None), Some(&twins));
    assert_eq!(count(&report, "picture_of_two_patients"), 3);
    assert_eq!(count(&report, "picture_with_two_labels"), 3);
    assert_eq!(count(&report, "picture_on_two_sides"), 3);
    assert_eq!(count(&report, "picture_twice"), 3);
    assert!(!report.is_clean());
}

#[test]
fn copies_of_real_films_are_found_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cbis-ddsm-mass-800");
    if !root.is_dir() {
        eprintln!("skipped: {} is not there", root.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let all =
        crate::import::import_tables(&root, crate::import::Verify::Headers, &|_, _| {}).unwrap().manifest;
    let mut images: Vec<_> = all.images.into_iter().take(150).collect();
    let mut n_copies = 0;
    for (at, image) in images.clone().iter().enumerate().step_by(10) {
        let mut film = mammo_dicom::image_file::read_grey(&root.join(&image.file)).unwrap();
        let whole = mammo_core::geometry::Rect::new(0.0, 0.0, film.width as f64, film.height as f64);
        match at / 10 % 3 {
            0 => film.pixels.iter_mut().for_each(|value| *value = 5000 + *value / 10 * 7),
            1 => film.pixels.iter_mut().for_each(|value| {
                *value = (65535.0 * (f64::from(*value) / 65535.0).powf(1.4)) as u16;
            }),
            _ => {
                film = mammo_core::resample::resample(
                    &film,
                    &whole,
                    300,
                    300,
                    mammo_core::resample::Resample::Area,
                )
            }
        }
        let path = folder.path().join(format!("{at}.png"));
        write_png16(&path, &film).unwrap();
        images.push(mammogram(path.to_str().unwrap(), "copies", Pathology::Benign));
        n_copies += 1;
    }
    // An absolute path stays what it is when it is joined to the root.
    let manifest = Manifest::new(&root, images);
    let (twins, unread) = find_duplicates(&manifest, &|_, _| {});
    assert_eq!((twins.len(), unread), (n_copies, 0), "{twins:#?}");
    assert!(
        twins.iter().all(|twin| twin.first.ends_with(".png") && !twin.mirrored && twin.correlation > 0.9)
    );
}

#[test]
fn an_unknown_side_or_view_is_counted_and_never_taken_for_one() {
    let unknown =
        |image, patient, side| Entry { laterality: None, view: None, ..entry(image, patient, side, false) };
    let mut entries = vec![
        entry("a", "p1", Side::Train, false),
        unknown("b", "p2", Side::Train),
        unknown("c", "p3", Side::Train),
        unknown("d", "p4", Side::Test),
        entry("e", "p5", Side::Train, true),
    ];
    let report = examine(&entries, None);
    let train = &report.balance[0];
    assert_eq!((train.images, train.cc, train.mlo, train.side_or_view_unknown), (4, 2, 0, 2));
    assert_eq!(train.breasts_with_one_view, 2);
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.csv");
    write_test_list(&list, &report).unwrap();
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "image,patient_id,side,view,label\nd,p4,,,benign\n");
    // One patient of unknown sides on two sides of the split: no breast is known to be.
    entries.push(unknown("f", "p2", Side::Test));
    let report = examine(&entries, None);
    assert_eq!((count(&report, "patient_on_two_sides"), count(&report, "breast_on_two_sides")), (1, 0));
}
