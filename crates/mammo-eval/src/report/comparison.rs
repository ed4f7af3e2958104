//! Comparison of two models on the same images: difference of the areas, with a paired test.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::defined::Defined;
use crate::intervals::area_difference::PairedAreas;
use crate::intervals::bootstrap::{BootstrapConfig, NoValue, Patients, Resamples, Spread, resample};
use crate::intervals::delong::{AucDifference, delong_difference};
use crate::intervals::interval::{Interval, Scale};
use crate::report::figure::{Figure, FigureTable};
use crate::report::labelled_images;
use crate::roc::ranked::RankedScores;
use crate::tables::scores::ScoreRow;
use crate::{Error, Result};

/// Areas of two models per image and their difference, from the same resampled patients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Number of labelled images.
    pub n_images: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Area of the first model.
    pub first: Interval,
    /// Area of the second model.
    pub second: Interval,
    /// Second minus first: positive when the second model is better.
    pub difference: Interval,
    /// Two-sided p-value of the difference ([`delong_difference`], clustered by patient, Student's t); `None`
    /// if both rank the images equally or a class has fewer than two patients.
    pub p_value: Option<f64>,
    /// The same test in full: difference, standard error, interval.
    pub delong: Defined<AucDifference>,
}

/// Compares the areas of two score tables of the same images.
///
/// Both areas use the same resamples, so that the variation that the models share cancels in the
/// difference.
///
/// # Errors
/// [`Error::Table`] when an image was scored by one model only or twice, when the tables disagree
/// about its truth or patient, or when a score is not finite; [`Error::Undefined`] when the labels do not
/// define an area; [`Error::Setting`] for an unusable `config`.
pub fn compare_auc(first: &[ScoreRow], second: &[ScoreRow], config: &BootstrapConfig) -> Result<Comparison> {
    let images = labelled_images(first)?;
    // The same checks for the second table; `in_order_of` compares its labels with the first.
    labelled_images(second)?;
    let second_probabilities = in_order_of(first, second)?;
    let scores: Vec<f64> = images.iter().map(|image| image.score).collect();
    let malignant: Vec<bool> = images.iter().map(|image| image.malignant).collect();
    let patients = Patients::from_ids(images.iter().map(|image| image.patient_id.as_str()));
    let ranked_first = RankedScores::new(&scores, &malignant, patients.of_case())?;
    let ranked_second = RankedScores::new(&second_probabilities, &malignant, patients.of_case())?;
    let areas = |times: &[u8], (): &mut (), values: &mut [std::result::Result<f64, NoValue>]| {
        let (first, second) = (ranked_first.resampled_auc(times)?, ranked_second.resampled_auc(times)?);
        values.copy_from_slice(&[Ok(first), Ok(second), Ok(second - first)]);
        Ok(())
    };
    let resamples = resample(patients.n(), config, 3, || (), areas)?;
    let [first, second, difference] = intervals(&resamples, ranked_first.units_by_class(), config)?;
    let delong = Defined::of(delong_difference(
        &scores,
        &second_probabilities,
        &malignant,
        patients.of_case(),
        config.level,
    ))?;
    let p_value = delong.value().map(|test| test.p_value);
    let (n_images, n_patients) = (images.len(), patients.n());
    Ok(Comparison { n_images, n_patients, first, second, difference, p_value, delong })
}

/// The intervals of first area, second area and difference from resamples of the three.
fn intervals(
    resamples: &Resamples,
    patients_by_class: [usize; 2],
    config: &BootstrapConfig,
) -> Result<[Interval; 3]> {
    let undefined = |reason| Error::Undefined { statistic: "difference of two areas", reason };
    let spread = |statistic| resamples.spread(statistic, config).into_result().map_err(undefined);
    let spreads = [spread(0)?, spread(1)?, spread(2)?];
    let areas = PairedAreas::of_spreads(spreads, patients_by_class);
    let on_own_scale =
        |of: Spread| Scale::area(patients_by_class).ends(of.estimate, of.standard_error, config.level);
    let [first, second, between] = spreads;
    let interval = |of: Spread, ends| resamples.interval_between(of.estimate, ends, of.n, config);
    Ok([
        interval(first, on_own_scale(first)),
        interval(second, on_own_scale(second)),
        interval(between, areas.ends(config.level)),
    ])
}

