//! The findings table: positions that a model marks in images, with a probability each.

use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};
use mammo_core::geometry::Rect;
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
