//! Association of label and side with site and view.
//!
//! A network that recognises the scanner scores well on a test side where scanner and label are
//! associated, and fails elsewhere. The measure is Cramer's V of the contingency table site x label
//! over patients. Its p-value comes from a permutation test of the labels, which is valid for small
//! and empty cells, unlike the chi-squared approximation.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use serde::Serialize;

use super::leaks::{Groups, truth};
use super::{Entry, Finding, Severity};
use mammo_core::record::Side;
use mammo_core::seed::stream;

/// Permutations of a test; the smallest p-value is 1 / (this + 1).
const PERMUTATIONS: usize = 4999;
/// Associations with a p-value below this are reported.
const ALPHA: f64 = 0.01;
/// Associations with Cramer's V below this are not reported.
const WEAK: f64 = 0.1;

/// The association of two attributes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Association {
    /// The first attribute: site or view.
    pub of: &'static str,
    /// The second attribute: label or side.
    pub with: &'static str,
    /// The unit of the counts: patients or images.
    pub unit: &'static str,
    /// Units with both attributes known.
    pub n: usize,
    /// Chi-squared of the table, without a continuity correction.
    pub chi_squared: f64,
    /// Cramer's V, 0 (independent) to 1 (one determines the other).
    pub cramers_v: f64,
    /// Share of permuted tables with at least this chi-squared.
    pub p: f64,
    /// Counts by first, then by second attribute.
    pub table: BTreeMap<String, BTreeMap<String, usize>>,
}

/// The association of pairs of attributes; `None` when one of them is constant.
///
/// # Randomness
/// The permutations, from a fixed seed and the names.
pub fn associate(
    (of, with, unit): (&'static str, &'static str, &'static str),
    pairs: &[(String, String)],
) -> Option<Association> {
    let mut table: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (a, b) in pairs {
        *table.entry(a.clone()).or_default().entry(b.clone()).or_insert(0) += 1;
    }
    let number = |words: &mut dyn Iterator<Item = &String>| {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for word in words {
            let next = numbers.len();
            numbers.entry(word.clone()).or_insert(next);
        }
        numbers
    };
    let rows = number(&mut pairs.iter().map(|(a, _)| a));
    let columns = number(&mut pairs.iter().map(|(_, b)| b));
    if rows.len() < 2 || columns.len() < 2 {
        return None;
    }
    let row_of: Vec<usize> = pairs.iter().map(|(a, _)| rows[a]).collect();
    let mut column_of: Vec<usize> = pairs.iter().map(|(_, b)| columns[b]).collect();
    let observed = chi_squared(&row_of, &column_of, rows.len(), columns.len());
    let mut rng = stream(0, &format!("doctor {of} {with}"), pairs.len() as u64);
    let as_large = (0..PERMUTATIONS)
        .filter(|_| {
            column_of.shuffle(&mut rng);
            chi_squared(&row_of, &column_of, rows.len(), columns.len()) >= observed - 1e-9
        })
        .count();
    let degrees = rows.len().min(columns.len()) - 1;
    Some(Association {
        of,
        with,
        unit,
        n: pairs.len(),
        chi_squared: observed,
        cramers_v: (observed / (pairs.len() * degrees) as f64).sqrt(),
        p: (as_large + 1) as f64 / (PERMUTATIONS + 1) as f64,
        table,
    })
}

fn chi_squared(row_of: &[usize], column_of: &[usize], n_rows: usize, n_columns: usize) -> f64 {
    let mut cells = vec![0.0_f64; n_rows * n_columns];
    let (mut rows, mut columns) = (vec![0.0_f64; n_rows], vec![0.0_f64; n_columns]);
    for (&row, &column) in row_of.iter().zip(column_of) {
        cells[row * n_columns + column] += 1.0;
        rows[row] += 1.0;
        columns[column] += 1.0;
    }
    let n = row_of.len() as f64;
    let cell = |(at, count): (usize, &f64)| {
        let expected = rows[at / n_columns] * columns[at % n_columns] / n;
        (count - expected).powi(2) / expected
    };
    cells.iter().enumerate().map(cell).sum()
}

/// Associations of site and view with label and side.
pub fn all(images: &Groups) -> Vec<Association> {
    let mut patients: BTreeMap<(&str, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in images.values().flatten() {
        if let Some(site) = &entry.site {
            patients.entry((&entry.patient_id, site)).or_default().push(entry);
        }
    }
    let label = |malignant: bool| if malignant { "malignant" } else { "benign" }.to_string();
    let site_label: Vec<(String, String)> = patients
        .iter()
        .filter_map(|((_, site), group)| Some((site.to_string(), label(truth(group)?))))
        .collect();
    let site_side: Vec<(String, String)> = patients
        .iter()
        .filter_map(|((_, site), group)| Some((site.to_string(), group[0].side?.to_string())))
        .collect();
    let of_images = |attribute: &dyn Fn(&[&Entry]) -> Option<String>| -> Vec<(String, String)> {
        images.values().filter_map(|group| Some((group[0].view?.to_string(), attribute(group)?))).collect()
    };
    let view_label = of_images(&|group| truth(group).map(label));
    let view_side = of_images(&|group| group[0].side.as_ref().map(Side::to_string));
    [
        (("site", "label", "patients"), site_label),
        (("site", "side", "patients"), site_side),
        (("view", "label", "images"), view_label),
        (("view", "side", "images"), view_side),
    ]
    .into_iter()
    .filter_map(|(names, pairs)| associate(names, &pairs))
    .collect()
}

/// The associations that are strong and significant.
pub fn find(associations: &[Association]) -> Vec<Finding> {
    let is_reported = |a: &&Association| a.p < ALPHA && a.cramers_v >= WEAK;
    let finding = |a: &Association| {
        let row = |(attribute, words): (&String, &BTreeMap<String, usize>)| {
            let counts: Vec<String> = words.iter().map(|(word, n)| format!("{n} {word}")).collect();
            format!("{attribute}: {}", counts.join(", "))
        };
        Finding {
            code: if a.of == "site" { "site_confounded" } else { "view_confounded" },
            severity: Severity::Warning,
            count: a.table.len(),
            what: format!(
                "{}s associated with the {} (Cramer's V {:.2}, p {:.4}, {} {})",
                a.of, a.with, a.cramers_v, a.p, a.n, a.unit
            ),
            cases: a.table.iter().map(row).collect(),
        }
    };
    associations.iter().filter(is_reported).map(finding).collect()
}
