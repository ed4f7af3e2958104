//! What fuzz targets share: a DICOM file around coded pixels, and data sets whose tables are
//! replaced by fuzzed bytes.
//!
//! Seeds and data sets come from `cargo run --release -p mammo-data --example fuzz_seeds`, which
//! writes in the forms that [`decode_frame`] and [`DataSet`] read.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mammo_data::archive::{Archive, Birads3, import_archive};
use mammo_dicom::{Voi, decode};
use mammo_data::import::{Verify, import_tables};

/// Transfer syntaxes, below 1.2.840.10008.1.2.
pub mod syntax {
    /// RLE lossless.
    pub const RLE: &str = ".5";
    /// JPEG extended, 12 bit; the decoder reads baseline frames as well.
    pub const JPEG_EXTENDED: &str = ".4.51";
    /// JPEG lossless, process 14.
    pub const JPEG_LOSSLESS: &str = ".4.57";
    /// JPEG-LS lossless.
    pub const JPEG_LS: &str = ".4.80";
    /// JPEG 2000.
    pub const JPEG_2000: &str = ".4.91";
}

/// Largest side of a picture around a coded frame, in pixels.
const MAX_SIDE: u16 = 2048;

/// Leaves panics inside third-party decoders to the `catch_unwind` around them, where libFuzzer
/// would stop at once. A panic that gets out still ends the run.
pub fn let_decoders_panic() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Decodes bytes as rows and columns (two bytes each), bits stored, sign, and a coded frame.
pub fn decode_frame(syntax: &str, bytes: &[u8]) {
    let [r0, r1, c0, c1, bits, signed, frame @ ..] = bytes else { return };
    let side = |low: &u8, high: &u8| u16::from_le_bytes([*low, *high]).clamp(1, MAX_SIDE);
    let shape = Shape { rows: side(r0, r1), columns: side(c0, c1), bits: 1 + bits % 16, signed: signed & 1 };
    let file = around(syntax, &shape, frame);
    if let Ok(image) = decode(Path::new("fuzzed.dcm"), &file, Voi::Apply) {
        assert_eq!(image.image.pixels.len(), usize::from(shape.rows) * usize::from(shape.columns));
    }
}

struct Shape {
    rows: u16,
    columns: u16,
    bits: u8,
    signed: u8,
}

/// A DICOM file of one encapsulated frame.
fn around(syntax: &str, shape: &Shape, frame: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    let mut uid = format!("1.2.840.10008.1.2{syntax}").into_bytes();
    if uid.len() % 2 == 1 {
        uid.push(0);
    }
    let mut element = |tag: [u16; 2], vr: &[u8; 2], value: &[u8]| {
        file.extend(tag[0].to_le_bytes());
        file.extend(tag[1].to_le_bytes());
        file.extend(vr);
        file.extend((value.len() as u16).to_le_bytes());
        file.extend(value);
    };
    element([0x0002, 0x0010], b"UI", &uid);
    element([0x0028, 0x0002], b"US", &1_u16.to_le_bytes());
    element([0x0028, 0x0004], b"CS", b"MONOCHROME2 ");
    element([0x0028, 0x0010], b"US", &shape.rows.to_le_bytes());
    element([0x0028, 0x0011], b"US", &shape.columns.to_le_bytes());
    let allocated: u16 = if shape.bits > 8 { 16 } else { 8 };
    element([0x0028, 0x0100], b"US", &allocated.to_le_bytes());
    element([0x0028, 0x0101], b"US", &u16::from(shape.bits).to_le_bytes());
    element([0x0028, 0x0102], b"US", &(u16::from(shape.bits) - 1).to_le_bytes());
    element([0x0028, 0x0103], b"US", &u16::from(shape.signed).to_le_bytes());
    file.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    file.extend([0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0]);
    file.extend([0xFE, 0xFF, 0x00, 0xE0]);
    file.extend((frame.len() as u32).to_le_bytes());
    file.extend(frame);
    file.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    file
}

