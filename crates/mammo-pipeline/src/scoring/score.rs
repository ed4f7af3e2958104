//! Scores images with one model or the mean of several.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mammo_core::GreyImage;
use mammo_core::record::{Mammogram, Polarity};
use mammo_core::text::count;
use mammo_dicom::UnknownObjects;
use mammo_eval::Domain;
use mammo_eval::tables::scores::{Line, ScoreRow, score_table};
use mammo_nn::device::Device;
use mammo_nn::inference::predict::{ImageModel, Score, Tta};
use mammo_nn::model_file::{self, ModelFile};
use rayon::prelude::*;

use super::opening::{Headers, Refused, Remark};
use super::reading::{FileScore, Inputs, ReadImage, Source};
use super::select::Selected;
use crate::{Observer, Result};

/// Images prepared at once, for each thread.
const PREPARED_PER_THREAD: usize = 4;

/// How images are scored.
pub struct Request<'a> {
    /// The models; their scores are averaged.
    pub models: &'a [ImageModel],
    /// Test-time augmentation.
    pub tta: Tta,
    /// Treatment of DICOM files whose header does not identify the kind of object; files of a manifest were
    /// checked by its import.
    pub unknown: UnknownObjects,
}

/// How the images of a run were read.
#[derive(Default)]
pub struct Course {
    /// What is unusual about each scored image.
    pub remarks: Vec<Vec<Remark>>,
    /// Images that could not be read or that the input check refused.
    pub refused: Vec<(Mammogram, Refused)>,
    /// Total duration.
    pub duration: Duration,
    /// Part of the total for reading, checking and preparing images.
    pub preparing: Duration,
}

impl Course {
    /// Number of images, refused ones included.
    pub fn n_images(&self) -> usize {
        self.remarks.len() + self.refused.len()
    }
}

/// Scores of all images that could be read.
#[derive(Default)]
pub struct Scored {
    /// One row per image.
    pub rows: Vec<ScoreRow>,
    /// Whether the models have figures for the kind of image of each row.
    pub domains: Vec<Domain>,
    /// How the images were read, in the order of the rows.
    pub course: Course,
}

impl Scored {
    /// The score table as CSV, refused images included.
    ///
    /// # Errors
    /// A table that cannot be encoded.
    pub fn table(&self) -> Result<Vec<u8>> {
        let scored = self.rows.iter().zip(&self.domains).zip(&self.course.remarks);
        let scored = scored.map(|((row, &domain), remarks)| Line::scored(row, domain, in_words(remarks)));
        let refused = self.course.refused.iter();
        let refused =
            refused.map(|(image, refused)| Line::refused(image, refused.code, refused.reason.clone()));
        Ok(score_table(scored.chain(refused))?)
    }
}