/// Probabilities of `second` for the labelled rows of `first`, in their order.
fn in_order_of(first: &[ScoreRow], second: &[ScoreRow]) -> Result<Vec<f64>> {
    let by_file: HashMap<&str, &ScoreRow> = second.iter().map(|row| (row.file.as_str(), row)).collect();
    let only_once = |file: &str| {
        Error::table(
            file,
            None,
            "scored by one of the two models only",
            "two score tables of the same images",
        )
    };
    let mut probabilities = vec![];
    for row in first {
        let other = by_file.get(row.file.as_str()).ok_or_else(|| only_once(&row.file))?;
        if (row.label, &row.patient_id) != (other.label, &other.patient_id) {
            let found = format!(
                "{} of patient {} in one table, {} of patient {} in the other",
                row.label, row.patient_id, other.label, other.patient_id
            );
            return Err(Error::table(&row.file, None, found, "the same truth and patient in both"));
        }
        if row.malignant().is_some() {
            probabilities.push(other.probability);
        }
    }
    if second.len() > first.len() {
        let in_first: std::collections::HashSet<&str> = first.iter().map(|row| row.file.as_str()).collect();
        if let Some(extra) = second.iter().find(|row| !in_first.contains(row.file.as_str())) {
            return Err(only_once(&extra.file));
        }
    }
    Ok(probabilities)
}

impl FigureTable for Comparison {
    fn figures(&self) -> Vec<Figure> {
        let n = self.n_images;
        vec![
            Figure::count("n_images", n),
            Figure::count("n_patients", self.n_patients),
            Figure::interval("auc_first", &self.first, n),
            Figure::interval("auc_second", &self.second, n),
            Figure::interval("auc_second_minus_first", &self.difference, n),
            Figure::value("p_value", self.p_value, n),
        ]
    }

    fn level(&self) -> Option<f64> {
        Some(self.difference.level)
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::tables::scores::tests::row;
    use mammo_core::record::Pathology::{Benign, Malignant, Unknown};
    use mammo_core::seed::stream;

    /// Forty patients with two images each; the signal of the second model is `gain` stronger.
    fn tables(gain: f64) -> (Vec<ScoreRow>, Vec<ScoreRow>) {
        let mut rng = stream(3, "test comparison", 0);
        let mut tables = (vec![], vec![]);
        for image in 0..80 {
            let patient = image / 2;
            let (label, signal) = if patient % 2 == 0 { (Malignant, 1.0) } else { (Benign, 0.0) };
            let (noise, own): (f64, f64) = (rng.random(), rng.random());
            let score = |signal_weight: f64| (0.6 * noise + 0.1 * own + signal_weight * signal).min(1.0);
            let row = |probability| row(&format!("{image}"), &format!("w{patient}"), label, probability);
            tables.0.push(row(score(0.1)));
            tables.1.push(row(score(0.1 + gain)));
        }
        tables
    }

    #[test]
    fn a_model_against_itself_differs_by_nothing() {
        let (first, _) = tables(0.1);
        let same = compare_auc(&first, &first, &BootstrapConfig::default()).unwrap();
        assert_eq!((same.difference.estimate, same.difference.low, same.difference.high), (0.0, 0.0, 0.0));
        assert_eq!(same.p_value, None);
    }

    #[test]
    fn pairing_finds_a_difference_that_two_separate_intervals_hide() {
        let (first, mut second) = tables(0.08);
        second.reverse();
        let comparison = compare_auc(&first, &second, &BootstrapConfig::default()).unwrap();
        assert!(comparison.difference.low > 0.0, "{comparison:?}");
        assert!(comparison.first.high > comparison.second.low, "{comparison:?}");
        assert!(comparison.p_value.unwrap() < 0.01, "{comparison:?}");
        assert_eq!((comparison.n_images, comparison.n_patients), (80, 40));
        let estimate = comparison.second.estimate - comparison.first.estimate;
        assert_eq!(comparison.difference.estimate, estimate);
        assert!(comparison.to_markdown().contains("auc_second_minus_first"));
    }

    #[test]
    fn tables_of_different_images_are_not_compared() {
        let (first, second) = tables(0.1);
        let config = BootstrapConfig::default();
        for (a, b) in [(&first[..], &second[1..]), (&first[1..], &second[..])] {
            let error = compare_auc(a, b, &config).unwrap_err().to_string();
            assert!(error.starts_with("0: scored by one of the two models only"), "{error}");
        }
        for change in [|r: &mut ScoreRow| r.label = Unknown, |r: &mut ScoreRow| r.patient_id = "x".into()] {
            let mut other = second.clone();
            change(&mut other[5]);
            let error = compare_auc(&first, &other, &config).unwrap_err().to_string();
            assert!(error.starts_with("5: malignant of patient w2") || error.starts_with("5: "), "{error}");
        }
    }
}
