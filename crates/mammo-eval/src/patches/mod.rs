//! Evaluation of a patch classifier with several classes.

pub mod confusion;
pub mod patch_report;
