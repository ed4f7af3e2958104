//! An evaluation as one HTML page: self-contained, without network access, for light and dark
//! screens and for print.
//!
//! The input is an [`Evaluation`](mammo_eval::Evaluation) per run with whatever else is known about
//! the run. The output is `report.html`, `report.json` with every number of the page, and each chart
//! as SVG and JSON. Parts whose input is missing are listed on the page with the reason.
//!
//! | module | what |
//! |---|---|
//! | [`content`] | the parts of a report |
//! | [`evaluation_charts`] | the charts of an evaluation |
//! | [`chart`] | charts as data and as SVG |
//! | [`table`] | the rows of the result table |
//! | [`page`] | the page and its files |
//! | [`palette`] | the colours of page and charts, with tested contrast |
//!
//! The crate computes no statistic and knows no tensor.

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
