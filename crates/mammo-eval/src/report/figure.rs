//! Named figures with their intervals, as CSV and as Markdown.

use std::path::Path;

use serde::Serialize;

use crate::defined::Defined;
use crate::intervals::interval::Interval;
use crate::{Error, Result};
use mammo_core::write::{write_atomically, write_json};

/// A result that can be written as JSON and as a table of figures.
pub trait FigureTable: Serialize + Sized {
    /// Its figures, in the order of the table.
    fn figures(&self) -> Vec<Figure>;

    /// Confidence level of its intervals; `None` without intervals.
    fn level(&self) -> Option<f64>;

    /// An aligned Markdown table.
    fn to_markdown(&self) -> String {
        let interval =
            self.level().map_or("interval".into(), |level| format!("{} % interval", percent(level)));
        figures_to_markdown(&self.figures(), interval)
    }

    /// Writes the whole result to `<name>.json` and one row per figure to `<name>.csv`.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written.
    fn write(&self, folder: &Path, name: &str) -> Result<()> {
        write_json(&folder.join(format!("{name}.json")), self)?;
        let table = folder.join(format!("{name}.csv"));
        let bytes =
            figures_to_csv(&self.figures()).map_err(|e| Error::io(&table, "lay out the figures", e))?;
        write_atomically(&table, &bytes)
    }
}

/// A named number, such as a statistic or a count, with its interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// Name in snake case, such as `auc_image`.
    pub name: String,
    /// Its value; `None` if the data do not define it.
    pub value: Option<f64>,
    /// Ends of its interval, if it has one.
    pub interval: Option<(f64, f64)>,
    /// Number of cases that it is computed from; `None` for counts and thresholds.
    pub n: Option<usize>,
    /// A remark, such as why there is no value.
    pub note: String,
}

impl Figure {
    /// A count.
    pub fn count(name: &str, count: usize) -> Self {
        Self { name: name.into(), value: Some(count as f64), ..Self::default() }
    }

    /// A value of `n` cases without interval; the note of `None` is "undefined".
    pub fn value(name: &str, value: Option<f64>, n: usize) -> Self {
        let note = if value.is_none() { "undefined" } else { "" };
        Self { name: name.into(), value, n: Some(n), note: note.into(), ..Self::default() }
    }

    /// A statistic of `n` cases with its bootstrap interval.
    pub fn interval(name: &str, interval: &Interval, n: usize) -> Self {
        let note = match interval.n_redrawn {
            0 => String::new(),
            redrawn => format!("{redrawn} resamples redrawn for {}", interval.n_resamples),
        };
        let (value, ends) = (Some(interval.estimate), Some((interval.low, interval.high)));
        Self { name: name.into(), value, interval: ends, n: Some(n), note }
    }

    /// A statistic with its bootstrap interval over `n` cases, or why it has none.
    pub fn measured(name: &str, measured: &Defined<Interval>, n: usize) -> Self {
        match measured {
            Defined::Value(interval) => Self::interval(name, interval, n),
            Defined::Undefined { undefined } => Self::undefined(name, undefined, n),
        }
    }

    /// A value of `n` cases with the ends of its interval, or the reason why it is undefined.
    pub fn ends(name: &str, value: &Defined<(f64, f64, f64)>, n: usize) -> Self {
        match value {
            &Defined::Value((value, low, high)) => {
                Self { interval: Some((low, high)), ..Self::value(name, Some(value), n) }
            }
            Defined::Undefined { undefined } => Self::undefined(name, undefined, n),
        }
    }

    /// An undefined statistic with the reason.
    pub fn undefined(name: &str, reason: &str, n: usize) -> Self {
        Self { note: format!("undefined: {reason}"), ..Self::value(name, None, n) }
    }
}

/// A p-value in text, such as `p = 0.0400`.
pub fn p_in_words(p: f64) -> String {
    if p < 0.0001 { "p < 0.0001".into() } else { format!("p = {p:.4}") }
}

