//! What a report is made of.

use mammo_eval::{Comparison, Defined, Evaluation};
use serde::Serialize;

/// Everything on the page; serialised, it is `report.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// Version of the program.
    pub mammo_version: String,
    /// The runs; the first one is the one that the page is about.
    pub runs: Vec<Run>,
    /// The first run against each of the others, on the same images.
    pub comparisons: Vec<RunComparison>,
    /// How many images were left at each step.
    pub flow: Defined<Flow>,
    /// One image through preprocessing.
    pub preprocessing: Defined<ContactSheet>,
    /// The most confident cases of the first run.
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
    /// What the model is, for whom, made of what.
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
    /// What the best epoch is chosen by.
    pub validation_metric: f64,
    /// Whether this was the best so far.
    pub best: bool,
}

/// A paired comparison on the same images.
#[derive(Clone, Debug, Serialize)]
pub struct RunComparison {
    /// Name of the other run.
    pub name: String,
    /// The other run as first, the report's first run as second; or why they cannot be compared.
    pub result: Defined<Comparison>,
}

/// The way of the images from the data set to the figures.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// In order.
    pub steps: Vec<FlowStep>,
}

/// Images left after a step.
#[derive(Clone, Debug, Serialize)]
pub struct FlowStep {
    /// What the step is.
    pub label: String,
    /// Images left.
    pub n_images: usize,
    /// Patients they belong to, when known.
    pub n_patients: Option<usize>,
    /// Malignant images among them, when known.
    pub n_malignant: Option<usize>,
    /// Images that went elsewhere before this step, with the reason.
    pub left_out: Vec<LeftOut>,
}

/// Images that are not carried on.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// Why.
    pub reason: String,
    /// How many.
    pub n: usize,
}

/// A picture as the bytes of a file.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// One image step by step.
#[derive(Clone, Debug, Serialize)]
pub struct ContactSheet {
    /// Which image.
    pub file: String,
    /// What the preparation was not sure of.
    pub doubt: Option<String>,
    /// The steps.
    pub panels: Vec<Panel>,
}

/// One step of a [`ContactSheet`].
#[derive(Clone, Debug, Serialize)]
pub struct Panel {
    /// What it shows.
    pub caption: String,
    /// The picture.
    #[serde(skip)]
    pub picture: Picture,
}

/// How a case came out.
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
    /// All kinds in the order of the page.
    pub const ALL: [Self; 4] = [Self::FoundCancer, Self::ClearedBenign, Self::MissedCancer, Self::FalseAlarm];

    /// What the image shows, in words.
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
    /// How it came out.
    pub kind: CaseKind,
    /// Which image.
    pub file: String,
    /// Side and view, such as `left MLO`.
    pub view: String,
    /// Its probability of cancer.
    pub probability: f64,
    /// The image as the network sees it, lesions outlined.
    #[serde(skip)]
    pub picture: Picture,
    /// The heat map over it, transparent where it is zero.
    #[serde(skip)]
    pub layer: Option<Picture>,
}

/// A part of a model card.
#[derive(Clone, Debug, Serialize)]
pub struct CardSection {
    /// Heading.
    pub heading: String,
    /// Name and value.
    pub entries: Vec<(String, String)>,
}
