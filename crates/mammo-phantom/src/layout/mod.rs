//! Phantoms in the layouts of public archives, including their known defects.
//!
//! The patients of [`write_dataset`], written as an archive's tables, folders and files, to test its
//! import without the archive: DICOM in several transfer syntaxes, PGM, Excel, property lists. The
//! header of each module lists the simulated defects.

mod cbis_ddsm;
mod cmmd;
pub mod dicom;
mod encode;
mod inbreast;
mod mini_mias;
mod original;
mod rsna;
mod sheet;
mod vindr;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::dataset::{PhantomSummary, claim, write_dataset};
use super::{PhantomConfig, PhantomImage, PhantomPatient, Site, patient};
use crate::{Error, Result};
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_core::resample::{Resample, resample};
use mammo_core::words;
use mammo_core::write::write_atomically;

/// The layout of a phantom data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArchiveLayout {
    /// The open table format, digitised film.
    #[default]
    Film,
    /// The open table format, digital detector.
    Digital,
    /// CBIS-DDSM with paths as in its tables.
    CbisDdsm,
    /// CBIS-DDSM in the folders of the NBIA Data Retriever.
    CbisDdsmNbia,
    /// CBIS-DDSM in folders of series, as tcia_utils lays them out.
    CbisDdsmTcia,
    /// CBIS-DDSM as JPEG with `dicom_info.csv`.
    CbisDdsmJpeg,
    /// INbreast.
    Inbreast,
    /// mini-MIAS.
    MiniMias,
    /// VinDr-Mammo.
    Vindr,
    /// CMMD.
    Cmmd,
    /// RSNA 2022.
    Rsna,
    /// The original project's PNG folders.
    Original,
}

words!(ArchiveLayout,
    Film: "film", Digital: "digital", CbisDdsm: "cbis-ddsm", CbisDdsmNbia: "cbis-ddsm-nbia",
    CbisDdsmTcia: "cbis-ddsm-tcia", CbisDdsmJpeg: "cbis-ddsm-jpeg", Inbreast: "inbreast", MiniMias: "mini-mias", Vindr: "vindr",
    Cmmd: "cmmd", Rsna: "rsna", Original: "original");

impl ArchiveLayout {
    /// The kind of images of the archive: film or detector.
    pub fn site(self) -> Site {
        match self {
            Self::Film
            | Self::CbisDdsm
            | Self::CbisDdsmNbia
            | Self::CbisDdsmTcia
            | Self::CbisDdsmJpeg
            | Self::MiniMias
            | Self::Original => Site::Film,
            Self::Digital | Self::Inbreast | Self::Vindr | Self::Cmmd | Self::Rsna => Site::Digital,
        }
    }

    fn tables(self) -> &'static [Table] {
        match self {
            Self::Film | Self::Digital => &[],
            Self::CbisDdsm | Self::CbisDdsmNbia | Self::CbisDdsmTcia => &cbis_ddsm::TABLES,
            Self::CbisDdsmJpeg => &cbis_ddsm::JPEG_TABLES,
            Self::Inbreast => &inbreast::TABLES,
            Self::MiniMias => &mini_mias::TABLES,
            Self::Vindr => &vindr::TABLES,
            Self::Cmmd => &cmmd::TABLES,
            Self::Rsna => &rsna::TABLES,
            Self::Original => &original::TABLES,
        }
    }

    fn write_patient(self, dir: &Path, number: usize, patient: &PhantomPatient) -> Result<Vec<Line>> {
        match self {
            Self::Film | Self::Digital => Ok(Vec::new()),
            Self::CbisDdsm | Self::CbisDdsmNbia | Self::CbisDdsmTcia | Self::CbisDdsmJpeg => {
                cbis_ddsm::write_patient(dir, self, number, patient)
            }
            Self::Inbreast => inbreast::write_patient(dir, number, patient),
            Self::MiniMias => mini_mias::write_patient(dir, number, patient),
            Self::Vindr => vindr::write_patient(dir, number, patient),
            Self::Cmmd => cmmd::write_patient(dir, number, patient),
            Self::Rsna => rsna::write_patient(dir, number, patient),
            Self::Original => original::write_patient(dir, number, patient),
        }
    }
}

/// The format of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Delimited cells.
    Delimited(u8),
    /// Cells separated by blanks, no header.
    Words,
    /// The first sheet of an Excel workbook.
    Xlsx,
}

/// A table of a layout.
struct Table {
    file: &'static str,
    form: Form,
    header: &'static [&'static str],
}

/// A row for one of the layout's tables.
struct Line {
    table: usize,
    cells: Vec<String>,
}

impl Line {
    fn new<const N: usize>(table: usize, cells: [&str; N]) -> Self {
        Self { table, cells: cells.map(str::to_string).to_vec() }
    }
}

