//! The score table: one row per scored image, as CSV.
//!
//! Written when images are scored, read when scores are evaluated, and the place to bring in
//! scores of any other system for comparison.

use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::record::{Laterality, Pathology, View};
use crate::write::write_atomically;
use crate::{Error, Result};

/// The score of one image, with what is needed to evaluate it and to repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Image file relative to the data set's root; names the image.
    pub file: String,
    /// The woman.
    pub patient_id: String,
    /// Which breast.
    #[serde(deserialize_with = "word")]
    pub laterality: Laterality,
    /// Which projection.
    #[serde(deserialize_with = "word")]
    pub view: View,
    /// Truth of the image; a blank or missing label reads as unknown.
    #[serde(default = "unknown", deserialize_with = "word")]
    pub label: Pathology,
    /// Probability of cancer, in `[0, 1]`.
    pub probability: f64,
    /// Which model scored it: name or digest of the weights.
    pub model: String,
    /// Which preprocessing: name or digest of its settings.
    pub preprocessing: String,
    /// Which test-time augmentation was averaged over, `none` without.
    pub tta: String,
    /// Time taken for this image, in seconds.
    pub seconds: f64,
}

impl ScoreRow {
    /// Whether the image is a positive case; `None` when its truth is not recorded.
    pub fn malignant(&self) -> Option<bool> {
        match self.label {
            Pathology::Malignant => Some(true),
            Pathology::Benign => Some(false),
            Pathology::Unknown => None,
        }
    }
}

/// Reads a score table; columns may stand in any order and others are ignored.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::Table`] with the line for a missing
/// column, an unknown word, a blank file or patient, or a probability outside `[0, 1]`.
pub fn read_scores(path: &Path) -> Result<Vec<ScoreRow>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, "read the score table", e))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|e| unreadable(path, &e))?.clone();
    let gate = headers.iter().position(|header| header == "gate");
    let mut rows = vec![];
    for record in reader.records() {
        let record = record.map_err(|e| unreadable(path, &e))?;
        // Images that the gate refused have no score.
        if gate.and_then(|column| record.get(column)).is_some_and(|code| !matches!(code, "" | "passed")) {
            continue;
        }
        let row: ScoreRow = record.deserialize(Some(&headers)).map_err(|e| unreadable(path, &e))?;
        rows.push(row);
        let row = &rows[rows.len() - 1];
        // A quoted field may hold line breaks; none of ours does, so rows count lines.
        let line = Some(rows.len() as u64 + 1);
        if row.file.is_empty() || row.patient_id.is_empty() {
            return Err(Error::table(path, line, "a blank file or patient_id", "the name of both"));
        }
        if !(0.0..=1.0).contains(&row.probability) {
            let found = format!("probability {} of {}", row.probability, row.file);
            return Err(Error::table(path, line, found, "a probability between 0 and 1"));
        }
    }
    Ok(rows)
}

/// Writes a score table with a header, whole or not at all.
///
/// # Errors
/// [`Error::Io`] when the disk refuses.
pub fn write_scores(path: &Path, rows: &[ScoreRow]) -> Result<()> {
    write_atomically(path, &csv_bytes(path, rows)?)
}

/// Prints a score table with a header to standard output.
///
/// # Errors
/// [`Error::Io`] when nobody reads on.
pub fn print_scores(rows: &[ScoreRow]) -> Result<()> {
    let stdout = Path::new("standard output");
    let bytes = csv_bytes(stdout, rows)?;
    std::io::stdout().write_all(&bytes).map_err(|e| Error::io(stdout, "write the score table", e))
}

fn csv_bytes(path: &Path, rows: &[ScoreRow]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    for row in rows {
        writer.serialize(row).map_err(|e| unreadable(path, &e))?;
    }
    writer.into_inner().map_err(|e| Error::io(path, "write the score table", e.into_error()))
}

fn unreadable(path: &Path, error: &csv::Error) -> Error {
    let line = error.position().map(csv::Position::line);
    let found = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    };
    let expected = "columns file, patient_id, laterality, view, label, probability, model, preprocessing, \
                    tta, seconds";
    Error::table(path, line, found, expected)
}

/// A word of the vocabulary, spelled in any case.
fn word<'de, D, T>(input: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    String::deserialize(input)?.parse().map_err(de::Error::custom)
}

fn unknown() -> Pathology {
    Pathology::Unknown
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A left CC row for tests that only care about the named fields.
    pub(in crate::eval) fn row(file: &str, patient_id: &str, label: Pathology, probability: f64) -> ScoreRow {
        ScoreRow {
            file: file.into(),
            patient_id: patient_id.into(),
            laterality: Laterality::Left,
            view: View::Cc,
            label,
            probability,
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
            .collect();
        write_scores(&path, &rows).unwrap();
        assert_eq!(read_scores(&path).unwrap(), rows);
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
            ("a.png", Laterality::Left, View::Mlo)
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
            ("b.png,p1,left,cc,benign,0.5\n", "fields"),
        ] {
            let error = read(&format!("{header}{good}{bad}")).unwrap_err().to_string();
            assert!(error.contains("line 3") && error.contains(named), "{error}");
        }
        let error = read("file,patient_id\na.png,p1\n").unwrap_err().to_string();
        assert!(error.contains("laterality"), "{error}");
    }
}
