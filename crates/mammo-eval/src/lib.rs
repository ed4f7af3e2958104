//! Evaluation of classifier scores against known truth.
//!
//! The input is a table with one [`ScoreRow`] per image. The output is an [`Evaluation`]:
//! discrimination per image, breast and patient, with intervals clustered by patient; sensitivity
//! and specificity at [`OperatingPoint`]s chosen on validation data; calibration, subgroups,
//! localisation and readers. A patch classifier has a [`PatchEvaluation`]. docs/evaluation.md
//! defines each statistic and says how it was checked.
//!
//! | module | what |
//! |---|---|
//! | [`tables`] | score table and findings table; cases: images, breasts, patients |
//! | [`roc`] | area and curve, statistics of the curve, operating points, net benefit |
//! | [`intervals`] | resampled patients, closed forms, tests of a difference |
//! | [`calibration`] | losses, reliability curve, calibrators |
//! | [`localisation`] | FROC: which lesions are found |
//! | [`readers`] | several readers (Obuchowski–Rockette) |
//! | [`patches`] | several classes: confusion matrix, recalls, one-versus-rest areas |
//! | [`report`] | everything about one score table; two models on the same images; named figures |
//! | [`config`], [`defined`], [`origin`] | settings; a value or why there is none; where a threshold comes from |
//!
//! A statistic that the data do not define is an error or [`Defined::Undefined`] with the reason,
//! never 0.5, 0 or NaN. The crate works on slices and table rows; it reads no image and no model.

pub mod calibration;
pub mod config;
pub mod defined;
pub mod intervals;
pub mod localisation;
pub mod origin;
pub mod patches;
pub mod readers;
pub mod report;
pub mod roc;
pub mod tables;

pub use calibration::calibrator::Calibrator;
pub use calibration::losses::{brier_score, log_loss};
pub use config::EvalConfig;
pub use defined::Defined;
pub use intervals::bootstrap::{BootstrapConfig, Patients, bootstrap};
pub use intervals::delong::{AucDifference, AucError, Ends, delong_auc, delong_difference};
pub use intervals::interval::{Interval, Scale};
pub use intervals::proportion::Proportion;
pub use mammo_core::{Error, Result};
pub use origin::Origin;
pub use patches::confusion::{ClassFigures, ConfusionMatrix, OneVersusRest, one_versus_rest_auc};
pub use patches::patch_report::{PatchEvaluation, evaluate_patches};
pub use report::comparison::{Comparison, compare_auc};
pub use report::figure::{Figure, FigureTable};
pub use report::unit::UnitFigures;
pub use report::{EvalInputs, Evaluation, evaluate_scores};
pub use roc::operating_point::{OperatingPoint, OperatingResult, OperatingRule};
pub use roc::ranked::{RankedScores, RocPoint, roc_auc, roc_auc_weighted, roc_curve};
pub use tables::aggregate::{Case, Pooling, by_breast, by_patient, parts_of_patients};
pub use tables::domain::Domain;
pub use tables::sample::Sample;
pub use tables::scores::{Line, RowImages, ScoreRow, ScoreTable, read_scores, score_table};
pub use tables::unit::Unit;

#[cfg(test)]
mod statistics_tests;
#[cfg(test)]
mod tests;
