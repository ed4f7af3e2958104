//! mini-MIAS. Planted: an explanation above the table, the origin at the lower left, several rows
//! for a film, calcifications without a place, a `*NOTE 3*`.

use std::path::Path;

use super::{Form, Line, Table};
use crate::PhantomPatient;
use crate::Result;
use mammo_core::record::{Laterality, LesionKind, Pathology, View};
use mammo_core::write::write_atomically;

pub(super) static TABLES: [Table; 1] = [Table {
    file: "Info.txt",
    form: Form::Words,
    header: &[
        "MAMMOGRAPHIC IMAGES OF PHANTOMS",
        "",
        "1st column: reference number, 2nd: background tissue, 3rd: class of abnormality,",
        "4th: severity, 5th and 6th: x, y of its centre, 7th: radius of a circle around it.",
        "The origin of coordinates is the bottom left corner.",
        "",
        "REFNUM BG CLASS SEVERITY X Y RADIUS",
    ],
}];

pub(super) fn write_patient(dir: &Path, number: usize, patient: &PhantomPatient) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for image in patient.images.iter().filter(|image| image.view == View::Mlo) {
        let film = 2 * number + if image.laterality == Laterality::Right { 1 } else { 2 };
        let name = format!("mdb{film:03}");
        // Every film of the archive is square, filled up with black.
        let side = image.pixels.width.max(image.pixels.height);
        let mut bytes = format!("P5\n{side} {side}\n255\n").into_bytes();
        for y in 0..side {
            let row = if y < image.pixels.height { image.pixels.row(y) } else { &[] };
            bytes.extend(row.iter().map(|value| (value >> 8) as u8));
            bytes.extend(std::iter::repeat_n(0, side - row.len()));
        }
        write_atomically(&dir.join(format!("{name}.pgm")), &bytes)?;
        let tissue = ["F", "F", "G", "D", "D"][usize::from(image.record.density.unwrap_or(1)).min(4)];
        if image.record.lesions.is_empty() {
            lines.push(Line::new(0, [&name, tissue, "NORM"]));
        }
        for lesion in &image.record.lesions {
            let severity = if lesion.pathology == Pathology::Malignant { "M" } else { "B" };
            let bounds = lesion.shape.bounds();
            let (x, y) = bounds.centre();
            let (x, y) = (x.round(), (side as f64 - y).round());
            let radius = (bounds.width.max(bounds.height) / 2.0).ceil();
            let class = if lesion.kind == LesionKind::Mass { "CIRC" } else { "CALC" };
            lines.push(match (lesion.kind, number % 3) {
                (LesionKind::Calcification, 0) => Line::new(0, [&name, tissue, class, severity]),
                (LesionKind::Calcification, 1) => {
                    Line::new(0, [&name, tissue, class, severity, "*NOTE", "3*"])
                }
                _ => Line::new(
                    0,
                    [&name, tissue, class, severity, &x.to_string(), &y.to_string(), &radius.to_string()],
                ),
            });
        }
    }
    Ok(lines)
}
