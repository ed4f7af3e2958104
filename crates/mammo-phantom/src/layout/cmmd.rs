//! CMMD. Planted: labels in a workbook, file names that say nothing, views in the code sequence
//! alone, breasts that are imaged but not in the table.

use std::path::Path;

use super::dicom::{Coding, DicomAttributes, DicomPixels, letter, write_dicom};
use super::{Form, Line, Table, bright};
use crate::PhantomPatient;
use crate::Result;
use mammo_core::record::{Laterality, LesionKind, Pathology};

pub(super) static TABLES: [Table; 1] = [Table {
    file: "CMMD_clinicaldata_revision.xlsx",
    form: Form::Xlsx,
    header: &["ID1", "LeftRight", "Age", "number", "abnormality", "classification", "subtype"],
}];

pub(super) fn write_patient(dir: &Path, number: usize, patient: &PhantomPatient) -> Result<Vec<Line>> {
    let id = format!("D1-{:04}", number + 1);
    let folder =
        format!("CMMD/{id}/07-18-2010-NA-NA-{:05}/1.000000-NA-{:05}", number * 37 + 11, number * 53 + 7);
    for (at, image) in patient.images.iter().enumerate() {
        // 8 bits, as the archive's.
        let values = bright(image).iter().map(|value| value >> 4).collect();
        let pixels = DicomPixels {
            width: image.pixels.width,
            height: image.pixels.height,
            values,
            bits: 8,
            inverted: false,
        };
        let about = DicomAttributes {
            name: format!("cmmd {number}/{at}"),
            patient_id: id.clone(),
            model: "Senographe DS".into(),
            laterality: Some(image.laterality),
            coded_view: Some(image.view),
            ..DicomAttributes::default()
        };
        let coding = [Coding::Explicit, Coding::Deflated, Coding::Rle][number % 3];
        write_dicom(&dir.join(format!("{folder}/1-{}.dcm", at + 1)), &pixels, &about, coding)?;
    }
    let breast = |laterality: Laterality| {
        let mut lesions = patient
            .images
            .iter()
            .filter(|image| image.laterality == laterality)
            .flat_map(|i| &i.record.lesions);
        let kinds = |kind| lesions.clone().any(|lesion| lesion.kind == kind);
        let abnormality = match (kinds(LesionKind::Mass), kinds(LesionKind::Calcification)) {
            (true, true) => "both",
            (true, false) => "mass",
            (false, true) => "calcification",
            (false, false) => return None,
        };
        let malignant = lesions.any(|lesion| lesion.pathology == Pathology::Malignant);
        let classification = if malignant { "Malignant" } else { "Benign" };
        let n = patient.images.iter().filter(|image| image.laterality == laterality).count();
        let (side, n) = (letter(laterality), n.to_string());
        Some(Line::new(0, [&id, side, "47", &n, abnormality, classification, ""]))
    };
    Ok([Laterality::Left, Laterality::Right].into_iter().filter_map(breast).collect())
}
