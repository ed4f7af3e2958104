//! Brier score and log loss: losses that depend on the probabilities, not only on their order.

use crate::{Error, Result};

/// Mean squared difference between probability and truth (Brier 1950); 0 is perfect, and a constant
/// probability of one half gives 0.25.
///
/// # Errors
/// [`Error::Undefined`] without cases or with a probability outside `[0, 1]`.
///
/// # Panics
/// When the slices differ in length.
pub fn brier_score(probabilities: &[f64], malignant: &[bool]) -> Result<f64> {
    mean_loss("Brier score", probabilities, malignant, |p, m| (p - f64::from(u8::from(m))).powi(2))
}

/// Mean negative logarithm of the probability of the true class, in nats; a constant probability of
/// one half gives ln 2.
///
/// Probabilities are clamped to [2⁻⁵², 1 − 2⁻⁵²], so that a wrong probability of 0 or 1 costs 36 nats
/// and does not make the mean infinite.
///
/// # Errors
/// [`Error::Undefined`] without cases or with a probability outside `[0, 1]`.
///
/// # Panics
/// When the slices differ in length.
pub fn log_loss(probabilities: &[f64], malignant: &[bool]) -> Result<f64> {
    mean_loss("log loss", probabilities, malignant, |p, m| {
        let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        if m { -p.ln() } else { -(-p).ln_1p() }
    })
}

/// The mean over cases of `loss(probability, malignant)`.
fn mean_loss(
    statistic: &'static str,
    probabilities: &[f64],
    malignant: &[bool],
    loss: impl Fn(f64, bool) -> f64,
) -> Result<f64> {
    assert_eq!(probabilities.len(), malignant.len(), "one truth per probability");
    if probabilities.is_empty() {
        return Err(Error::Undefined { statistic, reason: "there are no cases".into() });
    }
    if let Some(case) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        let reason = format!("probability {} of case {case} is outside [0, 1]", probabilities[case]);
        return Err(Error::Undefined { statistic, reason });
    }
    let sum: f64 = probabilities.iter().zip(malignant).map(|(&p, &m)| loss(p, m)).sum();
    Ok(sum / probabilities.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indifference_has_the_textbook_losses() {
        let (probabilities, malignant) = ([0.5; 4], [true, false, false, true]);
        assert_eq!(brier_score(&probabilities, &malignant).unwrap(), 0.25);
        assert!((log_loss(&probabilities, &malignant).unwrap() - 2.0_f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn a_confident_mistake_stays_finite() {
        assert!((log_loss(&[0.0], &[true]).unwrap() - 36.04).abs() < 0.01);
        assert!((log_loss(&[1.0], &[false]).unwrap() - 36.04).abs() < 0.01);
        assert!(log_loss(&[1.0], &[true]).unwrap() < 1e-15);
    }

    #[test]
    fn what_is_no_probability_is_an_error() {
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(brier_score(&[bad], &[true]).is_err());
            assert!(log_loss(&[bad], &[true]).is_err());
        }
        assert!(brier_score(&[], &[]).is_err());
    }
}
