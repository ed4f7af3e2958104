//! One model, or several that are averaged, ready to score images.

use std::path::{Path, PathBuf};

use mammo_core::GreyImage;
use mammo_core::record::{Laterality, Mammogram, Polarity};
use mammo_dicom::UnknownObjects;
use mammo_eval::Domain;
use mammo_nn::device;
use mammo_nn::inference::predict::{ImageModel, Tta};
use mammo_pipeline::Result;
use mammo_pipeline::scoring::{
    FileScore, Headers, Refused, Remark, Request, UnitScore, load_models, score_exam, score_file, score_image,
};
#[cfg(feature = "bundled-model")]
use {mammo_models::Bundled, mammo_pipeline::scoring::build_models};

/// One whole-image model, or several whose scores are averaged.
pub struct Model {
    models: Vec<ImageModel>,
    tta: Tta,
    unknown: UnknownObjects,
}

/// The score of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Probability of cancer as the network gives it: it ranks images; training balanced the classes.
    pub probability: f64,
    /// Probability after the calibration on the model's validation side; `None` when a model has none, and for an image
    /// outside of the kinds on which the model was evaluated.
    pub calibrated: Option<f64>,
    /// Whether the models were evaluated on this kind of image, as their cards state.
    pub domain: Domain,
    /// What is unusual about the image, such as one that was stored inverted.
    pub remarks: Vec<Remark>,
}

impl From<FileScore> for Score {
    fn from(scored: FileScore) -> Self {
        let FileScore { score, domain, remarks } = scored;
        Self { probability: score.probability, calibrated: score.calibrated, domain, remarks }
    }
}

/// The scores of one exam: all images of a patient.
#[derive(Debug)]
pub struct ExamScore {
    /// The breasts, in the order of their first images; an image of unknown side is a breast by itself.
    pub breasts: Vec<UnitScore>,
    /// The patient; `None` if no image was scored.
    pub patient: Option<UnitScore>,
    /// The scored images, to which [`UnitScore::images`] refers.
    pub images: Vec<Mammogram>,
    /// Images that were not scored.
    pub refused: Vec<(Mammogram, Refused)>,
}

impl ExamScore {
    /// The score of a breast; `None` if none of its images was scored.
    pub fn breast(&self, laterality: Laterality) -> Option<&UnitScore> {
        self.breasts.iter().find(|breast| breast.laterality == Some(laterality))
    }
}

impl Model {
    /// Reads a model file of a whole-image network, to compute on the CPU.
    ///
    /// # Errors
    /// A file that is not such a model.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_all(&[path.to_path_buf()], "cpu")
    }

    /// The default model inside the library, to compute on the CPU; its card says what it was trained on and what it cannot
    /// do.
    ///
    /// ```
    /// let model = mammo::Model::bundled()?;
    /// let card = &model.models()[0].card;
    /// println!("{:?}: {}", card.name, card.limits[0]);
    /// # Ok::<(), mammo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Weights that the build damaged.
    #[cfg(feature = "bundled-model")]
    pub fn bundled() -> Result<Self> {
        let default = mammo_models::Registry::bundled().default_model();
        let files = default.map(Bundled::read).transpose()?.into_iter().collect();
        let models = build_models(files, &device::by_name("cpu")?)?;
        Ok(Self { models, tta: Tta::None, unknown: UnknownObjects::Refused })
    }

    /// Reads model files whose scores are averaged, to compute on a device: `cpu`, or what this build was compiled
    /// with.
    ///
    /// # Errors
    /// A file that is not such a model; a device that is not there.
    pub fn open_all(paths: &[PathBuf], device: &str) -> Result<Self> {
        let models = load_models(paths, &device::by_name(device)?)?;
        Ok(Self { models, tta: Tta::None, unknown: UnknownObjects::Refused })
    }

    /// The same, averaging the four mirror images of every image (paper, augmented prediction).
    pub fn with_flips(self) -> Self {
        Self { tta: Tta::Flips, ..self }
    }

    /// The same, but DICOM files whose header does not identify the kind of object are scored as mammograms.
    pub fn assume_mammography(self) -> Self {
        Self { unknown: UnknownObjects::Assumed, ..self }
    }

    /// The models as they were read, with their cards.
    pub fn models(&self) -> &[ImageModel] {
        &self.models
    }

    /// Scores an image file: DICOM, PNG, JPEG, TIFF or PGM.
    ///
    /// # Errors
    /// [`Refused`], with a code and a reason, when the file cannot be read, is not a mammogram, or shows a view that models
    /// are not trained on.
    pub fn score(&self, path: &Path) -> Result<Score, Refused> {
        let headers = Headers::Checked(self.unknown);
        let scored = score_file(&self.models, self.tta, path, Polarity::Normal, headers)?;
        Ok(scored.into())
    }

    /// Scores the breasts of one patient, and the patient, from files and folders with images. Sides come from headers and
    /// file names; any view may be missing.
    ///
    /// Models from `train exam` combine the images by their heads: a breast then scores at least as high as each of
    /// its images, a patient at least as high as each breast. For others a breast has the mean of its images, which can be
    /// lower than one of them, and a patient the maximum of the breasts.
    ///
    /// # Errors
    /// No image at all; images that state different patients; models with and without heads.
    pub fn score_exam(&self, paths: &[PathBuf]) -> Result<ExamScore> {
        let request = Request { models: &self.models, tta: self.tta, unknown: self.unknown };
        let scored = score_exam(&request, paths)?;
        let (scores, images, refused) = (scored.scores, scored.images, scored.refused);
        Ok(ExamScore { breasts: scores.breasts, patient: scores.patient, images, refused })
    }

    /// Scores an image in memory; `name` names it in errors.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn score_image(&self, image: &GreyImage, polarity: Polarity, name: &str) -> Result<Score, Refused> {
        let scored = score_image(&self.models, self.tta, image, polarity, Path::new(name))?;
        Ok(scored.into())
    }
}
