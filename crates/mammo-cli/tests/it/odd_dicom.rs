//! DICOM files that break a rule: the messages about them, and the memory that they take.

use std::fs;
use std::path::Path;

use mammo_core::image::GreyImage;
use mammo_dicom::image_file::read_grey;

use crate::program::mammo;

/// One element of explicit little endian coding, whose value type has a 16-bit length.
fn element(group: u16, number: u16, vr: &str, value: &[u8]) -> Vec<u8> {
    let length = value.len().next_multiple_of(2);
    let mut bytes = [&group.to_le_bytes()[..], &number.to_le_bytes(), vr.as_bytes()].concat();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(value);
    bytes.resize(8 + length, b' ');
    bytes
}

/// A file of 16-bit pixels; `more` are texts of group 0028 with their element numbers.
pub fn mammogram(film: &GreyImage, modality: &str, class: &str, more: &[(&str, &str, &str)]) -> Vec<u8> {
    let number = |number: u16, value: usize| element(0x28, number, "US", &(value as u16).to_le_bytes());
    let mut bytes = [&[0; 128], &b"DICM"[..]].concat();
    bytes.extend(element(2, 0x10, "UI", b"1.2.840.10008.1.2.1\0"));
    if !class.is_empty() {
        bytes.extend(element(8, 0x16, "UI", &[class.as_bytes(), &[0][..class.len() % 2]].concat()));
    }
    bytes.extend(element(8, 0x18, "UI", b"1.2.3\0"));
    if !modality.is_empty() {
        bytes.extend(element(8, 0x60, "CS", modality.as_bytes()));
    }
    bytes.extend(element(0x18, 0x5101, "CS", b"CC"));
    bytes.extend(number(2, 1));
    bytes.extend(element(0x28, 4, "CS", b"MONOCHROME2"));
    bytes.extend([number(0x10, film.height), number(0x11, film.width), number(0x100, 16)].concat());
    bytes.extend([number(0x101, 12), number(0x102, 11), number(0x103, 0)].concat());
    for (tag, vr, value) in more {
        bytes.extend(element(0x28, u16::from_str_radix(tag, 16).unwrap(), vr, value.as_bytes()));
    }
    bytes.extend(b"\xE0\x7F\x10\0OW\0\0");
    bytes.extend((2 * film.pixels.len() as u32).to_le_bytes());
    bytes.extend(film.pixels.iter().flat_map(|value| (value >> 4).to_le_bytes()));
    bytes
}

const DIGITAL: &str = "1.2.840.10008.5.1.4.1.1.1.2";
const SECONDARY: &str = "1.2.840.10008.5.1.4.1.1.7";

fn film(dir: &Path) -> GreyImage {
    mammo(dir, "phantom --out data --patients 2 --height 128 --width 96 --seed 3").expect(0);
    let first = fs::read_dir(dir.join("data/images")).unwrap().next().unwrap().unwrap().path();
    read_grey(&first).unwrap()
}

