//! The score table: one row per scored image, as CSV.
//!
//! `predict` writes it and `evaluate` reads it; it is also the format for scores of other systems.

mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::tables::grouping::READER_PREFIX;
use crate::tables::unit::Unit;
use crate::{Error, Result};
use mammo_core::record::{Laterality, Pathology, View};
use mammo_core::table_text::{TableText, problem};
use write::PASSED;
pub use write::{Line, NAMES, RowImages, score_table};

/// The score of one image, with the fields that its evaluation and its repetition need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Image file relative to the root of the data set, which identifies the image. Without such a
    /// column, `row 1` and so on.
    #[serde(default, alias = "image")]
    pub file: String,
    /// Identifier of the patient.
    pub patient_id: String,
    /// Which breast; `None` if not recorded.
    #[serde(default, alias = "side", deserialize_with = "word_or_blank")]
    pub laterality: Option<Laterality>,
    /// Which projection; `None` if not recorded.
    #[serde(default, deserialize_with = "word_or_blank")]
    pub view: Option<View>,
    /// Truth of the image; a blank or missing label reads as unknown.
    #[serde(default = "unknown", deserialize_with = "truth")]
    pub label: Pathology,
    /// Probability of cancer, in `[0, 1]`; or, from a column `score`, a number on any scale on which
    /// higher means more likely cancer.
    #[serde(alias = "score")]
    pub probability: f64,
    /// Probability calibrated by the calibrator of the model file; `None` without one.
    #[serde(default)]
    pub calibrated: Option<f64>,
    /// Name of the model or digest of its weights.
    #[serde(default)]
    pub model: String,
    /// Name of the preprocessing or digest of its settings.
    #[serde(default)]
    pub preprocessing: String,
    /// Test-time augmentation whose scores were averaged; `none` without.
    #[serde(default)]
    pub tta: String,
    /// Time to score this image, in seconds.
    #[serde(default)]
    pub seconds: f64,
}

/// Headers of the fields of [`ScoreRow`]; all others become [`ScoreTable::columns`].
const KNOWN: [&str; 14] = [
    "file",
    "image",
    "patient_id",
    "laterality",
    "side",
    "view",
    "label",
    "probability",
    "score",
    "calibrated",
    "model",
    "preprocessing",
    "tta",
    "seconds",
];

/// The column that says what a row stands for.
const BY: &str = "by";

/// Headers of text columns, in which a comma is not a decimal comma.
const WORDS: [&str; 10] =
    ["file", "image", "patient_id", "laterality", "side", "view", "label", "model", "preprocessing", "tta"];

const EXPECTED: &str = "a header with patient_id, label (malignant or benign, 1 or 0) and probability \
                        (0 to 1) or score (any scale); and, if they are known, file, laterality, view, \
                        model, preprocessing, tta, seconds, reader_NAME, and columns to group by";

impl ScoreRow {
    /// Whether the image is malignant; `None` if its truth is not recorded.
    pub fn malignant(&self) -> Option<bool> {
        match self.label {
            Pathology::Malignant => Some(true),
            Pathology::Benign => Some(false),
            Pathology::Unknown => None,
        }
    }
}

/// Score rows with the further columns of their table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoreTable {
    /// What a row stands for.
    pub unit: Unit,
    /// One row per image, breast or patient.
    pub rows: Vec<ScoreRow>,
    /// Further columns by their header in lower case: one text per row, empty for a blank cell.
    pub columns: BTreeMap<String, Vec<String>>,
    /// Images that the input check rejected; they have no score.
    pub refused: BTreeSet<String>,
}

