//! Scores images with one model or the mean of several.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mammo_core::GreyImage;
use mammo_core::record::{Mammogram, Polarity, View};
use mammo_core::text::count;
use mammo_dicom::{UnknownObjects, Voi};
use mammo_eval::Domain;
use mammo_eval::tables::scores::{ScoreRow, score_table};
use mammo_nn::device::Device;
use mammo_nn::inference::predict::{ImageModel, Score, Tta};
use mammo_nn::model_file::{self, ModelFile};
use rayon::prelude::*;

use super::domain::{DomainFinding, ImageKind};
use super::opening::{Decoded, Headers, Refused, Remark};
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

/// Scores of all images that could be read.
#[derive(Default)]
pub struct Scored {
    /// One row per image.
    pub rows: Vec<ScoreRow>,
    /// Whether the models have figures for the kind of image of each row.
    pub domains: Vec<Domain>,
    /// What is unusual about the image of each row.
    pub remarks: Vec<Vec<Remark>>,
    /// Images that could not be read or that the input check refused.
    pub refused: Vec<(Mammogram, Refused)>,
    /// Total duration.
    pub duration: Duration,
    /// Part of the total for reading, checking and preparing images.
    pub preparing: Duration,
}

impl Scored {
    /// The score table as CSV, refused images included.
    ///
    /// # Errors
    /// A table that cannot be encoded.
    pub fn table(&self) -> Result<Vec<u8>> {
        let remarks =
            |remarks: &Vec<Remark>| remarks.iter().map(Remark::to_string).collect::<Vec<_>>().join("; ");
        let scored = self.rows.iter().zip(&self.domains).zip(self.remarks.iter().map(remarks));
        let scored = scored.map(|((row, &domain), remarks)| (row, domain, remarks));
        let refused =
            self.refused.iter().map(|(image, refused)| (image, refused.code, refused.reason.as_str()));
        Ok(score_table(scored, refused)?)
    }
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

/// Scores images, in their order. A refused image is reported and counted; when the observer requests a stop, the
/// rows made so far are returned.
pub fn score(request: &Request, selected: &Selected, observer: &dyn Observer) -> Scored {
    let Request { models, tta, unknown } = request;
    let Selected { root, images } = selected;
    note_unknowns(selected, observer);
    let name = models.iter().map(|model| model.digest.as_str()).collect::<Vec<_>>().join("+");
    let mut digests: Vec<&str> = models.iter().map(|m| m.card.preprocessing_digest.as_str()).collect();
    digests.dedup();
    let preprocessing = digests.join("+");
    // The import of a manifest checked its files.
    let headers = match root.as_os_str().is_empty() {
        true => Headers::Checked(*unknown),
        false => Headers::Trusted,
    };
    let (mut scored, started) = (Scored::default(), Instant::now());
    let task = observer.begin("scoring", images.len());
    // Preparing an image keeps one core busy, so some are prepared at once; a network keeps all
    // cores busy, so images go through it one by one.
    'chunks: for images in images.chunks(PREPARED_PER_THREAD * rayon::current_num_threads()) {
        let prepare = |image: &Mammogram| {
            let path = root.join(&image.file);
            Inputs::of(models, Source::File(headers), &path, image.polarity, image.view)
        };
        let preparing = Instant::now();
        let inputs: Vec<_> = images.par_iter().map(prepare).collect();
        scored.preparing += preparing.elapsed();
        for (image, inputs) in images.iter().zip(inputs) {
            if observer.stop_requested() {
                break 'chunks;
            }
            match inputs {
                Ok(inputs) => {
                    let (started, preparation) = (Instant::now(), inputs.seconds);
                    let FileScore { score, domain, remarks } = inputs.score(models, *tta);
                    let Score { probability, calibrated } = score;
                    scored.domains.push(domain);
                    scored.remarks.push(remarks);
                    scored.rows.push(ScoreRow {
                        file: image.file.clone(),
                        patient_id: image.patient_id.clone(),
                        laterality: image.laterality,
                        view: image.view,
                        label: image.pathology,
                        probability,
                        calibrated,
                        model: name.clone(),
                        preprocessing: preprocessing.clone(),
                        tta: tta_word(*tta).to_string(),
                        seconds: preparation + started.elapsed().as_secs_f64(),
                    });
                }
                Err(refused) => {
                    task.left_out("refused", &image.file, &refused.reason);
                    scored.refused.push((image.clone(), refused));
                }
            }
            task.done(scored.rows.len() + scored.refused.len());
        }
    }
    scored.duration = started.elapsed();
    scored
}

