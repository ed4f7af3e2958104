//! Writes what fuzzing starts from: small phantom data sets in the layouts of archives, and
//! seeds for every target of `fuzz/` from them and from `fixtures/`.
//!
//! ```text
//! cargo run --release -p mammo-data --example fuzz_seeds -- fuzz
//! ```
//!
//! Writes `fuzz/base` and `fuzz/seeds`; `fuzz/src/lib.rs` reads these forms.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat};
use mammo_data::import::{Verify, import_tables};
use mammo_dicom::read_header;
use mammo_phantom::{ArchiveLayout, PhantomConfig, write_layout};

type Outcome = Result<(), Box<dyn Error>>;

/// Targets of tables: data set, and the files whose contents make one seed.
const TABLES: [(&str, ArchiveLayout, &[&str]); 9] = [
    ("open_tables", ArchiveLayout::Film, &["images.csv", "lesions.csv"]),
    (
        "cbis_ddsm",
        ArchiveLayout::CbisDdsmJpeg,
        &["csv/mass_case_description_train_set.csv", "csv/dicom_info.csv"],
    ),
    ("inbreast", ArchiveLayout::Inbreast, &["INbreast.csv", "AllXML/20580000.xml"]),
    ("mini_mias", ArchiveLayout::MiniMias, &["Info.txt", "mdb002.pgm"]),
    (
        "vindr",
        ArchiveLayout::Vindr,
        &["breast-level_annotations.csv", "finding_annotations.csv", "metadata.csv"],
    ),
    ("cmmd", ArchiveLayout::Cmmd, &["CMMD_clinicaldata_revision.csv"]),
    ("workbook", ArchiveLayout::Cmmd, &["CMMD_clinicaldata_revision.xlsx"]),
    ("rsna", ArchiveLayout::Rsna, &["train.csv"]),
    ("original", ArchiveLayout::Original, &["roi_mask_path.csv", "train_pat_lst.txt"]),
];

/// Between the tables of one seed.
const SEPARATOR: u8 = 0x1C;

fn main() -> Outcome {
    let fuzz = PathBuf::from(std::env::args().nth(1).ok_or("usage: fuzz_seeds FUZZ_FOLDER")?);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let seeds = Seeds { folder: fuzz.join("seeds") };
    for (target, layout, files) in TABLES {
        let base = fuzz.join("base").join(layout.to_string());
        let config = PhantomConfig {
            n_patients: 2,
            site: layout.site(),
            seed: 1,
            height_px: 96,
            width_px: 80,
            ..PhantomConfig::default()
        };
        write_layout(&base, layout, &config, &|_, _| {})?;
        let clinical = base.join("CMMD_clinicaldata_revision.csv");
        match target {
            // The workbook's columns as far as they are read.
            "cmmd" => fs::write(&clinical, "ID1,LeftRight,classification\nD1-0001,L,Malignant\n")?,
            "workbook" => fs::remove_file(&clinical)?,
            _ => {}
        }
        let parts: Vec<Vec<u8>> =
            files.iter().map(|file| fs::read(base.join(file))).collect::<Result<_, _>>()?;
        seeds.write(target, "phantom", &parts.join(&SEPARATOR))?;
    }
    seeds.write("workbook", "INbreast.xls", &fs::read(fixtures.join("archives/INbreast.xls"))?)?;
    dicom(&seeds, &fixtures.join("dicom"))?;
    pictures(&seeds, &fuzz.join("base"))?;
    stored_files(&seeds, &fuzz.join("base/film"))
}

struct Seeds {
    folder: PathBuf,
}

impl Seeds {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Outcome {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), bytes)?)
    }
}

/// Whole files, and their coded frames with the numbers that a decoder is told.
fn dicom(seeds: &Seeds, folder: &Path) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "dcm") {
            continue;
        }
        let (name, bytes) = (path.file_name().unwrap_or_default().to_string_lossy(), fs::read(&path)?);
        seeds.write("dicom", &name, &bytes)?;
        for (kind, irregular) in irregular(&bytes) {
            seeds.write("dicom", &format!("{name}.{kind}"), &irregular)?;
        }
        let header = read_header(&path)?;
        let target = match header.transfer_syntax.strip_prefix("1.2.840.10008.1.2").unwrap_or_default() {
            ".5" => "rle",
            ".4.50" | ".4.51" => "jpeg_dct",
            ".4.57" | ".4.70" => "jpeg_lossless",
            ".4.80" | ".4.81" => "jpegls",
            ".4.90" | ".4.91" => "jpeg2000",
            _ => continue,
        };
        let mut seed = Vec::new();
        seed.extend((header.rows as u16).to_le_bytes());
        seed.extend((header.columns as u16).to_le_bytes());
        seed.extend([header.bits_stored as u8 - 1, u8::from(header.signed)]);
        seed.extend(frame(&bytes).ok_or_else(|| format!("{}: no fragments", path.display()))?);
        seeds.write(target, &name, &seed)?;
    }
    Ok(())
}