#[test]
fn import_counts_what_was_odd_and_takes_what_it_is_told_to() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let film = film(dir);
    fs::create_dir(dir.join("cd")).unwrap();
    let put = |name: &str, bytes: Vec<u8>| fs::write(dir.join("cd").join(name), bytes).unwrap();
    put("L_CC_1.dcm", mammogram(&film, "MG", DIGITAL, &[("1050", "DS", "n/a"), ("1051", "DS", "1")]));
    put("L_CC_2.dcm", mammogram(&film, "", "", &[("1056", "CS", "FILM")]));
    put("L_CC_3.dcm", mammogram(&film, "MG", SECONDARY, &[("120", "US", "~~")]));
    // A secondary capture that shows a page.
    let mut page = GreyImage::black(film.width, film.height);
    (0..page.pixels.len()).filter(|i| i % 7 < 3).for_each(|i| page.pixels[i] = 60_000);
    put("L_CC_4.dcm", mammogram(&page, "MG", SECONDARY, &[]));
    // The index of the medium, by whatever name, and a report.
    let directory = element(2, 2, "UI", b"1.2.840.10008.1.3.10");
    put("DICOMDIR", [&[0; 128], &b"DICM"[..], &directory, &element(4, 0x1130, "CS", b"CD")].concat());
    let report = mammogram(&film, "SR", "1.2.840.10008.5.1.4.1.1.88.50", &[]);
    let end = report.windows(4).position(|tag| tag == b"\xE0\x7F\x10\0").unwrap();
    put("SR000001", report[..end].to_vec());

    let ran = mammo(dir, "import folder cd").expect(1);
    for note in [
        "1 DICOM file with a note: a window is not usable",
        "stored as a secondary capture",
        "the pixel padding matches",
    ] {
        assert!(ran.stderr.contains(note), "{note}\n{}", ran.stderr);
    }
    let rejected = fs::read_to_string(dir.join("cd/rejected.csv")).unwrap();
    for line in
        ["L_CC_2.dcm,0,unknown_object,", "L_CC_4.dcm,0,secondary_capture,", "SR000001,0,unreadable_image,"]
    {
        assert!(rejected.contains(line), "{line}\n{rejected}");
    }
    assert!(!rejected.contains("DICOMDIR") && rejected.contains("--assume-mammography"), "{rejected}");
    let ran = mammo(dir, "import folder cd --assume-mammography").expect(1);
    for note in ["taken for a mammogram because of --assume-mammography", "the VOI LUT Function is unknown"] {
        assert!(ran.stderr.contains(note), "{note}\n{}", ran.stderr);
    }
    // The steps of one image give the same notes.
    let ran = mammo(dir, "preprocess --explain cd/L_CC_1.dcm --out sheets").expect(0);
    assert!(ran.stdout.contains("note: a window is not usable"), "{}", ran.stdout);
    mammo(dir, "preprocess cd/L_CC_1.dcm --out inputs").expect(0).says("note: cd/L_CC_1.dcm: a window");
}

/// Peak memory of a run of `preprocess`, in MiB, as it prints it.
fn peak_mib(stdout: &str) -> usize {
    let (_, rest) = stdout.split_once("peak memory ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn lengths_that_lie_take_no_memory() {
    /// 64 MiB beside what the program itself and the tiny picture need.
    const MOST_MIB: usize = 64 + 36;
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let regular = mammogram(&film(dir), "MG", DIGITAL, &[]);
    let at = regular.windows(4).position(|tag| tag == b"\x28\0\x02\0").unwrap();
    let with = |element: &[u8]| [&regular[..at], element, &regular[at..]].concat();
    let huge = |head: &[u8], content: &[u8], count: usize| with(&[head, &content.repeat(count)].concat());
    let cases = [
        ("un_of_text", with(b"\x01\x20\0\x90UN\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\x10\0\0\0\xFE\xFF\xFF\xFF46.670589.2.2\xFE\xFF\xDD\xE0\0\0\0\0")),
        ("text_of_values", huge(b"\x08\0\x70\0UT\0\0\0\0\x20\x01", b"\\", 0x120_0000)),
        ("private_of_30_mib", huge(b"\x19\0\x01\x10OB\0\0\0\0\xE0\x01", b"\0", 0x1E0_0000)),
        ("many_elements", with(&b"\x19\0\x01\x10\0\0\0\0".repeat(1 << 20))),
        ("many_tables", huge(b"\x28\0\x06\x30OW\0\0\0\0\x10\0", b"\0", 0x10_0000)),
        ("wrong_rows", {
            let mut bytes = regular.clone();
            let rows = bytes.windows(6).position(|head| head == b"\x28\0\x10\0US").unwrap() + 8;
            bytes[rows..rows + 2].copy_from_slice(&[0xFF, 0xFF]);
            bytes
        }),
        ("trailing", [&regular[..], &vec![0; 200 << 20]].concat()),
    ];
    for (name, bytes) in cases {
        fs::write(dir.join("case.dcm"), bytes).unwrap();
        let ran = mammo(dir, &format!("preprocess case.dcm --out {name}"));
        assert!(ran.code < 3, "{name}: {}", ran.stderr);
        let peak = peak_mib(&ran.stdout);
        assert!(peak <= MOST_MIB, "{name}: {peak} MiB");
    }
}
