//! Archives and the doctor through the program: phantoms in a layout, imported, split, examined.

use std::fs;
use std::path::Path;

use crate::program::mammo;

#[test]
fn every_layout_is_written_and_imported_by_its_name() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    for (layout, archive, code) in [
        ("cbis-ddsm", "cbis-ddsm", 0),
        ("cbis-ddsm-nbia", "cbis-ddsm", 0),
        ("cbis-ddsm-jpeg", "cbis-ddsm", 0),
        ("inbreast", "inbreast --birads-3 negative", 1),
        ("mini-mias", "mini-mias", 1),
        ("vindr", "vindr", 1),
        ("cmmd", "cmmd", 0),
        ("rsna", "rsna", 1),
        ("original", "original", 0),
        ("original", "folder", 0),
    ] {
        mammo(dir, &format!("phantom --layout {layout} --patients 12 --height 96 --width 80 --out {layout}"))
            .expect(0);
        let imported = mammo(dir, &format!("import {archive} {layout} --out {layout}.json"));
        assert!(imported.code <= 1, "{layout}: {}", imported.stderr);
        let imported = imported.expect(code);
        assert!(imported.stdout.contains("images of"), "{}", imported.stdout);
    }
    let rejected = fs::read_to_string(dir.join("rejected.csv")).unwrap();
    assert!(rejected.starts_with("file,line,code,detail"), "{rejected}");
    mammo(dir, "import rsna nowhere").expect(2).says("no such folder");
    mammo(dir, "import").expect(2);
    mammo(dir, "import ./inbreast").expect(2).says("mammo import inbreast ./inbreast");
    fs::create_dir(dir.join("empty")).unwrap();
    mammo(dir, "import empty").expect(2).says("mammo import folder empty");
}

#[test]
fn inputs_of_other_settings_do_not_pass_for_those_asked_for() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, "phantom --layout cmmd --patients 3 --height 96 --width 80 --out cmmd").expect(0);
    mammo(dir, "preprocess cmmd --out inputs").expect(0);
    // Files of all patients are called 1-1.dcm, 1-2.dcm.
    mammo(dir, "import cmmd cmmd --out cmmd.json").expect(0);
    let manifest = mammo_data::manifest::Manifest::read(&dir.join("cmmd.json")).unwrap();
    for image in &manifest.images {
        assert!(
            dir.join("inputs").join(image.file.replace(".dcm", ".input.png")).is_file(),
            "{}",
            image.file
        );
    }
    mammo(dir, "preprocess cmmd --out inputs").expect(0);
    mammo(dir, "preprocess cmmd --out inputs --preset paper").expect(2).says("choose another folder");
}

#[test]
fn the_doctor_finds_a_copied_film_and_split_tells() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    mammo(dir, "phantom --out data --patients 14 --height 128 --width 96 --seed 3").expect(0);
    mammo(dir, "import data").expect(0);
    mammo(dir, "split data/manifest.json --validation 0.3 --test 0.3 --pictures").expect(0);
    let clean = mammo(dir, "doctor data/manifest.json --split data/split.json --pictures").expect(0);
    assert!(clean.stdout.contains("leak-free test side"), "{}", clean.stdout);

    copy_films_to_strangers(&dir.join("data"));
    mammo(dir, "import data").expect(0);
    let split = "split data/manifest.json --validation 0.3 --test 0.3";
    mammo(dir, split).expect(0);
    mammo(dir, &format!("{split} --pictures")).expect(1).says("two patients");
    let found = mammo(dir, "doctor data --split data/split.json --pictures --out doctor --json").expect(1);
    let json: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let codes: Vec<&str> =
        json["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"picture_of_two_patients"), "{codes:?}");
    assert!(fs::read_to_string(dir.join("doctor/doctor.md")).unwrap().contains("# Split doctor"));
    assert!(
        fs::read_to_string(dir.join("doctor/leak_free_test.csv")).unwrap().starts_with("image,patient_id")
    );
}

/// Every film of four patients once more, brighter, under other names and patients.
pub fn copy_films_to_strangers(data: &Path) {
    let table = fs::read_to_string(data.join("images.csv")).unwrap();
    let mut copied = table.clone();
    for line in table
        .lines()
        .skip(1)
        .filter(|line| ["A_00001", "A_00002", "A_00003", "A_00004"].iter().any(|p| line.contains(p)))
    {
        let file = line.split(',').next().unwrap();
        let name = file.replace("images/", "images/copy_");
        let mut picture = image::open(data.join(file)).unwrap().into_luma16();
        picture.pixels_mut().for_each(|pixel| pixel.0[0] = 2000 + pixel.0[0] / 4 * 3);
        picture.save(data.join(&name)).unwrap();
        let cells: Vec<&str> = line.split(',').collect();
        let stranger = cells[1].replace("A_", "X_");
        let row = [&[name.as_str(), &stranger][..], &cells[2..7], &["0"], &cells[8..]].concat();
        copied += &format!("{}\n", row.join(","));
    }
    fs::write(data.join("images.csv"), copied).unwrap();
}
