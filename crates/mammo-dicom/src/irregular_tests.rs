//! Files that break a rule of the standard without harm to the image: each kind, made from a
//! regular file in `fixtures/dicom`, has the pixels of that file.

use std::path::Path;

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom").join(name)).unwrap()
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

/// Bytes of elements put before the group 0028 of a file.
fn with(name: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = fixture(name);
    let at = find(&bytes, b"\x28\0\x02\0");
    bytes.splice(at..at, elements.iter().copied());
    bytes
}

/// The transfer syntax of a file, stated otherwise.
fn stating(bytes: &[u8], uid: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = find(&bytes, b"\x02\0\x10\0UI");
    let length = usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]));
    let mut uid = uid.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    bytes[at + 6..at + 8].copy_from_slice(&(uid.len() as u16).to_le_bytes());
    bytes.splice(at + 8..at + 8 + length, uid);
    bytes
}

/// Where the first fragment starts, behind the offset table.
fn first_fragment(bytes: &[u8]) -> usize {
    let table = find(bytes, b"\xE0\x7F\x10\0OB") + 12;
    table + 8 + u32::from_le_bytes(bytes[table + 4..table + 8].try_into().unwrap()) as usize
}

/// Decodes from memory and from a file, whose header is read on its own.
fn read_both(bytes: &[u8]) -> Result<DicomImage> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.dcm");
    std::fs::write(&path, bytes).unwrap();
    let from_memory = decode(&path, bytes, Voi::Apply);
    let from_file = read_any(&path, Voi::Apply);
    if let Ok(from_memory) = &from_memory {
        assert_eq!(from_memory, from_file.as_ref().unwrap());
        assert_eq!(read_header(&path).unwrap(), from_memory.header);
        assert!(is_dicom(&bytes[..bytes.len().min(512)]));
    }
    from_file
}

#[track_caller]
fn same_pixels(bytes: &[u8], name: &str, notes: &[NoteKind]) {
    let found = read_both(bytes).unwrap();
    let regular = decode(Path::new(name), &fixture(name), Voi::Apply).unwrap();
    assert_eq!(found.image, regular.image);
    assert_eq!(found.notes.iter().map(|note| note.kind).collect::<Vec<_>>(), notes);
    assert_eq!(found.header.view_modifiers, regular.header.view_modifiers);
}

#[track_caller]
fn refused(bytes: &[u8], refusal: DicomRefusal, words: &str) {
    match read_both(bytes) {
        Err(Error::Dicom { refusal: found, found: what, .. }) => {
            assert_eq!(found, refusal, "{what}");
            assert!(what.contains(words), "{what}");
        }
        other => panic!("{:?}", other.map(|image| image.notes)),
    }
}

const EXPLICIT: &str = "explicit_u12.dcm";
const IMPLICIT: &str = "implicit_u12.dcm";
const LOSSLESS: &str = "jpeg_lossless_p1_u12.dcm";
const JPEG2000: &str = "jpeg2000_lossless_u12.dcm";

#[test]
fn a_missing_end_of_the_pixel_data_is_noted() {
    for name in [LOSSLESS, JPEG2000, "jpegls_lossless_u12.dcm", "rle_u12.dcm", "jpeg_extended_u12.dcm"] {
        let whole = fixture(name);
        let end = whole.len() - 8;
        same_pixels(&whole[..end], name, &[NoteKind::NoEndMarker]);
        for rest in [&[0; 8][..], &[0; 300], &[0; 3], &whole[end..end + 5], b"\xFC\xFF\xFC\xFFOB\0\0\0\0\0\0"]
        {
            same_pixels(&[&whole[..end], rest].concat(), name, &[NoteKind::NoEndMarker]);
        }
        refused(&whole[..end - 20], DicomRefusal::Damaged, "is truncated");
        refused(&[&whole[..end], b"some text, 8 or more"].concat(), DicomRefusal::Damaged, "between");
        // A second fragment is missing: the first is complete, the frame is not.
        let at = first_fragment(&whole);
        let length = u32::from_le_bytes(whole[at + 4..at + 8].try_into().unwrap()) / 4 * 2;
        let half =
            [&whole[..at + 4], &length.to_le_bytes(), &whole[at + 8..at + 8 + length as usize]].concat();
        refused(&half, DicomRefusal::Damaged, "");
    }
}

