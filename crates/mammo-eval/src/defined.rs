//! A value, or the reason why there is none.

use serde::{Deserialize, Serialize};

use crate::intervals::interval::Interval;
use crate::{Error, Result};

/// A value, or the reason why there is none: a statistic that the data do not define, a part of a
/// report whose input was not given.
///
/// In JSON a value is written as it is, and a missing one as `{"undefined": "the reason"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Defined<T = Interval> {
    /// There is no value.
    Undefined {
        /// The reason.
        undefined: String,
    },
    /// The value; of a statistic, usually with its interval.
    Value(T),
}

impl<T> Defined<T> {
    /// Converts [`Error::Undefined`] into [`Defined::Undefined`] and returns every other error.
    ///
    /// # Errors
    /// Those of `result` that are not [`Error::Undefined`].
    pub fn of(result: Result<T>) -> Result<Self> {
        match result {
            Ok(value) => Ok(Self::Value(value)),
            Err(Error::Undefined { reason, .. }) => Ok(Self::undefined(reason)),
            Err(other) => Err(other),
        }
    }

    /// No value, for this reason.
    pub fn undefined(reason: impl Into<String>) -> Self {
        Self::Undefined { undefined: reason.into() }
    }

    /// Applies `f` to the value; a reason is kept.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Defined<U> {
        match self {
            Self::Value(value) => Defined::Value(f(value)),
            Self::Undefined { undefined } => Defined::Undefined { undefined },
        }
    }

    /// The value, or the reason why there is none.
    ///
    /// # Errors
    /// The reason.
    pub fn into_result(self) -> std::result::Result<T, String> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Undefined { undefined } => Err(undefined),
        }
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Undefined { .. } => None,
        }
    }

    /// The reason why there is no value.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Undefined { undefined } => Some(undefined),
        }
    }
}
