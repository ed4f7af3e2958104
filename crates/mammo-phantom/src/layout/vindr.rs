//! VinDr-Mammo. Planted: five transfer syntaxes in turn, both polarities, categories as a list in
//! text, an asymmetry, rows without a finding.

use std::path::Path;

use super::dicom::{Coding, DicomAttributes, DicomPixels, letter, position, write_dicom};
use super::inbreast::birads;
use super::{Form, Line, Table, bright};
use crate::PhantomPatient;
use crate::Result;
use mammo_core::record::{LesionKind, Pathology};

const fn table(file: &'static str, header: &'static [&'static str]) -> Table {
    Table { file, form: Form::Delimited(b','), header }
}

pub(super) static TABLES: [Table; 3] = [
    table(
        "breast-level_annotations.csv",
        &[
            "study_id",
            "series_id",
            "image_id",
            "laterality",
            "view_position",
            "height",
            "width",
            "breast_birads",
            "breast_density",
            "split",
        ],
    ),
    table(
        "finding_annotations.csv",
        &[
            "study_id",
            "series_id",
            "image_id",
            "laterality",
            "view_position",
            "height",
            "width",
            "breast_birads",
            "breast_density",
            "finding_categories",
            "finding_birads",
            "xmin",
            "ymin",
            "xmax",
            "ymax",
            "split",
        ],
    ),
    table("metadata.csv", &["SOP Instance UID", "Patient's Age", "Manufacturer's Model Name"]),
];

pub(super) fn write_patient(dir: &Path, number: usize, patient: &PhantomPatient) -> Result<Vec<Line>> {
    let id =
        |what: &str| format!("{:032x}", super::dicom::uid(what)[5..].parse::<u128>().unwrap_or_default());
    let study = id(&format!("vindr study {number}"));
    let (series, split) =
        (id(&format!("vindr series {number}")), if number % 5 == 4 { "test" } else { "training" });
    let model = ["Mammomat Inspiration", "Planmed Nuance"][number % 2];
    let mut lines = Vec::new();
    for (at, image) in patient.images.iter().enumerate() {
        let record = &image.record;
        let name = id(&format!("vindr image {number} {at}"));
        let (width, height) = (image.pixels.width, image.pixels.height);
        let inverted = number % 2 == 1;
        let values = bright(image).iter().map(|value| if inverted { 4095 - value } else { *value }).collect();
        let pixels = DicomPixels { width, height, values, bits: 12, inverted };
        let about = DicomAttributes {
            name: format!("vindr {number}/{at}"),
            patient_id: study.clone(),
            model: model.into(),
            laterality: Some(image.laterality),
            view: Some(image.view),
            ..DicomAttributes::default()
        };
        let coding = Coding::ALL[(number + at) % Coding::ALL.len()];
        write_dicom(&dir.join(format!("images/{study}/{name}.dicom")), &pixels, &about, coding)?;

        let of_birads = |pathology| format!("BI-RADS {}", &birads(number, pathology)[..1]);
        let breast = of_birads(record.pathology);
        let density =
            format!("DENSITY {}", ["A", "B", "C", "D"][usize::from(record.density.unwrap_or(1)) - 1]);
        let (height, width) = (height.to_string(), width.to_string());
        let (side, view) = (letter(image.laterality), position(image.view));
        let common = [&study, &series, &name, side, view, &height, &width, &breast, &density];
        lines.push(Line {
            table: 0,
            cells: [&common[..], &[split]].concat().iter().map(|s| s.to_string()).collect(),
        });
        lines.push(Line::new(2, [&name, "054Y", model]));
        let mut finding = |category: &str, birads: &str, corners: [String; 4]| {
            let [x0, y0, x1, y1] = &corners;
            let cells = [&common[..], &[category, birads, x0, y0, x1, y1, split]].concat();
            lines.push(Line { table: 1, cells: cells.iter().map(|cell| cell.to_string()).collect() });
        };
        for lesion in &record.lesions {
            let bounds = lesion.shape.bounds();
            let corners = [bounds.x, bounds.y, bounds.right(), bounds.bottom()].map(|v| v.to_string());
            let category = match lesion.kind {
                LesionKind::Mass => "['Mass']",
                LesionKind::Calcification => "['Suspicious Calcification', 'Focal Asymmetry']",
            };
            finding(category, &of_birads(lesion.pathology), corners);
        }
        if number % 4 == 2 {
            let corners = ["1.5", "2.5", "30", "40"].map(str::to_string);
            finding("['Global Asymmetry']", &of_birads(Pathology::Benign), corners);
        }
        if record.lesions.is_empty() {
            finding("['No Finding']", "", ["", "", "", ""].map(str::to_string));
        }
    }
    Ok(lines)
}
