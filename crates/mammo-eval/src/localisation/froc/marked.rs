//! Findings matched with lesions, and their statistics in a resample.

use std::collections::{HashMap, HashSet};

use crate::defined::Defined;
use crate::intervals::bootstrap::{BootstrapConfig, NoValue, Patients, bootstrap_each};
use crate::intervals::interval::Scale;
use crate::roc::curves::{corners, thinned};
use crate::roc::ranked::{RankedScores, Roc};
use crate::tables::findings::Finding;
use crate::tables::scores::ScoreRow;
use crate::{Error, Result};
use mammo_core::record::{Lesion, LesionKind, Mammogram, Pathology};

use super::{FrocPoint, HitRule, RATES, overlap};

/// One labelled image.
pub(super) struct MarkedImage {
    patient: u32,
    /// Whether the most probable finding hits a malignant lesion; `None` without such a lesion.
    points_right: Option<bool>,
}

/// One malignant lesion.
pub(super) struct MarkedLesion {
    patient: u32,
    kind: LesionKind,
    /// Probability and overlap of the most probable finding that hits it; `None` if missed.
    best: Option<(f64, f64)>,
}

/// All labelled images with their findings matched to lesions.
pub(super) struct Marked {
    pub(super) patients: Patients,
    pub(super) images: Vec<MarkedImage>,
    pub(super) lesions: Vec<MarkedLesion>,
    pub(super) n_findings: usize,
    /// Found lesions (as malignant) and false positives (as benign), sorted by probability.
    ranked: RankedScores,
}

impl Marked {
    /// Matches the findings of the labelled images.
    ///
    /// # Errors
    /// [`Error::Table`] for an image without record or a finding without image.
    pub(super) fn of(
        rows: &[ScoreRow],
        images: &[Mammogram],
        findings: &[Finding],
        rule: HitRule,
    ) -> Result<Self> {
        let records: HashMap<&str, &Mammogram> = images.iter().map(|i| (i.file.as_str(), i)).collect();
        let in_image = by_image(rows, findings)?;
        let labelled: Vec<&ScoreRow> = rows.iter().filter(|row| row.malignant().is_some()).collect();
        let patients = Patients::from_ids(labelled.iter().map(|row| row.patient_id.as_str()));
        let mut marked = Self {
            images: vec![],
            lesions: vec![],
            n_findings: 0,
            ranked: RankedScores::new(&[], &[], &[])?,
            patients,
        };
        let mut false_positives = vec![];
        for (i, row) in labelled.iter().enumerate() {
            let Some(record) = records.get(row.file.as_str()) else {
                let expected = "a manifest that holds every scored image, for its lesions";
                return Err(Error::table(&row.file, None, "no such image in the manifest", expected));
            };
            let patient = marked.patients.of_case()[i];
            let false_alarms = marked.add(patient, &record.lesions, &in_image[row.file.as_str()], rule);
            false_positives.extend(false_alarms.into_iter().map(|probability| (probability, patient)));
        }
        let hits = marked.lesions.iter().filter_map(|lesion| Some((lesion.best?.0, true, lesion.patient)));
        let events: Vec<(f64, bool, u32)> =
            hits.chain(false_positives.into_iter().map(|(p, patient)| (p, false, patient))).collect();
        marked.ranked = RankedScores::new(
            &events.iter().map(|event| event.0).collect::<Vec<_>>(),
            &events.iter().map(|event| event.1).collect::<Vec<_>>(),
            &events.iter().map(|event| event.2).collect::<Vec<_>>(),
        )?;
        Ok(marked)
    }

    /// Adds an image and its malignant lesions; returns the probabilities of its false positives.
    fn add(&mut self, patient: u32, lesions: &[Lesion], found: &[&Finding], rule: HitRule) -> Vec<f64> {
        self.n_findings += found.len();
        let of_truth = |truth| lesions.iter().filter(move |lesion| lesion.pathology == truth);
        let hits = |finding: &Finding, lesion: &Lesion| rule.hits(&finding.bounds, &lesion.shape.bounds());
        let hits_malignant =
            |finding: &Finding| of_truth(Pathology::Malignant).any(|lesion| hits(finding, lesion));
        for lesion in of_truth(Pathology::Malignant) {
            let best = most_probable(found.iter().copied().filter(|finding| hits(finding, lesion)));
            let best = best.map(|f| (f.probability, overlap(&f.bounds, &lesion.shape.bounds())));
            self.lesions.push(MarkedLesion { patient, kind: lesion.kind, best });
        }
        let has_lesion = of_truth(Pathology::Malignant).next().is_some();
        let points_right =
            has_lesion.then(|| most_probable(found.iter().copied()).is_some_and(hits_malignant));
        self.images.push(MarkedImage { patient, points_right });
        let is_false = |finding: &&&Finding| {
            !hits_malignant(finding) && !of_truth(Pathology::Unknown).any(|lesion| hits(finding, lesion))
        };
        found.iter().filter(is_false).map(|finding| finding.probability).collect()
    }

    /// Number of images with a malignant lesion.
    pub(super) fn n_with_lesion(&self) -> usize {
        self.images.iter().filter(|image| image.points_right.is_some()).count()
    }

