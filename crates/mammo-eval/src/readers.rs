//! Multi-reader studies: readers and a model on the same cases (Obuchowski & Rockette 1995).

use serde::{Deserialize, Serialize};

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::defined::Defined;
use crate::intervals::bootstrap::Patients;
use crate::intervals::delong::{AucError, delong_auc, delong_covariance};
use crate::intervals::normal::{two_sided_p, two_sided_z};
use crate::intervals::proportion::check_level;
use crate::tables::grouping::READER_PREFIX;
use crate::tables::scores::ScoreTable;
use crate::{Error, Result};

/// Comparison of the model with readers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReaderStudy {
    /// Images that every reader rated.
    pub n_images: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Area of the model on the same images.
    pub model: Defined<AucError>,
    /// One per reader.
    pub readers: Vec<Reader>,
    /// Mean area of the readers.
    pub mean_auc: Defined<f64>,
    /// Model minus mean reader for fixed readers and random cases: holds for these readers only.
    pub fixed_readers: Defined<ReaderDifference>,
    /// Model minus mean reader for random readers and random cases: generalises to similar readers.
    pub random_readers: Defined<ReaderDifference>,
}

/// One reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// Name, from the column `reader_NAME`.
    pub name: String,
    /// Area of the ratings.
    pub auc: Defined<AucError>,
}

/// A mean difference of areas with its test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReaderDifference {
    /// The difference.
    pub difference: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of the t distribution; `None` for the normal distribution.
    pub degrees_of_freedom: Option<f64>,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

impl ReaderStudy {
    /// The readers of a table of labelled rows; `None` when it has no column of ratings.
    ///
    /// Images that a reader did not rate are left out, because the analysis needs a complete design.
    ///
    /// # Errors
    /// [`Error::Table`] for a rating that is not a number; [`Error::Setting`] for an unusable level.
    pub fn of(table: &ScoreTable, level: f64) -> Result<Option<Self>> {
        let columns: Vec<(&str, &Vec<String>)> = table
            .columns
            .iter()
            .filter_map(|(name, values)| Some((name.strip_prefix(READER_PREFIX)?, values)))
            .collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let rated = |&row: &usize| columns.iter().all(|(_, values)| !values[row].is_empty());
        let rows: Vec<usize> = (0..table.rows.len()).filter(rated).collect();
        let readings: Vec<Vec<f64>> = columns
            .iter()
            .map(|(name, values)| rows.iter().map(|&row| rating(table, name, &values[row], row)).collect())
            .collect::<Result<_>>()?;
        let model: Vec<f64> = rows.iter().map(|&row| table.rows[row].probability).collect();
        let malignant: Vec<bool> =
            rows.iter().map(|&row| table.rows[row].malignant() == Some(true)).collect();
        let patients = Patients::from_ids(rows.iter().map(|&row| table.rows[row].patient_id.as_str()));
        let area = |scores: &[f64]| Defined::of(delong_auc(scores, &malignant, patients.of_case(), level));
        let readers: Vec<Reader> = columns
            .iter()
            .zip(&readings)
            .map(|((name, _), ratings)| Ok(Reader { name: name.to_string(), auc: area(ratings)? }))
            .collect::<Result<_>>()?;
        let slices: Vec<&[f64]> = readings.iter().map(Vec::as_slice).collect();
        let of_model = vec![&model[..]; slices.len()];
        let test = compare_readings(&slices, &of_model, &malignant, patients.of_case(), level)?;
        Ok(Some(Self {
            n_images: rows.len(),
            n_patients: patients.n(),
            model: area(&model)?,
            mean_auc: mean_auc(&readers),
            readers,
            fixed_readers: test.fixed_readers,
            random_readers: test.random_readers,
        }))
    }
}

fn rating(table: &ScoreTable, reader: &str, text: &str, row: usize) -> Result<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
        let found = format!("rating '{text}' of reader {reader}");
        Error::table(&table.rows[row].file, None, found, "a number, or blank when the image was not rated")
    })
}

