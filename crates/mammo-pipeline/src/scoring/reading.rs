//! An image from its file to what the networks make of it.

use std::path::Path;
use std::time::Instant;

use mammo_core::GreyImage;
use mammo_core::record::{Polarity, View};
use mammo_dicom::Voi;
use mammo_eval::Domain;
use mammo_nn::inference::predict::{ImageModel, Reading, Score, Tta};

use super::domain::{DomainFinding, ImageKind};
use super::opening::{Decoded, Headers, Refused, Remark};

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

/// Where an image comes from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
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
pub(super) struct Inputs {
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
    pub fn of(
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

    /// Passes the image through the network of each model.
    pub fn read(self, models: &[ImageModel], tta: Tta) -> ReadImage {
        let started = Instant::now();
        let mut pixels: &[u16] = &[];
        let each = models.iter().zip(&self.pixels).map(|(model, own)| {
            pixels = own.as_deref().unwrap_or(pixels);
            model.read(pixels, tta)
        });
        let readings = each.collect();
        let Self { finding, mut remarks, seconds, .. } = self;
        let domain = finding.domain;
        if !finding.reason.is_empty() {
            remarks.push(Remark::Kind(finding));
        }
        ReadImage { readings, domain, remarks, seconds: seconds + started.elapsed().as_secs_f64() }
    }
}

/// What the networks make of an image: pooled features and logits, some thousand numbers, and no pixels.
pub(super) struct ReadImage {
    /// One per model.
    pub readings: Vec<Reading>,
    /// Whether the models have figures for its kind.
    pub domain: Domain,
    /// What is unusual about the image.
    pub remarks: Vec<Remark>,
    /// Duration of preparation and networks.
    pub seconds: f64,
}

impl ReadImage {
    /// Mean score over models.
    pub fn score(&self, models: &[ImageModel]) -> Score {
        let each = models.iter().zip(&self.readings).map(|(model, reading)| model.score_of(reading));
        within_evidence(Score::mean(&each.collect::<Vec<_>>()), self.domain)
    }

    /// The score of the image by itself.
    pub fn into_score(self, models: &[ImageModel]) -> FileScore {
        FileScore { score: self.score(models), domain: self.domain, remarks: self.remarks }
    }
}

/// The score without calibrated probability outside of the models' evidence: a calibration fitted to other kinds of
/// images says nothing about this one.
pub(super) fn within_evidence(score: Score, domain: Domain) -> Score {
    match domain {
        Domain::Outside => Score { calibrated: None, ..score },
        Domain::Inside | Domain::Unknown => score,
    }
}