#[test]
fn the_coding_that_the_data_show_is_believed() {
    use NoteKind::SyntaxDisagrees;
    let big_endian = "big_endian_u12.dcm";
    let uid = |below: &str| format!("1.2.840.10008.1.2{below}");
    for (name, stated) in [
        (IMPLICIT, ".1"),
        (IMPLICIT, ".2"),
        (IMPLICIT, ".1.99"),
        (EXPLICIT, ""),
        (EXPLICIT, ".1.99"),
        (EXPLICIT, ".2"),
    ] {
        same_pixels(&stating(&fixture(name), &uid(stated)), name, &[SyntaxDisagrees]);
    }
    for stated in ["", ".1"] {
        same_pixels(&stating(&fixture(big_endian), &uid(stated)), big_endian, &[SyntaxDisagrees]);
    }
}

#[test]
fn text_under_the_tag_of_a_sequence_is_passed_over() {
    let implicit = b"\x12\0\x64\0\x24\0\0\0Siemens Healthcare Header Anonymizer";
    same_pixels(&with(IMPLICIT, implicit), IMPLICIT, &[]);
    same_pixels(&with(EXPLICIT, b"\x12\0\x64\0LO\x04\0text"), EXPLICIT, &[]);
    // Under a tag that is used, it is noted; the first item, here of another element, stays.
    let voi = b"\x28\0\x10\x30\x12\0\0\0text of some bytes";
    same_pixels(&with(IMPLICIT, voi), IMPLICIT, &[NoteKind::SequenceUnreadable]);
}

#[test]
fn private_sequences_of_unknown_type_are_passed_over_in_either_coding() {
    let head = b"\x01\x20\0\x90UN\0\0\xFF\xFF\xFF\xFF";
    let end = b"\xFE\xFF\xDD\xE0\0\0\0\0";
    let item =
        |content: &[u8]| [b"\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF", content, b"\xFE\xFF\x0D\xE0\0\0\0\0"].concat();
    for content in [
        item(b"\x08\0\x16\0\x04\0\0\x001.2\0"),
        item(b"\x08\0\x16\0UI\x04\x001.2\0"),
        // Items of stated length may hold anything, and so may what ends with the delimiter.
        b"\xFE\xFF\0\xE0\x08\0\0\0\xFF\xFF\xFF\xFFtext".to_vec(),
        b"\x08\0\x16\0\xFE\xFF\xFF\x7Fno items at all".to_vec(),
        Vec::new(),
        // A sequence in a sequence.
        item(
            &[&b"\x08\0\x40\x11\xFF\xFF\xFF\xFF"[..], &item(b"\x08\0\x16\0\x04\0\0\x001.2\0"), end].concat(),
        ),
    ] {
        same_pixels(&with(EXPLICIT, &[&head[..], &content, end].concat()), EXPLICIT, &[]);
    }
}

#[test]
fn unknown_value_types_are_passed_over() {
    let owner = b"\x19\0\x10\0LO\x04\0TEST";
    for elements in [
        &b"\x19\0\x01\x10??\0\0\x04\0\0\0ABCD"[..],
        b"\x19\0\x01\x10XX\0\0\x04\0\0\0ABCD",
        b"\x19\0\x01\x10\x06\0\0\0ABCDEF",
        b"\x19\0\x01\x10\0\0\0\0",
        b"\x19\0\x01\x10  \x04\0ABCD",
        b"\x19\0\x01\x10\0\0\0\0\x04\0\0\0ABCD",
        b"\x19\0\x01\x10ZZ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\xDD\xE0\0\0\0\0",
        // Several without a type in a row.
        b"\x19\0\x01\x10\x02\0\0\0AB\x19\0\x02\x10\x02\0\0\0CD\x19\0\x03\x10\0\0\0\0",
    ] {
        same_pixels(&with(EXPLICIT, &[&owner[..], elements].concat()), EXPLICIT, &[]);
    }
    refused(
        &with(EXPLICIT, b"\x19\0\x01\x10??\xFF\xFFno length that fits"),
        DicomRefusal::Damaged,
        "[3F, 3F]",
    );
}

