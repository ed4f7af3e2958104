//! Mammograms without tensors: everything between a data set on disk and the numbers
//! that a network sees, and everything between a network's scores and a result table.
//!
//! The modules stand in the order in which a run uses them:
//!
//! | module | in | out |
//! |---|---|---|
//! | [`record`] | – | the vocabulary: patient, laterality, view, pathology, lesion |
//! | [`phantom`] | a seed | a synthetic data set in the open table format |
//! | [`import`] | `images.csv` + `lesions.csv` | [`manifest::Manifest`] and a list of rejections |
//! | [`archive`] | a public archive in its own layout | the same |
//! | [`split`] | manifest | patients on train, validation and test sides |
//! | [`doctor`] | manifest, split, or the tables of CBIS-DDSM | leaks, conflicts, confounders |
//! | [`dicom`] | a DICOM file | its header and a 16-bit grey image, or a coded refusal |
//! | [`pixels`] | an image file | a 16-bit grey image |
//! | [`gate`] | a stored image | nothing, or why it must not be scored |
//! | [`preprocess`] | a stored image | the network input, and the map between their frames |
//! | [`cache`] | manifest + preprocessing | memory-mapped network inputs |
//! | [`patch_sampling`] | cached inputs + lesions | patch coordinates with classes |
//! | [`augment`] | a cached input | a randomly warped window of it |
//! | [`eval`] | scores and labels | areas, intervals, operating points |
//!
//! This crate never names a tensor: it compiles and tests in seconds.

pub mod archive;
pub mod augment;
pub mod cache;
pub mod dicom;
pub mod doctor;
pub mod error;
pub mod eval;
pub mod gate;
pub mod geometry;
pub mod import;
pub mod manifest;
pub mod mask_file;
pub mod patch_sampling;
pub mod phantom;
pub mod pixels;
pub mod preprocess;
pub mod record;
mod row_numbers;
pub mod seed;
pub mod split;
pub mod table_text;
pub mod write;

pub use error::{Error, Result};
