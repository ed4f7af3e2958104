//! From images to probabilities: selection, input check, prediction, the score table.

mod combine;
mod domain;
mod opening;
mod patches;
mod patient;
mod reading;
mod score;
mod select;
mod units;

pub use combine::{Combination, PatientScores, UnitScore};
pub use domain::{DomainFinding, ImageKind};
pub use opening::{Headers, Refused, Remark};
pub use patches::{PatchScores, is_patch_scores, read_patch_scores, score_patches};
pub use reading::FileScore;
pub use score::{Course, Request, Scored, build_models, load_models, score, score_file, score_image};
pub use select::{Selected, find_images, select};
pub use units::{ExamScores, RefusedUnit, ScoredUnits, UnitRow, score_exam, score_units};
