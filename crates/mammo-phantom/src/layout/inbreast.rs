//! INbreast. Planted: "removed" patients, blanks in empty cells, BI-RADS 3 for every eighth
//! patient, a lesion marked by a point, an asymmetry, contours as OsiriX writes them.

use std::path::Path;

use plist::{Dictionary, Value};

use super::dicom::{Coding, DicomAttributes, DicomPixels, letter, write_dicom};
use super::{Form, Line, Table, bright};
use crate::{Error, Result};
use crate::{PhantomImage, PhantomPatient};
use mammo_core::image::GreyImage;
use mammo_core::record::{LesionKind, Pathology, View};
use mammo_core::write::write_atomically;

pub(super) static TABLES: [Table; 1] = [Table {
    file: "INbreast.csv",
    form: Form::Delimited(b';'),
    header: &[
        "Patient ID",
        "Patient age",
        "Laterality",
        "View",
        "Acquisition date",
        "File Name",
        "ACR",
        "Bi-Rads",
    ],
}];

/// BI-RADS of a phantom: what the archive's rule turns back into its truth, and 3 now and then.
pub(super) fn birads(number: usize, pathology: Pathology) -> &'static str {
    match (number % 8, pathology) {
        (7, _) => "3",
        (n, Pathology::Malignant) => ["4a", "4b", "4c", "5", "6"][n % 5],
        (n, _) => ["1", "2"][n % 2],
    }
}

pub(super) fn write_patient(dir: &Path, number: usize, patient: &PhantomPatient) -> Result<Vec<Line>> {
    let hash = format!("{:016x}", (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut lines = Vec::new();
    for (at, image) in patient.images.iter().enumerate() {
        let record = &image.record;
        let name = format!("{}", 20_580_000 + number * 16 + at * 3);
        let (side, ml) = (letter(image.laterality), if image.view == View::Cc { "CC" } else { "ML" });
        let file = format!("AllDICOMs/{name}_{hash}_MG_{side}_{ml}_ANON.dcm");
        let values = bright(image).iter().map(|value| value * 4).collect();
        let pixels = DicomPixels {
            width: image.pixels.width,
            height: image.pixels.height,
            values,
            bits: 14,
            inverted: false,
        };
        let about = DicomAttributes {
            name: format!("inbreast {number}/{name}"),
            patient_id: "removed".into(),
            model: "MammoNovation".into(),
            laterality: Some(image.laterality),
            view: Some(image.view),
            ..DicomAttributes::default()
        };
        let coding = if number.is_multiple_of(2) { Coding::Implicit } else { Coding::Explicit };
        write_dicom(&dir.join(file), &pixels, &about, coding)?;
        if !record.lesions.is_empty() {
            write_contours(&dir.join(format!("AllXML/{name}.xml")), number, image)?;
        }
        let density =
            if number % 6 == 5 { "     ".to_string() } else { record.density.unwrap_or(1).to_string() };
        let view = image.view.to_string().to_uppercase();
        let birads = birads(number, record.pathology);
        lines.push(Line::new(0, ["removed", "removed", side, &view, "201001", &name, &density, birads]));
    }
    Ok(lines)
}

fn write_contours(path: &Path, number: usize, image: &PhantomImage) -> Result<()> {
    let mut rois = Vec::new();
    for (at, (lesion, mask)) in image.record.lesions.iter().zip(&image.masks).enumerate() {
        let name = match (lesion.kind, number % 3) {
            (LesionKind::Mass, 0) => "Espiculated Region",
            (LesionKind::Mass, _) => "Mass",
            (LesionKind::Calcification, 0) => "Cluster",
            (LesionKind::Calcification, _) => "Calcifications",
        };
        rois.push(roi(at, name, &outline(mask)));
    }
    if number % 4 == 1 {
        let (x, y) = image.record.lesions[0].shape.bounds().centre();
        rois.push(roi(rois.len(), "Calcification", &[[x + 20.0, y + 10.0]]));
        rois.push(roi(rois.len(), "Assymetry", &[[5.0, 5.0], [30.0, 5.0], [30.0, 30.0]]));
    }
    let mut slice = Dictionary::new();
    slice.insert("ImageIndex".into(), Value::from(0_u64));
    slice.insert("NumberOfROIs".into(), Value::from(rois.len() as u64));
    slice.insert("ROIs".into(), Value::Array(rois));
    let mut root = Dictionary::new();
    root.insert("Images".into(), Value::Array(vec![Value::Dictionary(slice)]));
    let mut bytes = Vec::new();
    plist::to_writer_xml(&mut bytes, &Value::Dictionary(root))
        .map_err(|e| Error::table(path, None, e.to_string(), "contours that a property list can hold"))?;
    write_atomically(path, &bytes)
}

fn roi(index: usize, name: &str, points: &[[f64; 2]]) -> Value {
    let words = points.iter().map(|[x, y]| Value::from(format!("({x:.6}, {y:.6})"))).collect();
    let mut roi = Dictionary::new();
    roi.insert("IndexInImage".into(), Value::from(index as u64));
    roi.insert("Name".into(), Value::from(name));
    roi.insert("NumberOfPoints".into(), Value::from(points.len() as u64));
    roi.insert("Point_px".into(), Value::Array(words));
    roi.insert("Type".into(), Value::from(if points.len() == 1 { 19_u64 } else { 15 }));
    Value::Dictionary(roi)
}

/// A contour around a mask: down its right ends, up its left ends.
fn outline(mask: &GreyImage) -> Vec<[f64; 2]> {
    let ends = |y: usize| {
        let row = mask.row(y);
        let (left, right) = (row.iter().position(|v| *v > 0)?, row.iter().rposition(|v| *v > 0)?);
        Some((y as f64, left as f64, right as f64 + 1.0))
    };
    let rows: Vec<(f64, f64, f64)> = (0..mask.height).filter_map(ends).collect();
    let right = rows.iter().flat_map(|&(y, _, right)| [[right, y], [right, y + 1.0]]);
    let left = rows.iter().rev().flat_map(|&(y, left, _)| [[left, y + 1.0], [left, y]]);
    right.chain(left).collect()
}
