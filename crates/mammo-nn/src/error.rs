//! Errors of networks, training and model files.

use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Errors between a configuration and a trained model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading data, preprocessing or a statistic failed.
    #[error(transparent)]
    Data(#[from] mammo_core::Error),
    /// A model or checkpoint file is damaged, of another kind or another version.
    #[error("{path}: {found}; expected {expected}")]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What was expected, and what to do.
        expected: String,
    },
    /// The network cannot be built, or not with this input.
    #[error("{what}: {found}; expected {expected}")]
    Network {
        /// The setting or tensor.
        what: String,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// The loss became infinite or NaN.
    #[error(
        "the loss became {loss} in stage {stage}, epoch {epoch}, step {step}; \
         lower the learning rate (now {learning_rate}) and resume from the last checkpoint"
    )]
    Diverged {
        /// Stage, counted from one.
        stage: usize,
        /// Epoch within the stage, counted from one.
        epoch: usize,
        /// Step within the epoch, counted from one.
        step: usize,
        /// The loss.
        loss: f32,
        /// The learning rate at that step.
        learning_rate: f64,
    },
    /// `MAMMO_ISA` names instructions that do not exist or that this processor lacks.
    #[error("{0}")]
    Instructions(String),
    /// A device was asked for that this binary or machine does not have.
    #[error("device '{found}' is not available in this build; expected one of {available}{hint}")]
    Device {
        /// The name given.
        found: String,
        /// The names compiled in.
        available: String,
        /// How to get the one asked for.
        hint: String,
    },
}

impl Error {
    /// A model or checkpoint file that cannot be used.
    pub fn model_file(path: &Path, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::ModelFile { path: path.to_path_buf(), found: found.into(), expected: expected.into() }
    }

    /// A network that cannot be built, or not with this input.
    pub fn network(what: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Network { what: what.into(), found: found.into(), expected: expected.into() }
    }

    /// The same error with the setting inside `section`: `batch_size` becomes `section.batch_size`. Other errors are
    /// returned as they are.
    pub fn within(self, section: &str) -> Self {
        match self {
            Self::Network { what, found, expected } => {
                Self::Network { what: format!("{section}.{what}"), found, expected }
            }
            Self::Data(mammo_core::Error::Setting { setting, found, expected }) => {
                Self::Data(mammo_core::Error::setting(format!("{section}.{setting}"), found, expected))
            }
            other => other,
        }
    }
}