/// The score of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct FileScore {
    /// The probabilities; no calibrated one for an image outside of the models' evidence.
    pub score: Score,
    /// Whether the models have figures for this kind of image.
    pub domain: Domain,
    /// What is unusual about the image.
    pub remarks: Vec<Remark>,
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
    Ok(Inputs::of(models, Source::File(headers), path, polarity, None)?.score(models, tta))
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
    Ok(Inputs::of(models, Source::Image(image), path, polarity, None)?.score(models, tta))
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
fn note_unknowns(selected: &Selected, observer: &dyn Observer) {
    let n = selected.images.iter().filter(|image| !image.has_side_and_view()).count();
    if n > 0 && !selected.root.as_os_str().is_empty() {
        observer.note(&format!("{} of unknown side or view", count(n, "image")));
    }
}

/// Where an image comes from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// Its file.
    File(Headers),
    /// Memory.
    Image(&'a GreyImage),
}

impl Source<'_> {
    fn decode(self, path: &Path, voi: Voi) -> Result<Decoded, Refused> {
        match self {
            Self::File(headers) => Decoded::of_file(path, headers, voi),
            Self::Image(image) => Ok(Decoded::of_image(image.clone())),
        }
    }
}

/// An image as each model reads it.
struct Inputs {
    /// One per model; `None` where the model before has the same preprocessing.
    pixels: Vec<Option<Vec<u16>>>,
    /// Whether the models have figures for its kind.
    finding: DomainFinding,
    /// What is unusual about the image.
    remarks: Vec<Remark>,
    /// Duration of the preparation.
    seconds: f64,
}

impl Inputs {
    /// Reads an image and prepares it for each model, past the input check of each; `view` is that of its record.
    fn of(
        models: &[ImageModel],
        source: Source,
        path: &Path,
        stated: Polarity,
        view: Option<View>,
    ) -> Result<Self, Refused> {
        let started = Instant::now();
        let mut decoded: Option<Decoded> = None;
        let mut pixels = Vec::with_capacity(models.len());
        let (mut before, mut kind, mut remarks) = (None, ImageKind::default(), Vec::new());
        for (i, model) in models.iter().enumerate() {
            let (digest, preprocessing) = (&model.card.preprocessing_digest, &model.card.preprocessing);
            if before.replace(digest) == Some(digest) {
                pixels.push(None);
                continue;
            }
            // Decoded again only for a model that wants another VOI stage.
            let image = match decoded.take().filter(|image| image.serves(preprocessing.voi)) {
                Some(image) => image,
                None => source.decode(path, preprocessing.voi)?,
            };
            let polarity;
            (polarity, remarks) = image.check(path, stated, preprocessing)?;
            kind = image.kind.clone();
            let needed_again = models[i + 1..].iter().any(|next| next.card.preprocessing_digest != *digest);
            let own = match needed_again {
                true => decoded.insert(image).image.clone(),
                false => image.image,
            };
            pixels.push(Some(preprocessing.apply_file(path, own, polarity)?.image.pixels));
        }
        let cards = models.iter().map(|model| &model.card);
        let finding = DomainFinding::of(cards, &kind.with_view(view));
        Ok(Self { pixels, finding, remarks, seconds: started.elapsed().as_secs_f64() })
    }

    /// Mean score over models. A calibration fitted to other kinds of images says nothing about this image.
    fn score(self, models: &[ImageModel], tta: Tta) -> FileScore {
        let mut pixels: &[u16] = &[];
        let each = models.iter().zip(&self.pixels).map(|(model, own)| {
            pixels = own.as_deref().unwrap_or(pixels);
            model.score(pixels, tta)
        });
        let mut score = Score::mean(&each.collect::<Vec<_>>());
        let Self { finding, mut remarks, .. } = self;
        let domain = finding.domain;
        if domain == Domain::Outside {
            score.calibrated = None;
        }
        if !finding.reason.is_empty() {
            remarks.push(Remark::Kind(finding));
        }
        FileScore { score, domain, remarks }
    }
}
