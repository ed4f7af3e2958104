//! Where the program writes: pipes that close, outputs that are no plain files, folders that cannot be
//! written.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use mammo_core::image::GreyImage;
use mammo_dicom::image_file::write_png16;

use crate::program::{command, mammo, tiny_data_set};

/// 60 scores of 30 patients.
fn scores(dir: &Path) {
    let row = |i: usize| format!("p{},{},0.{:02}\n", i / 2, i / 2 % 2, (i * 37) % 100);
    let rows: String = (0..60).map(row).collect();
    fs::write(dir.join("scores.csv"), format!("patient_id,label,probability\n{rows}")).unwrap();
}

/// Runs with one stream into a pipe that nobody reads; returns the exit code and the other stream.
fn into_closed_pipe(dir: &Path, words: &str, closed_stdout: bool) -> (i32, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command(dir, &words.split_whitespace().collect::<Vec<_>>());
    if closed_stdout {
        command.stdout(writer).stderr(Stdio::piped());
    } else {
        command.stderr(writer).stdout(Stdio::null());
    }
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_closed_pipe_ends_no_command_and_loses_no_file() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    scores(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out run").expect(0);
    let model = "--model run/model.safetensors";
    let commands = [
        "evaluate scores.csv --out e".to_string(),
        "doctor data/manifest.json".into(),
        "doctor data/manifest.json --json".into(),
        "split data/manifest.json --validation 0.3 --test 0.3 --out split.json".into(),
        "import data --out m.json".into(),
        "phantom --out more --patients 4 --height 128 --width 96".into(),
        "sample data/manifest.json --config tiny.toml --out patches".into(),
        "preprocess data/images --out inputs".into(),
        "preprocess --explain data/images --out sheets".into(),
        "model inspect run/model.safetensors".into(),
        "model inspect run/model.safetensors --json".into(),
        "model inspect run/model.safetensors --toml".into(),
        "model export run/model.safetensors --format onnx --out m.onnx".into(),
        format!("predict data/images {model}"),
        format!("predict data/images {model} --out s.csv"),
        format!("predict data/images {model} --out /dev/stdout"),
        format!("heatmap data/images {model} --out maps"),
        "report scores.csv --out report".into(),
        "--help".into(),
    ];
    let plain: Vec<i32> = commands.iter().map(|words| mammo(dir, words).code).collect();
    let written = ["e/evaluation.json", "split.json", "m.json", "m.onnx", "s.csv", "report/report.html"];
    for file in written {
        fs::remove_file(dir.join(file)).unwrap();
    }
    for (words, plain) in commands.iter().zip(plain) {
        let (code, stderr) = into_closed_pipe(dir, words, true);
        let is_quiet = !stderr.contains("panicked") && !stderr.contains("pipe");
        assert!(code == plain && code < 2 && is_quiet, "{words}: {code}, {plain} {stderr}");
    }
    for file in written {
        assert!(dir.join(file).is_file(), "{file}");
    }
    for words in &commands[3..5] {
        assert!(into_closed_pipe(dir, words, false).0 < 2, "{words}");
        assert!(into_closed_pipe(dir, &format!("-v {words}"), false).0 < 2, "{words}");
    }
}

#[test]
fn quiet_leaves_warnings_and_verbose_adds_details_while_results_stay() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    fs::write(dir.join("data/images/broken.png"), "no image").unwrap();
    let train = "train image data/manifest.json --config tiny.toml --from-scratch --out";
    let [normal, quiet, verbose] =
        ["run", "quiet -q", "verbose --verbose"].map(|end| mammo(dir, &format!("{train} {end}")).expect(0));
    assert!(normal.stderr.contains("epoch  1/1") && !normal.stderr.contains("debug: "), "{}", normal.stderr);
    assert_eq!(quiet.stderr, "");
    assert!(
        verbose.stderr.contains("debug: ") && verbose.stderr.contains("epoch  1/1"),
        "{}",
        verbose.stderr
    );
    assert_eq!(normal.stdout, quiet.stdout.replace("quiet", "run"));
    assert_eq!(normal.stdout, verbose.stdout.replace("verbose", "run"));
    let scored =
        mammo(dir, "predict data/images --model run/model.safetensors --out scores.csv -q").expect(1);
    assert!(
        scored.stderr.starts_with("refused: ") && scored.stderr.lines().count() == 1,
        "{}",
        scored.stderr
    );
    mammo(dir, "-q import missing").expect(2).says("error: ");
    mammo(dir, "-q -v import data").expect(2).says("cannot be used with");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_standard_output_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    scores(dir);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(dir, &["evaluate", "scores.csv"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && stderr.contains("standard output: cannot be written"),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn outputs_that_are_no_plain_files_are_written_into() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train image data/manifest.json --config tiny.toml --from-scratch --out run").expect(0);
    let predict = |out: &str| format!("predict data/images --model run/model.safetensors --out {out}");
    mammo(dir, &predict("plain.csv")).expect(0);
    let rows = |table: &str| {
        table.lines().filter(|line| line.contains("images/") || line.starts_with("file,")).count()
    };
    let plain = rows(&fs::read_to_string(dir.join("plain.csv")).unwrap());

    for out in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let stdout = mammo(dir, &predict(out)).expect(0).says("images scored").stdout;
        assert_eq!((rows(&stdout), stdout.contains("images scored")), (plain, false), "{out}");
    }
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());

    let fifo = dir.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reading = std::thread::spawn({
        let fifo = fifo.clone();
        move || {
            let mut text = String::new();
            fs::File::open(fifo).unwrap().read_to_string(&mut text).unwrap();
            text
        }
    });
    mammo(dir, &predict("fifo")).expect(0);
    assert_eq!(rows(&reading.join().unwrap()), plain);
    assert!(!fs::symlink_metadata(&fifo).unwrap().is_file());

    std::os::unix::fs::symlink("real.csv", dir.join("link.csv")).unwrap();
    mammo(dir, &predict("link.csv")).expect(0);
    assert!(fs::symlink_metadata(dir.join("link.csv")).unwrap().is_symlink());
    assert_eq!(rows(&fs::read_to_string(dir.join("real.csv")).unwrap()), plain);
}