    /// Pointing game, mean overlap, mean sensitivity, sensitivity at each of the [`RATES`], and at
    /// one false positive per image of each kind of lesion.
    pub(super) fn statistics(
        &self,
        kinds: &[(LesionKind, usize)],
        config: &BootstrapConfig,
    ) -> Result<Vec<Defined>> {
        let n = 3 + RATES.len() + kinds.len();
        let resample = |times: &[u8], roc: &mut Roc, values: &mut [std::result::Result<f64, NoValue>]| {
            let weight = |patient: u32| f64::from(times[patient as usize]);
            self.ranked.fill(times, roc);
            let n_images: f64 = self.images.iter().map(|image| weight(image.patient)).sum();
            let n_lesions: f64 = self.lesions.iter().map(|lesion| weight(lesion.patient)).sum();
            if n_lesions == 0.0 {
                let reason = "there are no malignant lesions".to_string();
                return Err(Error::Undefined { statistic: "lesion sensitivity", reason });
            }
            let pointed =
                self.images.iter().filter_map(|image| Some((image.points_right?, weight(image.patient))));
            values[0] = weighted_share(pointed);
            let overlap = |lesion: &MarkedLesion| lesion.best.map_or(0.0, |(_, overlap)| overlap);
            values[1] =
                Ok(self.lesions.iter().map(|l| weight(l.patient) * overlap(l)).sum::<f64>() / n_lesions);
            let sensitivity_at = |rate: f64| {
                f64::from(roc.counts(roc.index_at_false_positives(rate * n_images)).0) / n_lesions
            };
            let at = RATES.map(sensitivity_at);
            values[2] = Ok(at.iter().sum::<f64>() / at.len() as f64);
            values[3..3 + at.len()].iter_mut().zip(at).for_each(|(value, at)| *value = Ok(at));
            let at_one = roc.index_at_false_positives(n_images);
            let threshold =
                at_one.checked_sub(1).map_or(f64::INFINITY, |below| self.ranked.thresholds()[below]);
            for (value, (kind, _)) in values[3 + at.len()..].iter_mut().zip(kinds) {
                let of_kind = self.lesions.iter().filter(|lesion| lesion.kind == *kind);
                let found = |lesion: &MarkedLesion| lesion.best.is_some_and(|(p, _)| p >= threshold);
                *value = weighted_share(of_kind.map(|lesion| (found(lesion), weight(lesion.patient))));
            }
            Ok(())
        };
        let with_lesion: HashSet<u32> = self.lesions.iter().map(|lesion| lesion.patient).collect();
        let scales = vec![Scale::share(with_lesion.len()); n];
        let values = bootstrap_each(self.patients.n(), config, &scales, Roc::default, resample);
        let values = Defined::of(values)?;
        Ok(match values {
            Defined::Value(values) => values,
            Defined::Undefined { undefined } => vec![Defined::undefined(undefined); n],
        })
    }

    /// The kinds of malignant lesions that occur, with their numbers.
    pub(super) fn kinds(&self) -> Vec<(LesionKind, usize)> {
        let of_kind = |kind| (kind, self.lesions.iter().filter(|lesion| lesion.kind == kind).count());
        let all = [LesionKind::Mass, LesionKind::Calcification].map(of_kind);
        all.into_iter().filter(|&(_, n)| n > 0).collect()
    }

    /// The corners of the curve.
    pub(super) fn points(&self) -> Vec<FrocPoint> {
        let mut roc = Roc::default();
        self.ranked.fill(&vec![1; self.patients.n()], &mut roc);
        let (n_images, n_lesions) = (self.images.len() as f64, self.lesions.len() as f64);
        let point = |index: usize| {
            let (found, false_positives) = roc.counts(index);
            FrocPoint {
                threshold: index.checked_sub(1).map(|below| self.ranked.thresholds()[below]),
                false_positives_per_image: f64::from(false_positives) / n_images,
                sensitivity: f64::from(found) / n_lesions,
            }
        };
        let points: Vec<FrocPoint> = corners(&roc).into_iter().map(point).collect();
        let end = points[points.len() - 1];
        let moved = |a: &FrocPoint, b: &FrocPoint| {
            let right = b.false_positives_per_image - a.false_positives_per_image;
            right / end.false_positives_per_image.max(f64::MIN_POSITIVE) + (b.sensitivity - a.sensitivity)
        };
        thinned(points, 2.0, moved)
    }
}

/// The findings of each scored image.
fn by_image<'a>(rows: &'a [ScoreRow], findings: &'a [Finding]) -> Result<HashMap<&'a str, Vec<&'a Finding>>> {
    let mut in_image: HashMap<&str, Vec<&Finding>> =
        rows.iter().map(|row| (row.file.as_str(), vec![])).collect();
    for finding in findings {
        let Some(list) = in_image.get_mut(finding.file.as_str()) else {
            let found = "a finding in an image that the score table does not have";
            return Err(Error::table(&finding.file, None, found, "findings of the scored images"));
        };
        list.push(finding);
    }
    Ok(in_image)
}

/// The most probable finding; the first one in a tie.
fn most_probable<'a>(findings: impl Iterator<Item = &'a Finding>) -> Option<&'a Finding> {
    findings.reduce(|best, next| if next.probability > best.probability { next } else { best })
}

/// Weighted share of the cases for which a condition holds.
fn weighted_share(cases: impl Iterator<Item = (bool, f64)>) -> std::result::Result<f64, NoValue> {
    let (part, all) = cases.fold((0.0, 0.0), |(part, all), (holds, weight)| {
        (part + if holds { weight } else { 0.0 }, all + weight)
    });
    if all > 0.0 { Ok(part / all) } else { Err(NoValue("there are no such cases")) }
}