/// A file with one rule of the standard broken, each kind of docs/dicom.md that bytes make.
fn irregular(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let elements: [(&str, &[u8]); 6] = [
        ("un", b"\x01\x20\0\x90UN\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF\x08\0\x16\0\x04\0\0\x001.2\0\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0"),
        ("type", b"\x19\0\x01\x10??\0\0\x04\0\0\0ABCD"),
        ("untyped", b"\x19\0\x01\x10\x06\0\0\0ABCDEF"),
        ("text", b"\x12\0\x64\0\x04\0\0\0text"),
        ("odd", b"\x19\0\x01\x10US\x03\0\x01\x02\x03"),
        ("icon", b"\x24\0\0\x02SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0"),
    ];
    let mut files = Vec::new();
    // Before Samples per Pixel, and without what stands before the SOP class.
    if let Some(at) = bytes.windows(4).position(|tag| tag == b"\x28\0\x02\0") {
        files.extend(elements.map(|(kind, element)| (kind, [&bytes[..at], element, &bytes[at..]].concat())));
    }
    if let Some(at) = bytes.windows(4).position(|tag| tag == b"\x08\0\x16\0") {
        files.push(("bare", bytes[at..].to_vec()));
    }
    if let Some(whole) = bytes.strip_suffix(b"\xFE\xFF\xDD\xE0\0\0\0\0") {
        files.push(("open", whole.to_vec()));
    }
    files
}

/// The fragments of encapsulated pixel data, joined.
fn frame(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut at = bytes.windows(4).rposition(|tag| tag == [0xE0, 0x7F, 0x10, 0x00])? + 12;
    let mut fragments = Vec::new();
    while bytes.get(at..at + 4)? == [0xFE, 0xFF, 0x00, 0xE0] {
        let length = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?) as usize;
        fragments.push(bytes.get(at + 8..at + 8 + length)?);
        at += 8 + length;
    }
    // The first is the offset table.
    Some(fragments[1..].concat())
}

/// One film in every file format, and as bare pixels.
fn pictures(seeds: &Seeds, base: &Path) -> Outcome {
    let film = image::open(base.join("film/images/A_00000_LEFT_CC.png"))?;
    let eight = DynamicImage::ImageLuma8(film.to_luma8());
    let colour = DynamicImage::ImageRgb8(film.to_rgb8());
    for (name, picture, format) in [
        ("16.png", &film, ImageFormat::Png),
        ("8.png", &eight, ImageFormat::Png),
        ("colour.png", &colour, ImageFormat::Png),
        ("8.jpg", &eight, ImageFormat::Jpeg),
        ("colour.jpg", &colour, ImageFormat::Jpeg),
        ("16.tif", &film, ImageFormat::Tiff),
        ("8.tif", &eight, ImageFormat::Tiff),
        ("16.pgm", &film, ImageFormat::Pnm),
        ("8.pgm", &eight, ImageFormat::Pnm),
    ] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format)?;
        seeds.write("picture", name, bytes.get_ref())?;
    }
    let grey = film.to_luma16();
    for choice in 0..4_u8 {
        let mut seed = vec![choice];
        seed.extend((grey.width() as u16).to_le_bytes());
        seed.extend(grey.as_raw().iter().flat_map(|value| value.to_le_bytes()));
        seeds.write("prepare", &choice.to_string(), &seed)?;
    }
    Ok(())
}

/// A manifest and a split of it.
fn stored_files(seeds: &Seeds, film: &Path) -> Outcome {
    let manifest = import_tables(film, Verify::Headers, &|_, _| {})?.manifest;
    let path = film.join("manifest.json");
    manifest.write(&path)?;
    seeds.write("json", "manifest", &fs::read(&path)?)?;
    let split = format!(
        r#"{{"format":"mammo-split","version":1,"manifest_digest":"{}","seed":1,"patients":[{{"patient_id":"A_00000","side":"train"}},{{"patient_id":"A_00001","side":"test"}}]}}"#,
        manifest.digest()
    );
    seeds.write("json", "split", split.as_bytes())
}
