//! Reliability curve, decomposed Brier score, expected calibration error with its value under perfect
//! calibration, calibration slope and intercept.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::calibration::calibrator::Calibrator;
use crate::calibration::logistic::{Fitted, LogisticFit, logit};
use crate::calibration::losses::log_loss;
use crate::defined::Defined;
use crate::intervals::bootstrap::{BootstrapConfig, bootstrap};
use crate::intervals::interval::Scale;
use crate::intervals::proportion::Proportion;
use crate::origin::Origin;
use crate::roc::curves::{bin_edges, bin_of};
use crate::tables::sample::Sample;

/// Calibration of the probabilities of the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationFigures {
    /// Images.
    pub n: usize,
    /// Mean squared difference between probability and truth.
    pub brier: Defined,
    /// Decomposition of the Brier score.
    pub brier_parts: BrierParts,
    /// Mean negative logarithm of the probability of the true class, in nats.
    pub log_loss: f64,
    /// The reliability curve: equally wide bins of probability, empty ones left out.
    pub bins: Vec<CalibrationBin>,
    /// Expected calibration error over the bins.
    pub ece: f64,
    /// Expected value of `ece` for a perfectly calibrated model with these probabilities: its bias,
    /// which is positive and decreases with the sample size.
    pub ece_by_chance: f64,
    /// Malignant images over the sum of the probabilities; 1 if calibrated on average.
    pub observed_over_expected: Defined<f64>,
    /// Intercept of a logistic recalibration with slope 1 (calibration in the large); 0 if calibrated.
    pub in_the_large: Defined<Estimate>,
    /// Slope of the logistic recalibration; below 1 if the probabilities are too extreme.
    pub slope: Defined<Estimate>,
    /// Intercept of the same fit as `slope`.
    pub intercept: Defined<Estimate>,
}

/// An estimate with a standard error clustered by patient and its interval by Student's t.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Murphy's decomposition: Brier score = reliability − resolution + uncertainty + within bins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BrierParts {
    /// Mean squared difference between the probability and the observed share of a bin; 0 if
    /// calibrated.
    pub reliability: f64,
    /// Mean squared difference between the observed share of a bin and the prevalence; larger is
    /// better.
    pub resolution: f64,
    /// Prevalence times its complement; independent of the model.
    pub uncertainty: f64,
    /// Contribution of the variation of the probabilities within bins (Stephenson et al. 2008);
    /// Murphy's three parts add up exactly only if it is 0.
    pub within_bins: f64,
}

/// The images whose probability lies in one bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lower edge, included in the first bin only.
    pub low: f64,
    /// Upper edge, included.
    pub high: f64,
    /// Mean probability.
    pub mean_probability: f64,
    /// Share of malignant images, with Wilson's interval.
    pub observed: Proportion,
}

/// Calibration after a calibrator was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recalibrated {
    /// The calibrator.
    pub calibrator: Calibrator,
    /// Where it comes from.
    #[serde(default)]
    pub origin: Origin,
    /// Calibration of the calibrated probabilities.
    pub figures: CalibrationFigures,
}

impl CalibrationFigures {
    /// Calibration of a sample whose scores are probabilities.
    ///
    /// # Errors
    /// [`Error::Undefined`](crate::Error::Undefined) without cases or with a score outside `[0, 1]`;
    /// [`Error::Setting`](crate::Error::Setting) for an unusable setting.
    pub fn of(sample: &Sample, n_bins: usize, config: &BootstrapConfig) -> Result<Self> {
        let (probabilities, malignant) = (&sample.scores, &sample.malignant);
        // `log_loss` checks the probabilities for everything below.
        let log_loss = log_loss(probabilities, malignant)?;
        let bins = Binned::of(probabilities, malignant, n_bins);
        let logits: Vec<f64> = probabilities.iter().map(|&p| logit(p)).collect();
        let fit =
            |fitted| Defined::of(LogisticFit::of(&logits, malignant, sample.patients.of_case(), fitted));
        let (both, intercept) = (fit(Fitted::Both)?, fit(Fitted::Intercept)?);
        let level = config.level;
        Ok(Self {
            n: sample.n(),
            brier: brier_interval(sample, config)?,
            brier_parts: bins.brier_parts(),
            log_loss,
            bins: bins.figures(level)?,
            ece: bins.ece(),
            ece_by_chance: bins.ece_by_chance(),
            observed_over_expected: observed_over_expected(sample),
            in_the_large: intercept.map(|fit| fit.intercept_estimate(level)),
            slope: both.clone().map(|fit| fit.slope_estimate(level)),
            intercept: both.map(|fit| fit.intercept_estimate(level)),
        })
    }
}

