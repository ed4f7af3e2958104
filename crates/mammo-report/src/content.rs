//! The parts of a report.

use mammo_eval::{Comparison, Defined, Evaluation};
use serde::Serialize;

/// The content of the page; with the charts, it is serialised as `report.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// Version of the program.
    pub mammo_version: String,
    /// The runs; the page describes the first one and compares it with the others.
    pub runs: Vec<Run>,
    /// Comparison of the first run with each of the others, on the same images.
    pub comparisons: Vec<RunComparison>,
    /// Number of images at each step from data set to evaluation.
    pub flow: Defined<Flow>,
    /// The steps of preprocessing on one image.
    pub preprocessing: Defined<ContactSheet>,
    /// The most confident correct and wrong images of the first run.
    pub gallery: Defined<Vec<GalleryCase>>,
}

/// One model with its scores.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Its figures.
    pub evaluation: Evaluation,
    /// One row per epoch.
    pub training: Defined<Vec<Epoch>>,
    /// Model card.
    pub card: Defined<Vec<CardSection>>,
}

/// One epoch of a training, as in `metrics.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Stage, from one.
    pub stage: usize,
    /// Epoch within the stage, from one.
    pub epoch: usize,
    /// Mean loss on the training side.
    pub train_loss: f64,
    /// Loss on the validation side.
    pub validation_loss: f64,
    /// Metric by which the best epoch is chosen.
    pub validation_metric: f64,
    /// Whether this was the best so far.
    pub best: bool,
}

/// A paired comparison of another run with the first one, on the same images.
#[derive(Clone, Debug, Serialize)]
pub struct RunComparison {
    /// Name of the other run.
    pub name: String,
    /// The other run is the first model, the first run of the report the second; or the reason why
    /// they cannot be compared.
    pub result: Defined<Comparison>,
}

/// Flow of the images from the data set to the evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// The steps, in order.
    pub steps: Vec<FlowStep>,
}

/// Number of images after a step.
#[derive(Clone, Debug, Serialize)]
pub struct FlowStep {
    /// Name of the step.
    pub label: String,
    /// Number of images.
    pub n_images: usize,
    /// Number of their patients, if known.
    pub n_patients: Option<usize>,
    /// Number of malignant ones, if known.
    pub n_malignant: Option<usize>,
    /// Images that were excluded before this step, with the reason.
    pub left_out: Vec<LeftOut>,
}

/// Images that were excluded for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// The reason.
    pub reason: String,
    /// Number of images.
    pub n: usize,
}

/// A picture as an encoded file.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The preprocessing of one image.
#[derive(Clone, Debug, Serialize)]
pub struct ContactSheet {
    /// File name of the image.
    pub file: String,
    /// What the preprocessing was uncertain about.
    pub doubt: Option<String>,
    /// The steps.
    pub panels: Vec<Panel>,
}

/// One step of a [`ContactSheet`].
#[derive(Clone, Debug, Serialize)]
pub struct Panel {
    /// Caption.
    pub caption: String,
    /// The picture.
    #[serde(skip)]
    pub picture: Picture,
}

/// Whether the score of an image is right or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// Malignant with a high score.
    FoundCancer,
    /// Benign with a low score.
    ClearedBenign,
    /// Malignant with a low score.
    MissedCancer,
    /// Benign with a high score.
    FalseAlarm,
}

impl CaseKind {
    /// All kinds, in the order of the page.
    pub const ALL: [Self; 4] = [Self::FoundCancer, Self::ClearedBenign, Self::MissedCancer, Self::FalseAlarm];

    /// The truth in words.
    pub fn truth(self) -> &'static str {
        match self {
            Self::FoundCancer | Self::MissedCancer => "cancer",
            Self::ClearedBenign | Self::FalseAlarm => "no cancer",
        }
    }

    /// Heading on the page.
    pub fn heading(self) -> &'static str {
        match self {
            Self::FoundCancer => "Right: cancers with the highest scores",
            Self::ClearedBenign => "Right: benign images with the lowest scores",
            Self::MissedCancer => "Wrong: cancers with the lowest scores",
            Self::FalseAlarm => "Wrong: benign images with the highest scores",
        }
    }
}

/// One image of the gallery.
#[derive(Clone, Debug, Serialize)]
pub struct GalleryCase {
    /// Right or wrong.
    pub kind: CaseKind,
    /// File name of the image.
    pub file: String,
    /// Laterality and view, such as `left MLO`.
    pub view: String,
    /// Predicted probability of cancer.
    pub probability: f64,
    /// The image as the network sees it, lesions outlined.
    #[serde(skip)]
    pub picture: Picture,
    /// The heat map as an overlay, transparent where it is zero.
    #[serde(skip)]
    pub layer: Option<Picture>,
}

/// A section of a model card.
#[derive(Clone, Debug, Serialize)]
pub struct CardSection {
    /// Heading.
    pub heading: String,
    /// Pairs of name and value.
    pub entries: Vec<(String, String)>,
}
