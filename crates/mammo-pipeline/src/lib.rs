//! The steps of `mammo` as functions: typed settings in, results out, progress reported to an [`Observer`].
//!
//! | module | what | paper |
//! |---|---|---|
//! | [`config`] | one file of settings, a section for each step | |
//! | [`data`] | a manifest with its split | |
//! | [`inputs`] | cached network inputs and the patches drawn from them | patch sets S1, S10, S30 |
//! | [`training`] | patch classifier, whole-image classifier, transfer with few patients | stages 1 to 3 |
//! | [`scoring`] | images through the input check to probabilities, one model or several | averaging |
//! | [`heatmap`] | regions with evidence of cancer: maps, findings, pictures | |
//! | [`report`] | a run as one page | |
//! | [`fit`] | all of these on a data set, with settings chosen for it and for the time given | |
//!
//! The program `mammo` reads its arguments, calls one of these functions and prints its result. Nothing here
//! prints or reads arguments, and Ctrl-C is the observer's [`stop_requested`](Observer::stop_requested).

pub mod config;
pub mod data;
mod difference;
mod error;
pub mod fit;
pub mod heatmap;
pub mod inputs;
mod observer;
pub mod report;
pub mod scoring;
pub mod training;

pub use error::{Error, Result};
pub use observer::{Observer, Silent, Task};
