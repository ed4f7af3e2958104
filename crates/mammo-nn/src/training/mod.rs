//! Training, in the order of a run.
//!
//! [`examples`] and [`batches`] provide the data, [`schedule`] and [`optimizer`] the stages, learning rates and
//! updates, `features` the trunk's features of a batch. [`mod@train`] is the loop, [`run`] its inputs and outputs.
//! [`validation`] evaluates the validation set, [`resume`] stores the state of a run, and [`step_memory`] estimates
//! the memory of a step before the first one.

pub mod batches;
pub mod examples;
mod features;
mod lesion_free;
mod muon;
pub mod optimizer;
pub mod resume;
pub mod run;
pub mod schedule;
pub mod step_memory;
pub mod train;
pub mod validation;
