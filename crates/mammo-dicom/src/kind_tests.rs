//! What kind of object a header describes, and grey values that break a rule.

use std::path::Path;

use super::*;

/// The regular explicit file without some elements, and with others before its group 0028.
fn changed(without: &[&[u8]], elements: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom/explicit_u12.dcm");
    let mut bytes = std::fs::read(path).unwrap();
    let find =
        |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what).unwrap();
    for tag in without {
        let at = find(&bytes, tag);
        let length = usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]));
        bytes.drain(at..at + 8 + length);
    }
    let at = find(&bytes, b"\x28\0\x02\0");
    bytes.splice(at..at, elements.iter().copied());
    bytes
}

/// A text element of explicit coding.
fn text(tag: &[u8; 4], vr: &str, value: &str) -> Vec<u8> {
    let length = (value.len() as u16).to_le_bytes();
    [&tag[..], vr.as_bytes(), &length, value.as_bytes()].concat()
}

const MODALITY: &[u8; 4] = b"\x08\0\x60\0";
const CLASS: &[u8; 4] = b"\x08\0\x16\0";
const POSITION: &[u8; 4] = b"\x18\0\x01\x51";
const VIEW: &[u8; 4] = b"\x54\0\x20\x02";
const BURNT: &[u8; 4] = b"\x28\0\x01\x03";
const CENTER: &[u8; 4] = b"\x28\0\x50\x10";
const WIDTH: &[u8; 4] = b"\x28\0\x51\x10";
const FUNCTION: &[u8; 4] = b"\x28\0\x56\x10";

fn kinds(notes: &[Note]) -> Vec<NoteKind> {
    notes.iter().map(|note| note.kind).collect()
}

/// An object of this Modality and SOP class, and the notes on it, or its refusal.
fn admitted(
    modality: &str,
    class: &str,
    more: &[u8],
    unknown: UnknownObjects,
) -> std::result::Result<Vec<NoteKind>, DicomRefusal> {
    let elements = [text(MODALITY, "CS", modality), text(CLASS, "UI", class), more.to_vec()].concat();
    let header = decode_header(Path::new("case"), &changed(&[MODALITY, CLASS, BURNT], &elements)).unwrap();
    header.admit(unknown).map(|notes| kinds(&notes)).map_err(|(refusal, _)| refusal)
}

#[test]
fn modality_decides_then_the_sop_class_then_the_caller() {
    use UnknownObjects::{Assumed, Refused};
    let (presentation, ct) = ("1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.2");
    let radiograph = "1.2.840.10008.5.1.4.1.1.1";
    for unknown in [Refused, Assumed] {
        for modality in ["MG", "mg", "Mg "] {
            assert_eq!(admitted(modality, presentation, b"", unknown), Ok(vec![]));
        }
        assert_eq!(admitted("", presentation, b"", unknown), Ok(vec![NoteKind::ModalityBySopClass]));
        for (modality, class) in [("CT", presentation), ("", ct), ("CT", ""), ("CR", radiograph)] {
            assert_eq!(
                admitted(modality, class, b"", unknown),
                Err(DicomRefusal::NotMammography),
                "{modality} {class}"
            );
        }
    }
    for class in ["", radiograph] {
        assert_eq!(admitted("", class, b"", Refused), Err(DicomRefusal::UnknownObject));
        assert_eq!(admitted("", class, b"", Assumed), Ok(vec![NoteKind::AssumedMammogram]));
    }
    assert!(DicomRefusal::UnknownObject.expected().contains("--assume-mammography"));
    // Both elements absent, as in the files of the RSNA challenge.
    let header = decode_header(Path::new("case"), &changed(&[MODALITY, CLASS], b"")).unwrap();
    assert_eq!(header.admit(Refused).unwrap_err().0, DicomRefusal::UnknownObject);
}

