//! A statistic, or the reason why the data do not define it.

use serde::{Deserialize, Serialize};

use crate::intervals::interval::Interval;
use crate::{Error, Result};

/// A statistic, or why the data do not define it.
///
/// As JSON the value stands as it is; without one there is `{"undefined": "the reason"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Defined<T = Interval> {
    /// It has none.
    Undefined {
        /// Why not.
        undefined: String,
    },
    /// Its value, usually with an interval.
    Value(T),
}

impl<T> Defined<T> {
    /// Turns [`Error::Undefined`] into a stated reason and passes every other error on.
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

    /// A statistic without value, for this reason.
    pub fn undefined(reason: impl Into<String>) -> Self {
        Self::Undefined { undefined: reason.into() }
    }

    /// The value under `f`, or the same reason.
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
