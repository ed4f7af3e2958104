//! Folders of images without tables: what is unknown stays so, each file counts once.

use std::fs;

use crate::program::{mammo, tiny_data_set};

#[test]
fn what_files_do_not_say_is_blank_in_every_table_and_counted() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out run").expect(0);
    let films: Vec<_> = fs::read_dir(dir.join("data/images")).unwrap().map(|f| f.unwrap().path()).collect();
    fs::create_dir_all(dir.join("scans/sub")).unwrap();
    for (film, name) in films.iter().zip(["film.png", "sub/P1_RMLO.png", "sub/P2_L_R.png"]) {
        fs::copy(film, dir.join("scans").join(name)).unwrap();
    }
    fs::hard_link(dir.join("scans/film.png"), dir.join("scans/sub/twin.png")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", dir.join("scans/sub/up")).unwrap();

    let predict = "predict --model run/model.safetensors --out scores.csv";
    mammo(dir, &format!("{predict} scans scans/film.png"))
        .expect(0)
        .says("note: 2 images of unknown side or view")
        .says("note: 2 file names lead to files that have another name here");
    let rows = |name: &str| -> Vec<String> {
        let table = fs::read_to_string(dir.join(name)).unwrap();
        table.lines().skip(1).map(|line| line.split(',').take(4).collect::<Vec<_>>().join(",")).collect()
    };
    let expected =
        ["scans/film.png,film,,", "scans/sub/P1_RMLO.png,P1,right,mlo", "scans/sub/P2_L_R.png,P2,,"];
    assert_eq!(rows("scores.csv"), expected);

    let imported = mammo(dir, "import folder scans").expect(0).says("note: 2 images of unknown side or view");
    assert!(imported.stdout.contains("3 images of 3 patients"), "{}", imported.stdout);
    mammo(dir, &format!("{predict} scans/manifest.json"))
        .expect(0)
        .says("note: 2 images of unknown side or view");
    assert_eq!(rows("scores.csv"), expected.map(|row| row.replace("scans/", "")));
    mammo(dir, "doctor scans/manifest.json --out doctor").expect(0);
    mammo(dir, "heatmap scans --model run/model.safetensors --out maps").expect(0);
    assert_eq!(rows("maps/heatmaps.csv"), expected);
    mammo(dir, "preprocess scans --out inputs").expect(0).says("note: 2 images");
    // Truth from elsewhere: the images of unknown side are in no breast.
    let table = fs::read_to_string(dir.join("scores.csv")).unwrap();
    let labelled = table.replacen(",unknown,", ",malignant,", 1).replace(",unknown,", ",benign,");
    fs::write(dir.join("labelled.csv"), labelled).unwrap();
    let evaluated = mammo(dir, "evaluate labelled.csv --set bootstrap.n_resamples=100").expect(0).stdout;
    assert!(evaluated.contains("n_images_side_unknown") && evaluated.contains("n_breasts"), "{evaluated}");
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8_is_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out run").expect(0);
    let film = fs::read_dir(dir.join("data/images")).unwrap().next().unwrap().unwrap().path();
    fs::create_dir(dir.join("scans")).unwrap();
    fs::copy(&film, dir.join("scans/film.png")).unwrap();
    fs::copy(&film, dir.join("scans").join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"))).unwrap();
    mammo(dir, "predict scans --model run/model.safetensors --out scores.csv")
        .expect(1)
        .says(r#"caf\xE9.png"#);
    let table = fs::read_to_string(dir.join("scores.csv")).unwrap();
    let refused = table.lines().find(|line| line.contains("caf")).unwrap();
    assert!(refused.contains(",unreadable,") && refused.contains("not UTF-8; rename"), "{table}");
    let imported = mammo(dir, "import folder scans").expect(1);
    assert!(imported.stdout.contains("1 row rejected"), "{}", imported.stdout);
    assert!(fs::read_to_string(dir.join("scans/rejected.csv")).unwrap().contains(",file_name,"));
}
