//! What the crates of mammo share: the records of a data set, grey images, errors, tables, files.
//!
//! | module | what |
//! |---|---|
//! | [`record`] | patient, laterality, view, pathology, lesion |
//! | [`geometry`] | rectangles and maps between the frames of an image |
//! | [`image`] | a grey image of 16 bits |
//! | [`mod@resample`] | resampling of a rectangle of it |
//! | [`error`], [`refusal`] | the error type of these crates; why a DICOM file is not read |
//! | [`seed`] | one random stream per purpose |
//! | [`table_text`] | delimited tables as programs save them |
//! | [`mod@write`], [`json`] | files under a temporary name; JSON that names format and version |

#[cfg(feature = "workbooks")]
mod compound;
pub mod error;
pub mod geometry;
pub mod image;
pub mod json;
pub mod record;
pub mod refusal;
pub mod resample;
pub mod row_numbers;
pub mod seed;
pub mod table_text;
pub mod workbook;
pub mod write;

pub use error::{Error, Result};
pub use image::GreyImage;
