//! Damaged DICOM files in memory: an answer or a refusal, never a panic or gigabytes.

use std::path::Path;

use rand::RngExt;

use super::{Voi, decode, decode_header};
use mammo_core::seed::stream;

#[test]
fn damaged_files_are_answered_with_a_picture_or_a_refusal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
    files.sort();
    let (mut decoded, mut refused) = (0, 0);
    for (item, path) in (0..).zip(&files) {
        let original = std::fs::read(path).unwrap();
        let mut rng = stream(5, "damaged DICOM", item);
        for _ in 0..60 {
            let mut bytes = original.clone();
            for _ in 0..rng.random_range(1..6) {
                // Headers are short beside pixels, and more can go wrong in them.
                let end = if rng.random() { bytes.len() } else { bytes.len().min(1400) };
                let at = rng.random_range(0..end);
                bytes[at] = rng.random();
            }
            if rng.random_range(0..4) == 0 {
                bytes.truncate(rng.random_range(0..bytes.len()));
            }
            let header = decode_header(path, &bytes);
            match decode(path, &bytes, Voi::Apply) {
                Ok(image) => {
                    assert_eq!(Some(image.header), header.ok());
                    decoded += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(decoded > 500 && refused > 500, "{decoded} decoded, {refused} refused");
}
