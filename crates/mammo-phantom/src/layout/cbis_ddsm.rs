//! CBIS-DDSM. Planted defects: mask and crop swapped for every second lesion, masks nine tenths
//! as large for every fifth patient, paths that end in a line break or in blanks, both spellings
//! of the density column, patients who stand in a training and a test table.

use std::path::Path;

use super::dicom::{Coding, DicomAttributes, DicomPixels, uid, write_dicom};
use super::{ArchiveLayout, Form, Line, Table, crop, shrunken};
use crate::{Error, Result};
use crate::{PhantomImage, PhantomPatient};
use mammo_core::image::GreyImage;
use mammo_core::record::{LesionKind, Pathology};
use mammo_core::write::write_atomically;

const MASS: &[&str] = &[
    "patient_id",
    "breast_density",
    "left or right breast",
    "image view",
    "abnormality id",
    "abnormality type",
    "mass shape",
    "mass margins",
    "assessment",
    "pathology",
    "subtlety",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
];
const CALC: &[&str] = &[
    "patient_id",
    "breast density",
    "left or right breast",
    "image view",
    "abnormality id",
    "abnormality type",
    "calc type",
    "calc distribution",
    "assessment",
    "pathology",
    "subtlety",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
];
const INDEX: &[&str] = &["file_path", "image_path", "PatientID", "SeriesDescription", "SeriesInstanceUID"];

const fn cases(file: &'static str, header: &'static [&'static str]) -> Table {
    Table { file, form: Form::Delimited(b','), header }
}

pub(super) static TABLES: [Table; 4] = [
    cases("mass_case_description_train_set.csv", MASS),
    cases("mass_case_description_test_set.csv", MASS),
    cases("calc_case_description_train_set.csv", CALC),
    cases("calc_case_description_test_set.csv", CALC),
];

pub(super) static JPEG_TABLES: [Table; 5] = [
    cases("csv/mass_case_description_train_set.csv", MASS),
    cases("csv/mass_case_description_test_set.csv", MASS),
    cases("csv/calc_case_description_train_set.csv", CALC),
    cases("csv/calc_case_description_test_set.csv", CALC),
    cases("csv/dicom_info.csv", INDEX),
];

/// The masses of every fourth patient are test cases, and the calcifications of every third:
/// a patient with both may stand in both parts, as 31 do in the archive.
fn is_test(kind: LesionKind, number: usize) -> bool {
    match kind {
        LesionKind::Mass => number % 4 == 3,
        LesionKind::Calcification => number % 3 == 2,
    }
}

pub(super) fn write_patient(
    dir: &Path,
    layout: ArchiveLayout,
    number: usize,
    patient: &PhantomPatient,
) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for image in &patient.images {
        for kind in [LesionKind::Mass, LesionKind::Calcification] {
            lines.extend(write_film(dir, layout, number, image, kind)?);
        }
    }
    Ok(lines)
}

/// The film as one of the two lists has it; nothing when it shows no lesion of that kind.
fn write_film(
    dir: &Path,
    layout: ArchiveLayout,
    number: usize,
    image: &PhantomImage,
    kind: LesionKind,
) -> Result<Vec<Line>> {
    let lesions: Vec<usize> =
        (0..image.masks.len()).filter(|&at| image.record.lesions[at].kind == kind).collect();
    if lesions.is_empty() {
        return Ok(Vec::new());
    }
    let record = &image.record;
    let patient_id = format!("P_{number:05}");
    let (word, test) = (if kind == LesionKind::Mass { "Mass" } else { "Calc" }, is_test(kind, number));
    let side = image.laterality.to_string().to_uppercase();
    let view = image.view.to_string().to_uppercase();
    let part = if test { "Test" } else { "Training" };
    let film = format!("{word}-{part}_{patient_id}_{side}_{view}");
    let full = File { case: film.clone(), series: "full mammogram images", name: "000000.dcm", mask: false };
    let mut lines = full.write(dir, layout, &image.pixels)?;
    for (abnormality, &at) in (1..).zip(&lesions) {
        let (lesion, mask) = (&record.lesions[at], &image.masks[at]);
        let mask = if number % 5 == 4 { shrunken(mask) } else { mask.clone() };
        let crop = crop(&image.pixels, &lesion.shape.bounds());
        // The table says which of the two files is the mask; for every second lesion it errs.
        let mask_name = if kind == LesionKind::Mass { "000001.dcm" } else { "000000.dcm" };
        let crop_name = if kind == LesionKind::Mass { "000000.dcm" } else { "000001.dcm" };
        let swapped = (number + abnormality) % 2 == 1;
        let case = format!("{film}_{abnormality}");
        let series = "ROI mask images";
        let (of_mask, of_crop) = if swapped { (crop_name, mask_name) } else { (mask_name, crop_name) };
        lines.extend(
            File { case: case.clone(), series, name: of_mask, mask: true }.write(dir, layout, &mask)?,
        );
        let series = if layout == ArchiveLayout::CbisDdsm { series } else { "cropped images" };
        lines.extend(
            File { case: case.clone(), series, name: of_crop, mask: false }.write(dir, layout, &crop)?,
        );

        let stated = |name: &str| format!("{case}/{}/{}/{name}", uid(&case), uid(&format!("{case} roi")));
        let pathology = match (lesion.pathology, abnormality % 2) {
            (Pathology::Malignant, _) => "MALIGNANT",
            (_, 1) => "BENIGN",
            _ => "BENIGN_WITHOUT_CALLBACK",
        };
        let cells: [&str; 14] = [
            &patient_id,
            &record.density.unwrap_or(0).to_string(),
            &side,
            &view,
            &abnormality.to_string(),
            if kind == LesionKind::Mass { "mass" } else { "calcification" },
            "N/A",
            "N/A",
            &record.assessment.unwrap_or(0).to_string(),
            pathology,
            "3",
            &format!("{}  ", full.classic()),
            &format!("{}\n", stated(crop_name)),
            &format!("{}\n", stated(mask_name)),
        ];
        let table = usize::from(kind == LesionKind::Calcification) * 2 + usize::from(test);
        lines.push(Line::new(table, cells));
    }
    Ok(lines)
}