impl ScoreTable {
    /// Reads a table; the order of the columns does not matter.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Table`] with the line for a missing
    /// column, an unknown word, a blank file or patient, or a probability outside `[0, 1]`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = TableText::read(path)?;
        let written = text.header(path)?;
        let headers: csv::StringRecord = written.iter().map(str::to_ascii_lowercase).collect();
        check_headers(path, &headers, text.dialect())?;
        let has = |name: &str| headers.iter().any(|header| header == name);
        let (names_files, is_probability) = (has("file") || has("image"), has("probability"));
        let further: Vec<(usize, &str)> =
            headers.iter().enumerate().filter(|(_, header)| !KNOWN.contains(header)).collect();
        let gate = headers.iter().position(|header| header == "gate");
        let file = headers.iter().position(|header| header == "file" || header == "image");
        let mut table = Self::default();
        let mut columns: Vec<Vec<String>> = vec![vec![]; further.len()];
        let is_numeric = |name: &str| !WORDS.contains(&name);
        for (line, record) in text.records(path, &headers, is_numeric)? {
            if gate.and_then(|column| record.get(column)).is_some_and(|code| !matches!(code, "" | PASSED)) {
                table.refused.extend(file.and_then(|column| record.get(column)).map(str::to_string));
                continue;
            }
            let mut row: ScoreRow = record
                .deserialize(Some(&headers))
                .map_err(|e| Error::table(path, line, problem(&e, &headers, Some(&record)), EXPECTED))?;
            if !names_files {
                row.file = format!("row {}", table.rows.len() + 1);
            }
            check_row(path, line, &row, is_probability)?;
            table.rows.push(row);
            for (column, &(index, _)) in columns.iter_mut().zip(&further) {
                column.push(record.get(index).unwrap_or_default().to_string());
            }
        }
        let name = |&(index, header): &(usize, &str)| match header.starts_with(READER_PREFIX) {
            // The name of a reader keeps its upper-case letters.
            true => format!("{READER_PREFIX}{}", &written[index][READER_PREFIX.len()..]),
            false => header.to_string(),
        };
        table.columns = further.iter().map(name).zip(columns).collect();
        table.unit = unit(path, &table)?;
        Ok(table)
    }

    /// The rows whose truth is known, with their further columns.
    pub fn labelled(&self) -> Self {
        self.with_rows(|row| row.malignant().is_some())
    }

    /// Some of the rows, with their further columns.
    pub(crate) fn with_rows(&self, keep: impl Fn(&ScoreRow) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.rows.len()).filter(|&row| keep(&self.rows[row])).collect();
        let column = |(name, values): (&String, &Vec<String>)| {
            (name.clone(), kept.iter().map(|&row| values[row].clone()).collect())
        };
        Self {
            unit: self.unit,
            rows: kept.iter().map(|&row| self.rows[row].clone()).collect(),
            columns: self.columns.iter().map(column).collect(),
            refused: self.refused.clone(),
        }
    }
}

impl From<Vec<ScoreRow>> for ScoreTable {
    fn from(rows: Vec<ScoreRow>) -> Self {
        Self { rows, ..Self::default() }
    }
}

/// The rows of a score table, see [`ScoreTable::read`].
///
/// # Errors
/// As [`ScoreTable::read`].
pub fn read_scores(path: &Path) -> Result<Vec<ScoreRow>> {
    Ok(ScoreTable::read(path)?.rows)
}

fn check_headers(path: &Path, headers: &csv::StringRecord, dialect: &str) -> Result<()> {
    let count = |name: &str| headers.iter().filter(|&header| header == name).count();
    if let Some(twice) = headers.iter().find(|header| count(header) > 1) {
        return Err(Error::table(path, Some(1), format!("two columns '{twice}'"), "each column once"));
    }
    for same in [["file", "image"], ["laterality", "side"], ["probability", "score"]] {
        if same.iter().all(|name| count(name) == 1) {
            let found = format!("both a column '{}' and a column '{}'", same[0], same[1]);
            return Err(Error::table(path, Some(1), found, "one of the two"));
        }
    }
    let missing = if count("patient_id") == 0 {
        "no column 'patient_id': intervals need to know whose images belong together"
    } else if count("probability") + count("score") == 0 {
        "no column 'probability' or 'score'"
    } else {
        return Ok(());
    };
    let found = match headers.is_empty() {
        true => format!("{missing}; the table is empty"),
        false => {
            format!("{missing}; the {dialect} header has: {}", headers.iter().collect::<Vec<_>>().join(", "))
        }
    };
    Err(Error::table(path, Some(1), found, EXPECTED))
}

