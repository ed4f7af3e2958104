//! Whole-mammogram cancer classification, after Shen et al. 2019 (Sci Rep 9:12495).
//!
//! **Score** an image. The model file carries its preprocessing; what must not be scored is refused with a code.
//!
//! ```no_run
//! let model = mammo::Model::bundled()?; // or Model::open("model.safetensors".as_ref())
//! match model.score("scan.dcm".as_ref()) {
//!     Ok(score) => println!("probability of cancer {:.3}", score.probability),
//!     Err(refused) => println!("not scored: {} ({})", refused.reason, refused.code),
//! }
//! # Ok::<(), mammo::Error>(())
//! ```
//!
//! Score all images of a patient together with [`Model::score_exam`]: one score per breast and one for the patient.
//!
//! **Evaluate** a score table: area with an interval clustered by patient, operating points, calibration, subgroups.
//!
//! ```no_run
//! let evaluation = mammo::evaluate("scores.csv".as_ref())?;
//! println!("area {:.3}", evaluation.images.auc.value().map_or(f64::NAN, |auc| auc.estimate));
//! # Ok::<(), mammo::Error>(())
//! ```
//!
//! **Train** from typed settings with [`training`]: `train_patch`, `train_image`, `transfer`. `examples/train_on_phantoms.rs`
//! does it on synthetic images, from drawing them to scoring one.
//!
//! **Fit** a model to a folder of images, with settings chosen for them and for the hours given: [`fit`].
//!
//! The parts are crates of their own, usable alone:
//!
//! | crate | what |
//! |---|---|
//! | [`dicom`] | DICOM, PNG, JPEG, TIFF, PGM as 16-bit grey |
//! | [`image`] | input check, preprocessing, cache, patches, augmentation |
//! | [`data`] | archives, manifests, splits, checks for leaks |
//! | [`models`] | models inside the library |
//! | [`nn`] | networks, training loop, prediction, model files, ONNX |
//! | [`eval`] | ROC, intervals, calibration, FROC, readers |
//! | [`pipeline`] | the steps as functions with an observer |
//!
//! Research software. Not a medical device; not for clinical use.

mod model;

use std::path::Path;

pub use mammo_core as core;
pub use mammo_data as data;
pub use mammo_dicom as dicom;
pub use mammo_eval as eval;
pub use mammo_image as image;
pub use mammo_models as models;
pub use mammo_nn as nn;
pub use mammo_pipeline as pipeline;

pub use mammo_core::GreyImage;
pub use mammo_core::record::{Laterality, Mammogram, Pathology, Polarity, View};
pub use mammo_eval::Domain;
pub use mammo_nn::inference::predict::Tta;
pub use mammo_pipeline::config::RunConfig;
pub use mammo_pipeline::data::Data;
pub use mammo_pipeline::scoring::{Refused, Remark, UnitScore};
pub use mammo_pipeline::{Error, Observer, Result, Silent, fit, training};
pub use model::{ExamScore, Model, Score};

/// Evaluates a score table with the default settings: columns `file`, `patient_id`, `laterality`, `view`, `label` and
/// `probability`, as `mammo predict` writes them or as any other program does.
///
/// # Errors
/// A table that cannot be read or holds no image with a known truth.
pub fn evaluate(scores: &Path) -> Result<eval::Evaluation> {
    let table = eval::ScoreTable::read(scores)?;
    let inputs = eval::EvalInputs::default();
    Ok(eval::evaluate_scores(&table, &inputs, &eval::EvalConfig::default())?)
}
