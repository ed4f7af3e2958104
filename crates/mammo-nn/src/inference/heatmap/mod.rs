//! Where in a mammogram a network sees cancer.
//!
//! In: a trained network and prepared inputs. Out: a [`HeatMap`], a small image of values
//! with its [`MapGrid`], the exact way from a cell to the network input and on to the stored
//! image, so that no map is a picture without a place.
//!
//! | module | what |
//! |---|---|
//! | [`grid`] | cell → input → stored pixel → millimetres |
//! | [`receptive`] | where the cells of a trunk or a top lie in the input |
//! | [`patch_map`] | class probabilities per window and per cell, one pass of the patch classifier |
//! | [`attribution`] | gradient saliency and Grad-CAM of the whole-image classifier |
//! | [`findings`] | suspicious windows of a patch map as places |
//!
//! After [`predict`](crate::inference::predict); nothing here learns.

pub mod attribution;
pub mod findings;
pub mod grid;
pub mod patch_map;
pub mod receptive;

pub use attribution::{ImageExplainer, grad_cam, saliency};
pub use findings::{BreastFrame, Finding, FindingRule, find};
pub use grid::{HeatMap, MapGrid};
pub use patch_map::{ClassMap, PatchMap, PatchMapper, PatchWindow, class_probabilities};
