//! From scores and truth to a result table.
//!
//! In: a table with one [`ScoreRow`] per image. Out: an [`Evaluation`] with figures per image, breast
//! and patient, whose intervals respect that the images of one woman resemble each other; figures
//! at [`OperatingPoint`]s chosen beforehand on validation data; calibration, subgroups,
//! localisation, readers; or a [`PatchEvaluation`] for the patch classifier. What each statistic
//! means and how it was checked: docs/evaluation.md.
//!
//! | module | what |
//! |---|---|
//! | [`scores`], [`findings`] | the score table and the findings table, read and written |
//! | [`aggregate`], [`sample`] | image → breast → patient; cases as slices |
//! | [`roc`], [`weighted_roc`] | area and curve, exact with ties, for any weights |
//! | [`mod@bootstrap`], [`curve_statistic`] | resampled patients, all statistics at once |
//! | [`interval`] | from the spread of the resamples to the ends of an interval |
//! | [`area_difference`] | interval and p-value of a difference of areas |
//! | [`delong`] | closed-form standard error of areas and of their difference |
//! | [`proportion`], [`logistic`] | Wilson intervals; regression on one score |
//! | [`operating_point`] | a threshold chosen on one set, applied to another |
//! | [`calibration`], [`reliability`], [`calibrator`] | losses; curve, parts, slope; correction |
//! | [`decision_curve`] | net benefit |
//! | [`froc`] | are the lesions found? |
//! | [`grouping`], [`subgroup`], [`shortcut`] | columns that group; figures by group; site tests |
//! | [`readers`] | several readers (Obuchowski–Rockette) |
//! | [`confusion`] | several classes: confusion matrix, recalls, one-versus-rest areas |
//! | [`mod@unit`], [`curves`], [`measured`], [`origin`] | what is stored |
//! | [`config`], [`report`], [`patch_report`] | settings; everything of one score table, of one patch set |
//! | [`comparison`] | two models on the same images |
//! | [`figure`] | named figures as CSV and as a readable table |
//!
//! A statistic that the data do not define is an error or a stated reason, never 0.5, 0 or NaN.
//! Everything works on slices and rows; nothing here knows a tensor or an image.

pub mod aggregate;
pub mod area_difference;
pub mod bootstrap;
pub mod calibration;
pub mod calibrator;
pub mod comparison;
pub mod config;
pub mod confusion;
pub mod curve_statistic;
pub mod curves;
pub mod decision_curve;
pub mod delong;
mod evaluation_figures;
pub mod figure;
pub mod findings;
pub mod froc;
pub mod grouping;
pub mod interval;
pub mod logistic;
pub mod measured;
mod normal;
pub mod operating_point;
pub mod origin;
pub mod patch_report;
pub mod proportion;
pub mod readers;
pub mod reliability;
pub mod report;
pub mod roc;
pub mod sample;
pub mod scores;
pub mod shortcut;
pub mod subgroup;
pub mod unit;
pub mod weighted_roc;

pub use aggregate::{Case, Pooling, by_breast, by_patient, parts_of_patients};
pub use bootstrap::{BootstrapConfig, Patients, bootstrap};
pub use calibration::{brier_score, log_loss};
pub use calibrator::Calibrator;
pub use comparison::{Comparison, compare_auc};
pub use config::EvalConfig;
pub use confusion::{ClassFigures, ConfusionMatrix, OneVersusRest, one_versus_rest_auc};
pub use delong::{AucDifference, AucError, Ends, delong_auc, delong_difference};
pub use figure::{Figure, Report};
pub use interval::{Interval, Scale};
pub use mammo_core::{Error, Result};
pub use measured::Measured;
pub use operating_point::{OperatingPoint, OperatingResult, OperatingRule};
pub use origin::Origin;
pub use patch_report::{PatchEvaluation, evaluate_patches};
pub use proportion::Proportion;
pub use report::{EvalInputs, Evaluation, evaluate_scores};
pub use roc::{RankedScores, RocPoint, roc_auc, roc_auc_weighted, roc_curve};
pub use sample::Sample;
pub use scores::{ScoreRow, ScoreTable, read_scores, write_scores};
pub use unit::UnitFigures;

#[cfg(test)]
mod statistics_tests;
#[cfg(test)]
mod tests;
