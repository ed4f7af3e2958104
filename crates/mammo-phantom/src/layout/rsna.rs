//! RSNA 2022. Planted: a lateral view for every fifth patient, both polarities by machine, labels
//! of the breast, density and BI-RADS at one site only.

use std::path::Path;

use super::dicom::{Coding, DicomAttributes, DicomPixels, letter, position, write_dicom};
use super::{Form, Line, Table, bright};
use crate::Result;
use crate::{PhantomImage, PhantomPatient};

pub(super) static TABLES: [Table; 1] = [Table {
    file: "train.csv",
    form: Form::Delimited(b','),
    header: &[
        "site_id",
        "patient_id",
        "image_id",
        "laterality",
        "view",
        "age",
        "cancer",
        "biopsy",
        "invasive",
        "BIRADS",
        "implant",
        "density",
        "machine_id",
        "difficult_negative_case",
    ],
}];

pub(super) fn write_patient(dir: &Path, number: usize, patient: &PhantomPatient) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (at, image) in patient.images.iter().enumerate() {
        lines.push(write_image(dir, number, at, position(image.view), image, patient)?);
    }
    if number % 5 == 4 {
        lines.push(write_image(dir, number, 9, "LM", &patient.images[0], patient)?);
    }
    Ok(lines)
}

fn write_image(
    dir: &Path,
    number: usize,
    at: usize,
    view: &str,
    image: &PhantomImage,
    patient: &PhantomPatient,
) -> Result<Line> {
    let record = &image.record;
    let (id, name) =
        ((10_006 + number * 7).to_string(), (462_822_612_usize + number * 1000 + at).to_string());
    let inverted = number.is_multiple_of(2);
    let values = bright(image).iter().map(|value| if inverted { 4095 - value } else { *value }).collect();
    let pixels =
        DicomPixels { width: image.pixels.width, height: image.pixels.height, values, bits: 12, inverted };
    let about = DicomAttributes {
        name: format!("rsna {number}/{at}"),
        patient_id: id.clone(),
        laterality: Some(image.laterality),
        view: (view != "LM").then_some(image.view),
        ..DicomAttributes::default()
    };
    let coding = [Coding::JpegLossless, Coding::Rle][number % 2];
    write_dicom(&dir.join(format!("train_images/{id}/{name}.dcm")), &pixels, &about, coding)?;

    let breast = patient.images.iter().filter(|other| other.laterality == image.laterality);
    let cancer = breast.clone().any(|other| other.record.malignant() == Some(true));
    let cancer = if cancer { "1" } else { "0" };
    let (site, machine) = if inverted { ("1", "49") } else { ("2", "21") };
    let (birads, density) = match (site, record.density) {
        ("1", Some(density)) => ("0.0", ["A", "B", "C", "D"][usize::from(density) - 1]),
        _ => ("", ""),
    };
    let side = letter(image.laterality);
    Ok(Line::new(
        0,
        [site, &id, &name, side, view, "61.0", cancer, cancer, "0", birads, "0", density, machine, "False"],
    ))
}