/// What the rows of a table stand for, by the column [`BY`]; a column with other words only is one to group by.
fn unit(path: &Path, table: &ScoreTable) -> Result<Unit> {
    let Some(words) = table.columns.get(BY) else { return Ok(Unit::Image) };
    let units: Vec<Option<Unit>> = words.iter().map(|word| word.parse().ok()).collect();
    let Some(first) = units.iter().flatten().next() else { return Ok(Unit::Image) };
    match units.iter().position(|unit| unit.as_ref() != Some(first)) {
        None => Ok(*first),
        Some(other) => {
            let row = &table.rows[other].file;
            let found = format!("column '{BY}' holds '{first}' and, for {row}, '{}'", words[other]);
            Err(Error::table(path, None, found, "rows of one kind: all images, all breasts or all patients"))
        }
    }
}

fn check_row(path: &Path, line: Option<u64>, row: &ScoreRow, is_probability: bool) -> Result<()> {
    if row.file.is_empty() || row.patient_id.is_empty() {
        return Err(Error::table(path, line, "a blank file or patient_id", "the name of both"));
    }
    if is_probability && !(0.0..=1.0).contains(&row.probability) {
        let found = format!("probability {} of {}", row.probability, row.file);
        let expected = "a probability between 0 and 1; call the column 'score' if it is on another scale";
        return Err(Error::table(path, line, found, expected));
    }
    if let Some(calibrated) = row.calibrated.filter(|p| !(0.0..=1.0).contains(p)) {
        let found = format!("calibrated probability {calibrated} of {}", row.file);
        return Err(Error::table(path, line, found, "a probability between 0 and 1, or nothing"));
    }
    if !row.probability.is_finite() {
        let found = format!("score {} of {}", row.probability, row.file);
        return Err(Error::table(path, line, found, "a finite number"));
    }
    Ok(())
}

/// Parses a word in any case; blank and `unknown` give `None`.
fn word_or_blank<'de, D, T>(input: D) -> std::result::Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(input)?;
    let is_unknown = text.is_empty() || text.eq_ignore_ascii_case("unknown");
    if is_unknown { Ok(None) } else { text.parse().map(Some).map_err(de::Error::custom) }
}

/// Parses a pathology or the words and numbers of other systems for positive and negative, also
/// `1.0` and `0.0` as pandas writes them in a column with blanks, with a decimal point or comma.
fn truth<'de, D: Deserializer<'de>>(input: D) -> std::result::Result<Pathology, D::Error> {
    let text = String::deserialize(input)?;
    match (text.to_ascii_lowercase().as_str(), text.replace(',', ".").parse::<f64>()) {
        ("true" | "positive" | "cancer", _) | (_, Ok(1.0)) => Ok(Pathology::Malignant),
        ("false" | "negative" | "normal", _) | (_, Ok(0.0)) => Ok(Pathology::Benign),
        (word, _) => {
            let known = "expected malignant or benign, 1 or 0, or nothing";
            word.parse().map_err(|_| de::Error::custom(format!("label '{text}'; {known}")))
        }
    }
}

