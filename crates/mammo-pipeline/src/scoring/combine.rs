//! From the images of a patient to one score per breast and one per patient.

use mammo_core::record::Laterality;
use mammo_eval::{Domain, EvalConfig, Pooling};
use mammo_nn::inference::predict::{ImageModel, Score};
use mammo_nn::model_file::{ModelCard, Network};

use super::reading::{ReadImage, within_evidence};
use crate::Result;
use crate::error::refuse;

/// How models combine the images of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// By the heads of the models (`train exam`): a breast scores at least as high as each of its images, a patient at
    /// least as high as each breast.
    Heads,
    /// As [`mammo_eval::EvalConfig`] pools by default: a breast has the mean of its images, a patient the maximum of the
    /// breasts. So a patient scores at least as high as each breast, while a breast can score lower than one of its
    /// views. The mean is usual in the field, and that of calibrated probabilities stays on their scale.
    Pooled,
}

impl Combination {
    /// The way of combining that fits the models.
    ///
    /// # Errors
    /// Models with and without heads, whose scores of breasts do not mean the same.
    pub fn of(models: &[ImageModel]) -> Result<Self> {
        Self::of_cards(models.iter().map(|model| (model.digest.as_str(), &model.card)))
    }

    fn of_cards<'m>(models: impl Iterator<Item = (&'m str, &'m ModelCard)>) -> Result<Self> {
        let has_heads =
            |card: &ModelCard| matches!(&card.network, Network::Image(config) if config.exam.is_some());
        let (with, without): (Vec<_>, Vec<_>) = models.partition(|(_, card)| has_heads(card));
        match (with.first(), without.first()) {
            (Some((with, _)), Some((without, _))) => refuse!(
                "model {with} combines views by its exam heads, model {without} has none; score breasts or patients \
                 with models of one kind, or each by itself"
            ),
            (Some(_), None) => Ok(Self::Heads),
            (None, _) => Ok(Self::Pooled),
        }
    }
}

/// The score of a breast or of a patient.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitScore {
    /// Which breast; `None` for a patient, and for an image of unknown side, which is a breast by itself.
    pub laterality: Option<Laterality>,
    /// The images that the score is made of, as positions among the scored images.
    pub images: Vec<usize>,
    /// The probabilities; no calibrated one if an image is outside of the models' evidence.
    pub score: Score,
    /// The worst domain of the images.
    pub domain: Domain,
}

/// The scores of a patient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PatientScores {
    /// The breasts, in the order of their first scored images.
    pub breasts: Vec<UnitScore>,
    /// The patient; `None` if no image was scored.
    pub patient: Option<UnitScore>,
}

/// The scores of breasts and patient from what the networks make of the images.
pub(super) fn patient_scores(
    models: &[ImageModel],
    combination: Combination,
    images: &[(&ReadImage, Option<Laterality>)],
) -> PatientScores {
    let lateralities: Vec<Option<Laterality>> = images.iter().map(|&(_, laterality)| laterality).collect();
    let domains: Vec<Domain> = images.iter().map(|(read, _)| read.domain).collect();
    if images.is_empty() {
        return PatientScores::default();
    }
    let breasts = breasts(&lateralities);
    let scores = match combination {
        Combination::Pooled => {
            let each: Vec<Score> = images.iter().map(|(read, _)| read.score(models)).collect();
            pooled(&breasts, &each)
        }
        Combination::Heads => by_heads(models, images),
    };
    assembled(breasts, &lateralities, &domains, scores)
}

/// The images of each breast, in the order of their first images; an image of unknown side is a breast by itself.
pub(super) fn breasts(lateralities: &[Option<Laterality>]) -> Vec<Vec<usize>> {
    let mut breasts: Vec<Vec<usize>> = Vec::new();
    for (image, laterality) in lateralities.iter().enumerate() {
        let same =
            breasts.iter_mut().find(|breast| laterality.is_some() && lateralities[breast[0]] == *laterality);
        match same {
            Some(breast) => breast.push(image),
            None => breasts.push(vec![image]),
        }
    }
    breasts
}

/// The scores of the breasts and that of the patient.
type Scores = (Vec<Score>, Score);

/// Pools the scores of images as an evaluation does by default.
fn pooled(breasts: &[Vec<usize>], images: &[Score]) -> Scores {
    let rule = EvalConfig::default();
    let of_breast = |breast: &Vec<usize>| {
        pool(rule.views, &breast.iter().map(|&image| images[image]).collect::<Vec<_>>())
    };
    let breasts: Vec<Score> = breasts.iter().map(of_breast).collect();
    let patient = pool(rule.breasts, &breasts);
    (breasts, patient)
}

/// Raw and calibrated probabilities are pooled by the same rule; calibrated if all are.
fn pool(rule: Pooling, scores: &[Score]) -> Score {
    let raw: Vec<f64> = scores.iter().map(|score| score.probability).collect();
    let calibrated: Option<Vec<f64>> = scores.iter().map(|score| score.calibrated).collect();
    Score { probability: rule.pool(&raw), calibrated: calibrated.map(|each| rule.pool(&each)) }
}