fn mean_auc(readers: &[Reader]) -> Defined<f64> {
    let mut sum = 0.0;
    for reader in readers {
        match &reader.auc {
            Defined::Value(auc) => sum += auc.auc,
            Defined::Undefined { undefined } => return Defined::undefined(undefined),
        }
    }
    Defined::Value(sum / readers.len() as f64)
}

/// Two reading conditions compared over the same readers and cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadingComparison {
    /// Second minus first for fixed readers and random cases.
    pub fixed_readers: Defined<ReaderDifference>,
    /// Second minus first for random readers and random cases.
    pub random_readers: Defined<ReaderDifference>,
}

/// Compares two reading conditions by the mean difference of the readers' areas: reading without and
/// with the aid of a model, or readers and a model that takes the place of each of them.
///
/// Obuchowski & Rockette (1995, Commun. Stat. Simul. Comput. 24:285–308) with the degrees of
/// freedom of Hillis (2007, Stat. Med. 26:596–619), on the differences per reader; for two
/// conditions this equals their analysis of variance. Covariances of areas are those of
/// [`delong_covariance`], clustered by patient.
///
/// # Inputs
/// - `first`, `second`: per reader, one score per case.
///
/// # Errors
/// [`Error::Setting`] for an unusable level. Without both classes or enough readers the result is
/// [`Defined::Undefined`].
///
/// # Panics
/// When the slices differ in length.
pub fn compare_readings(
    first: &[&[f64]],
    second: &[&[f64]],
    malignant: &[bool],
    patients: &[u32],
    level: f64,
) -> Result<ReadingComparison> {
    check_level(level)?;
    assert_eq!(first.len(), second.len(), "both ways read by the same readers");
    let all: Vec<&[f64]> = first.iter().chain(second).copied().collect();
    let (areas, covariance) = match Defined::of(delong_covariance(&all, malignant, patients))? {
        Defined::Value(found) => found,
        Defined::Undefined { undefined } => {
            let undefined = Defined::undefined(undefined);
            return Ok(ReadingComparison { fixed_readers: undefined.clone(), random_readers: undefined });
        }
    };
    let n = first.len();
    let difference = |reader: usize| areas[n + reader] - areas[reader];
    let differences: Vec<f64> = (0..n).map(difference).collect();
    let of_differences = |a: usize, b: usize| {
        covariance[n + a][n + b] - covariance[n + a][b] - covariance[a][n + b] + covariance[a][b]
    };
    Ok(ReadingComparison {
        fixed_readers: Defined::of(with_fixed_readers(&differences, of_differences, level))?,
        random_readers: Defined::of(with_random_readers(&differences, of_differences, level))?,
    })
}

/// Fixed readers, random cases: the variance of a mean of correlated differences.
fn with_fixed_readers(
    differences: &[f64],
    covariance: impl Fn(usize, usize) -> f64,
    level: f64,
) -> Result<ReaderDifference> {
    let n = differences.len();
    let sum: f64 = (0..n).flat_map(|a| (0..n).map(move |b| (a, b))).map(|(a, b)| covariance(a, b)).sum();
    let standard_error = standard_error_of((sum / (n * n) as f64).max(0.0))?;
    let difference = differences.iter().sum::<f64>() / n as f64;
    let half_width = two_sided_z(level) * standard_error;
    Ok(ReaderDifference {
        difference,
        standard_error,
        degrees_of_freedom: None,
        low: difference - half_width,
        high: difference + half_width,
        p_value: two_sided_p(difference / standard_error),
    })
}

