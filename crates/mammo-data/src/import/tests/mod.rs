//! Hand-made data sets of a few images each: what is accepted, and one test per rejection.

mod accepted;
mod rejections;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::*;
use crate::split::{SplitConfig, split_by_patient};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::{Laterality, LesionShape, Pathology, Polarity};
use mammo_dicom::image_file::write_png16;

const HEADER: &str = "file,patient_id,side,view,label";
const BOXES: &str = "file,type,pathology,x,y,width,height";

/// A folder with tables and images of 100 x 80 pixels.
struct DataSet {
    folder: tempfile::TempDir,
}

impl DataSet {
    /// Writes `images.csv` and `lesions.csv` (unless empty), and the images `a.png` to `d.png`.
    fn new(images: &[&str], lesions: &[&str]) -> Self {
        let data = Self { folder: tempfile::tempdir().unwrap() };
        data.write("images.csv", images.join("\n").as_bytes());
        if !lesions.is_empty() {
            data.write("lesions.csv", lesions.join("\n").as_bytes());
        }
        for (name, value) in [("a.png", 1), ("b.png", 2), ("c.png", 3), ("d.png", 4)] {
            data.image(name, 100, 80, |x, y| (x * 7 + y * 13) as u16 * value);
        }
        data
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn image(&self, name: &str, width: usize, height: usize, value: impl Fn(usize, usize) -> u16) {
        let pixels = (0..width * height).map(|at| value(at % width, at / width)).collect();
        write_png16(&self.path(name), &GreyImage { width, height, pixels }).unwrap();
    }

    fn try_import(&self) -> Result<Imported> {
        import_tables(self.folder.path(), Verify::Pixels, &|_, _| {})
    }

    fn import(&self) -> Imported {
        self.try_import().unwrap()
    }

    /// Imports and compares the rejections, as `code:line:file`, and the accepted files.
    fn check(&self, rejections: &[&str], accepted: &[&str]) -> Imported {
        let imported = self.import();
        let codes: Vec<String> = imported
            .rejections
            .iter()
            .map(|r| format!("{}:{}:{}", r.reason.code(), r.line.unwrap(), r.file))
            .collect();
        assert_eq!(codes, rejections, "{:#?}", imported.rejections);
        let files: Vec<&str> = imported.manifest.images.iter().map(|image| image.file.as_str()).collect();
        assert_eq!(files, accepted);
        imported
    }
}

fn has_note(imported: &Imported, start: &str) -> bool {
    imported.notes.iter().any(|note| note.starts_with(start))
}
