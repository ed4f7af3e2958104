//! The tables of `mammo heatmap`: one row per image, one row per finding.

use std::path::Path;

use anyhow::Result;
use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, LesionKind, Mammogram, View};
use mammo_core::write::write_atomically;
use mammo_dicom::SpacingSource;
use mammo_nn::inference::heatmap::{BreastFrame, Finding, MapGrid};
use serde::Serialize;

use crate::output::count;

/// The images that were read, those without findings included.
pub const IMAGES_FILE: &str = "heatmaps.csv";
const FINDINGS_FILE: &str = "findings.csv";

/// A row of `findings.csv`; positions are pixels of the image as stored.
#[derive(Clone, Debug, Serialize)]
pub struct FindingRow {
    pub file: String,
    pub patient_id: String,
    /// Blank when it is not known.
    pub laterality: Option<Laterality>,
    /// Blank when it is not known.
    pub view: Option<View>,
    /// 1 for the surest of its image.
    pub rank: usize,
    pub kind: LesionKind,
    /// Probability of the malignant class of this kind.
    pub probability: f64,
    pub probability_benign: f64,
    /// Box: left, top, width, height.
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    /// Where the evidence lies.
    pub center_x: f64,
    pub center_y: f64,
    /// The box in millimetres; blank without a known spacing.
    pub x_mm: Option<f64>,
    pub y_mm: Option<f64>,
    pub width_mm: Option<f64>,
    pub height_mm: Option<f64>,
    /// 0 at the chest wall, 1 at the front of the breast.
    pub depth_in_breast: f64,
    /// 0 at the top of the breast, 1 at its bottom, as the image is stored.
    pub height_in_breast: f64,
}

/// A row of `heatmaps.csv`.
#[derive(Clone, Debug, Serialize)]
pub struct ImageRow {
    pub file: String,
    pub patient_id: String,
    /// Blank when it is not known.
    pub laterality: Option<Laterality>,
    /// Blank when it is not known.
    pub view: Option<View>,
    pub overlay: String,
    pub map: String,
    pub max: f32,
    pub n_findings: Option<usize>,
    /// Millimetres per stored pixel along x, as a DICOM file tells.
    pub spacing_x_mm: Option<f64>,
    /// Millimetres per stored pixel along y.
    pub spacing_y_mm: Option<f64>,
    /// What these millimetres were measured at.
    pub spacing_source: Option<SpacingSource>,
}

impl FindingRow {
    /// The row of a finding, `rank` counting from 1; `grid` ties the input to the stored image.
    pub fn new(
        image: &Mammogram,
        grid: &MapGrid,
        breast: &BreastFrame,
        finding: &Finding,
        rank: usize,
    ) -> Self {
        let frame = Rect::new(0.0, 0.0, f64::from(image.width_px), f64::from(image.height_px));
        let bounds = grid.stored_from_input.apply_rect(&finding.bounds).intersection(&frame);
        let (center_x, center_y) = grid.stored_from_input.apply(finding.center.0, finding.center.1);
        let mm = grid.millimetres(&bounds);
        let [depth_in_breast, height_in_breast] = breast.relative(finding.center.0, finding.center.1);
        Self {
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
}

/// The rows of both tables.
#[derive(Default)]
pub struct Tables {
    /// Of `heatmaps.csv`.
    pub images: Vec<ImageRow>,
    /// Of `findings.csv`.
    pub findings: Vec<FindingRow>,
}

impl Tables {
    /// Writes the tables, the views of one breast together.
    pub fn write(&mut self, dir: &Path, with_findings: bool) -> Result<()> {
        write_table(&dir.join(IMAGES_FILE), &self.images)?;
        if !with_findings {
            return Ok(());
        }
        self.findings.sort_by(|a, b| {
            let key = |row: &FindingRow| {
                (row.patient_id.clone(), row.laterality, row.view, row.file.clone(), row.rank)
            };
            key(a).cmp(&key(b))
        });
        let path = dir.join(FINDINGS_FILE);
        match self.findings.is_empty() {
            // The header alone, which a row would otherwise bring.
            true => Ok(write_atomically(&path, b"file,x,y,width,height,probability,kind\n")?),
            false => write_table(&path, &self.findings),
        }
    }

    /// How many findings of which kind there are, and where they are listed.
    pub fn summary(&self, dir: &Path, min_score: f64, listed: bool) -> String {
        let masses = self.findings.iter().filter(|row| row.kind == LesionKind::Mass).count();
        let with_findings = self.images.iter().filter(|image| image.n_findings > Some(0)).count();
        let highest = self.findings.iter().map(|row| row.probability).fold(0.0, f64::max);
        let mut text = format!(
            "{} with a probability of cancer of at least {min_score}, in {with_findings} of {}",
            count(self.findings.len(), "finding"),
            count(self.images.len(), "image")
        );
        if !self.findings.is_empty() {
            let others = self.findings.len() - masses;
            text +=
                &format!(" (masses: {masses}, calcifications: {others}); highest probability {highest:.2}");
        }
        let way = if listed { "" } else { " (--list prints them)" };
        text + &format!("\nfindings, one a row{way}: {}\n", dir.join(FINDINGS_FILE).display())
    }

    /// The findings by breast, CC before MLO; breasts of unknown side first.
    pub fn listing(&self) -> String {
        if self.findings.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "view, kind, probability of cancer; place and size in pixels of the stored image; depth from 0 at the\n\
             chest wall to 1 at the front of the breast; height from 0 at its top to 1 at its bottom\n",
        );
        let mut breast = None;
        for row in &self.findings {
            let here = Some((&row.patient_id, row.laterality));
            if breast != here {
                let side = row.laterality.map_or("unknown".to_string(), |side| side.to_string());
                text += &format!("patient {}, {side} breast\n", row.patient_id);
                breast = here;
            }
            text += &format!(
                "  {:<4} {:<13} {:.2}  at {:>5.0}, {:>5.0}  size {:>4.0} x {:>4.0}  depth {:.2}  height {:.2}\n",
                row.view.map_or("?".to_string(), |view| view.to_string().to_uppercase()),
                row.kind.to_string(),
                row.probability,
                row.center_x,
                row.center_y,
                row.width,
                row.height,
                row.depth_in_breast,
                row.height_in_breast,
            );
        }
        text
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
