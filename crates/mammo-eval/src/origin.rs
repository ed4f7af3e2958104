//! Where a threshold or a calibrator comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a threshold or a calibrator comes from. Files and tables hold the text that
/// [`Display`](fmt::Display) gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The model card; fitted on the validation set of the training.
    #[serde(rename = "model file")]
    ModelFile,
    /// A table of validation scores given for this evaluation.
    #[serde(rename = "validation scores")]
    ValidationScores,
    /// The prevalences of training and use, without any scores.
    #[serde(rename = "prevalence")]
    Prevalence,
    /// Not recorded, as in evaluations stored by earlier versions.
    #[default]
    #[serde(rename = "")]
    Unknown,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ModelFile => "model file",
            Self::ValidationScores => "validation scores",
            Self::Prevalence => "prevalence",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_stored_in_the_words_of_earlier_files() {
        for origin in [Origin::ModelFile, Origin::ValidationScores, Origin::Prevalence] {
            let word = serde_json::to_string(&origin).unwrap();
            assert_eq!(word, format!("\"{origin}\""));
            assert_eq!(serde_json::from_str::<Origin>(&word).unwrap(), origin);
        }
        assert_eq!(serde_json::from_str::<Origin>("\"\"").unwrap(), Origin::Unknown);
        assert!(serde_json::from_str::<Origin>("\"elsewhere\"").is_err());
    }
}