/// One row per figure under `name,value,low,high,n`; missing values are blank.
fn figures_to_csv(figures: &[Figure]) -> std::io::Result<Vec<u8>> {
    let text = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(["name", "value", "low", "high", "n"])?;
    for figure in figures {
        let (low, high) = figure.interval.unzip();
        let n = figure.n.map(|n| n.to_string()).unwrap_or_default();
        writer.write_record([figure.name.clone(), text(figure.value), text(low), text(high), n])?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// A Markdown table of the figures; `interval` is the header of the interval column.
fn figures_to_markdown(figures: &[Figure], interval: String) -> String {
    let header = ["figure".into(), "value".into(), interval, "n".into(), "note".into()];
    let mut table: Vec<[String; 5]> = vec![header];
    table.extend(figures.iter().map(|figure| {
        // Counts are integers; all other values have four decimals.
        let number = |v: f64| match figure.n {
            None if v.fract() == 0.0 => format!("{v}"),
            // A small number must not be shown as 0.
            _ if v != 0.0 && v.abs() < 0.00005 => format!("{v:.1e}"),
            _ => format!("{v:.4}"),
        };
        let interval = figure.interval.map(|(low, high)| format!("{} to {}", number(low), number(high)));
        [
            figure.name.clone(),
            figure.value.map(number).unwrap_or_default(),
            interval.unwrap_or_default(),
            figure.n.map(|n| n.to_string()).unwrap_or_default(),
            figure.note.clone(),
        ]
    }));
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for (line, row) in table.iter().enumerate() {
        text += &format!(
            "| {:<w0$} | {:>w1$} | {:<w2$} | {:>w3$} | {:<w4$} |\n",
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            w0 = widths[0],
            w1 = widths[1],
            w2 = widths[2],
            w3 = widths[3],
            w4 = widths[4],
        );
        if line == 0 {
            // A colon at the right end aligns the column to the right.
            let rules = widths.map(|width| "-".repeat(width));
            text +=
                &format!("|-{}-|-{}:|-{}-|-{}:|-{}-|\n", rules[0], rules[1], rules[2], rules[3], rules[4]);
        }
    }
    text
}

/// A level as a percentage, rounded so that 0.95 gives 95 and not 94.99999999999999.
fn percent(level: f64) -> f64 {
    (level * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Vec<Figure> {
        let interval = Interval {
            estimate: 0.875,
            low: 0.75,
            high: 0.9375,
            level: 0.95,
            n_resamples: 2000,
            n_redrawn: 3,
        };
        vec![
            Figure::count("n_images", 40),
            Figure::interval("auc_image", &interval, 40),
            Figure::value("ppv", None, 0),
        ]
    }

    #[test]
    fn csv_leaves_blank_what_does_not_exist() {
        let csv = String::from_utf8(figures_to_csv(&figures()).unwrap()).unwrap();
        assert_eq!(csv, "name,value,low,high,n\nn_images,40,,,\nauc_image,0.875,0.75,0.9375,40\nppv,,,,0\n");
    }

    #[test]
    fn a_small_number_is_not_nothing() {
        let figures = [Figure::value("p_value", Some(3.21e-7), 9), Figure::value("difference", Some(0.0), 9)];
        let table = figures_to_markdown(&figures, "interval".into());
        assert!(table.contains(" 3.2e-7 ") && table.contains(" 0.0000 "), "{table}");
        assert_eq!([0.04, 3e-5].map(p_in_words), ["p = 0.0400", "p < 0.0001"]);
    }

    #[test]
    fn the_table_is_aligned() {
        let table = figures_to_markdown(&figures(), "95 % interval".into());
        let expected = "\
| figure    |  value | 95 % interval    |  n | note                         |
|-----------|-------:|------------------|---:|------------------------------|
| n_images  |     40 |                  |    |                              |
| auc_image | 0.8750 | 0.7500 to 0.9375 | 40 | 3 resamples redrawn for 2000 |
| ppv       |        |                  |  0 | undefined                    |
";
        assert_eq!(table, expected);
    }
}
