//! Types shared by the crates of mammo: records of a data set, grey images, errors, tables, files.
//!
//! | module | what |
//! |---|---|
//! | [`record`] | patient, laterality, view, pathology, lesion |
//! | [`geometry`] | rectangles and maps between the frames of an image |
//! | [`image`] | a grey image of 16 bits |
//! | [`mod@resample`] | resampling of a rectangle of it |
//! | [`error`], [`refusal`] | the error type of these crates; codes of refused DICOM files |
//! | [`digest`] | digests in hexadecimal |
//! | [`seed`] | one random stream per purpose |
//! | [`table_text`] | delimited tables as programs save them |
//! | [`text`] | counts with their nouns in messages |
//! | [`mod@write`], [`json`] | atomic file replacement; JSON files with format and version |

#[cfg(feature = "workbooks")]
mod compound;
pub mod digest;
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
pub mod text;
pub mod workbook;
pub mod write;

pub use error::{Error, Result};
pub use image::GreyImage;