#[test]
fn elements_that_are_not_used_may_have_any_length() {
    for element in [
        &b"\x19\0\x01\x10US\x03\0\x01\x02\x03"[..],
        b"\x19\0\x01\x10FD\x0A\x000123456789",
        b"\x19\0\x01\x10LO\x01\0x",
    ] {
        same_pixels(&with(EXPLICIT, element), EXPLICIT, &[]);
    }
    // Rows, which are used.
    let mut bytes = fixture(EXPLICIT);
    let at = find(&bytes, b"\x28\0\x10\0US\x02\0");
    bytes.splice(at + 6..at + 8, *b"\x03\0");
    bytes.insert(at + 10, 0);
    refused(&bytes, DicomRefusal::Damaged, "(0028,0010) has 3 bytes");
}

#[test]
fn an_icon_image_is_passed_over_however_it_is_stored() {
    let pixels = [
        &b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\0\xE0\x04\0\0\0\xFF\xD8\xFF\xE0\xFE\xFF\xDD\xE0\0\0\0\0"[..],
        b"\xE0\x7F\x10\0OB\0\0\x04\0\0\0\xFF\xD8\xFF\xE0",
    ];
    for pixels in pixels {
        let icon = |sequence: &[u8], item: &[u8], ends: &[u8]| {
            with(LOSSLESS, &[b"\x24\0\0\x02SQ\0\0", sequence, b"\xFE\xFF\0\xE0", item, pixels, ends].concat())
        };
        let (open, length) = ([255; 4], (pixels.len() as u32).to_le_bytes());
        let sequence_end = b"\xFE\xFF\xDD\xE0\0\0\0\0";
        let both_ends = [&b"\xFE\xFF\x0D\xE0\0\0\0\0"[..], sequence_end].concat();
        same_pixels(&icon(&open, &open, &both_ends), LOSSLESS, &[]);
        same_pixels(&icon(&open, &length, sequence_end), LOSSLESS, &[]);
        let total = (pixels.len() as u32 + 8).to_le_bytes();
        same_pixels(&icon(&total, &length, b""), LOSSLESS, &[]);
        // A delimiter behind a sequence of stated length.
        same_pixels(&icon(&total, &length, sequence_end), LOSSLESS, &[]);
    }
}

#[test]
fn files_without_meta_information_are_recognised_by_their_data_set() {
    for name in [EXPLICIT, IMPLICIT, "big_endian_u12.dcm"] {
        let file = fixture(name);
        let class = if name == "big_endian_u12.dcm" { b"\0\x08\0\x16" } else { b"\x08\0\x16\0" };
        let data_set = &file[find(&file, class)..];
        let notes = [NoteKind::NoTransferSyntax];
        same_pixels(data_set, name, &notes);
        same_pixels(&[&[0; 128], &b"DICM"[..], data_set].concat(), name, &notes);
        same_pixels(&[&[0; 128], data_set].concat(), name, &notes);
        let meta = b"\x02\0\x12\0UI\x04\x001.2\0";
        same_pixels(&[&[0; 128], &b"DICM"[..], meta, data_set].concat(), name, &notes);
        same_pixels(&stating(&file, ""), name, &notes);
    }
    // Coded pixels show what they are.
    let file = fixture(LOSSLESS);
    let data_set = &file[find(&file, b"\x08\0\x16\0")..];
    same_pixels(data_set, LOSSLESS, &[NoteKind::NoTransferSyntax, NoteKind::CodingDisagrees]);
    for other in [
        &b"P5\n90 72\n255\n"[..],
        b"II*\0\x08\0\0\0",
        b"\x08\0\x16\0 and other text that is no element",
        b"\x08\0",
    ] {
        assert!(!is_dicom(other));
        refused(other, DicomRefusal::NotDicom, "no data set");
    }
    refused(
        &[&[0; 128], &b"DICMand other text that is no element"[..]].concat(),
        DicomRefusal::Damaged,
        "transfer syntax",
    );
}

