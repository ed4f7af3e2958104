//! Logistic regression on one score, for calibration slopes and calibrators.

use crate::calibration::reliability::Estimate;
use crate::intervals::interval::two_sided_t;
use crate::roc::ranked::units_by_class;
use crate::{Error, Result};

/// Most Newton steps of a fit; five to ten are usual.
const MAX_STEPS: usize = 100;

/// Which of intercept and slope are fitted; a fixed intercept is 0, a fixed slope 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitted {
    /// Both.
    Both,
    /// The intercept; the slope is 1.
    Intercept,
    /// The slope; the intercept is 0.
    Slope,
}

/// `P(malignant) = σ(intercept + slope · x)` by maximum likelihood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticFit {
    /// Intercept.
    pub intercept: f64,
    /// Slope.
    pub slope: f64,
    /// Covariance of (intercept, slope), clustered by patient; 0 for a fixed parameter.
    pub covariance: [[f64; 2]; 2],
    /// Mean negative log likelihood, in nats.
    pub log_loss: f64,
    /// Patients in the rarer class. The intervals have this number minus one degrees of freedom,
    /// because the variance among these patients is the least precisely estimated.
    pub n_patients: usize,
}

/// Gradient and negative second derivatives of the log likelihood.
struct Derivatives {
    gradient: [f64; 2],
    information: [[f64; 2]; 2],
    log_loss: f64,
}

impl LogisticFit {
    /// Fits the model; `patients[case]` is the number of the patient.
    ///
    /// The covariance is the sandwich estimator of Liang & Zeger (1986, Biometrika 73:13–22) with the
    /// usual small-sample correction for the numbers of patients and cases.
    ///
    /// # Errors
    /// [`Error::Undefined`] when a class is missing, all `x` are equal, or `x` separates the
    /// classes, which puts the maximum at infinity.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn of(x: &[f64], malignant: &[bool], patients: &[u32], fitted: Fitted) -> Result<Self> {
        assert_eq!(x.len(), malignant.len(), "one truth per case");
        assert_eq!(x.len(), patients.len(), "one patient per case");
        check_maximum(x, malignant, fitted)?;
        let (mut at, mut step) = ([0.0, 1.0], 1.0_f64);
        let mut here = derivatives(x, malignant, at, fitted);
        for _ in 0..MAX_STEPS {
            let inverse = inverse(here.information)?;
            let newton = product(inverse, here.gradient);
            let next = [at[0] + step * newton[0], at[1] + step * newton[1]];
            let there = derivatives(x, malignant, next, fitted);
            let change = newton.iter().zip(at).map(|(d, a)| d.abs() / (1.0 + a.abs())).fold(0.0, f64::max);
            // Newton's method converges quadratically: after a step this small only rounding is left,
            // which must not be mistaken for an overshoot.
            if change < 1e-9 {
                let covariance = clustered_covariance(x, malignant, patients, next, &there, fitted)?;
                let [intercept, slope] = next;
                let n_patients = patients_in_rarer_class(malignant, patients);
                return Ok(Self { intercept, slope, covariance, log_loss: there.log_loss, n_patients });
            }
            if there.log_loss < here.log_loss * (1.0 + 1e-9) {
                (at, here, step) = (next, there, 1.0);
            } else {
                step *= 0.5;
            }
        }
        Err(undefined(format!("the fit does not converge in {MAX_STEPS} steps")))
    }

    /// The intercept with its interval at `level`, by Student's t.
    pub fn intercept_estimate(&self, level: f64) -> Estimate {
        self.estimate(self.intercept, self.covariance[0][0], level)
    }

    /// The slope with its interval at `level`, by Student's t.
    pub fn slope_estimate(&self, level: f64) -> Estimate {
        self.estimate(self.slope, self.covariance[1][1], level)
    }

    fn estimate(&self, estimate: f64, variance: f64, level: f64) -> Estimate {
        let standard_error = variance.max(0.0).sqrt();
        let half_width = two_sided_t(level, self.n_patients) * standard_error;
        Estimate { estimate, standard_error, low: estimate - half_width, high: estimate + half_width }
    }
}