#[test]
fn a_digitised_film_may_be_a_secondary_capture() {
    let capture = "1.2.840.10008.5.1.4.1.1.7";
    let grey_words = "1.2.840.10008.5.1.4.1.1.7.3";
    let case = |modality, class, more: &[u8]| admitted(modality, class, more, UnknownObjects::Refused);
    let film = Ok(vec![NoteKind::SecondaryCapture]);
    for modality in ["MG", "RG", "OT", ""] {
        assert_eq!(case(modality, capture, b""), film, "{modality}");
    }
    assert_eq!(case("MG", grey_words, b""), film);
    assert_eq!(case("MG", capture, &text(b"\x08\0\x64\0", "CS", "WSD ")), film);
    let frames = text(b"\x28\0\x08\0", "IS", "2 ");
    let screen = text(BURNT, "CS", "YES ");
    let document = text(b"\x08\0\x64\0", "CS", "SD");
    for (class, more) in [(grey_words, &frames), (capture, &screen), (capture, &document)] {
        assert_eq!(case("MG", class, more), Err(DicomRefusal::SecondaryCapture));
    }
    assert_eq!(case("CT", capture, b""), Err(DicomRefusal::SecondaryCapture));
    // Burnt-in labels alone are common on mammograms.
    assert_eq!(case("MG", "1.2.840.10008.5.1.4.1.1.1.2", &screen), Ok(vec![]));
    // A film of something, which neither view nor body part call a breast.
    let mut bytes = changed(&[MODALITY, CLASS, POSITION, BURNT], &text(CLASS, "UI", capture));
    let at = bytes.windows(4).position(|tag| tag == VIEW).unwrap();
    bytes[at + 2] = 0x21;
    let header = decode_header(Path::new("case"), &bytes).unwrap();
    assert_eq!(header.admit(UnknownObjects::Refused).unwrap_err().0, DicomRefusal::UnknownObject);
    let notes = header.admit(UnknownObjects::Assumed).unwrap();
    assert_eq!(kinds(&notes), [NoteKind::SecondaryCapture, NoteKind::AssumedMammogram]);
}

#[test]
fn an_object_without_pixels_says_so_whatever_it_is() {
    let mut bytes = changed(&[MODALITY], &text(MODALITY, "CS", "SR"));
    let at = bytes.windows(4).position(|tag| tag == b"\xE0\x7F\x10\0").unwrap();
    bytes.truncate(at);
    let header = decode_header(Path::new("case"), &bytes).unwrap();
    assert_eq!(header.admit(UnknownObjects::Assumed).unwrap_err().0, DicomRefusal::NoPixelData);
}

#[test]
fn the_index_of_a_medium_is_told_from_an_image() {
    let mut bytes = changed(&[], b"");
    assert!(!is_directory(&bytes));
    let at = bytes.windows(8).position(|head| head == b"\x02\0\x02\0UI\x1C\0").unwrap();
    bytes[at + 8..at + 36].copy_from_slice(b"1.2.840.10008.1.3.10\0\0\0\0\0\0\0\0");
    assert!(is_directory(&bytes[..512]));
}

/// Grey values and notes with these elements added.
fn shown(elements: &[Vec<u8>]) -> (Vec<u16>, Vec<NoteKind>) {
    let image = decode(Path::new("case"), &changed(&[], &elements.concat()), Voi::Apply).unwrap();
    (image.image.pixels, kinds(&image.notes))
}

fn window(centre: &str, width: &str, function: &str) -> (Vec<u16>, Vec<NoteKind>) {
    shown(&[text(CENTER, "DS", centre), text(WIDTH, "DS", width), text(FUNCTION, "CS", function)])
}

#[test]
fn voi_functions_are_compared_without_case_and_unknown_ones_are_linear() {
    let linear = window("1800", "1600", "LINEAR");
    assert_eq!(linear.1, []);
    for function in ["SIGMOID", "LINEAR_EXACT", "LINEAR", ""] {
        let (pixels, notes) = window("1800", "1600", &function.to_lowercase());
        assert_eq!((&pixels, &notes[..]), (&window("1800", "1600", function).0, &[][..]), "{function}");
    }
    assert_ne!(window("1800", "1600", "sigmoid").0, linear.0);
    for function in ["STANDARD", "LINEAR EXACT", "?"] {
        assert_eq!(window("1800", "1600", function), (linear.0.clone(), vec![NoteKind::UnknownVoiFunction]));
    }
}

#[test]
fn the_first_window_that_can_be_used_is_used() {
    let (first, none) = (window("2000", "1000", "").0, shown(&[]).0);
    let dropped = vec![NoteKind::WindowDropped];
    assert_eq!(window("2000\\1500", "1000\\800", ""), (first.clone(), vec![]));
    for (centre, width) in [
        ("2000\\n/a", "1000\\n/a"),
        ("n/a\\2000", "n/a\\1000"),
        ("1\\2000", "0\\1000"),
        ("\\2000", "5\\1000"),
        ("2000\\9", "1000"),
        ("2000\\NaN", "1000\\1"),
    ] {
        assert_eq!(window(centre, width, ""), (first.clone(), dropped.clone()), "{centre} {width}");
    }
    for (centre, width) in [("n/a", "1000"), ("2000", ""), ("", "1000"), ("2000", "0.5"), ("inf", "1000")] {
        assert_eq!(window(centre, width, ""), (none.clone(), dropped.clone()), "{centre} {width}");
    }
    assert_eq!(window("2000", "0", "SIGMOID"), (none.clone(), dropped));
    // A VOI LUT or Modality LUT without its data, and a slope that is no number.
    let empty_item = b"SQ\0\0\x08\0\0\0\xFE\xFF\0\xE0\0\0\0\0";
    for sequence in [b"\x28\0\x10\x30", b"\x28\0\x00\x30"] {
        assert_eq!(
            shown(&[[&sequence[..], empty_item].concat()]),
            (none.clone(), vec![NoteKind::LutDropped])
        );
    }
    for slope in ["1,5", "0", "n/a"] {
        let found = shown(&[text(b"\x28\0\x53\x10", "DS", slope)]);
        assert_eq!(found, (none.clone(), vec![NoteKind::RescaleDropped]), "{slope}");
    }
}

