//! Heat maps: where in a mammogram a network sees signs of cancer.
//!
//! Input: a trained network and prepared images. Output: a [`HeatMap`], values with a [`MapGrid`] that holds the
//! exact transform from cells to the network input and to the stored image.
//!
//! | module | what |
//! |---|---|
//! | [`grid`] | cell → input → stored pixel → millimetres |
//! | [`receptive`] | receptive fields: positions of the cells of a trunk or a top in the input |
//! | [`patch_map`] | class probabilities per window and per cell, one pass of the patch classifier |
//! | [`attribution`] | gradient saliency and Grad-CAM of the whole-image classifier |
//! | [`findings`] | suspicious windows of a patch map as regions |
//!
//! Networks are frozen here, as in [`predict`](crate::inference::predict).

pub mod attribution;
pub mod findings;
pub mod grid;
pub mod patch_map;
pub mod receptive;

pub use attribution::{ImageExplainer, grad_cam, saliency};
pub use findings::{BreastFrame, Finding, FindingRule, find};
pub use grid::{HeatMap, MapGrid};
pub use patch_map::{ClassMap, PatchMap, PatchMapper, PatchWindow, class_probabilities};
