//! Damaged files by the thousand: every one is scored, counted as rejected or reported, none
//! ends the program.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use mammo_core::seed::stream;
use rand::RngExt;

use crate::program::mammo;

/// Damaged versions of each fixture.
const VERSIONS: u64 = 18;

/// Valid pictures of 90x72 pixels in all codings, DICOM and not.
fn originals() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "dcm"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    let pixels: Vec<u8> = (0..90 * 72_u32).map(|i| (i * i / 97 + i) as u8).collect();
    let pgm = [b"P5\n90 72\n255\n".as_slice(), &pixels].concat();
    let mut png = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_raw(90, 72, pixels).unwrap().write_to(&mut png, image::ImageFormat::Png).unwrap();
    files.extend([("picture_pgm".to_string(), pgm), ("picture_png".to_string(), png.into_inner())]);
    files
}

/// Version 0 is empty, then come cuts, flipped bits, and lengths and blocks overwritten.
fn damaged(original: &[u8], version: u64, item: u64) -> Vec<u8> {
    let mut rng = stream(11, "damaged corpus", item * VERSIONS + version);
    let mut bytes = original.to_vec();
    let n = bytes.len();
    match version {
        0 => bytes.clear(),
        1..=6 => bytes.truncate(rng.random_range(0..n)),
        7..=12 => {
            for _ in 0..1 << (version - 7) {
                let at = rng.random_range(0..n);
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
        }
        // The header is where a wrong byte does most.
        13..=15 => {
            for _ in 0..4 {
                let at = rng.random_range(n.min(132)..n.min(1200));
                bytes[at] = [0x00, 0x7F, 0xFF, 0x80][rng.random_range(0..4)];
            }
        }
        _ => {
            let (at, length) = (rng.random_range(0..n), rng.random_range(1..64));
            (at..(at + length).min(n)).for_each(|i| bytes[i] = rng.random());
        }
    }
    bytes
}

#[test]
fn a_thousand_damaged_files_end_in_counted_rejections_and_exit_code_1() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    fs::create_dir(dir.join("data")).unwrap();
    let mut table = String::from("file,patient_id,side,view,label\n");
    let mut n_files = 0;
    for (item, (name, bytes)) in (0..).zip(originals()) {
        let undamaged = (name.clone(), bytes.clone());
        let versions =
            (0..VERSIONS).map(|version| (format!("{name}_{version}"), damaged(&bytes, version, item)));
        for (name, bytes) in versions.chain([undamaged]) {
            fs::write(dir.join("data").join(&name), bytes).unwrap();
            // One patient, since two damaged versions may be equal.
            writeln!(table, "{name},P1,left,CC,benign").unwrap();
            n_files += 1;
        }
    }
    assert!(n_files >= 1_000, "{n_files}");
    fs::write(dir.join("data/images.csv"), table).unwrap();
    let ran = mammo(dir, "import data").expect(1);
    let manifest = fs::read_to_string(dir.join("data/manifest.json")).unwrap();
    let rejected = fs::read(dir.join("data/rejected.csv")).unwrap();
    let n_rejected = csv::Reader::from_reader(&rejected[..]).records().filter(|row| row.is_ok()).count();
    let n_accepted = manifest.matches("\"file\"").count();
    assert_eq!(n_accepted + n_rejected, n_files, "{}", ran.stdout);
    // All cuts and empty files, a third of the corpus, must be among the rejected.
    assert!(n_rejected > n_files / 3, "{n_rejected} of {n_files}");
    assert!(n_accepted >= n_files / 20, "{n_accepted} of {n_files}");
}