/// Writes phantoms in a layout. `progress(done, total)` is called per patient, from any thread.
///
/// `config.site` must be the layout's ([`ArchiveLayout::site`]). The bytes depend on the configuration
/// alone. Tables are written last.
///
/// # Errors
/// [`Error::Setting`] for a configuration that cannot be drawn, of another site, or when `dir`
/// contains a data set of another configuration; [`Error::Io`] when a file cannot be written.
pub fn write_layout(
    dir: &Path,
    layout: ArchiveLayout,
    config: &PhantomConfig,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<PhantomSummary> {
    if config.site != layout.site() {
        let expected = format!("{}, the site of layout {layout}", layout.site());
        return Err(Error::setting("site", config.site.to_string(), expected));
    }
    if matches!(layout, ArchiveLayout::Film | ArchiveLayout::Digital) {
        return write_dataset(dir, config, progress);
    }
    config.check()?;
    claim(dir, config)?;
    let n_done = AtomicUsize::new(0);
    let written: Vec<(Vec<Line>, PhantomSummary)> = (0..config.n_patients)
        .into_par_iter()
        .map(|number| {
            let patient = patient(config, number);
            let lines = layout.write_patient(dir, number, &patient)?;
            progress(n_done.fetch_add(1, Ordering::Relaxed) + 1, config.n_patients);
            Ok((lines, summary(&patient)))
        })
        .collect::<Result<_>>()?;
    let lines: Vec<&Line> = written.iter().flat_map(|(lines, _)| lines).collect();
    for (number, table) in layout.tables().iter().enumerate() {
        let rows = lines.iter().filter(|line| line.table == number).map(|line| line.cells.as_slice());
        table.write(&dir.join(table.file), rows)?;
    }
    Ok(written.iter().fold(PhantomSummary::default(), |sum, (_, one)| PhantomSummary {
        n_patients: sum.n_patients + 1,
        n_images: sum.n_images + one.n_images,
        n_malignant_images: sum.n_malignant_images + one.n_malignant_images,
        n_lesions: sum.n_lesions + one.n_lesions,
    }))
}

fn summary(patient: &PhantomPatient) -> PhantomSummary {
    let records = patient.images.iter().map(|image| &image.record);
    PhantomSummary {
        n_patients: 1,
        n_images: patient.images.len(),
        n_malignant_images: records.clone().filter(|record| record.malignant() == Some(true)).count(),
        n_lesions: records.map(|record| record.lesions.len()).sum(),
    }
}

impl Table {
    fn write<'r>(&self, path: &Path, rows: impl Iterator<Item = &'r [String]>) -> Result<()> {
        let unfit = |e: String| Error::table(path, None, e, "rows that the table can hold");
        let bytes = match self.form {
            Form::Xlsx => sheet::workbook(self.header, rows).map_err(unfit)?,
            Form::Words => {
                let header = self.header.iter().map(|line| line.to_string());
                let rows = rows.map(|row| row.join(" "));
                header.chain(rows).map(|line| line + "\n").collect::<String>().into_bytes()
            }
            Form::Delimited(delimiter) => {
                let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
                writer.write_record(self.header).map_err(|e| unfit(e.to_string()))?;
                for row in rows {
                    writer.write_record(row).map_err(|e| unfit(e.to_string()))?;
                }
                writer.into_inner().map_err(|e| unfit(e.to_string()))?
            }
        };
        write_atomically(path, &bytes)
    }
}

/// Stored values with dense tissue bright; `bits` is 12 for the detector, 16 for film.
fn bright(image: &PhantomImage) -> Vec<u16> {
    match image.record.polarity {
        Polarity::Normal => image.pixels.pixels.clone(),
        Polarity::Inverted => {
            image.pixels.pixels.iter().map(|value| 4095_u16.saturating_sub(*value)).collect()
        }
    }
}

/// A mask nine tenths as large, as the archives have some.
fn shrunken(mask: &GreyImage) -> GreyImage {
    let (width, height) = (mask.width * 9 / 10, mask.height * 9 / 10);
    let whole = mammo_core::geometry::Rect::new(0.0, 0.0, mask.width as f64, mask.height as f64);
    let mut small = resample(mask, &whole, width, height, Resample::Area);
    small.pixels.iter_mut().for_each(|value| *value = if *value > u16::MAX / 2 { u16::MAX } else { 0 });
    small
}

/// The part of an image around a lesion, as the archives have it cropped.
fn crop(image: &GreyImage, bounds: &mammo_core::geometry::Rect) -> GreyImage {
    let margin = 8.0;
    let span = |low: f64, high: f64, length: usize| {
        let (low, high) = ((low - margin).max(0.0) as usize, ((high + margin) as usize).min(length));
        // A smaller crop would be rejected as an image.
        let least = (mammo_dicom::image_file::MIN_SIDE_PX as usize).min(length);
        let low = low.min(length - least);
        low..high.max(low + least)
    };
    let columns = span(bounds.x, bounds.right(), image.width);
    let rows = span(bounds.y, bounds.bottom(), image.height);
    let pixels = rows.clone().flat_map(|y| image.row(y)[columns.clone()].to_vec()).collect();
    GreyImage { width: columns.len(), height: rows.len(), pixels }
}
