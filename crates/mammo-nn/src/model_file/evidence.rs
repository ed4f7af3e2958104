//! What is known about a model's performance, and on which kinds of images.

use std::fmt;

use mammo_core::record::View;
use serde::{Deserialize, Serialize};

use super::ModelCard;
use crate::networks::precision::RequiredPrecision;
use crate::{Error, Result};

/// What recorded the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// Film that was digitised.
    Film,
    /// A digital detector.
    Digital,
}

mammo_core::words!(Detector, Film: "film", Digital: "digital");

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower and upper limit of its 95 % interval.
    pub interval: [f64; 2],
}

impl Estimate {
    fn check(&self, what: &str) -> Result<()> {
        let Self { value, interval: [low, high] } = *self;
        match low <= value && value <= high && low.is_finite() && high.is_finite() {
            true => Ok(()),
            false => {
                Err(Error::network(what, self.to_string(), "finite numbers, the value inside its interval"))
            }
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, interval: [low, high] } = self;
        write!(f, "{value:.3} ({low:.3} to {high:.3})")
    }
}

/// A kind of images on which the model was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Film or digital.
    pub detector: Detector,
    /// Manufacturers, as DICOM attribute (0008,0070) gives them; `None` if the figure holds for images of any, or of
    /// unknown manufacturer, as on digitised films.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendors: Option<Vec<String>>,
    /// Views.
    pub views: Vec<View>,
    /// Number of evaluated images.
    pub n_images: usize,
    /// Number of their patients.
    pub n_patients: usize,
    /// Area under the ROC curve on these images.
    pub auc: Estimate,
    /// Whatever a reader of the figure needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Evidence {
    /// The kind of images, in words: `film, CC or MLO`.
    pub fn kind(&self) -> String {
        let views: Vec<String> = self.views.iter().map(|view| view.to_string().to_uppercase()).collect();
        let vendors = self.vendors.as_ref().map_or(String::new(), |v| format!(" of {}", v.join(" or ")));
        format!("{}{vendors}, {}", self.detector, views.join(" or "))
    }

    fn check(&self) -> Result<()> {
        self.auc.check("evidence.auc")?;
        if self.views.is_empty() {
            return Err(Error::network("evidence.views", "an empty list", "at least one of cc, mlo"));
        }
        if self.vendors.as_ref().is_some_and(|v| v.is_empty() || v.iter().any(|word| word.trim().is_empty()))
        {
            let expected = "at least one manufacturer; leave the key out if the figure holds for any";
            return Err(Error::network("evidence.vendors", "an empty list or word", expected));
        }
        if self.n_patients == 0 || self.n_images < self.n_patients {
            let found = format!("{} images of {} patients", self.n_images, self.n_patients);
            return Err(Error::network("evidence", found, "at least one patient, and one image of each"));
        }
        Ok(())
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_images, n_patients, auc, .. } = self;
        write!(f, "{}: AUC {auc}, {n_images} images of {n_patients} patients", self.kind())?;
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "; {note}"))
    }
}

/// A figure about the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it is, such as `AUC per breast`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Lower and upper limit of its 95 % interval.
    pub interval: [f64; 2],
    /// Number of images.
    pub n_images: usize,
    /// How it was computed, such as `five-fold cross-validation by patient`.
    pub how: String,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, interval, n_images, how } = self;
        let estimate = Estimate { value: *value, interval: *interval };
        write!(f, "{name} {estimate}, {n_images} images, {how}")
    }
}

/// What `mammo model describe` adds to a card. Keys that are left out keep what the card has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name of the model.
    pub name: Option<String>,
    /// Licence of the weights.
    pub licence: Option<String>,
    /// Sentences about what the model cannot do, the most important one first.
    pub limits: Option<Vec<String>>,
    /// Kinds of images on which the model was evaluated.
    pub evidence: Option<Vec<Evidence>>,
    /// Figures, the main one first.
    pub figures: Option<Vec<Figure>>,
    /// Precision of prediction.
    pub precision: Option<RequiredPrecision>,
}

impl Description {
    /// The card with these fields.
    pub fn applied_to(self, card: &ModelCard) -> ModelCard {
        let card = card.clone();
        ModelCard {
            name: self.name.or(card.name),
            licence: self.licence.unwrap_or(card.licence),
            limits: self.limits.unwrap_or(card.limits),
            evidence: self.evidence.unwrap_or(card.evidence),
            figures: self.figures.unwrap_or(card.figures),
            precision: self.precision.unwrap_or(card.precision),
            ..card
        }
    }
}

impl ModelCard {
    /// Checks name, limits, evidence and figures.
    ///
    /// # Errors
    /// [`Error::Network`] naming the field.
    pub(super) fn check_description(&self) -> Result<()> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(name) = self.name.as_ref().filter(|name| name.is_empty() || !name.chars().all(is_word)) {
            let expected = "letters, digits, '-', '_' and '.', because --model takes the name";
            return Err(Error::network("name", format!("'{name}'"), expected));
        }
        if self.limits.iter().any(|sentence| sentence.trim().is_empty()) {
            return Err(Error::network("limits", "a blank sentence", "sentences"));
        }
        for figure in &self.figures {
            let estimate = Estimate { value: figure.value, interval: figure.interval };
            estimate.check(&format!("figures, '{}'", figure.name))?;
        }
        self.evidence.iter().try_for_each(Evidence::check)
    }
}
