//! Confidence intervals and tests.
//!
//! | module | what |
//! |---|---|
//! | [`mod@bootstrap`] | resampled patients |
//! | [`interval`] | from a standard error to the ends of an interval |
//! | [`delong`] | closed-form standard errors of areas and of their difference |
//! | [`area_difference`] | interval and p-value of a difference of areas |
//! | [`proportion`] | Wilson intervals |

pub mod area_difference;
pub mod bootstrap;
pub mod delong;
pub mod interval;
pub(crate) mod normal;
pub mod proportion;