fn unknown() -> Pathology {
    Pathology::Unknown
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tables::domain::Domain;

    /// A left CC row for tests that only care about the named fields.
    pub(crate) fn row(file: &str, patient_id: &str, label: Pathology, probability: f64) -> ScoreRow {
        ScoreRow {
            file: file.into(),
            patient_id: patient_id.into(),
            laterality: Some(Laterality::Left),
            view: Some(View::Cc),
            label,
            probability,
            calibrated: None,
            model: "a".into(),
            preprocessing: "p".into(),
            tta: "none".into(),
            seconds: 0.25,
        }
    }

    fn read(text: &str) -> Result<Vec<ScoreRow>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        std::fs::write(&path, text).unwrap();
        read_scores(&path)
    }

    #[test]
    fn what_is_written_is_read_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let probabilities = [0.0, 1.0, 1.0 / 3.0, 0.1 + 0.2, 1e-300, f64::from(0.7_f32)];
        let rows: Vec<ScoreRow> = probabilities
            .iter()
            .enumerate()
            .map(|(i, &p)| row(&format!("a, \"{i}\".png"), "p1", Pathology::Unknown, p))
            .map(|row| ScoreRow { calibrated: (row.probability > 0.5).then_some(0.25), ..row })
            .collect();
        let domains = [Domain::Inside, Domain::Outside, Domain::Unknown].into_iter().cycle();
        let scored =
            rows.iter().zip(domains).map(|(row, domain)| Line::scored(row, domain, "unusual shape".into()));
        let refused = crate::tests::mammogram("c.png", "p2", Pathology::Benign);
        let refused = [Line::refused(&refused, "blank", "contrast of 0 %".into())];
        std::fs::write(&path, score_table(scored.chain(refused)).unwrap()).unwrap();
        let table = ScoreTable::read(&path).unwrap();
        assert_eq!(table.rows, rows);
        assert_eq!(table.columns["domain"][..3], ["inside", "outside", "unknown"]);
        assert_eq!(table.refused.into_iter().collect::<Vec<_>>(), ["c.png"]);
    }

    #[test]
    fn a_row_may_stand_for_a_breast_or_a_patient() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let rows =
            [row("a.png;b.png", "p1", Pathology::Benign, 0.25), row("c.png", "p2", Pathology::Benign, 0.5)];
        let images = RowImages { by: Unit::Breast, views: "cc;mlo".into(), n_images: 2, n_refused: 1 };
        let lines = rows.iter().map(|row| Line::scored(row, Domain::Unknown, String::new()).of(&images));
        std::fs::write(&path, score_table(lines).unwrap()).unwrap();
        let table = ScoreTable::read(&path).unwrap();
        assert_eq!((table.unit, &table.rows[..]), (Unit::Breast, &rows[..]));
        assert_eq!(table.labelled().unit, Unit::Breast);
        assert_eq!((&table.columns["views"][0][..], &table.columns["n_refused"][0][..]), ("cc;mlo", "1"));
        for (cells, expected) in [
            (["patient", "Patient"], Ok(Unit::Patient)),
            (["image", "image"], Ok(Unit::Image)),
            (["Dr A", "Dr B"], Ok(Unit::Image)),
            (["", ""], Ok(Unit::Image)),
            (["breast", "patient"], Err("column 'by' holds 'breast' and, for row 2, 'patient'")),
            (["", "patient"], Err("column 'by' holds 'patient' and, for row 1, ''")),
        ] {
            let [first, second] = cells;
            let text = format!("patient_id,score,by\np1,1,{first}\np2,0,{second}\n");
            std::fs::write(&path, text).unwrap();
            match (ScoreTable::read(&path), expected) {
                (Ok(table), Ok(unit)) => assert_eq!(table.unit, unit),
                (found, expected) => {
                    let error = found.unwrap_err().to_string();
                    assert!(
                        error.contains(expected.unwrap_err()) && error.contains("all breasts"),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn words_are_read_in_any_case_and_a_blank_label_is_unknown() {
        let rows = read(
            "probability,file,patient_id,laterality,view,label,model,preprocessing,tta,seconds,remark\n\
             0.5, a.png ,p1,L,MLO,Malignant,m,p,none,1,x\n0.5,b.png,p1,right,cc,,m,p,none,1,\n",
        )
        .unwrap();
        assert_eq!(
            (rows[0].file.as_str(), rows[0].laterality, rows[0].view),
            ("a.png", Some(Laterality::Left), Some(View::Mlo))
        );
        assert_eq!((rows[0].malignant(), rows[1].malignant()), (Some(true), None));
        let without_label = "file,patient_id,laterality,view,probability,model,preprocessing,tta,seconds\na,p,l,cc,0,m,p,none,1\n";
        assert_eq!(read(without_label).unwrap()[0].malignant(), None);
    }

    #[test]
    fn an_error_names_the_line_and_what_stands_there() {
        let header = "file,patient_id,laterality,view,label,probability,model,preprocessing,tta,seconds\n";
        let good = "a.png,p1,left,cc,benign,0.5,m,p,none,1\n";
        for (bad, named) in [
            ("b.png,p1,left,cc,benign,1.5,m,p,none,1\n", "1.5"),
            ("b.png,p1,left,cc,benign,NaN,m,p,none,1\n", "NaN"),
            ("b.png,p1,up,cc,benign,0.5,m,p,none,1\n", "'up'"),
            ("b.png,,left,cc,benign,0.5,m,p,none,1\n", "patient_id"),
            ("b.png,p1,left,cc,benign,0.5\n", "6 cells, the header has 10"),
        ] {
            let error = read(&format!("{header}{good}{bad}")).unwrap_err().to_string();
            assert!(error.contains("line 3") && error.contains(named), "{error}");
        }
        let error = read("file,patient_id\na.png,p1\n").unwrap_err().to_string();
        assert!(error.contains("no column 'probability' or 'score'"), "{error}");
        let error = read("file,probability\na.png,0.5\n").unwrap_err().to_string();
        assert!(error.contains("no column 'patient_id'"), "{error}");
        let error = read("patient_id,score,probability\np1,0.5,0.5\n").unwrap_err().to_string();
        assert!(error.contains("both a column 'probability' and a column 'score'"), "{error}");
    }

    #[test]
    fn the_smallest_table_of_another_system_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let text = "Patient_ID,Score,Label,Vendor,Reader_Ada\np1,-3.5,0,Acme,2\np2,12,1,,4\np3,1,,Acme,1\n";
        std::fs::write(&path, text).unwrap();
        let table = ScoreTable::read(&path).unwrap();
        assert_eq!(table.rows[0].file, "row 1");
        assert_eq!(table.rows[1].probability, 12.0);
        assert_eq!((table.rows[0].laterality, table.rows[0].view), (None, None));
        let truths: Vec<_> = table.rows.iter().map(ScoreRow::malignant).collect();
        assert_eq!(truths, [Some(false), Some(true), None]);
        assert_eq!(table.columns["vendor"], ["Acme", "", "Acme"]);
        let labelled = table.labelled();
        assert_eq!(
            (labelled.rows.len(), &labelled.columns["reader_Ada"][..]),
            (2, &["2".into(), "4".into()][..])
        );
        let error = read("patient_id,score\np1,inf\n").unwrap_err().to_string();
        assert!(error.contains("line 2: score inf"), "{error}");
    }

    #[test]
    fn scores_read_the_same_however_the_table_is_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let plain = "patient_id,label,probability,vendor\nÄ,1,0.573,\"a, b\"\nB,0,0.1,c\n";
        std::fs::write(&path, plain).unwrap();
        let expected = ScoreTable::read(&path).unwrap();
        let semicolons = "patient_id;label;probability;vendor\nÄ;1,0;0,573;a, b\nB;0,0;0,1;c\n".to_string();
        let floats = plain.replace(",1,0.5", ",1.0,0.5").replace(",0,0.1", ",0.0,0.1");
        for text in [semicolons.clone(), semicolons.replace(';', "\t"), floats] {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(ScoreTable::read(&path).unwrap(), expected, "{text}");
            let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            std::fs::write(&path, wide).unwrap();
            assert_eq!(ScoreTable::read(&path).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_column_and_dialect() {
        for (text, named) in [
            ("patient_id;score\np1;1.234,5\n", "column 'score' holds '1.234,5'"),
            ("patient_id;score\np1;1,234\n", "column 'score' holds '1,234'"),
            ("patient;score\np1;1\n", "the semicolon-separated header has: patient, score"),
            ("patient_id,score,label\np1,0.5,maybe\n", "label 'maybe'"),
            ("patient_id\tscore\np1\n", "1 cells, the header has 2"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("scores.csv"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        std::fs::write(&path, b"patient_id,score\nM\xFCller,1\n").unwrap();
        let error = read_scores(&path).unwrap_err().to_string();
        assert!(error.contains("line 2: column 'patient_id'") && error.contains("CSV UTF-8"), "{error}");
    }

    #[test]
    fn an_error_names_the_row_that_a_spreadsheet_shows() {
        let header = "file,patient_id,laterality,view,label,probability";
        let good: Vec<String> = (0..10).map(|i| format!("i{i}.png,P{i},L,CC,1,0.5")).collect();
        let quoted = "\"x\n\n0.png\",P,L,CC,0,0.1";
        for (before, number) in [(vec![], 12), (vec![quoted], 13), (vec!["", quoted], 14)] {
            for end in ["\n", "\r\n", "\r"] {
                for bad in ["i.png,P,L,CC,1,abc", "i.png,P,L,CC,1,7", "i.png,P,L,CC,1", ",P,L,CC,1,0.1"] {
                    let good = good.iter().map(String::as_str);
                    let lines = [header].into_iter().chain(before.iter().copied()).chain(good).chain([bad]);
                    let text = lines.map(|line| line.to_string() + end).collect::<String>();
                    let error = read(&text).unwrap_err().to_string();
                    assert!(error.contains(&format!("line {number}: ")), "{end:?} {bad}: {error}");
                    assert!(!error.contains("CSV"), "{error}");
                }
            }
        }
    }
}
