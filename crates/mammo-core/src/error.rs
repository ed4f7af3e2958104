//! The error type of these crates: location, what was found, what was expected, what to do.

use std::path::{Path, PathBuf};

/// Result whose error is [`Error`] unless another is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors caused by input data, settings or the file system.
///
/// Batch stages do not stop at an error: they record it as a
/// `Rejection`, continue, and report the count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system: missing file, no permission, disk full.
    #[error("{path}: cannot {action}: {cause}")]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// What was tried, as a verb phrase ("read the image").
        action: &'static str,
        /// The system's error. It is part of the message and therefore not also the `source`.
        cause: std::io::Error,
    },
    /// A file was read but its pixels cannot be used.
    #[error("{path}: {found}; expected {expected}")]
    Image {
        /// The image file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
        /// What was expected, and what to do.
        expected: String,
    },
    /// A DICOM file that was refused, with a code for tables.
    #[error("{path}: {found} ({refusal}); expected {}", refusal.expected())]
    Dicom {
        /// The DICOM file.
        path: PathBuf,
        /// Why, as a code.
        refusal: crate::refusal::DicomRefusal,
        /// What was found.
        found: String,
    },
    /// A table or a stored record has invalid content.
    #[error("{path}{}: {found}; expected {expected}", line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Table {
        /// The table.
        path: PathBuf,
        /// Row of the table as a spreadsheet counts, the header as 1, when one row caused the error.
        line: Option<u64>,
        /// What was found.
        found: String,
        /// What was expected, and what to do.
        expected: String,
    },
    /// A setting contradicts itself, the data or the model.
    #[error("{setting}: {found}; expected {expected}")]
    Setting {
        /// Name of the setting, as the user wrote it.
        setting: String,
        /// Its value or the contradiction.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A split would put one patient on two sides.
    #[error("patient {patient_id} is on two sides ({sides}); a patient's images belong on one side only")]
    Leak {
        /// The patient.
        patient_id: String,
        /// The sides of the patient's images.
        sides: String,
    },
    /// A statistic that the data do not define, such as an area with one class only.
    #[error("{statistic} is undefined: {reason}")]
    Undefined {
        /// Name of the statistic.
        statistic: &'static str,
        /// Why it has no value here.
        reason: String,
    },
    /// Sampling gave up after its bounded number of tries.
    #[error("{what}: nothing placed in {tries} tries ({reason})")]
    NotPlaced {
        /// What was to be placed.
        what: String,
        /// How often it was tried.
        tries: usize,
        /// The condition that failed most.
        reason: String,
    },
}

impl Error {
    /// Wraps an [`std::io::Error`] with the path and the action that met it.
    pub fn io(path: impl AsRef<Path>, action: &'static str, cause: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), action, cause }
    }

    /// An unusable image: what was found and what was expected.
    pub fn image(path: impl AsRef<Path>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Image { path: path.as_ref().to_path_buf(), found: found.into(), expected: expected.into() }
    }

    /// A table that cannot be used, with the line when one row caused the error.
    pub fn table(
        path: impl AsRef<Path>,
        line: Option<u64>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Table {
            path: path.as_ref().to_path_buf(),
            line,
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// A setting that cannot be used.
    pub fn setting(
        setting: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Setting { setting: setting.into(), found: found.into(), expected: expected.into() }
    }
}
