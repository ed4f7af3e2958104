//! Runs `mammo` as a user would, in temporary folders, and looks at output and exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archives;
mod bad_input;
mod bundled;
mod by_unit;
mod corpus;
mod documents;
mod evaluate;
mod fit;
mod loose;
mod model_cards;
mod models;
mod odd_dicom;
mod outputs;
mod pipeline;
mod program;
mod release;
mod screens;
mod snapshots;
mod views;
