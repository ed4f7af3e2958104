//! The same statistics within the values of a column: view, density, lesion type, site.

use serde::{Deserialize, Serialize};

use super::measured::Measured;
use super::proportion::Proportion;

/// The images split by one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroups {
    /// Name of the column, such as `density`.
    pub column: String,
    /// One per value, in order of value.
    pub groups: Vec<Subgroup>,
    /// Labelled images without a value.
    pub n_missing: usize,
    /// Benign images without any lesion, which stand in every group of a column about lesions as
    /// its controls: a normal mammogram has no lesion type.
    pub n_shared_controls: usize,
}

/// The images with one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// The value.
    pub value: String,
    /// Labelled images.
    pub n: usize,
    /// Those that are malignant.
    pub n_malignant: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Area under the ROC curve, its interval by resampling patients.
    pub auc: Measured,
    /// Sensitivity at the first operating point of the images; `None` without one or without
    /// malignant images.
    pub sensitivity: Option<Proportion>,
    /// Specificity there; `None` without an operating point or without benign images.
    pub specificity: Option<Proportion>,
}