struct File {
    /// Patient ID of the object: the folder's name.
    case: String,
    series: &'static str,
    /// Name in the classic layout.
    name: &'static str,
    mask: bool,
}

impl File {
    fn series_uid(&self) -> String {
        let series = if self.series == "full mammogram images" { "full" } else { "roi" };
        uid(&format!("{} {series}", self.case))
    }

    fn classic(&self) -> String {
        let (study, series) = (uid(&self.case), self.series_uid());
        format!("{}/{study}/{series}/{}", self.case, self.name)
    }

    /// Writes the file where the layout has it; the JPEG re-issue also gets a line in its index.
    fn write(&self, dir: &Path, layout: ArchiveLayout, image: &GreyImage) -> Result<Vec<Line>> {
        let number = if self.mask { 2 } else { 1 };
        if layout == ArchiveLayout::CbisDdsmJpeg {
            let folder = uid(&format!("{} {} {}", self.case, self.series, self.mask));
            let file = format!("jpeg/{folder}/{number}-{:03}.jpg", self.case.len() * 3);
            write_jpeg(&dir.join(&file), image)?;
            // Masks have no description in part of the index, and none may be relied on.
            let series = if self.mask { "" } else { self.series };
            let listed = format!("CBIS-DDSM/{file}");
            let dicom = format!("CBIS-DDSM/dicom/{folder}/{number}-1.dcm");
            return Ok(vec![Line::new(4, [&dicom, &listed, &self.case, series, &folder])]);
        }
        let file = if layout == ArchiveLayout::CbisDdsmNbia {
            let serial = self.case.len() * 997;
            let (case, series) = (&self.case, self.series);
            format!(
                "CBIS-DDSM/{case}/07-20-2016-DDSM-NA-{serial:05}/1.000000-{series}-{serial:05}/1-{number}.dcm"
            )
        } else if layout == ArchiveLayout::CbisDdsmTcia {
            format!("tciaDownload/{}/1-{number}.dcm", self.series_uid())
        } else {
            self.classic()
        };
        let bits = if self.mask { 8 } else { 16 };
        let values = image.pixels.iter().map(|value| if self.mask { value >> 8 } else { *value }).collect();
        let pixels = DicomPixels { width: image.width, height: image.height, values, bits, inverted: false };
        let about = DicomAttributes {
            name: format!("{}/{}", self.case, self.name),
            secondary_capture: true,
            patient_id: self.case.clone(),
            series: self.series.to_string(),
            ..DicomAttributes::default()
        };
        write_dicom(&dir.join(file), &pixels, &about, Coding::Explicit)?;
        Ok(Vec::new())
    }
}

fn write_jpeg(path: &Path, image: &GreyImage) -> Result<()> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let unfit = |e: String| Error::image(path, e, "an image that JPEG can hold");
    let pixels: Vec<u8> = image.pixels.iter().map(|value| (value >> 8) as u8).collect();
    image::GrayImage::from_raw(image.width as u32, image.height as u32, pixels)
        .ok_or_else(|| unfit("pixels are missing".into()))?
        .write_to(&mut bytes, image::ImageFormat::Jpeg)
        .map_err(|e| unfit(e.to_string()))?;
    write_atomically(path, bytes.get_ref())
}
