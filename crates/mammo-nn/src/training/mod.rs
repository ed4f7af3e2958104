//! Training, in the order of a run.
//!
//! [`examples`] and [`batches`] feed a network, [`schedule`] and [`optimizer`] say what learns how fast, `features`
//! goes from a batch to the trunk's features, [`mod@train`] is the loop, [`run`] what goes into it and comes out,
//! [`validation`] measures the side held back, [`resume`] stores what the next step depends on, and
//! [`step_memory`] estimates the memory of a step before the first.

pub mod batches;
pub mod examples;
mod features;
mod muon;
pub mod optimizer;
pub mod resume;
pub mod run;
pub mod schedule;
pub mod step_memory;
pub mod train;
pub mod validation;
