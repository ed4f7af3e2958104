//! Localisation: which lesions are found, and at how many false positives per image.

pub mod froc;
