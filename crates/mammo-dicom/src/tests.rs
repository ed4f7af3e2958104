//! Against pydicom, GDCM and hand-made broken files; values in `fixtures/dicom`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::*;
use mammo_core::record::{Laterality, View};

#[derive(Deserialize)]
struct Reference {
    exact: BTreeMap<String, String>,
    lossy: BTreeMap<String, Lossy>,
    grey: BTreeMap<String, Vec<i32>>,
}

#[derive(Deserialize)]
struct Lossy {
    tolerance: i32,
    values: Vec<i32>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom").join(name)
}

fn reference() -> Reference {
    serde_json::from_slice(&std::fs::read(fixture("reference.json")).unwrap()).unwrap()
}

fn stored(name: &str) -> Vec<i32> {
    let path = fixture(name);
    decode_stored_values(&path, &std::fs::read(&path).unwrap()).unwrap()
}

#[test]
fn lossless_codings_give_the_values_of_pydicom_bit_for_bit() {
    let exact = reference().exact;
    assert!(exact.len() >= 40, "{}", exact.len());
    for (name, expected) in exact {
        let bytes: Vec<u8> = stored(&name).iter().flat_map(|value| value.to_le_bytes()).collect();
        let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn lossy_codings_stay_within_their_tolerance() {
    let lossy = reference().lossy;
    assert!(lossy.len() >= 6);
    for (name, Lossy { tolerance, values }) in lossy {
        let found = stored(&name);
        assert_eq!(found.len(), values.len());
        let worst = found.iter().zip(&values).map(|(a, b)| (a - b).abs()).max();
        assert!(worst <= Some(tolerance), "{name}: {worst:?}, tolerance {tolerance}");
    }
}

#[test]
fn grey_chains_agree_with_pydicom() {
    let chains = reference().grey;
    assert!(chains.len() >= 9);
    for (name, expected) in chains {
        let found = read(&fixture(&name)).unwrap().image.pixels;
        let worst = found.iter().zip(&expected).map(|(&a, b)| (i32::from(a) - b).abs()).max();
        // A half that rounds the other way.
        assert!(worst <= Some(1), "{name}: {worst:?}");
    }
}

#[test]
fn the_header_is_read_without_the_pixels() {
    let header = read_header(&fixture("explicit_u12.dcm")).unwrap();
    assert_eq!((header.columns, header.rows, header.bits_stored, header.frames), (90, 72, 12, 1));
    assert_eq!((header.patient_id.as_str(), header.patient_age_years), ("P0042", Some(52.0)));
    assert_eq!(header.laterality, Some(Laterality::Right));
    assert_eq!(header.projection.and_then(Projection::view), Some(View::Mlo));
    assert_eq!(header.view_modifiers, [ViewModifier::ImplantDisplaced]);
    assert_eq!(header.presentation_intent, Some(PresentationIntent::ForPresentation));
    assert_eq!(
        header.patient_orientation.as_ref().and_then(PatientOrientation::chest_wall_right),
        Some(true)
    );
    assert_eq!((header.implant, header.burned_in_annotation), (Some(false), Some(false)));
    let spacing = header.spacing.unwrap();
    assert_eq!(spacing.source, SpacingSource::ImagerDemagnified);
    assert!((spacing.row_mm - 0.07 / 1.05).abs() < 1e-12);
    assert_eq!(header.admit(UnknownObjects::Refused), Ok(Vec::new()));
    for coding in ["implicit_u12", "big_endian_u12", "deflated_u12", "jpeg_lossless_p1_u12"] {
        let other = read_header(&fixture(&format!("{coding}.dcm"))).unwrap();
        assert_eq!(Header { transfer_syntax: header.transfer_syntax.clone(), ..other }, header, "{coding}");
    }
}

#[test]
fn without_voi_the_stored_range_is_full_scale() {
    let image = read_any(&fixture("grey_sigmoid.dcm"), Voi::Ignore).unwrap().image;
    let plain = read(&fixture("explicit_u12.dcm")).unwrap().image;
    assert_eq!(image, plain);
    let expected: Vec<u16> = stored("explicit_u12.dcm")
        .iter()
        .map(|&value| (f64::from(value) / 4095.0 * 65535.0).round() as u16)
        .collect();
    assert_eq!(plain.pixels, expected);
}

/// The explicit 12-bit file with the value of one short text or number element replaced.
fn edited(tag: [u8; 4], value: &[u8]) -> Vec<u8> {
    let mut bytes = std::fs::read(fixture("explicit_u12.dcm")).unwrap();
    let at = bytes.windows(4).position(|four| four == tag).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]));
    bytes[at + 6..at + 8].copy_from_slice(&(value.len() as u16).to_le_bytes());
    bytes.splice(at + 8..at + 8 + length, value.iter().copied());
    bytes
}

#[track_caller]
fn refused(bytes: &[u8], expected: DicomRefusal) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.dcm");
    std::fs::write(&path, bytes).unwrap();
    match read(&path) {
        Err(Error::Dicom { refusal, .. }) => assert_eq!(refusal, expected),
        other => panic!("{expected:?}: {:?}", other.map(|image| image.header)),
    }
}

