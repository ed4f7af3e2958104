//! A phantom data set on disk, in the project's open table format.
//!
//! Files below the root:
//!
//! | file | holds |
//! |---|---|
//! | `images.csv` | one row per image |
//! | `lesions.csv` | one row per lesion, with its box and the path of its mask |
//! | `images/*.png` | 16-bit images |
//! | `masks/*.png` | masks of the image's size, 65535 inside the lesion |
//! | `phantom.json` | the configuration that made it |
//!
//! The tables are written last: a data set with tables is complete.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::PhantomConfig;
use super::image::ImagePlan;
use super::plan::PatientPlan;
use crate::{Error, Result};
use mammo_core::image::GreyImage;
use mammo_core::record::{LesionShape, Mammogram, word_or_blank};
use mammo_core::write::{read_json, write_atomically, write_json};
use mammo_dicom::image_file::write_png16;

/// Counts of the data set of [`write_dataset`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhantomSummary {
    /// Patients.
    pub n_patients: usize,
    /// Images of all of them.
    pub n_images: usize,
    /// Images with a malignant lesion.
    pub n_malignant_images: usize,
    /// Lesions, counted once per image that shows them.
    pub n_lesions: usize,
}

/// Writes images, masks and tables under `dir`. `progress(done, total)` is called per patient,
/// from any thread.
///
/// The bytes depend only on the configuration, not on the number of threads. An interrupted run
/// continues where it stopped: existing images are not drawn again, and a data set can be extended by
/// raising `n_patients`.
///
/// # Errors
/// [`Error::Setting`] for a configuration that cannot be drawn, or when `dir` holds a set of
/// another configuration; [`Error::Io`] when a file cannot be written.
///
/// # Example
/// ```
/// use mammo_phantom::{PhantomConfig, write_dataset};
///
/// let config = PhantomConfig { n_patients: 2, height_px: 144, width_px: 112, ..PhantomConfig::default() };
/// let dir = tempfile::tempdir()?;
/// let summary = write_dataset(dir.path(), &config, &|_done, _total| {})?;
/// assert_eq!(summary.n_patients, 2);
/// assert!(dir.path().join("images.csv").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_dataset(
    dir: &Path,
    config: &PhantomConfig,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<PhantomSummary> {
    config.check()?;
    claim(dir, config)?;
    let n_done = AtomicUsize::new(0);
    let records: Vec<Vec<Mammogram>> = (0..config.n_patients)
        .into_par_iter()
        .map(|index| {
            let plan = PatientPlan::new(config, index);
            let records = plan.images.iter().map(|image| write_image(dir, config, image)).collect();
            progress(n_done.fetch_add(1, Ordering::Relaxed) + 1, config.n_patients);
            records
        })
        .collect::<Result<_>>()?;
    let records: Vec<Mammogram> = records.into_iter().flatten().collect();
    write_tables(dir, &records)?;
    Ok(PhantomSummary {
        n_patients: config.n_patients,
        n_images: records.len(),
        n_malignant_images: records.iter().filter(|record| record.malignant() == Some(true)).count(),
        n_lesions: records.iter().map(|record| record.lesions.len()).sum(),
    })
}

/// Writes `config` to `dir`, or returns an error when `dir` has another configuration.
pub(super) fn claim(dir: &Path, config: &PhantomConfig) -> Result<()> {
    let path = dir.join("phantom.json");
    if path.exists() {
        let present: PhantomConfig = read_json(&path, "the configuration of a phantom data set")?;
        if (PhantomConfig { n_patients: config.n_patients, ..present.clone() }) != *config {
            let found = format!("{} was made with other settings", dir.display());
            return Err(Error::setting("phantom", found, "an empty folder, or the settings in phantom.json"));
        }
    }
    write_json(&path, config)
}

fn write_image(dir: &Path, config: &PhantomConfig, image: &ImagePlan) -> Result<Mammogram> {
    let write_missing = |file: &str, draw: &dyn Fn() -> GreyImage| {
        let path = dir.join(file);
        if path.exists() { Ok(()) } else { write_png16(&path, &draw()) }
    };
    for (lesion, mask) in image.record.lesions.iter().zip(&image.masks) {
        if let LesionShape::Mask { file, .. } = &lesion.shape {
            write_missing(file, &|| mask.clone())?;
        }
    }
    write_missing(&image.record.file, &|| image.render(config))?;
    Ok(image.record.clone())
}

/// Columns of `images.csv`, in order.
#[derive(Serialize)]
struct ImageRow<'a> {
    file: &'a str,
    patient_id: &'a str,
    side: String,
    view: String,
    label: String,
    breast_density: Option<u8>,
    max_assessment: Option<u8>,
    n_lesions: usize,
    site: Option<&'a str>,
    polarity: String,
}

/// Columns of `lesions.csv`, in order.
#[derive(Serialize)]
struct LesionRow<'a> {
    file: &'a str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    r#type: String,
    pathology: String,
    mask: &'a str,
}

fn write_tables(dir: &Path, records: &[Mammogram]) -> Result<()> {
    let images = records.iter().map(|record| ImageRow {
        file: &record.file,
        patient_id: &record.patient_id,
        side: word_or_blank(record.laterality).to_uppercase(),
        view: word_or_blank(record.view).to_uppercase(),
        label: record.pathology.to_string(),
        breast_density: record.density,
        max_assessment: record.assessment,
        n_lesions: record.lesions.len(),
        site: record.site.as_deref(),
        polarity: record.polarity.to_string(),
    });
    let lesions = records.iter().flat_map(|record| {
        record.lesions.iter().filter_map(|lesion| match &lesion.shape {
            LesionShape::Mask { file, bounds } => Some(LesionRow {
                file: &record.file,
                x: bounds.x,
                y: bounds.y,
                width: bounds.width,
                height: bounds.height,
                r#type: lesion.kind.to_string(),
                pathology: lesion.pathology.to_string(),
                mask: file,
            }),
            LesionShape::Box(_) | LesionShape::Circle { .. } | LesionShape::Polygon { .. } => None,
        })
    });
    write_csv(&dir.join("lesions.csv"), lesions)?;
    write_csv(&dir.join("images.csv"), images)
}

fn write_csv(path: &Path, rows: impl Iterator<Item = impl Serialize>) -> Result<()> {
    let unfit = |error: String| Error::table(path, None, error, "rows that CSV can hold");
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|e| unfit(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| unfit(e.to_string()))?;
    write_atomically(path, &bytes)
}