/// Between the tables of one input.
const SEPARATOR: u8 = 0x1C;

/// A small data set in an archive's layout, some of whose files are the fuzzed bytes.
pub struct DataSet {
    /// Folder under `fuzz/base`.
    base: &'static str,
    archive: Option<Archive>,
    /// Files that are replaced, by the parts of an input in this order.
    fuzzed: &'static [&'static str],
}

impl DataSet {
    /// The open table format.
    pub const OPEN_TABLES: Self =
        Self { base: "film", archive: None, fuzzed: &["images.csv", "lesions.csv"] };
    /// CBIS-DDSM in its JPEG re-issue.
    pub const CBIS_DDSM: Self = Self {
        base: "cbis-ddsm-jpeg",
        archive: Some(Archive::CbisDdsm),
        fuzzed: &["csv/mass_case_description_train_set.csv", "csv/dicom_info.csv"],
    };
    /// INbreast: the table, and one contour file that stands for all.
    pub const INBREAST: Self = Self {
        base: "inbreast",
        archive: Some(Archive::Inbreast),
        fuzzed: &["INbreast.csv", "AllXML/20580000.xml"],
    };
    /// mini-MIAS: the table, and the first film.
    pub const MINI_MIAS: Self =
        Self { base: "mini-mias", archive: Some(Archive::MiniMias), fuzzed: &["Info.txt", "mdb002.pgm"] };
    /// VinDr-Mammo.
    pub const VINDR: Self = Self {
        base: "vindr",
        archive: Some(Archive::Vindr),
        fuzzed: &["breast-level_annotations.csv", "finding_annotations.csv", "metadata.csv"],
    };
    /// CMMD with its table saved as CSV.
    pub const CMMD: Self =
        Self { base: "cmmd", archive: Some(Archive::Cmmd), fuzzed: &["CMMD_clinicaldata_revision.csv"] };
    /// CMMD with its workbook.
    pub const WORKBOOK: Self =
        Self { base: "cmmd", archive: Some(Archive::Cmmd), fuzzed: &["CMMD_clinicaldata_revision.xlsx"] };
    /// RSNA 2022.
    pub const RSNA: Self = Self { base: "rsna", archive: Some(Archive::Rsna), fuzzed: &["train.csv"] };
    /// The original project's layout.
    pub const ORIGINAL: Self = Self {
        base: "original",
        archive: Some(Archive::Original),
        fuzzed: &["roi_mask_path.csv", "train_pat_lst.txt"],
    };

    /// Imports the data set with these bytes as its tables.
    pub fn import(&self, bytes: &[u8]) {
        let dir = self.copy();
        let mut parts = bytes.splitn(self.fuzzed.len(), |byte| *byte == SEPARATOR);
        for file in self.fuzzed {
            let path = dir.join(file);
            std::fs::write(&path, parts.next().unwrap_or_default()).expect("the scratch folder can be written");
        }
        let _ = match self.archive {
            Some(archive) => import_archive(archive, dir, Birads3::LeftOut, Verify::Headers, &|_, _| {}),
            None => import_tables(dir, Verify::Headers, &|_, _| {}),
        };
    }

    /// The data set in the scratch folder, copied there once.
    fn copy(&self) -> &'static Path {
        static COPY: OnceLock<PathBuf> = OnceLock::new();
        COPY.get_or_init(|| {
            let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("base").join(self.base);
            assert!(base.is_dir(), "{}: not there; fuzz/run.sh makes it", base.display());
            let copy = scratch().join(self.base);
            copy_folder(&base, &copy).expect("the data set can be copied");
            copy
        })
    }
}

/// A folder of this process, in memory where the system has such a place.
pub fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<PathBuf> = OnceLock::new();
    SCRATCH.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let scratch = parent.join(format!("mammo-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&scratch).expect("a scratch folder can be made");
        scratch
    })
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy_folder(&path, &target)? } else { std::fs::copy(&path, &target).map(|_| ())? }
    }
    Ok(())
}