#[test]
fn what_is_no_mammogram_is_refused_with_its_code() {
    let class = [0x08, 0, 0x16, 0];
    refused(&edited(class, b"1.2.840.10008.5.1.4.1.1.13.1.3"), DicomRefusal::Tomosynthesis);
    refused(&edited([0x08, 0, 0x60, 0], b"CR"), DicomRefusal::NotMammography);
    refused(&edited([0x08, 0, 0x68, 0], b"FOR PROCESSING"), DicomRefusal::ForProcessing);
    refused(&edited([0x28, 0, 0x04, 0], b"RGB "), DicomRefusal::Colour);
    refused(&edited([0x28, 0, 0x04, 0], b"PALETTE COLOR "), DicomRefusal::Colour);
    refused(&edited([0x28, 0, 0x02, 0], &[3, 0]), DicomRefusal::Colour);
    refused(&edited([0x28, 0, 0x00, 1], &[32, 0]), DicomRefusal::UnsupportedPixels);
    refused(&edited([0x28, 0, 0x01, 1], &[0, 0]), DicomRefusal::UnsupportedPixels);
    refused(&edited([0x28, 0, 0x10, 0], &[0, 0]), DicomRefusal::Damaged);
    refused(&edited([0x28, 0, 0x10, 0], &[0xFF, 0xFF]), DicomRefusal::Damaged);
    refused(b"a text file that is long enough", DicomRefusal::NotDicom);
    refused(b"", DicomRefusal::NotDicom);
    // Pixel data become something else, and a syntax without a decoder.
    refused(&edited([0x02, 0, 0x10, 0], b"1.2.840.10008.1.2.4.70"), DicomRefusal::Damaged);
    let mut none = std::fs::read(fixture("explicit_u12.dcm")).unwrap();
    let at = none.windows(4).position(|four| four == [0xE0, 0x7F, 0x10, 0]).unwrap();
    none.truncate(at);
    refused(&none, DicomRefusal::NoPixelData);
    let mut high_throughput = std::fs::read(fixture("jpeg_lossless_p1_u12.dcm")).unwrap();
    let at = high_throughput.windows(22).position(|uid| uid == b"1.2.840.10008.1.2.4.70").unwrap();
    high_throughput[at..at + 22].copy_from_slice(b"1.2.840.10008.1.2.4.55");
    refused(&high_throughput, DicomRefusal::UnsupportedTransferSyntax);
}

#[test]
fn an_archive_may_ask_for_the_pixels_of_a_secondary_capture() {
    let mut bytes = edited([0x08, 0, 0x16, 0], b"1.2.840.10008.5.1.4.1.1.7\0");
    let at = bytes.windows(10).position(|head| head == b"\x28\0\x01\x03CS\x02\0NO").unwrap();
    bytes.splice(at + 6..at + 10, *b"\x04\0YES ");
    let image = decode(Path::new("archive"), &bytes, Voi::Apply).unwrap();
    let refused = image.header.admit(UnknownObjects::Assumed).unwrap_err().0;
    assert_eq!(refused, DicomRefusal::SecondaryCapture);
    assert_eq!(image.image, read(&fixture("explicit_u12.dcm")).unwrap().image);
}

#[test]
fn lengths_that_lie_and_deep_nesting_are_refused_without_allocating() {
    // Two gibibytes of patient name, announced by a UN element of implicit kind.
    let mut bytes = std::fs::read(fixture("implicit_u12.dcm")).unwrap();
    let at = bytes.windows(4).position(|four| four == [0x10, 0, 0x20, 0]).unwrap();
    bytes[at + 4..at + 8].copy_from_slice(&0x7FFF_FFFE_u32.to_le_bytes());
    refused(&bytes, DicomRefusal::Damaged);
    // A hundred thousand nested sequences, which would overflow the stack of a recursive reader.
    let mut bytes = std::fs::read(fixture("explicit_u12.dcm")).unwrap();
    let at = bytes.windows(4).position(|four| four == [0xE0, 0x7F, 0x10, 0]).unwrap();
    bytes.truncate(at);
    for _ in 0..100_000 {
        bytes.extend_from_slice(&[0x54, 0, 0x20, 2, b'S', b'Q', 0, 0, 255, 255, 255, 255]);
        bytes.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 255, 255, 255, 255]);
    }
    refused(&bytes, DicomRefusal::Damaged);
}

#[test]
fn every_refusal_has_a_code_and_an_advice() {
    let mut codes: Vec<&str> = DicomRefusal::ALL.iter().map(|refusal| refusal.code()).collect();
    for refusal in DicomRefusal::ALL {
        assert_eq!(serde_json::to_string(&refusal).unwrap(), format!("\"{}\"", refusal.code()));
        assert!(!refusal.expected().is_empty());
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), DicomRefusal::ALL.len());
}

#[test]
fn every_refusal_stands_in_the_table_of_the_documentation() {
    let document = include_str!("../../../docs/dicom.md");
    let (_, section) = document.split_once("## What is refused").unwrap();
    let (table, _) = section.split_once("\n## ").unwrap();
    let codes: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(
        codes,
        DicomRefusal::ALL.map(DicomRefusal::code),
        "docs/dicom.md, in the order of DicomRefusal::ALL"
    );
}

/// Found by fuzzing: two bytes left over by a number were read as the next element, of a gibibyte.
#[test]
fn a_number_that_does_not_fill_its_value_is_refused() {
    let path = fixture("explicit_u12.dcm");
    let mut bytes = std::fs::read(&path).unwrap();
    let code_value = bytes.windows(8).position(|head| head == b"\x08\0\0\x01SH\x0A\0").unwrap();
    decode_header(&path, &bytes).unwrap();
    bytes[code_value + 4..code_value + 6].copy_from_slice(b"FD");
    let error = decode_header(&path, &bytes).unwrap_err().to_string();
    assert!(error.contains("not a multiple of 8 bytes"), "{error}");
}
