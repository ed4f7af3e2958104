//! Rejected rows and their reasons.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};
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

macro_rules! reasons {
    ($($(#[$doc:meta])* $value:ident: $code:literal, $text:literal;)+) => {
        /// The reasons for which a row is rejected; the codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum RejectionReason {
            $($(#[$doc])* $value,)+
        }

        impl RejectionReason {
            /// Every reason, in the order in which the import meets them.
            pub const ALL: &[Self] = &[$(Self::$value),+];

            /// The snake-case code in `rejections.csv`.
            pub fn code(self) -> &'static str {
                match self { $(Self::$value => $code),+ }
            }
        }

        /// The reason as a phrase.
        impl fmt::Display for RejectionReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$value => $text),+ })
            }
        }
    };
}

reasons! {
    /// The row has another number of cells than the header, or is not UTF-8.
    MalformedRow: "malformed_row", "the row does not fit the header";
    /// A required cell is empty.
    MissingValue: "missing_value", "a required cell is empty";
    /// A word that is not valid in the column.
    UnknownWord: "unknown_word", "a cell holds an unknown word";
    /// A view other than CC and MLO, such as a magnification or a lateral view.
    OtherView: "other_view", "the view is neither CC nor MLO";
    /// A coordinate or size that is not a finite number, or not positive where it must be.
    BadNumber: "bad_number", "a cell holds no valid number";
    /// The path is absolute or leads out of the data set's folder.
    PathEscapesRoot: "path_escapes_root", "the path leads out of the data set";
    /// The row repeats an earlier one, which is kept.
    DuplicateRow: "duplicate_row", "the row repeats an earlier one";
    /// Rows of one image contradict each other; all are rejected.
    ContradictingRows: "contradicting_rows", "rows of one image contradict each other";
    /// The image is benign but one of its lesions is malignant.
    LabelConflict: "label_conflict", "the label contradicts the lesions";
    /// The name of an image file, or of its folder, is not UTF-8 and cannot be written to a table.
    FileName: "file_name", "the name of the file is not UTF-8";
    /// The file does not exist.
    MissingFile: "missing_file", "the file does not exist";
    /// A file of contours that cannot be read.
    UnreadableTable: "unreadable_table", "the file of contours cannot be read";
    /// The file is not an image, is damaged or truncated.
    UnreadableImage: "unreadable_image", "the image cannot be decoded";
    /// A DICOM object of breast tomosynthesis.
    Tomosynthesis: "tomosynthesis", "breast tomosynthesis, not a two-dimensional mammogram";
    /// A DICOM secondary capture that is not a digitised film.
    SecondaryCapture: "secondary_capture", "a secondary capture, not a mammogram";
    /// A DICOM object of another modality, or of a specimen.
    NotMammography: "not_mammography", "not a mammogram by its header";
    /// A DICOM object whose header does not identify it.
    UnknownObject: "unknown_object", "the header does not identify the kind of object";
    /// A DICOM object with several frames.
    MultiFrame: "multi_frame", "several frames";
    /// A DICOM object with raw detector values.
    ForProcessing: "for_processing", "meant for processing, not for presentation";
    /// A DICOM object in colour.
    Colour: "colour", "pixels in colour";
    /// A DICOM object whose transfer syntax is not supported.
    UnsupportedTransferSyntax: "unsupported_transfer_syntax", "the transfer syntax is not supported";
    /// The image is too small or too large to be a mammogram.
    WrongSize: "wrong_size", "the image is too small or too large for a mammogram";
    /// A byte-identical file belongs to another patient.
    SameFileOtherPatient: "same_file_other_patient", "the same file belongs to another patient";
    /// A lesion of an image that is not in the table or was rejected.
    NoSuchImage: "no_such_image", "the lesion's image was not accepted";
    /// An abnormality that is neither a mass nor a calcification, such as an asymmetry.
    OtherFinding: "other_finding", "the abnormality is neither mass nor calcification";
    /// A lesion without a box, a circle or a mask.
    NoShape: "no_shape", "the lesion has no position";
    /// The lesion lies entirely outside its image.
    LesionOutside: "lesion_outside", "the lesion lies outside the image";
    /// The mask has another size than the image.
    MaskSize: "mask_size", "the mask has another size than the image";
    /// The mask has no non-zero pixel.
    MaskEmpty: "mask_empty", "the mask is empty";
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
