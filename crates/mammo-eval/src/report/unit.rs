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

/// Everything about how well one kind of unit is told apart.
///
/// [`Interval`]s come from resampling patients; those of [`AucError`] are in closed
/// form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitFigures {
    /// Labelled units.
    pub n: usize,
    /// Those that are malignant.
    pub n_malignant: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Area under the ROC curve.
    pub auc: Defined,
    /// The same area with a standard error and intervals in closed form, clustered by patient.
    pub delong: Defined<AucError>,
    /// Area over the range of high specificity alone.
    pub partial_auc: Defined<PartialAuc>,
    /// Mean precision over the malignant cases (step-wise area under precision–recall).
    pub average_precision: Defined,
    /// Largest sensitivity at each of the specificities asked for.
    pub sensitivity_at_specificity: Vec<AtFixed>,
    /// Largest specificity at each of the sensitivities asked for.
    pub specificity_at_sensitivity: Vec<AtFixed>,
    /// What each frozen threshold does; the first is that of the model, if there is one.
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
    /// The part from this specificity up to 1.
    pub min_specificity: f64,
    /// Its area, at most `1 - min_specificity`.
    pub area: Interval,
    /// McClish's standardised area: 0.5 for chance, 1 for perfection.
    pub standardised: Interval,
}

/// A statistic at a fixed value of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtFixed {
    /// The fixed value, such as specificity 0.9.
    pub at: f64,
    /// The statistic there. The threshold is chosen anew in every resample, so that the interval
    /// holds the uncertainty of the choice too.
    pub value: Defined,
}

/// What a threshold chosen beforehand does here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingFigures {
    /// Where the threshold comes from.
    pub origin: Origin,
    /// The threshold and how it was chosen; its own figures are those of the data it was chosen on.
    pub point: OperatingPoint,
    /// Confusion counts and shares with Wilson intervals, which take the cases as independent.
    pub result: OperatingResult,
    /// Sensitivity, its interval by resampling patients, as those of the next ones.
    pub sensitivity: Defined,
    /// Specificity.
    pub specificity: Defined,
    /// Positive predictive value at the prevalence of this set.
    pub ppv: Defined,
    /// Negative predictive value at the prevalence of this set.
    pub npv: Defined,
    /// Share of all cases that is positive.
    pub recall_rate: Defined,
    /// Predictive values at the stated prevalence, if one was stated.
    pub at_prevalence: Option<PredictiveValues>,
}

/// A share at a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingShare<'a> {
    /// Its name in tables and in `evaluation.json`.
    pub name: &'static str,
    /// With an interval by resampling patients.
    pub clustered: &'a Defined,
    /// As counted, with Wilson's interval, which takes the cases as independent; `None` without
    /// any.
    pub counted: Option<&'a Proportion>,
}

impl OperatingShare<'_> {
    /// Estimate and ends of the interval: by patient where there is one, else as counted (a set of
    /// one class has no resamples).
    pub fn ends(&self) -> Option<(f64, f64, f64)> {
        match (self.clustered, self.counted) {
            (Defined::Value(share), _) => Some((share.estimate, share.low, share.high)),
            (_, Some(share)) => Some((share.estimate, share.low, share.high)),
            _ => None,
        }
    }

    /// The counts behind it, and what must be known of its interval.
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

/// Predictive values re-weighted from the prevalence of the sample to a stated one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictiveValues {
    /// Share of malignant cases where the model is to be used.
    pub prevalence: f64,
    /// Share of the positive that would be malignant.
    pub ppv: Defined,
    /// Share of the negative that would be benign.
    pub npv: Defined,
    /// Share of all that would be positive.
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
    /// All figures of one sample, and beside them `further` statistics over the same resamples.
    ///
    /// # Errors
    /// Scores that are not finite, or an unusable setting. What one class alone does not define
    /// is no error.
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
    /// McClish (1989, Med. Decis. Making 9:190–195): chance maps to 0.5, perfection to 1. The map
    /// rises, so it carries the ends of the interval too.
    fn of(area: Interval, min_specificity: f64) -> Self {
        let width = 1.0 - min_specificity;
        let chance = 0.5 * width * width;
        let standardise = |area: f64| 0.5 * (1.0 + (area - chance) / (width - chance));
        let (estimate, low, high) =
            (standardise(area.estimate), standardise(area.low), standardise(area.high));
        Self { min_specificity, area, standardised: Interval { estimate, low, high, ..area } }
    }
}

/// What is asked about a threshold.
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