/// `ln(p / (1 - p))`, with probabilities clamped to [2⁻⁵², 1 − 2⁻⁵²] as in the log loss.
pub fn logit(probability: f64) -> f64 {
    let p = probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    p.ln() - (-p).ln_1p()
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

fn patients_in_rarer_class(malignant: &[bool], patients: &[u32]) -> usize {
    let [with_malignant, with_benign] =
        units_by_class(patients.iter().copied().zip(malignant.iter().copied()));
    with_malignant.min(with_benign)
}

/// Checks that the likelihood has a finite maximum.
fn check_maximum(x: &[f64], malignant: &[bool], fitted: Fitted) -> Result<()> {
    let of_class = |class: bool| x.iter().zip(malignant).filter(move |&(_, &m)| m == class).map(|(&x, _)| x);
    if of_class(true).next().is_none() || of_class(false).next().is_none() {
        return Err(undefined(format!("only one class among {} cases", x.len())));
    }
    let range = |class| {
        of_class(class).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    let ((malignant_low, malignant_high), (benign_low, benign_high)) = (range(true), range(false));
    let separated = match fitted {
        Fitted::Intercept => false,
        Fitted::Both => malignant_low >= benign_high || malignant_high <= benign_low,
        Fitted::Slope => {
            malignant_low >= 0.0 && benign_high <= 0.0 || malignant_high <= 0.0 && benign_low >= 0.0
        }
    };
    if separated {
        return Err(undefined(
            "the score separates the classes, so that the slope has no finite value".into(),
        ));
    }
    Ok(())
}

fn derivatives(x: &[f64], malignant: &[bool], at: [f64; 2], fitted: Fitted) -> Derivatives {
    let (mut gradient, mut log_loss) = ([0.0; 2], 0.0);
    let (mut w0, mut w1, mut w2) = (0.0, 0.0, 0.0);
    for (&x, &malignant) in x.iter().zip(malignant) {
        let linear = at[0] + at[1] * x;
        let p = sigmoid(linear);
        let residual = f64::from(u8::from(malignant)) - p;
        gradient[0] += residual;
        gradient[1] += residual * x;
        let weight = p * (1.0 - p);
        w0 += weight;
        w1 += weight * x;
        w2 += weight * x * x;
        // ln(1 + exp(z)) without overflow; z is the logit of the wrong class.
        let wrong = if malignant { -linear } else { linear };
        log_loss += wrong.max(0.0) + (-wrong.abs()).exp().ln_1p();
    }
    let information = match fitted {
        Fitted::Both => [[w0, w1], [w1, w2]],
        Fitted::Intercept => [[w0, 0.0], [0.0, 1.0]],
        Fitted::Slope => [[1.0, 0.0], [0.0, w2]],
    };
    let gradient = free_part(gradient, fitted);
    Derivatives { gradient, information, log_loss: log_loss / x.len() as f64 }
}

/// The vector with fixed parameters set to 0.
fn free_part(vector: [f64; 2], fitted: Fitted) -> [f64; 2] {
    match fitted {
        Fitted::Both => vector,
        Fitted::Intercept => [vector[0], 0.0],
        Fitted::Slope => [0.0, vector[1]],
    }
}

/// Sandwich estimator: inverse information on both sides of the covariance of the score sums per
/// patient.
fn clustered_covariance(
    x: &[f64],
    malignant: &[bool],
    patients: &[u32],
    at: [f64; 2],
    here: &Derivatives,
    fitted: Fitted,
) -> Result<[[f64; 2]; 2]> {
    let n_patients = patients.iter().max().map_or(0, |&last| last as usize + 1);
    let (mut sums, mut present) = (vec![[0.0; 2]; n_patients], vec![false; n_patients]);
    for ((&x, &malignant), &patient) in x.iter().zip(malignant).zip(patients) {
        let residual = f64::from(u8::from(malignant)) - sigmoid(at[0] + at[1] * x);
        let own = free_part([residual, residual * x], fitted);
        let sum = &mut sums[patient as usize];
        *sum = [sum[0] + own[0], sum[1] + own[1]];
        present[patient as usize] = true;
    }
    let clusters = present.iter().filter(|&&present| present).count() as f64;
    if clusters < 2.0 {
        return Err(undefined("one patient gives no estimate of the variance among patients".into()));
    }
    let mut meat = [[0.0; 2]; 2];
    for sum in &sums {
        for (row, a) in meat.iter_mut().zip(sum) {
            row.iter_mut().zip(sum).for_each(|(cell, b)| *cell += a * b);
        }
    }
    let n_fitted = if fitted == Fitted::Both { 2.0 } else { 1.0 };
    let n = x.len() as f64;
    let correction = clusters / (clusters - 1.0) * (n - 1.0) / (n - n_fitted);
    let bread = inverse(here.information)?;
    let column = |j: usize| product(bread, [meat[0][j], meat[1][j]]);
    let left = [column(0), column(1)];
    // `left[j][i]` is (bread · meat)[i][j].
    let cell = |i: usize, j: usize| correction * (left[0][i] * bread[0][j] + left[1][i] * bread[1][j]);
    Ok([[cell(0, 0), cell(0, 1)], [cell(1, 0), cell(1, 1)]])
}

fn product(matrix: [[f64; 2]; 2], vector: [f64; 2]) -> [f64; 2] {
    matrix.map(|row| row[0] * vector[0] + row[1] * vector[1])
}

fn inverse([[a, b], [c, d]]: [[f64; 2]; 2]) -> Result<[[f64; 2]; 2]> {
    let determinant = a * d - b * c;
    let has_inverse = determinant > 1e-12 * a * d;
    if !has_inverse {
        return Err(undefined("all scores are equal, so that a slope has no value".into()));
    }
    Ok([[d / determinant, -b / determinant], [-c / determinant, a / determinant]])
}

fn undefined(reason: String) -> Error {
    Error::Undefined { statistic: "logistic regression", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 6] = [-2.0, -1.0, 0.0, 0.5, 1.0, 3.0];
    const MALIGNANT: [bool; 6] = [false, true, false, false, true, true];
    const PATIENTS: [u32; 6] = [0, 1, 2, 3, 4, 5];

    #[test]
    fn the_residuals_of_a_fit_sum_to_nothing() {
        let fit = LogisticFit::of(&X, &MALIGNANT, &PATIENTS, Fitted::Both).unwrap();
        let residuals = X
            .iter()
            .zip(MALIGNANT)
            .map(|(x, m)| f64::from(u8::from(m)) - sigmoid(fit.intercept + fit.slope * x));
        let (sum, weighted): (f64, f64) =
            residuals.zip(X).fold((0.0, 0.0), |(s, w), (r, x)| (s + r, w + r * x));
        assert!(sum.abs() < 1e-12 && weighted.abs() < 1e-12, "{sum} {weighted}");
    }

    #[test]
    fn what_is_fixed_stays_and_has_no_error() {
        let intercept = LogisticFit::of(&X, &MALIGNANT, &PATIENTS, Fitted::Intercept).unwrap();
        assert_eq!((intercept.slope, intercept.covariance[1][1]), (1.0, 0.0));
        assert!(intercept.covariance[0][0] > 0.0);
        let slope = LogisticFit::of(&X, &MALIGNANT, &PATIENTS, Fitted::Slope).unwrap();
        assert_eq!((slope.intercept, slope.covariance[0][0]), (0.0, 0.0));
    }

    #[test]
    fn a_maximum_at_infinity_is_an_error_with_its_reason() {
        let separated = [false, false, false, true, true, true];
        let reason = |malignant: &[bool], fitted| {
            LogisticFit::of(&X, malignant, &PATIENTS, fitted).unwrap_err().to_string()
        };
        assert!(reason(&separated, Fitted::Both).contains("separates"));
        assert!(reason(&[false, false, true, true, true, true], Fitted::Slope).contains("separates"));
        assert!(reason(&[true; 6], Fitted::Intercept).contains("one class"));
        let flat = LogisticFit::of(&[0.5; 6], &MALIGNANT, &PATIENTS, Fitted::Both).unwrap_err().to_string();
        assert!(flat.contains("separates") || flat.contains("equal"), "{flat}");
    }

    #[test]
    fn rounding_in_large_sums_does_not_keep_a_fit_from_ending() {
        let n = 300_000_u64;
        let x: Vec<f64> = (0..n).map(|i| (i * 7919 % 1000) as f64 / 250.0 - 2.0).collect();
        let malignant: Vec<bool> = (0..n).map(|i| i * 104_729 % 997 < 300).collect();
        let tilted: Vec<bool> = x.iter().zip(&malignant).map(|(&x, &m)| m || x > 1.5).collect();
        let patients: Vec<u32> = (0..n).map(|case| case as u32 / 4).collect();
        for (truth, fitted) in
            [(&malignant, Fitted::Both), (&tilted, Fitted::Both), (&tilted, Fitted::Intercept)]
        {
            let fit = LogisticFit::of(&x, truth, &patients, fitted).unwrap();
            let expected: f64 = x.iter().map(|x| sigmoid(fit.intercept + fit.slope * x)).sum();
            let observed = truth.iter().filter(|&&malignant| malignant).count() as f64;
            assert!((expected - observed).abs() < 1e-6, "{expected} expected, {observed} observed");
        }
    }

    #[test]
    fn logit_and_sigmoid_undo_each_other() {
        for p in [1e-12, 0.3, 0.5, 0.999] {
            assert!((sigmoid(logit(p)) - p).abs() < 1e-15 * (1.0 + 1.0 / p).min(1e3));
        }
        assert!(logit(0.0).is_finite() && logit(1.0).is_finite());
    }
}
