//! Does the score know the hospital? Tests for a shortcut through site, scanner or any column.

use serde::{Deserialize, Serialize};

use super::measured::Measured;

/// How much of the area may come from telling sites apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortcut {
    /// Name of the column, such as `site`.
    pub column: String,
    /// Area over all pairs of a malignant and a benign image with a value in this column.
    pub overall_auc: Measured,
    /// Area over the pairs from one site only: a shortcut through the site gains nothing here.
    pub within_auc: Measured,
    /// Area when the share of cancers at its site is the only score of an image: what knowing the
    /// site alone would be worth.
    pub site_alone_auc: Measured<f64>,
    /// One per value.
    pub sites: Vec<ShortcutSite>,
}

/// One site against all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortcutSite {
    /// The value.
    pub value: String,
    /// Labelled images.
    pub n: usize,
    /// Those that are malignant.
    pub n_malignant: usize,
    /// Area of telling benign images of this site from benign images elsewhere by the score;
    /// 0.5 when the score does not know the site.
    pub site_auc_benign: Measured,
    /// The same among malignant images.
    pub site_auc_malignant: Measured,
}
