//! Discrimination for one kind of unit: images, breasts or patients.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::config::EvalConfig;
use crate::defined::Defined;
use crate::intervals::delong::{AucError, delong_auc};
use crate::intervals::interval::Interval;
use crate::intervals::proportion::Proportion;
use crate::origin::Origin;
use crate::roc::curve_statistic::{CurveFigures, CurveStatistic, index_of_threshold};
use crate::roc::curves::{PrecisionRecallCurve, RocCurve, ScoreHistogram, band_statistics};
use crate::roc::operating_point::{OperatingPoint, OperatingResult};
use crate::roc::ranked::{RankedScores, Roc};
use crate::tables::sample::Sample;

/// The discrimination of one kind of unit.
///
/// Each [`Interval`] comes from the bootstrap over patients; those of [`AucError`] are closed forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitFigures {
    /// Number of labelled units.
    pub n: usize,
    /// Number of malignant ones.
    pub n_malignant: usize,
    /// Number of their patients.
    pub n_patients: usize,
    /// Area under the ROC curve.
    pub auc: Defined,
    /// The same area with closed-form standard error and intervals, clustered by patient.
    pub delong: Defined<AucError>,
    /// Partial area over high specificities.
    pub partial_auc: Defined<PartialAuc>,
    /// Average precision (step-wise area under the precision–recall curve).
    pub average_precision: Defined,
    /// Highest sensitivity at each specificity of the settings.
    pub sensitivity_at_specificity: Vec<AtFixed>,
    /// Highest specificity at each sensitivity of the settings.
    pub specificity_at_sensitivity: Vec<AtFixed>,
    /// Figures at each frozen threshold; the first is that of the model, if there is one.
    pub operating_points: Vec<OperatingFigures>,
    /// The ROC curve with its band.
    pub roc: Defined<RocCurve>,
    /// The precision–recall curve.
    pub precision_recall: Defined<PrecisionRecallCurve>,
    /// Scores by truth.
    pub histogram: ScoreHistogram,
}

/// The area under part of the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartialAuc {
    /// The range is from this specificity up to 1.
    pub min_specificity: f64,
    /// Its area, at most `1 - min_specificity`.
    pub area: Interval,
    /// McClish's standardised area: 0.5 for chance, 1 for perfect separation.
    pub standardised: Interval,
}

/// A statistic at a fixed value of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtFixed {
    /// The fixed value, such as specificity 0.9.
    pub at: f64,
    /// The statistic at that value. The threshold is chosen again in every resample, so that the
    /// interval includes the uncertainty of the choice.
    pub value: Defined,
}

/// Figures at a threshold that was chosen on other data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingFigures {
    /// Where the threshold comes from.
    pub origin: Origin,
    /// The threshold and its rule, with sensitivity and specificity on the data it was chosen on.
    pub point: OperatingPoint,
    /// Confusion counts and shares with Wilson intervals, which assume independent cases.
    pub result: OperatingResult,
    /// Sensitivity; this and the next ones have bootstrap intervals over patients.
    pub sensitivity: Defined,
    /// Specificity.
    pub specificity: Defined,
    /// Positive predictive value at the prevalence of this set.
    pub ppv: Defined,
    /// Negative predictive value at the prevalence of this set.
    pub npv: Defined,
    /// Share of all cases that are positive.
    pub recall_rate: Defined,
    /// Predictive values at the stated prevalence, if one was stated.
    pub at_prevalence: Option<PredictiveValues>,
}

/// A share at a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingShare<'a> {
    /// Its name in tables and in `evaluation.json`.
    pub name: &'static str,
    /// With a bootstrap interval over patients.
    pub clustered: &'a Defined,
    /// From the counts, with Wilson's interval, which assumes independent cases; `None` without
    /// cases.
    pub counted: Option<&'a Proportion>,
}

impl OperatingShare<'_> {
    /// Estimate and ends of the interval: clustered by patient if defined, else from the counts (with
    /// one class there is no bootstrap).
    pub fn ends(&self) -> Option<(f64, f64, f64)> {
        match (self.clustered, self.counted) {
            (Defined::Value(share), _) => Some((share.estimate, share.low, share.high)),
            (_, Some(share)) => Some((share.estimate, share.low, share.high)),
            _ => None,
        }
    }

    /// The counts, and a remark if the interval assumes independent cases.
    pub fn note(&self) -> String {
        let Some(share) = self.counted else { return "undefined: no such cases".into() };
        let counts = format!("{} of {}", share.successes, share.n);
        match self.clustered {
            Defined::Value(_) => counts,
            Defined::Undefined { .. } => format!("{counts}, as if independent"),
        }
    }
}

impl OperatingFigures {
    /// Sensitivity, specificity, predictive values and recall rate of this set.
    pub fn shares(&self) -> [OperatingShare<'_>; 5] {
        let result = &self.result;
        [
            ("sensitivity", &self.sensitivity, result.sensitivity.as_ref()),
            ("specificity", &self.specificity, result.specificity.as_ref()),
            ("ppv", &self.ppv, result.ppv.as_ref()),
            ("npv", &self.npv, result.npv.as_ref()),
            ("recall_rate", &self.recall_rate, result.recall_rate.as_ref()),
        ]
        .map(|(name, clustered, counted)| OperatingShare { name, clustered, counted })
    }
}

/// Predictive values at a stated prevalence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictiveValues {
    /// Prevalence in the intended population.
    pub prevalence: f64,
    /// Positive predictive value.
    pub ppv: Defined,
    /// Negative predictive value.
    pub npv: Defined,
    /// Share of all cases that would be positive.
    pub recall_rate: Defined,
}

