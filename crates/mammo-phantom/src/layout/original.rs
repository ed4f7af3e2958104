//! The original project's folders. Planted: masks nine tenths as large for every third patient.

use std::path::Path;

use super::{Form, Line, Table, shrunken};
use crate::PhantomPatient;
use crate::Result;
use mammo_core::record::{LesionKind, Pathology};
use mammo_dicom::image_file::write_png16;

pub(super) static TABLES: [Table; 3] = [
    Table {
        file: "roi_mask_path.csv",
        form: Form::Delimited(b','),
        header: &["patient_id", "side", "view", "abn_num", "pathology", "type"],
    },
    Table { file: "train_pat_lst.txt", form: Form::Words, header: &[] },
    Table { file: "test_pat_lst.txt", form: Form::Words, header: &[] },
];

pub(super) fn write_patient(dir: &Path, number: usize, patient: &PhantomPatient) -> Result<Vec<Line>> {
    let id = format!("P_{number:05}");
    let mut lines = Vec::new();
    for image in patient.images.iter().filter(|image| !image.record.lesions.is_empty()) {
        let side = image.laterality.to_string().to_uppercase();
        let view = image.view.to_string().to_uppercase();
        let film = format!("{id}_{side}_{view}");
        write_png16(&dir.join(format!("full_images/{film}.png")), &image.pixels)?;
        for (abnormality, (lesion, mask)) in (1..).zip(image.record.lesions.iter().zip(&image.masks)) {
            let (word, kind) = match lesion.kind {
                LesionKind::Mass => ("Mass", "mass"),
                LesionKind::Calcification => ("Calc", "calc"),
            };
            let mask = if number % 3 == 2 { shrunken(mask) } else { mask.clone() };
            write_png16(&dir.join(format!("roi_masks/{word}-Training_{film}_{abnormality}.png")), &mask)?;
            let pathology = if lesion.pathology == Pathology::Malignant { "MALIGNANT" } else { "BENIGN" };
            let abnormality = abnormality.to_string();
            lines.push(Line::new(0, [&id, &side, &view, &abnormality, pathology, kind]));
        }
    }
    if !lines.is_empty() {
        lines.push(Line::new(if number % 4 == 3 { 2 } else { 1 }, [&id]));
    }
    Ok(lines)
}
