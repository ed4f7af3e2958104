//! The tables of `mammo heatmap`: one row per image, one row per finding.

use std::path::Path;

use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, Mammogram, View};
use mammo_core::write::write_atomically;
use mammo_dicom::SpacingSource;
use mammo_eval::tables::findings::{FindingRow, findings_table};
use mammo_nn::inference::heatmap::{BreastFrame, Finding, MapGrid};
use serde::Serialize;

use crate::Result;

/// The images that were read, those without findings included.
pub const IMAGES_FILE: &str = "heatmaps.csv";
/// The findings of all images.
pub const FINDINGS_FILE: &str = "findings.csv";

/// A row of `heatmaps.csv`.
#[derive(Clone, Debug, Serialize)]
pub struct ImageRow {
    /// The image file.
    pub file: String,
    /// The patient.
    pub patient_id: String,
    /// Blank when it is not known.
    pub laterality: Option<Laterality>,
    /// Blank when it is not known.
    pub view: Option<View>,
    /// File of the overlay.
    pub overlay: String,
    /// File of the 16-bit map.
    pub map: String,
    /// Largest value of the map.
    pub max: f32,
    /// How many findings; blank for whole-image models.
    pub n_findings: Option<usize>,
    /// Millimetres per stored pixel along x, as stated in a DICOM file.
    pub spacing_x_mm: Option<f64>,
    /// Millimetres per stored pixel along y.
    pub spacing_y_mm: Option<f64>,
    /// The plane of these millimetres: detector or patient.
    pub spacing_source: Option<SpacingSource>,
}

/// The row of a finding, `rank` counting from 1; `grid` ties the input to the stored image.
pub fn finding_row(
    image: &Mammogram,
    grid: &MapGrid,
    breast: &BreastFrame,
    finding: &Finding,
    rank: usize,
) -> FindingRow {
    let frame = Rect::new(0.0, 0.0, f64::from(image.width_px), f64::from(image.height_px));
    let bounds = grid.stored_from_input.apply_rect(&finding.bounds).intersection(&frame);
    let (center_x, center_y) = grid.stored_from_input.apply(finding.centre.0, finding.centre.1);
    let mm = grid.millimetres(&bounds);
    let [depth_in_breast, height_in_breast] = breast.relative(finding.centre.0, finding.centre.1);
    FindingRow {
        file: image.file.clone(),
        patient_id: image.patient_id.clone(),
        laterality: image.laterality,
        view: image.view,
        rank,
        kind: finding.kind,
        probability: finding.probability_malignant,
        probability_benign: finding.probability_benign,
        x: bounds.x,
        y: bounds.y,
        width: bounds.width,
        height: bounds.height,
        center_x,
        center_y,
        x_mm: mm.map(|r| r.x),
        y_mm: mm.map(|r| r.y),
        width_mm: mm.map(|r| r.width),
        height_mm: mm.map(|r| r.height),
        depth_in_breast,
        height_in_breast,
    }
}

/// The rows of both tables.
#[derive(Default)]
pub struct Tables {
    /// Rows of `heatmaps.csv`.
    pub images: Vec<ImageRow>,
    /// Rows of `findings.csv`.
    pub findings: Vec<FindingRow>,
}

impl Tables {
    /// Writes the tables, the views of one breast together.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&mut self, dir: &Path, with_findings: bool) -> Result<()> {
        write_table(&dir.join(IMAGES_FILE), &self.images)?;
        if !with_findings {
            return Ok(());
        }
        self.findings.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(write_atomically(&dir.join(FINDINGS_FILE), &findings_table(&self.findings)?)?)
    }
}

fn write_table<T: Serialize>(path: &Path, rows: &[T]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(write_atomically(path, &bytes)?)
}