#[test]
fn padding_that_the_bits_cannot_express_matches_nothing() {
    let number = |tag: &[u8; 4], vr: &str, value: u16| {
        [&tag[..], vr.as_bytes(), &[2, 0], &value.to_le_bytes()].concat()
    };
    let (value, limit) = (b"\x28\0\x20\x01", b"\x28\0\x21\x01");
    let none = shown(&[]).0;
    let dropped = vec![NoteKind::PaddingDropped];
    for (vr, outside) in [("US", 4096), ("US", 65535), ("SS", 65535), ("SS", 0x8000)] {
        assert_eq!(shown(&[number(value, vr, outside)]), (none.clone(), dropped.clone()), "{vr} {outside}");
    }
    assert_eq!(shown(&[number(value, "US", 0), number(limit, "US", 65535)]), (none.clone(), dropped));
    // The brightest value, and all.
    let (black, notes) = shown(&[number(value, "US", 4095)]);
    assert_eq!(notes, []);
    assert!(
        none.iter().zip(&black).all(|(&before, &now)| now == if before == u16::MAX { 0 } else { before })
    );
    assert!(shown(&[number(value, "US", 4095), number(limit, "US", 0)]).0.iter().all(|&grey| grey == 0));
    assert_eq!(shown(&[number(limit, "US", 4095)]), (none, vec![]));
}

#[test]
fn signed_padding_is_written_in_several_ways() {
    let bytes =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom/explicit_s12.dcm"));
    let header = decode_header(Path::new("signed"), &bytes.unwrap()).unwrap();
    for written in [-2048.0, 2048.0, 63488.0] {
        assert_eq!(header.stored_from_attribute(written), Some(-2048), "{written}");
    }
    assert_eq!(header.stored_from_attribute(2047.0), Some(2047));
    for outside in [4096.0, 32768.0, -2049.0, 1e12, 0.5] {
        assert_eq!(header.stored_from_attribute(outside), None, "{outside}");
    }
    let shifted = Header { high_bit: 15, ..header };
    assert_eq!(shifted.stored_from_attribute(f64::from(0x8000)), Some(-2048));
}

#[test]
fn film_and_digital_are_told_by_the_header_or_unknown() {
    let (presentation, captured, computed) =
        ("1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.1");
    let intent = text(b"\x08\0\x68\0", "CS", "FOR PRESENTATION");
    let conversion = |word| text(b"\x08\0\x64\0", "CS", word);
    let detector = |word| text(b"\x18\0\x04\x70", "CS", word);
    // As many digits as an even length needs.
    let scanned = text(b"\x18\0\x10\x20", "DS", "0.05\\0.05 ");
    let none = Vec::new();
    for (class, more, expected) in [
        (presentation, none.clone(), Some(false)),
        (presentation, detector("DIRECT"), Some(false)),
        (presentation, detector("FILM"), Some(true)),
        (presentation, conversion("DF"), Some(true)),
        (computed, none.clone(), Some(false)),
        (captured, none.clone(), None),
        (captured, conversion("WSD "), None),
        (captured, conversion("DF"), Some(true)),
        (captured, detector("SCINTILLATOR"), Some(false)),
        (captured, scanned, Some(true)),
        ("", intent, Some(false)),
        ("", none.clone(), None),
    ] {
        let without: [&[u8]; 7] = [
            CLASS,
            MODALITY,
            b"\x08\0\x68\0",
            b"\x08\0\x64\0",
            b"\x18\0\x04\x70",
            b"\x28\0\x30\0",
            b"\x18\0\x64\x11",
        ];
        let held = changed(&[], &[]);
        let there: Vec<&[u8]> =
            without.into_iter().filter(|tag| held.windows(4).any(|window| window == *tag)).collect();
        let elements = [text(MODALITY, "CS", "MG"), text(CLASS, "UI", class), more.clone()].concat();
        let header = decode_header(Path::new("case"), &changed(&there, &elements)).unwrap();
        assert_eq!(header.is_digitised_film(), expected, "{class} {more:?}");
    }
}
