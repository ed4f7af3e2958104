//! Rejected rows and their reasons.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};
use mammo_core::words;
use mammo_core::write::write_atomically;

/// One row that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The image that the row names, as the table writes it.
    pub file: String,
    /// Row number as in a spreadsheet: the header is 1, empty rows are counted, line breaks inside
    /// cells are not.
    pub line: Option<u64>,
    /// The reason, to be counted.
    pub reason: RejectionReason,
    /// The table, what was found and what was expected.
    pub detail: String,
}

/// The reasons for which a row is rejected, in the order in which the import checks them; the codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RejectionReason {
    /// The row has another number of cells than the header, or is not UTF-8.
    MalformedRow,
    /// A required cell is empty.
    MissingValue,
    /// A word that is not valid in the column.
    UnknownWord,
    /// A view other than CC and MLO, such as a magnification or a lateral view.
    OtherView,
    /// A coordinate or size that is not a finite number, or not positive where it must be.
    BadNumber,
    /// The path is absolute or leads out of the data set's folder.
    PathEscapesRoot,
    /// The row repeats an earlier one, which is kept.
    DuplicateRow,
    /// Rows of one image contradict each other; all are rejected.
    ContradictingRows,
    /// The image is benign but one of its lesions is malignant.
    LabelConflict,
    /// The name of an image file, or of its folder, is not UTF-8 and cannot be written to a table.
    FileName,
    /// The file does not exist.
    MissingFile,
    /// A file of contours that cannot be read.
    UnreadableTable,
    /// The file is not an image, is damaged or truncated.
    UnreadableImage,
    /// A DICOM object of breast tomosynthesis.
    Tomosynthesis,
    /// A DICOM secondary capture that is not a digitised film.
    SecondaryCapture,
    /// A DICOM object of another modality, or of a specimen.
    NotMammography,
    /// A DICOM object whose header does not identify it.
    UnknownObject,
    /// A DICOM object with several frames.
    MultiFrame,
    /// A DICOM object with raw detector values.
    ForProcessing,
    /// A DICOM object in colour.
    Colour,
    /// A DICOM object whose transfer syntax is not supported.
    UnsupportedTransferSyntax,
    /// The image is too small or too large to be a mammogram.
    WrongSize,
    /// A byte-identical file belongs to another patient.
    SameFileOtherPatient,
    /// A lesion of an image that is not in the table or was rejected.
    NoSuchImage,
    /// An abnormality that is neither a mass nor a calcification, such as an asymmetry.
    OtherFinding,
    /// A lesion without a box, a circle or a mask.
    NoShape,
    /// The lesion lies entirely outside its image.
    LesionOutside,
    /// The mask has another size than the image.
    MaskSize,
    /// The mask has no non-zero pixel.
    MaskEmpty,
}

words!(RejectionReason.code,
    MalformedRow: "malformed_row", MissingValue: "missing_value", UnknownWord: "unknown_word", OtherView:
    "other_view", BadNumber: "bad_number", PathEscapesRoot: "path_escapes_root", DuplicateRow:
    "duplicate_row", ContradictingRows: "contradicting_rows", LabelConflict: "label_conflict", FileName:
    "file_name", MissingFile: "missing_file", UnreadableTable: "unreadable_table", UnreadableImage:
    "unreadable_image", Tomosynthesis: "tomosynthesis", SecondaryCapture: "secondary_capture", NotMammography:
    "not_mammography", UnknownObject: "unknown_object", MultiFrame: "multi_frame", ForProcessing:
    "for_processing", Colour: "colour", UnsupportedTransferSyntax: "unsupported_transfer_syntax", WrongSize:
    "wrong_size", SameFileOtherPatient: "same_file_other_patient", NoSuchImage: "no_such_image", OtherFinding:
    "other_finding", NoShape: "no_shape", LesionOutside: "lesion_outside", MaskSize: "mask_size", MaskEmpty:
    "mask_empty");