#[test]
fn coded_pixels_are_known_by_their_content() {
    let lossless = "1.2.840.10008.1.2.4.70";
    let boxed = {
        // A codestream in the boxes of a JP2 file: signature, file type, codestream.
        let file = fixture(JPEG2000);
        let at = first_fragment(&file);
        let length = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
        let stream = &file[at + 8..at + 8 + length];
        let boxes = b"\0\0\0\x0CjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 \0\0\0\0jp2c";
        let total = (boxes.len() + length) as u32;
        [&file[..at + 4], &total.to_le_bytes(), boxes, stream, &file[at + 8 + length..]].concat()
    };
    same_pixels(&boxed, JPEG2000, &[]);
    let odd = [NoteKind::CodingDisagrees];
    same_pixels(&stating(&boxed, lossless), JPEG2000, &odd);
    same_pixels(&stating(&fixture(JPEG2000), lossless), JPEG2000, &odd);
    same_pixels(&stating(&fixture(LOSSLESS), "1.2.840.10008.1.2.4.90"), LOSSLESS, &odd);
    same_pixels(&stating(&fixture(LOSSLESS), "1.2.840.10008.1.2.1"), LOSSLESS, &odd);
    same_pixels(&stating(&fixture("jpegls_lossless_u12.dcm"), lossless), "jpegls_lossless_u12.dcm", &odd);
    // What shows no content of its own, or has another size, is named.
    refused(
        &stating(&fixture("rle_u12.dcm"), "1.2.840.10008.1.2.1"),
        DicomRefusal::Damaged,
        "without compression",
    );
    let mut other_size = stating(&fixture(JPEG2000), lossless);
    let at = find(&other_size, b"\x28\0\x10\0US") + 8;
    other_size[at] += 1;
    refused(
        &other_size,
        DicomRefusal::Damaged,
        "JPEG lossless stated, JPEG 2000 found; the coded image has 90x72",
    );
}

/// More attributes than any image has are refused before they are decoded.
#[test]
fn attributes_in_use_have_a_bound() {
    let text = [&b"\x08\0\x70\0UT\0\0\0\0\x01\0"[..], &[b'\\'; 1 << 16]].concat();
    refused(&with(EXPLICIT, &text), DicomRefusal::Damaged, "a text of 65536 bytes");
    let table = [&b"\x28\0\x06\x30OW\0\0\0\0\x10\0"[..], &[0; 1 << 20]].concat();
    refused(&with(EXPLICIT, &table.repeat(3)), DicomRefusal::TooLarge, "attributes");
    let private = [&b"\x19\0\x01\x10OB\0\0\0\0\x10\0"[..], &[0; 1 << 20]].concat();
    same_pixels(&with(EXPLICIT, &private.repeat(3)), EXPLICIT, &[]);
    refused(&with(EXPLICIT, &private.repeat(34)), DicomRefusal::TooLarge, "a header of more than 32 MiB");
    // Each level of a sequence in use holds another, a hundred thousand deep.
    let mut deep = Vec::new();
    for level in (0..100_000_u32).rev() {
        let inner = 20 * level;
        deep.push(
            [
                &b"\x54\0\x20\x02SQ\0\0"[..],
                &(inner + 8).to_le_bytes(),
                b"\xFE\xFF\0\xE0",
                &inner.to_le_bytes(),
            ]
            .concat(),
        );
    }
    assert!(read_both(&with(EXPLICIT, &deep.concat())).is_ok());
}
