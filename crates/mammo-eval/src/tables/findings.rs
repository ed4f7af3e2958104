//! The findings table, `findings.csv`: positions that a model marks in images, with a probability each. Written by
//! `mammo heatmap`; of other programs' tables the columns of [`Finding`] are read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, LesionKind, View};
use mammo_core::table_text::{TableText, problem};

const EXPECTED: &str = "a header with file, x, y, probability and, for boxes, width and height; \
                        x, y is the left top corner, in pixels of the image as stored";

/// A suspicious position that a model marks in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Image file relative to the data set's root.
    pub file: String,
    /// Bounding box in pixels of the image as stored; a point has width and height 0.
    pub bounds: Rect,
    /// Probability, or any score, of a malignant lesion; higher is more likely malignant.
    pub probability: f64,
}

/// A row of the table; other columns are ignored.
#[derive(Deserialize)]
struct Row {
    file: String,
    x: f64,
    y: f64,
    #[serde(default)]
    width: f64,
    #[serde(default)]
    height: f64,
    probability: f64,
}

/// A row of `findings.csv`; positions are pixels of the image as stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingRow {
    /// The image file.
    pub file: String,
    /// The patient.
    pub patient_id: String,
    /// Blank when it is not known.
    pub laterality: Option<Laterality>,
    /// Blank when it is not known.
    pub view: Option<View>,
    /// 1 for the surest of its image.
    pub rank: usize,
    /// Mass or calcification.
    pub kind: LesionKind,
    /// Probability of the malignant class of this kind.
    pub probability: f64,
    /// Probability of the benign class of this kind.
    pub probability_benign: f64,
    /// Box: left, top, width, height.
    pub x: f64,
    /// Top of the box.
    pub y: f64,
    /// Width of the box.
    pub width: f64,
    /// Height of the box.
    pub height: f64,
    /// Where the evidence lies.
    pub center_x: f64,
    /// Row of the evidence.
    pub center_y: f64,
    /// The box in millimetres; blank without a known spacing.
    pub x_mm: Option<f64>,
    /// Top of the box in millimetres.
    pub y_mm: Option<f64>,
    /// Width of the box in millimetres.
    pub width_mm: Option<f64>,
    /// Height of the box in millimetres.
    pub height_mm: Option<f64>,
    /// 0 at the chest wall, 1 at the front of the breast.
    pub depth_in_breast: f64,
    /// 0 at the top of the breast, 1 at its bottom, as the image is stored.
    pub height_in_breast: f64,
}

impl FindingRow {
    /// What rows are sorted by: the views of one breast together, the most probable finding of an image first.
    pub fn order(&self) -> (&str, Option<Laterality>, Option<View>, &str, usize) {
        (&self.patient_id, self.laterality, self.view, &self.file, self.rank)
    }
}

/// The findings table as CSV.
///
/// # Errors
/// A table that cannot be encoded.
pub fn findings_table(rows: &[FindingRow]) -> std::io::Result<Vec<u8>> {
    if rows.is_empty() {
        // The header alone, which a row would otherwise bring.
        return Ok(b"file,x,y,width,height,probability,kind\n".to_vec());
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(std::io::Error::other)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// Reads a findings table in any of the formats of [`TableText`]; the order of the columns does not
/// matter.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::Table`] with the line for a missing column
/// or a number that is not finite, or negative where it is a size.
pub fn read_findings(path: &Path) -> Result<Vec<Finding>> {
    let text = TableText::read(path)?;
    let headers = text.header(path)?;
    let mut findings = vec![];
    let is_number = |name: &str| ["x", "y", "width", "height", "probability"].contains(&name);
    for (line, record) in text.records(path, &headers, is_number)? {
        let row: Row = record
            .deserialize(Some(&headers))
            .map_err(|e| Error::table(path, line, problem(&e, &headers, Some(&record)), EXPECTED))?;
        let Row { file, x, y, width, height, probability } = row;
        let is_place = [x, y, width, height].iter().all(|n| n.is_finite()) && width >= 0.0 && height >= 0.0;
        if !is_place || !probability.is_finite() {
            let found = format!("a finding at {x}, {y} of size {width} x {height} with {probability}");
            return Err(Error::table(path, line, found, "finite numbers and sizes that are not negative"));
        }
        findings.push(Finding { file, bounds: Rect::new(x, y, width, height), probability });
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Finding>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.csv");
        std::fs::write(&path, text).unwrap();
        read_findings(&path)
    }

    #[test]
    fn a_table_that_is_written_is_read() {
        let row = FindingRow {
            file: "a, b.png".into(),
            patient_id: "p1".into(),
            laterality: Some(Laterality::Left),
            view: None,
            rank: 1,
            kind: LesionKind::Mass,
            probability: 0.1 + 0.2,
            probability_benign: 0.5,
            x: 10.25,
            y: 20.0,
            width: 30.5,
            height: 40.0,
            center_x: 25.0,
            center_y: 40.0,
            x_mm: None,
            y_mm: None,
            width_mm: None,
            height_mm: None,
            depth_in_breast: 0.5,
            height_in_breast: 0.25,
        };
        let text = String::from_utf8(findings_table(std::slice::from_ref(&row)).unwrap()).unwrap();
        let bounds = Rect::new(row.x, row.y, row.width, row.height);
        let expected = Finding { file: row.file, bounds, probability: row.probability };
        assert_eq!(read(&text).unwrap(), [expected]);
        let empty = String::from_utf8(findings_table(&[]).unwrap()).unwrap();
        assert_eq!(read(&empty).unwrap(), []);
    }

    #[test]
    fn boxes_and_points_are_read() {
        let found = read("kind,file,x,y,width,height,probability\nmass,a.png,1,2,3,4,0.5\n").unwrap();
        assert_eq!(found[0].bounds, Rect::new(1.0, 2.0, 3.0, 4.0));
        let points = read("file,x,y,probability\na.png,1,2,0.5\n").unwrap();
        assert_eq!(points[0].bounds, Rect::new(1.0, 2.0, 0.0, 0.0));
    }

    #[test]
    fn a_table_of_a_european_excel_is_read() {
        let found = read("file;x;y;width;height;probability\na.png;1,5;2;3;4;0,25\n").unwrap();
        assert_eq!((found[0].bounds, found[0].probability), (Rect::new(1.5, 2.0, 3.0, 4.0), 0.25));
    }

    #[test]
    fn an_error_names_the_line() {
        for bad in ["a.png,1,2,-3,4,0.5", "a.png,1,NaN,3,4,0.5", "a.png,1,2,3,4,x"] {
            let text = format!("file,x,y,width,height,probability\n{bad}\n");
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
        }
        let error = read("file,x,y\na.png,1,2\n").unwrap_err().to_string();
        assert!(error.contains("probability"), "{error}");
    }
}
