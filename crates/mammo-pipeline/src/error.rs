//! Errors of the steps.

use std::fmt::Display;

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a step cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data, a table, an image or a statistic.
    #[error(transparent)]
    Data(#[from] mammo_core::Error),
    /// A network, a model file, a device.
    #[error(transparent)]
    Network(#[from] mammo_nn::Error),
    /// Inputs or settings that contradict each other: what was found, what was expected, what to do.
    #[error("{0}")]
    Refused(String),
    /// A table, an image or a record could not be encoded or decoded.
    #[error("{0}")]
    Format(String),
    /// The observer requested a stop; what was done so far is saved.
    #[error("stopped")]
    Stopped,
    /// An error with the place where it occurred, such as a file.
    #[error("{place}: {error}")]
    At {
        /// The place.
        place: String,
        /// The error itself. It is part of the message and therefore not a `source`, which would be printed twice.
        error: Box<Error>,
    },
}

macro_rules! from_format_errors {
    ($($error:ty),+) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Format(error.to_string())
            }
        }
    )+};
}
from_format_errors!(csv::Error, std::io::Error, image::ImageError, serde_json::Error, toml::ser::Error);

impl From<mammo_core::record::UnknownWord> for Error {
    fn from(word: mammo_core::record::UnknownWord) -> Self {
        Self::Refused(word.to_string())
    }
}

/// Names the place of an error.
pub(crate) trait Place<T> {
    /// The same result, its error with a place that is only computed when there is one.
    fn at<P: Display>(self, place: impl FnOnce() -> P) -> Result<T>;
}

impl<T, E: Into<Error>> Place<T> for std::result::Result<T, E> {
    fn at<P: Display>(self, place: impl FnOnce() -> P) -> Result<T> {
        self.map_err(|error| Error::At { place: place().to_string(), error: Box::new(error.into()) })
    }
}

/// Returns [`Error::Refused`] with a formatted message.
macro_rules! refuse {
    ($($message:tt)*) => { return Err($crate::Error::Refused(format!($($message)*))) };
}
pub(crate) use refuse;