/// Each model combines the images, and the mean over models is taken of each breast and of the patient.
fn by_heads(models: &[ImageModel], images: &[(&ReadImage, Option<Laterality>)]) -> Scores {
    let of_model = |(i, model): (usize, &ImageModel)| {
        let readings: Vec<_> =
            images.iter().map(|(read, laterality)| (&read.readings[i], *laterality)).collect();
        model.score_exam(&readings)
    };
    let each: Vec<_> = models.iter().enumerate().map(of_model).collect();
    let n_breasts = each.iter().map(|exam| exam.breasts.len()).min().unwrap_or(0);
    let mean_of_breast =
        |i: usize| Score::mean(&each.iter().map(|exam| exam.breasts[i].1).collect::<Vec<_>>());
    let breasts = (0..n_breasts).map(mean_of_breast).collect();
    (breasts, Score::mean(&each.iter().map(|exam| exam.exam).collect::<Vec<_>>()))
}

/// Scores with their sides, images and domains.
fn assembled(
    breasts: Vec<Vec<usize>>,
    lateralities: &[Option<Laterality>],
    domains: &[Domain],
    (of_breasts, of_patient): Scores,
) -> PatientScores {
    let unit = |laterality, images: Vec<usize>, score| {
        let domain = images.iter().map(|&image| domains[image]).max().unwrap_or_default();
        UnitScore { laterality, images, score: within_evidence(score, domain), domain }
    };
    let patient = unit(None, (0..lateralities.len()).collect(), of_patient);
    let breasts = breasts.into_iter().zip(of_breasts);
    let breasts = breasts.map(|(images, score)| unit(lateralities[images[0]], images, score)).collect();
    PatientScores { breasts, patient: Some(patient) }
}

#[cfg(test)]
mod tests {
    use mammo_nn::networks::exam::ExamHeadsConfig;
    use mammo_nn::networks::image_classifier::ImageClassifierConfig;

    use super::*;

    const LEFT: Option<Laterality> = Some(Laterality::Left);
    const RIGHT: Option<Laterality> = Some(Laterality::Right);

    fn score(probability: f64, calibrated: impl Into<Option<f64>>) -> Score {
        Score { probability, calibrated: calibrated.into() }
    }

    #[test]
    fn a_breast_has_the_mean_of_its_views_and_a_patient_the_maximum_of_breasts() {
        let sides = [LEFT, RIGHT, None, LEFT, None];
        let breasts = breasts(&sides);
        assert_eq!(breasts, [vec![0, 3], vec![1], vec![2], vec![4]]);
        let images = [
            score(0.25, 0.125),
            score(0.5, 0.0625),
            score(0.375, 0.5),
            score(0.75, 0.375),
            score(0.125, 0.0),
        ];
        let scores = pooled(&breasts, &images);
        assert_eq!(scores.0, [score(0.5, 0.25), images[1], images[2], images[4]]);
        assert_eq!(scores.1, score(0.5, 0.5), "raw and calibrated each by the same rule");
        let domains = [Domain::Inside, Domain::Unknown, Domain::Inside, Domain::Outside, Domain::Inside];
        let PatientScores { breasts, patient } = assembled(breasts, &sides, &domains, scores);
        assert_eq!((breasts[0].score, breasts[0].domain), (score(0.5, None), Domain::Outside));
        assert_eq!((breasts[0].laterality, &breasts[0].images[..]), (LEFT, &[0, 3][..]));
        assert_eq!((breasts[1].score, breasts[1].domain), (images[1], Domain::Unknown));
        assert_eq!((breasts[2].laterality, breasts[2].score), (None, images[2]));
        let patient = patient.unwrap();
        assert_eq!((patient.score, patient.images.len()), (score(0.5, None), 5));
        assert!(breasts.iter().all(|breast| breast.score.probability <= patient.score.probability));
    }

    #[test]
    fn a_calibrated_score_needs_that_of_every_image() {
        let (breasts, patient) =
            pooled(&[vec![0, 1], vec![2]], &[score(0.5, 0.25), score(1.0, None), score(0.25, 0.5)]);
        assert_eq!(breasts, [score(0.75, None), score(0.25, 0.5)]);
        assert_eq!(patient, score(0.75, None));
    }

    #[test]
    fn models_with_and_without_heads_are_not_mixed() {
        let card = |units: Option<usize>| {
            let config: ImageClassifierConfig = serde_json::from_value(serde_json::json!({
                "trunk": mammo_nn::networks::trunk::TrunkConfig::new(mammo_nn::networks::trunk::Family::Resnet18),
                "top": { "kind": "average" },
                "n_patch_classes": 5,
                "input_px": [64, 64],
                "exam": units.map(|units| ExamHeadsConfig { units }),
            }))
            .unwrap();
            ModelCard::new(Network::Image(config), vec![], Default::default(), Default::default())
        };
        let (heads, plain) = (card(Some(4)), card(None));
        let of = |cards: &[(&'static str, &ModelCard)]| Combination::of_cards(cards.iter().copied());
        assert_eq!(of(&[("a", &heads), ("b", &heads)]).unwrap(), Combination::Heads);
        assert_eq!(of(&[("a", &plain)]).unwrap(), Combination::Pooled);
        let error = of(&[("a", &plain), ("b", &heads)]).unwrap_err().to_string();
        assert!(error.contains("model b combines") && error.contains("model a has none"), "{error}");
    }
}
