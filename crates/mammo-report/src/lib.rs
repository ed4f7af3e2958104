//! An evaluation as one page to look at: one HTML file, no network, light and dark, on paper.
//!
//! In: an [`Evaluation`](mammo_eval::Evaluation) per run and what else is known about the run.
//! Out: `report.html` with everything in it, `report.json` with every number on the page, and
//! each figure as SVG and JSON. What is not known is said to be missing on the page.
//!
//! | module | what |
//! |---|---|
//! | [`content`] | what a report is made of |
//! | [`palette`] | colours of page and figures, contrast tested |
//! | [`chart`] | figures as data, and as SVG |
//! | [`figures`] | from an evaluation to its figures |
//! | [`table`] | from evaluations to rows of numbers |
//! | [`page`] | the page |
//!
//! Nothing here computes a statistic or knows a tensor.

pub mod chart;
pub mod content;
pub mod evaluation_charts;
pub mod page;
pub mod palette;
pub mod table;

pub use content::{
    CardSection, CaseKind, ContactSheet, Epoch, Flow, FlowStep, GalleryCase, LeftOut, Panel, Picture, Report,
    Run, RunComparison,
};
pub use page::{render, write};