/// A frozen threshold and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct FrozenPoint {
    /// Where it comes from.
    pub origin: Origin,
    /// The threshold.
    pub point: OperatingPoint,
}

impl UnitFigures {
    /// All figures of one sample, and `further` statistics from the same resamples.
    ///
    /// # Errors
    /// Scores that are not finite, or an unusable setting. Statistics that need both
    /// classes are undefined with one class, which is not an error.
    pub fn of(
        sample: &Sample,
        ranked: &RankedScores,
        frozen: &[FrozenPoint],
        further: &[CurveStatistic],
        config: &EvalConfig,
    ) -> Result<(Self, CurveFigures)> {
        use CurveStatistic::{Auc, AveragePrecision, SensitivityAt, SpecificityAt};

        let range = CurveStatistic::PartialAuc { min_specificity: config.min_specificity };
        let mut statistics = vec![Auc, range, AveragePrecision];
        statistics.extend(config.fixed_at.iter().copied().map(SensitivityAt));
        statistics.extend(config.fixed_at.iter().copied().map(SpecificityAt));
        statistics.extend(frozen.iter().flat_map(|f| point_statistics(ranked, &f.point, config.prevalence)));
        statistics.extend(band_statistics());
        statistics.extend(further);
        let figures = CurveFigures::bootstrap(ranked, &sample.patients, statistics, &config.bootstrap)?;

        let mut roc = Roc::default();
        let both_classes = Defined::of(ranked.curve(&vec![1; sample.patients.n()], &mut roc))?;
        let curve = |()| RocCurve::of(ranked, &roc, &figures);
        let level = config.bootstrap.level;
        let delong = delong_auc(&sample.scores, &sample.malignant, sample.patients.of_case(), level);
        let at = |statistic: fn(f64) -> CurveStatistic| {
            let value = |&at: &f64| AtFixed { at, value: figures.of(statistic(at)) };
            config.fixed_at.iter().map(value).collect()
        };
        let unit = Self {
            n: sample.n(),
            n_malignant: sample.n_malignant(),
            n_patients: sample.patients.n(),
            auc: figures.of(Auc),
            delong: Defined::of(delong)?,
            partial_auc: figures.of(range).map(|area| PartialAuc::of(area, config.min_specificity)),
            average_precision: figures.of(AveragePrecision),
            sensitivity_at_specificity: at(SensitivityAt),
            specificity_at_sensitivity: at(SpecificityAt),
            operating_points: frozen
                .iter()
                .map(|frozen| operating_figures(sample, ranked, frozen, &figures, config))
                .collect::<Result<_>>()?,
            roc: both_classes.clone().map(curve),
            precision_recall: both_classes.map(|()| PrecisionRecallCurve::of(ranked, &roc)),
            histogram: ScoreHistogram::of(sample, 2 * config.n_bins),
        };
        Ok((unit, figures))
    }
}

impl PartialAuc {
    /// McClish (1989, Med. Decis. Making 9:190–195): chance maps to 0.5, perfect separation to 1. The
    /// map is increasing, so that it also maps the ends of the interval.
    fn of(area: Interval, min_specificity: f64) -> Self {
        let width = 1.0 - min_specificity;
        let chance = 0.5 * width * width;
        let standardise = |area: f64| 0.5 * (1.0 + (area - chance) / (width - chance));
        let (estimate, low, high) =
            (standardise(area.estimate), standardise(area.low), standardise(area.high));
        Self { min_specificity, area, standardised: Interval { estimate, low, high, ..area } }
    }
}

/// The statistics at a threshold.
fn point_statistics(
    ranked: &RankedScores,
    point: &OperatingPoint,
    prevalence: Option<f64>,
) -> Vec<CurveStatistic> {
    let index = index_of_threshold(ranked, point.threshold);
    let mut statistics = vec![CurveStatistic::Sensitivity { index }, CurveStatistic::Specificity { index }];
    for prevalence in std::iter::once(None).chain(prevalence.map(Some)) {
        statistics.extend([
            CurveStatistic::Ppv { index, prevalence },
            CurveStatistic::Npv { index, prevalence },
            CurveStatistic::RecallRate { index, prevalence },
        ]);
    }
    statistics
}

fn operating_figures(
    sample: &Sample,
    ranked: &RankedScores,
    frozen: &FrozenPoint,
    figures: &CurveFigures,
    config: &EvalConfig,
) -> Result<OperatingFigures> {
    let level = config.bootstrap.level;
    let result = frozen.point.apply(&sample.scores, &sample.malignant, level)?;
    let index = index_of_threshold(ranked, frozen.point.threshold);
    let ppv = |prevalence| figures.of(CurveStatistic::Ppv { index, prevalence });
    let npv = |prevalence| figures.of(CurveStatistic::Npv { index, prevalence });
    let recall_rate = |prevalence| figures.of(CurveStatistic::RecallRate { index, prevalence });
    let at_prevalence = config.prevalence.map(|prevalence| PredictiveValues {
        prevalence,
        ppv: ppv(Some(prevalence)),
        npv: npv(Some(prevalence)),
        recall_rate: recall_rate(Some(prevalence)),
    });
    Ok(OperatingFigures {
        origin: frozen.origin,
        point: frozen.point,
        result,
        sensitivity: figures.of(CurveStatistic::Sensitivity { index }),
        specificity: figures.of(CurveStatistic::Specificity { index }),
        ppv: ppv(None),
        npv: npv(None),
        recall_rate: recall_rate(None),
        at_prevalence,
    })
}