impl RejectionReason {
    /// The reason as a phrase.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::MalformedRow => "the row does not fit the header",
            Self::MissingValue => "a required cell is empty",
            Self::UnknownWord => "a cell holds an unknown word",
            Self::OtherView => "the view is neither CC nor MLO",
            Self::BadNumber => "a cell holds no valid number",
            Self::PathEscapesRoot => "the path leads out of the data set",
            Self::DuplicateRow => "the row repeats an earlier one",
            Self::ContradictingRows => "rows of one image contradict each other",
            Self::LabelConflict => "the label contradicts the lesions",
            Self::FileName => "the name of the file is not UTF-8",
            Self::MissingFile => "the file does not exist",
            Self::UnreadableTable => "the file of contours cannot be read",
            Self::UnreadableImage => "the image cannot be decoded",
            Self::Tomosynthesis => "breast tomosynthesis, not a two-dimensional mammogram",
            Self::SecondaryCapture => "a secondary capture, not a mammogram",
            Self::NotMammography => "not a mammogram by its header",
            Self::UnknownObject => "the header does not identify the kind of object",
            Self::MultiFrame => "several frames",
            Self::ForProcessing => "meant for processing, not for presentation",
            Self::Colour => "pixels in colour",
            Self::UnsupportedTransferSyntax => "the transfer syntax is not supported",
            Self::WrongSize => "the image is too small or too large for a mammogram",
            Self::SameFileOtherPatient => "the same file belongs to another patient",
            Self::NoSuchImage => "the lesion's image was not accepted",
            Self::OtherFinding => "the abnormality is neither mass nor calcification",
            Self::NoShape => "the lesion has no position",
            Self::LesionOutside => "the lesion lies outside the image",
            Self::MaskSize => "the mask has another size than the image",
            Self::MaskEmpty => "the mask is empty",
        }
    }
}

impl From<mammo_dicom::DicomRefusal> for RejectionReason {
    fn from(refusal: mammo_dicom::DicomRefusal) -> Self {
        match refusal {
            mammo_dicom::DicomRefusal::Tomosynthesis => Self::Tomosynthesis,
            mammo_dicom::DicomRefusal::SecondaryCapture => Self::SecondaryCapture,
            mammo_dicom::DicomRefusal::NotMammography => Self::NotMammography,
            mammo_dicom::DicomRefusal::UnknownObject => Self::UnknownObject,
            mammo_dicom::DicomRefusal::MultiFrame => Self::MultiFrame,
            mammo_dicom::DicomRefusal::ForProcessing => Self::ForProcessing,
            mammo_dicom::DicomRefusal::Colour => Self::Colour,
            mammo_dicom::DicomRefusal::UnsupportedTransferSyntax => Self::UnsupportedTransferSyntax,
            mammo_dicom::DicomRefusal::NotDicom
            | mammo_dicom::DicomRefusal::Damaged
            | mammo_dicom::DicomRefusal::TooLarge
            | mammo_dicom::DicomRefusal::NoPixelData
            | mammo_dicom::DicomRefusal::UnsupportedPixels => Self::UnreadableImage,
        }
    }
}

/// Why a row, or a file that it names, cannot be used; the row itself is not known yet.
#[derive(Clone, Debug)]
pub(crate) struct RowError {
    pub reason: RejectionReason,
    pub problem: String,
}

/// An [`Err`] with a [`RowError`].
pub(crate) fn row_error<T>(reason: RejectionReason, problem: impl Into<String>) -> Result<T, RowError> {
    Err(RowError { reason, problem: problem.into() })
}

/// How many rows were rejected for each reason.
pub(super) fn count_by_reason(rejections: &[Rejection]) -> BTreeMap<RejectionReason, usize> {
    let mut counts = BTreeMap::new();
    for rejection in rejections {
        *counts.entry(rejection.reason).or_insert(0) += 1;
    }
    counts
}

/// Writes `rejections.csv`: file, line, code, detail. Without rejections only the header.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub fn write_rejections(path: &Path, rejections: &[Rejection]) -> Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        file: &'a str,
        line: Option<u64>,
        code: &'a str,
        detail: &'a str,
    }
    let unwritable = |e: csv::Error| Error::io(path, "format the rejections", std::io::Error::other(e));
    let mut table = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    table.write_record(["file", "line", "code", "detail"]).map_err(unwritable)?;
    for Rejection { file, line, reason, detail } in rejections {
        table.serialize(Row { file, line: *line, code: reason.code(), detail }).map_err(unwritable)?;
    }
    let bytes = table.into_inner().map_err(|e| unwritable(e.into_error().into()))?;
    write_atomically(path, &bytes)
}
