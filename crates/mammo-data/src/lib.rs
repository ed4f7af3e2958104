//! Data sets of mammograms: import, manifest, split, and a check for leaks and confounders.
//!
//! | module | in | out |
//! |---|---|---|
//! | [`import`] | `images.csv` + `lesions.csv` | [`manifest::Manifest`] and a list of rejections |
//! | [`archive`] | a public archive in its own layout | the same |
//! | [`split`] | manifest | patients on train, validation and test sides |
//! | [`doctor`] | manifest, split, or the tables of CBIS-DDSM | leaks, conflicts, confounders |

pub mod archive;
pub mod doctor;
pub mod import;
pub mod manifest;
pub mod split;

pub use mammo_core::{Error, Result};