/// The Brier score with a bootstrap interval over patients.
fn brier_interval(sample: &Sample, config: &BootstrapConfig) -> Result<Defined> {
    let mut sums = vec![(0.0, 0_u32); sample.patients.n()];
    for ((p, &malignant), &patient) in
        sample.scores.iter().zip(&sample.malignant).zip(sample.patients.of_case())
    {
        let (loss, n) = &mut sums[patient as usize];
        *loss += (p - f64::from(u8::from(malignant))).powi(2);
        *n += 1;
    }
    let brier = |times: &[u8]| {
        let weighted =
            times.iter().zip(&sums).map(|(&t, &(loss, n))| (f64::from(t) * loss, u32::from(t) * n));
        let (loss, n) = weighted.fold((0.0, 0), |(sum, cases), (loss, n)| (sum + loss, cases + n));
        Ok([loss / f64::from(n)])
    };
    let scale = Scale::share(sample.patients.n());
    Defined::of(bootstrap(sample.patients.n(), config, [scale], brier).map(|[interval]| interval))
}

fn observed_over_expected(sample: &Sample) -> Defined<f64> {
    let expected: f64 = sample.scores.iter().sum();
    if expected > 0.0 {
        Defined::Value(sample.n_malignant() as f64 / expected)
    } else {
        Defined::undefined("all probabilities are 0")
    }
}

/// Sums over the images of each bin.
struct Binned {
    edges: Vec<f64>,
    bins: Vec<BinSums>,
    n: f64,
}

#[derive(Clone, Default)]
struct BinSums {
    n: usize,
    n_malignant: usize,
    /// Sum of the probabilities.
    sum: f64,
    /// Sum of `p (1 - p)`: the variance of the number of malignant images if calibrated.
    variance: f64,
    /// Sums of the squared deviations of the probabilities from their mean, and of their products
    /// with the deviations of the truth from its mean.
    spread: (f64, f64),
}

impl BinSums {
    fn mean(&self) -> f64 {
        self.sum / self.n as f64
    }

    fn observed(&self) -> f64 {
        self.n_malignant as f64 / self.n as f64
    }
}

impl Binned {
    fn of(probabilities: &[f64], malignant: &[bool], n_bins: usize) -> Self {
        let edges = bin_edges(0.0, 1.0, n_bins.max(1));
        let mut bins = vec![BinSums::default(); n_bins.max(1)];
        let cases = || probabilities.iter().zip(malignant);
        for (&p, &malignant) in cases() {
            let bin = &mut bins[bin_of(&edges, p)];
            bin.n += 1;
            bin.n_malignant += usize::from(malignant);
            bin.sum += p;
            bin.variance += p * (1.0 - p);
        }
        for (&p, &malignant) in cases() {
            let bin = &mut bins[bin_of(&edges, p)];
            let (from_mean, from_share) = (p - bin.mean(), f64::from(u8::from(malignant)) - bin.observed());
            bin.spread.0 += from_mean * from_mean;
            bin.spread.1 += from_mean * from_share;
        }
        Self { edges, bins, n: probabilities.len() as f64 }
    }

    /// The non-empty bins with their edges.
    fn filled(&self) -> impl Iterator<Item = (&BinSums, f64, f64)> {
        let with_edges =
            self.bins.iter().zip(self.edges.windows(2)).map(|(bin, ends)| (bin, ends[0], ends[1]));
        with_edges.filter(|(bin, ..)| bin.n > 0)
    }