/// Random readers, random cases.
fn with_random_readers(
    differences: &[f64],
    covariance: impl Fn(usize, usize) -> f64,
    level: f64,
) -> Result<ReaderDifference> {
    let n = differences.len();
    if n < 2 {
        return Err(undefined("one reader gives no estimate of the variance among readers".into()));
    }
    let readers = n as f64;
    let difference = differences.iter().sum::<f64>() / readers;
    let among_readers = differences.iter().map(|d| (d - difference).powi(2)).sum::<f64>() / (readers - 1.0);
    let pairs = (0..n).flat_map(|a| (0..a).map(move |b| (a, b)));
    let between_pairs = pairs.map(|(a, b)| covariance(a, b)).sum::<f64>() / (0.5 * readers * (readers - 1.0));
    let total = among_readers + (readers * between_pairs).max(0.0);
    let standard_error = standard_error_of(total / readers)?;
    if among_readers <= 1e-14 {
        return Err(undefined("the readers differ from the model by the same amount".into()));
    }
    let degrees_of_freedom = total * total / (among_readers * among_readers / (readers - 1.0));
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom)
        .map_err(|e| undefined(format!("{degrees_of_freedom} degrees of freedom: {e}")))?;
    let half_width = t.inverse_cdf(0.5 + 0.5 * level) * standard_error;
    Ok(ReaderDifference {
        difference,
        standard_error,
        degrees_of_freedom: Some(degrees_of_freedom),
        low: difference - half_width,
        high: difference + half_width,
        p_value: 2.0 * t.sf((difference / standard_error).abs()),
    })
}

fn standard_error_of(variance: f64) -> Result<f64> {
    // For equal readings the terms cancel up to rounding.
    if variance <= 1e-14 {
        return Err(undefined("the readings agree, so that the variance of their difference is 0".into()));
    }
    Ok(variance.sqrt())
}

fn undefined(reason: String) -> Error {
    Error::Undefined { statistic: "comparison of readers", reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::scores::tests::row;
    use mammo_core::record::Pathology::{Benign, Malignant};

    fn table(columns: &[(&str, &[&str])]) -> ScoreTable {
        let n = columns[0].1.len();
        let truth = |i: usize| if i.is_multiple_of(2) { Malignant } else { Benign };
        let score = |i: usize| if i.is_multiple_of(2) { 0.6 } else { 0.3 } + (i * 5 % 7) as f64 / 20.0;
        let rows = (0..n).map(|i| row(&format!("{i}"), &format!("p{i}"), truth(i), score(i))).collect();
        let columns = columns
            .iter()
            .map(|(name, values)| (name.to_string(), values.iter().map(ToString::to_string).collect()))
            .collect();
        ScoreTable { rows, columns, ..ScoreTable::default() }
    }

    #[test]
    fn only_images_that_all_rated_count() {
        let a = ["4", "1", "5", "2", "3", "3", "4", "2", "", "1"];
        let b = ["5", "2", "3", "2", "2", "3", "4", "1", "4", "1"];
        let study = ReaderStudy::of(&table(&[("reader_a", &a), ("reader_b", &b)]), 0.95).unwrap().unwrap();
        assert_eq!((study.n_images, study.readers.len()), (9, 2));
        assert_eq!(study.readers[0].name, "a");
        let [fixed, random] = [&study.fixed_readers, &study.random_readers].map(|d| *d.value().unwrap());
        assert_eq!(fixed.difference, random.difference);
        let mean = *study.mean_auc.value().unwrap();
        assert!((fixed.difference - (study.model.value().unwrap().auc - mean)).abs() < 1e-15);
    }

    #[test]
    fn one_reader_is_compared_as_a_fixed_one_only() {
        let a = ["4", "1", "5", "2", "3", "3", "4", "2", "2", "1"];
        let study = ReaderStudy::of(&table(&[("reader_a", &a)]), 0.95).unwrap().unwrap();
        assert!(study.fixed_readers.value().is_some());
        assert!(study.random_readers.reason().unwrap().contains("one reader gives no estimate"));
        assert_eq!(ReaderStudy::of(&table(&[("vendor", &a)]), 0.95).unwrap(), None);
    }

    #[test]
    fn a_rating_that_is_no_number_is_named() {
        let error = ReaderStudy::of(&table(&[("reader_a", &["4", "high"])]), 0.95).unwrap_err().to_string();
        assert!(error.starts_with("1: rating 'high' of reader a"), "{error}");
    }
}
