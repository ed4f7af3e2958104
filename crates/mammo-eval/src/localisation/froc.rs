//! Free-response ROC analysis: lesion sensitivity against false positives per image.

mod marked;

use serde::{Deserialize, Serialize};

use crate::config::EvalConfig;
use crate::defined::Defined;
use crate::intervals::interval::Interval;
use crate::roc::curves::BandPoint;
use crate::tables::findings::Finding;
use crate::tables::scores::ScoreRow;
use crate::{Error, Result};
use mammo_core::geometry::Rect;
use mammo_core::record::Mammogram;
use marked::Marked;

/// When a finding counts as a hit of a lesion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitRule {
    /// The centre of the finding lies in the bounding box of the lesion, edges included.
    CentreInBox,
    /// Intersection over union of the two boxes is at least this.
    BoxOverlap(f64),
}

/// Localisation of malignant lesions by findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Localisation {
    /// When a finding is a hit.
    pub hit_rule: HitRule,
    /// Number of images, those without any finding included.
    pub n_images: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Images with a malignant lesion.
    pub n_images_with_lesion: usize,
    /// Number of malignant lesions in them.
    pub n_lesions: usize,
    /// Number of findings.
    pub n_findings: usize,
    /// The FROC curve.
    pub froc: Defined<FrocCurve>,
    /// Share of images with a malignant lesion whose most probable finding hits one; an image
    /// without findings counts as a miss.
    pub pointing_game: Defined,
    /// Mean over the malignant lesions of the intersection over union with the most probable
    /// finding that hits it; 0 for a missed lesion.
    pub mean_overlap: Defined,
    /// Share of lesions that any finding hits, by mass and calcification.
    pub by_kind: Vec<LesionKindFigures>,
}

/// The free-response ROC curve (Bunch et al. 1978).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrocCurve {
    /// By descending threshold, thinned like an ROC curve.
    pub points: Vec<FrocPoint>,
    /// Lesion sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 false positives per image (`at`).
    pub at: Vec<BandPoint>,
    /// Mean of the sensitivities in `at`.
    pub mean_sensitivity: Interval,
}

/// A point of a [`FrocCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrocPoint {
    /// Findings of at least this probability count; `None` for the point at which none does.
    pub threshold: Option<f64>,
    /// Findings that hit no malignant lesion, divided by the number of images.
    pub false_positives_per_image: f64,
    /// Share of the malignant lesions that a finding hits.
    pub sensitivity: f64,
}

/// Lesions of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LesionKindFigures {
    /// `mass` or `calcification`.
    pub kind: String,
    /// Malignant lesions of this kind.
    pub n_lesions: usize,
    /// Sensitivity at the threshold at which all findings have 1 false positive per image.
    pub sensitivity_at_one: Defined,
}

/// False positives per image at which lesion sensitivity is reported.
pub(super) const RATES: [f64; 6] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0];

impl Localisation {
    /// Compares the findings with the malignant lesions of the scored images.
    ///
    /// - A finding that hits a malignant lesion is not a false positive; of several findings on one
    ///   lesion, the one of highest probability counts.
    /// - A finding on a benign lesion is a false positive; one on a lesion of unknown truth does
    ///   not count.
    /// - Images of unknown truth are left out.
    ///
    /// # Errors
    /// [`Error::Table`] for a scored image without record, or a finding in an image that was not
    /// scored; [`Error::Setting`] for an unusable setting.
    pub fn of(
        rows: &[ScoreRow],
        images: &[Mammogram],
        findings: &[Finding],
        config: &EvalConfig,
    ) -> Result<Self> {
        if let HitRule::BoxOverlap(least) = config.hit_rule
            && !(least > 0.0 && least <= 1.0)
        {
            return Err(Error::setting("hit_rule", least.to_string(), "an overlap above 0, at most 1"));
        }
        let marked = Marked::of(rows, images, findings, config.hit_rule)?;
        let kinds = marked.kinds();
        let mut statistics = marked.statistics(&kinds, &config.bootstrap)?.into_iter();
        let mut next = || statistics.next().unwrap_or_else(|| unreachable!("one value per statistic"));
        let (pointing_game, mean_overlap, mean_sensitivity) = (next(), next(), next());
        let at: Vec<Defined> = RATES.iter().map(|_| next()).collect();
        let by_kind = kinds.into_iter().map(|(kind, n_lesions)| LesionKindFigures {
            kind: kind.to_string(),
            n_lesions,
            sensitivity_at_one: next(),
        });
        let by_kind = by_kind.collect();
        let froc = mean_sensitivity.map(|mean_sensitivity| FrocCurve {
            points: marked.points(),
            at: RATES
                .iter()
                .zip(at)
                .filter_map(|(&at, value)| {
                    let Interval { estimate, low, high, .. } = *value.value()?;
                    Some(BandPoint { at, estimate, low, high })
                })
                .collect(),
            mean_sensitivity,
        });
        Ok(Self {
            hit_rule: config.hit_rule,
            n_images: marked.images.len(),
            n_patients: marked.patients.n(),
            n_images_with_lesion: marked.n_with_lesion(),
            n_lesions: marked.lesions.len(),
            n_findings: marked.n_findings,
            froc,
            pointing_game,
            mean_overlap,
            by_kind,
        })
    }
}

impl HitRule {
    /// The rule in words, to follow "a finding hits when".
    pub fn in_words(self) -> String {
        match self {
            Self::CentreInBox => "its centre lies in the lesion's box".into(),
            Self::BoxOverlap(least) => {
                format!("intersection over union of its box and the lesion's is at least {least}")
            }
        }
    }