    /// Mean over the images of a value of their bin.
    fn mean_over_images(&self, of_bin: impl Fn(&BinSums) -> f64) -> f64 {
        self.filled().map(|(bin, ..)| bin.n as f64 * of_bin(bin)).sum::<f64>() / self.n
    }

    fn figures(&self, level: f64) -> Result<Vec<CalibrationBin>> {
        let figure = |(bin, low, high): (&BinSums, f64, f64)| {
            let observed = Proportion::wilson(bin.n_malignant, bin.n, level)?;
            Ok(CalibrationBin { low, high, mean_probability: bin.mean(), observed })
        };
        self.filled().map(figure).collect()
    }

    fn ece(&self) -> f64 {
        self.mean_over_images(|bin| (bin.mean() - bin.observed()).abs())
    }

    /// Per bin the mean absolute deviation of a normal distribution, `√(2/π)` standard deviations.
    fn ece_by_chance(&self) -> f64 {
        let mean_distance = (2.0 / std::f64::consts::PI).sqrt();
        self.mean_over_images(|bin| mean_distance * bin.variance.sqrt() / bin.n as f64)
    }

    fn brier_parts(&self) -> BrierParts {
        let malignant: usize = self.bins.iter().map(|bin| bin.n_malignant).sum();
        let prevalence = malignant as f64 / self.n;
        BrierParts {
            reliability: self.mean_over_images(|bin| (bin.mean() - bin.observed()).powi(2)),
            resolution: self.mean_over_images(|bin| (bin.observed() - prevalence).powi(2)),
            uncertainty: prevalence * (1.0 - prevalence),
            within_bins: self.mean_over_images(|bin| (bin.spread.0 - 2.0 * bin.spread.1) / bin.n as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::{Patients, brier_score};
    use mammo_core::seed::stream;

    /// Perfectly calibrated probabilities, one image per patient.
    fn calibrated(n: usize) -> Sample {
        let mut rng = stream(4, "test calibration", 0);
        let scores: Vec<f64> = (0..n).map(|_| rng.random()).collect();
        let malignant = scores.iter().map(|&p| rng.random_bool(p)).collect();
        let ids: Vec<String> = (0..n).map(|i| format!("{i:05}")).collect();
        Sample { scores, malignant, patients: Patients::from_ids(ids.iter().map(String::as_str)) }
    }

    fn quick() -> BootstrapConfig {
        BootstrapConfig { n_resamples: 100, ..Default::default() }
    }

    #[test]
    fn the_parts_add_up_to_the_brier_score() {
        let sample = calibrated(500);
        let figures = CalibrationFigures::of(&sample, 7, &quick()).unwrap();
        let BrierParts { reliability, resolution, uncertainty, within_bins } = figures.brier_parts;
        let brier = brier_score(&sample.scores, &sample.malignant).unwrap();
        assert!((reliability - resolution + uncertainty + within_bins - brier).abs() < 1e-12);
        assert!((figures.brier.value().unwrap().estimate - brier).abs() < 1e-12);
        assert_eq!(figures.bins.iter().map(|bin| bin.observed.n).sum::<usize>(), 500);
    }

    #[test]
    fn a_calibrated_model_shows_the_error_of_chance_and_slope_one() {
        let figures = CalibrationFigures::of(&calibrated(5000), 10, &quick()).unwrap();
        let ratio = figures.ece / figures.ece_by_chance;
        assert!((0.5..1.7).contains(&ratio), "{ratio}");
        let slope = figures.slope.value().unwrap();
        assert!(slope.low < 1.0 && 1.0 < slope.high, "{slope:?}");
        assert!((figures.observed_over_expected.value().unwrap() - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_probability_on_an_edge_belongs_to_the_bin_below() {
        let edges = bin_edges(0.0, 1.0, 10);
        assert_eq!([0.0, 0.1, 0.3, 0.31, 1.0].map(|p| bin_of(&edges, p)), [0, 0, 2, 3, 9]);
    }
}