#[test]
fn what_cannot_be_written_is_told_before_the_work() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    fs::write(dir.join("file"), "x").unwrap();
    let image = GreyImage { width: 80, height: 90, pixels: vec![9; 80 * 90] };
    write_png16(&dir.join("scans/a.png"), &image).unwrap();
    // None of the inputs exists: the output is checked first.
    for words in [
        "predict scans --model none.safetensors --out file/scores.csv",
        "predict scans --model none.safetensors --out scans",
        "heatmap scans --model none.safetensors --out file",
        "evaluate none.csv --out file",
        "doctor none.json --out file/below",
        "split none.json --out file/split.json",
        "import scans --out file/manifest.json",
        "import folder scans --out file/manifest.json",
        "phantom --out file",
        "preprocess scans --out file",
        "report none.csv --out file",
        "model export none.safetensors --format onnx --out file/m.onnx",
        "model import none.pth --preprocessing torchvision --out file/m.safetensors",
        "train image none.json --config none.toml --from-scratch --out file",
        "demo --out file",
        "fit none --out file",
    ] {
        mammo(dir, words).expect(2).says("cannot write");
    }
    assert_eq!(fs::read_dir(dir).unwrap().count(), 2, "something was left behind");
}

#[test]
fn threads_are_bounded() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    scores(dir);
    mammo(dir, "evaluate scores.csv --threads 100000").expect(2).says("--threads 100000: this machine has");
    mammo(dir, "evaluate scores.csv --threads 0").expect(2).says("--threads");
    let many = command(dir, &["evaluate", "scores.csv"]).env("RAYON_NUM_THREADS", "100000").output().unwrap();
    assert!(String::from_utf8_lossy(&many.stderr).contains("RAYON_NUM_THREADS 100000"));
}

#[test]
fn a_report_follows_every_input() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    let manifest = mammo_data::manifest::Manifest::read(&dir.join("data/manifest.json")).unwrap();
    let mut table = String::from("file,patient_id,side,view,label,probability\n");
    for (i, image) in manifest.images.iter().enumerate() {
        let (file, patient) = (&image.file, &image.patient_id);
        let (side, view, label) = (image.laterality, image.view, image.pathology);
        let (side, view) = (
            side.map_or_else(String::new, |side| side.to_string()),
            view.map_or_else(String::new, |view| view.to_string()),
        );
        table += &format!("{file},{patient},{side},{view},{label},0.{}\n", i * 7 % 10);
    }
    fs::write(dir.join("scores.csv"), table).unwrap();
    let page = |words: &str| {
        mammo(dir, &format!("report scores.csv --cases 1 {words} --set bootstrap.n_resamples=100")).expect(0);
        fs::read_to_string(dir.join("report/report.json")).unwrap()
    };
    let without = page("");
    let with = page("--manifest data/manifest.json");
    assert!(!without.contains("\"density\"") && with.contains("\"density\""));
    assert_eq!(page(""), without);
}