    fn hits(self, finding: &Rect, lesion: &Rect) -> bool {
        match self {
            Self::CentreInBox => {
                let (x, y) = finding.centre();
                (lesion.x..=lesion.right()).contains(&x) && (lesion.y..=lesion.bottom()).contains(&y)
            }
            Self::BoxOverlap(least) => overlap(finding, lesion) >= least,
        }
    }
}

/// Intersection over union of two boxes; 0 when neither has an area.
fn overlap(a: &Rect, b: &Rect) -> f64 {
    let shared = a.intersection(b).area();
    let either = a.area() + b.area() - shared;
    if either > 0.0 { shared / either } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BootstrapConfig;
    use crate::tables::scores::tests::row;
    use crate::tests::mammogram;
    use mammo_core::record::{Lesion, LesionKind, LesionShape, Pathology};

    const BOX: Rect = Rect { x: 10.0, y: 10.0, width: 20.0, height: 20.0 };

    fn finding(file: &str, x: f64, y: f64, size: f64, probability: f64) -> Finding {
        Finding { file: file.into(), bounds: Rect::new(x, y, size, size), probability }
    }

    /// Four patients with one image each: two malignant lesions, one benign, none.
    fn set() -> (Vec<ScoreRow>, Vec<Mammogram>, Vec<Finding>) {
        let truths = [Pathology::Malignant, Pathology::Malignant, Pathology::Benign, Pathology::Benign];
        let rows =
            truths.iter().enumerate().map(|(i, &truth)| row(&format!("{i}"), &format!("p{i}"), truth, 0.5));
        let mut images: Vec<Mammogram> = truths
            .iter()
            .enumerate()
            .map(|(i, &truth)| mammogram(&format!("{i}"), &format!("p{i}"), truth))
            .collect();
        for (image, truth) in images.iter_mut().zip(&truths[..3]) {
            let shape = LesionShape::Box(BOX);
            image.lesions.push(Lesion { kind: LesionKind::Mass, pathology: *truth, shape });
        }
        let findings = vec![
            finding("0", 60.0, 60.0, 10.0, 0.95),
            finding("0", 10.0, 10.0, 20.0, 0.9),
            finding("0", 12.0, 12.0, 10.0, 0.8),
            finding("1", 15.0, 10.0, 20.0, 0.6),
            finding("2", 10.0, 10.0, 20.0, 0.7),
        ];
        (rows.collect(), images, findings)
    }

    fn config(hit_rule: HitRule) -> EvalConfig {
        let bootstrap = BootstrapConfig { n_resamples: 100, ..Default::default() };
        EvalConfig { bootstrap, hit_rule, ..Default::default() }
    }

    #[test]
    fn hits_and_false_positives_are_those_counted_by_hand() {
        let (rows, images, findings) = set();
        let found = Localisation::of(&rows, &images, &findings, &config(HitRule::CentreInBox)).unwrap();
        assert_eq!((found.n_images, found.n_lesions, found.n_findings), (4, 2, 5));
        let froc = found.froc.value().unwrap();
        let points: Vec<(f64, f64)> =
            froc.points.iter().map(|p| (p.false_positives_per_image, p.sensitivity)).collect();
        assert_eq!(points, [(0.0, 0.0), (0.25, 0.0), (0.25, 0.5), (0.5, 0.5), (0.5, 1.0)]);
        let at: Vec<f64> = froc.at.iter().map(|at| at.estimate).collect();
        assert_eq!(at, [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(found.pointing_game.value().unwrap().estimate, 0.5);
        // Overlap 1 on the first; on the second 15 of 25 columns: 300 of 500.
        assert!((found.mean_overlap.value().unwrap().estimate - 0.8).abs() < 1e-12);
        assert_eq!((found.by_kind.len(), found.by_kind[0].n_lesions), (1, 2));
        assert_eq!(found.by_kind[0].sensitivity_at_one.value().unwrap().estimate, 1.0);
    }

    #[test]
    fn the_hit_rule_decides() {
        let (rows, images, findings) = set();
        let found = Localisation::of(&rows, &images, &findings, &config(HitRule::BoxOverlap(0.7))).unwrap();
        assert_eq!(found.froc.value().unwrap().points.last().unwrap().sensitivity, 0.5);
        assert!(Localisation::of(&rows, &images, &findings, &config(HitRule::BoxOverlap(0.0))).is_err());
    }

    #[test]
    fn without_malignant_lesions_there_is_a_reason_and_no_number() {
        let (rows, images, findings) = set();
        let found =
            Localisation::of(&rows[2..], &images, &findings[4..], &config(HitRule::CentreInBox)).unwrap();
        assert_eq!(found.froc.reason(), Some("there are no malignant lesions"));
        assert!(found.by_kind.is_empty());
    }

    #[test]
    fn findings_and_images_that_do_not_fit_together_are_errors() {
        let (rows, images, findings) = set();
        let rule = config(HitRule::CentreInBox);
        let error = Localisation::of(&rows[1..], &images, &findings, &rule).unwrap_err().to_string();
        assert!(error.starts_with("0: a finding in an image"), "{error}");
        let error = Localisation::of(&rows, &images[1..], &findings, &rule).unwrap_err().to_string();
        assert!(error.starts_with("0: no such image in the manifest"), "{error}");
    }
}