/// Remarks as one text.
pub(super) fn in_words(remarks: &[Remark]) -> String {
    remarks.iter().map(Remark::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads model files of whole-image networks.
///
/// # Errors
/// A file that is not such a model.
pub fn load_models(paths: &[PathBuf], device: &Device) -> Result<Vec<ImageModel>> {
    let files = paths.iter().map(|path| model_file::load(path)).collect::<Result<Vec<_>, _>>()?;
    build_models(files, device)
}

/// Builds the networks of model files in memory.
///
/// # Errors
/// A model that is not of whole images.
pub fn build_models(files: Vec<ModelFile>, device: &Device) -> Result<Vec<ImageModel>> {
    let build = |file: ModelFile| {
        let path = file.path.clone();
        let model = ImageModel::of(file, device)?;
        let preprocessing = &model.card.preprocessing_digest;
        tracing::debug!("{}: model {}, preprocessing {preprocessing}", path.display(), model.digest);
        Ok(model)
    };
    files.into_iter().map(build).collect()
}

impl Request<'_> {
    /// A row of the score table for an image, breast or patient.
    pub(super) fn row(&self, image: &Mammogram, score: Score, seconds: f64) -> ScoreRow {
        let name = |of: fn(&ImageModel) -> &str| self.models.iter().map(of).collect::<Vec<_>>();
        let mut preprocessing = name(|model| &model.card.preprocessing_digest);
        preprocessing.dedup();
        ScoreRow {
            file: image.file.clone(),
            patient_id: image.patient_id.clone(),
            laterality: image.laterality,
            view: image.view,
            label: image.pathology,
            probability: score.probability,
            calibrated: score.calibrated,
            model: name(|model| &model.digest).join("+"),
            preprocessing: preprocessing.join("+"),
            tta: tta_word(self.tta).to_string(),
            seconds,
        }
    }
}

/// Scores images, in their order. A refused image is reported and counted; when the observer requests a stop, the
/// rows made so far are returned.
pub fn score(request: &Request, selected: &Selected, observer: &dyn Observer) -> Scored {
    note_unknowns(selected, observer);
    let images: Vec<&Mammogram> = selected.images.iter().collect();
    let (mut rows, mut domains) = (Vec::new(), Vec::new());
    let course = read_all(request, selected, &images, observer, &mut |image, read| {
        if let Ok(read) = read {
            rows.push(request.row(image, read.score(request.models), read.seconds));
            domains.push(read.domain);
        }
    });
    Scored { rows, domains, course }
}

/// Reads images in their order and hands each over with what the networks make of it, or with the reason why it was
/// refused. Ends early when the observer requests a stop.
pub(super) fn read_all(
    request: &Request,
    selected: &Selected,
    images: &[&Mammogram],
    observer: &dyn Observer,
    hand_over: &mut dyn FnMut(&Mammogram, Result<ReadImage, Refused>),
) -> Course {
    let &Request { models, tta, unknown } = request;
    let root = &selected.root;
    // The import of a manifest checked its files.
    let headers = match root.as_os_str().is_empty() {
        true => Headers::Checked(unknown),
        false => Headers::Trusted,
    };
    let (mut course, started) = (Course::default(), Instant::now());
    let task = observer.begin("scoring", images.len());
    // Preparing an image keeps one core busy, so some are prepared at once; a network keeps all
    // cores busy, so images go through it one by one.
    'chunks: for images in images.chunks(PREPARED_PER_THREAD * rayon::current_num_threads()) {
        let prepare = |image: &&Mammogram| {
            let path = root.join(&image.file);
            Inputs::of(models, Source::File(headers), &path, image.polarity, image.view)
        };
        let preparing = Instant::now();
        let inputs: Vec<_> = images.par_iter().map(prepare).collect();
        course.preparing += preparing.elapsed();
        for (&image, inputs) in images.iter().zip(inputs) {
            if observer.stop_requested() {
                break 'chunks;
            }
            let read = inputs.map(|inputs| inputs.read(models, tta));
            match &read {
                Ok(read) => course.remarks.push(read.remarks.clone()),
                Err(refused) => {
                    task.left_out("refused", &image.file, &refused.reason);
                    course.refused.push((image.clone(), refused.clone()));
                }
            }
            hand_over(image, read);
            task.done(course.n_images());
        }
    }
    course.duration = started.elapsed();
    course
}

/// Scores one image file.
///
/// # Errors
/// [`Refused`] when it cannot be read or the input check refuses it.
pub fn score_file(
    models: &[ImageModel],
    tta: Tta,
    path: &Path,
    polarity: Polarity,
    headers: Headers,
) -> Result<FileScore, Refused> {
    Ok(Inputs::of(models, Source::File(headers), path, polarity, None)?.read(models, tta).into_score(models))
}

/// Scores one image in memory; `path` names it in errors.
///
/// # Errors
/// [`Refused`] when it cannot be prepared or the input check refuses it.
pub fn score_image(
    models: &[ImageModel],
    tta: Tta,
    image: &GreyImage,
    polarity: Polarity,
    path: &Path,
) -> Result<FileScore, Refused> {
    Ok(Inputs::of(models, Source::Image(image), path, polarity, None)?.read(models, tta).into_score(models))
}

/// The word of the column `tta`.
fn tta_word(tta: Tta) -> &'static str {
    match tta {
        Tta::None => "none",
        Tta::Flips => "flips",
    }
}

/// Reports how many images of a manifest have no known side or view; for files and folders this was
/// reported when they were found.
pub(super) fn note_unknowns(selected: &Selected, observer: &dyn Observer) {
    let n = selected.images.iter().filter(|image| !image.has_side_and_view()).count();
    if n > 0 && !selected.root.as_os_str().is_empty() {
        observer.note(&format!("{} of unknown side or view", count(n, "image")));
    }
}
