//! From images to probabilities: selection, input check, prediction, the score table.

mod domain;
mod opening;
mod patches;
mod score;
mod select;

pub use domain::{DomainFinding, ImageKind};
pub use opening::{Headers, Refused, Remark};
pub use patches::{PatchScores, is_patch_scores, read_patch_scores, score_patches};
pub use score::{FileScore, Request, Scored, build_models, load_models, score, score_file, score_image};
pub use select::{Selected, find_images, select};
