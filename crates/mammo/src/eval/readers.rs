//! Several readers of the same cases, and the model beside them (Obuchowski & Rockette 1995).

use serde::{Deserialize, Serialize};

use super::delong::AucError;
use super::measured::Measured;

/// Readers against the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReaderStudy {
    /// Images that every reader rated.
    pub n_images: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Area of the model on the same images.
    pub model: Measured<AucError>,
    /// One per reader.
    pub readers: Vec<Reader>,
    /// Mean area of the readers.
    pub mean_auc: Measured<f64>,
    /// Model less mean reader, for these readers only (fixed readers, random cases).
    pub fixed_readers: Measured<ReaderDifference>,
    /// Model less mean reader, for readers like these (random readers, random cases).
    pub random_readers: Measured<ReaderDifference>,
}

/// One reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// Name, from the column `reader_NAME`.
    pub name: String,
    /// Area of the ratings.
    pub auc: Measured<AucError>,
}

/// A mean difference of areas with its test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReaderDifference {
    /// The difference.
    pub difference: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of the t distribution; `None` for the normal distribution.
    pub degrees_of_freedom: Option<f64>,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}
