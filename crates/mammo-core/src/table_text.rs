//! Reads text tables as programs save them; encoding, delimiter and decimal sign are detected.
//! All tables of users are read here: import, scores and findings.
//!
//! | format | saved by |
//! |---|---|
//! | UTF-8, with or without a byte-order mark | most programs; Excel's "CSV UTF-8" |
//! | UTF-16, either byte order | Excel's "Unicode text" |
//! | `,` `;` tab or a vertical bar between cells | Excel's CSV in English, in other languages; "Unicode text" |
//! | a first line `sep=;` | Excel, to name the delimiter |
//! | decimal comma, where `,` is not the delimiter | Excel in most European languages |
//! | XLS, XLSX: the first sheet | Excel |
//!
//! Cells in another encoding are refused, with the name of the column: Latin-1 and similar
//! encodings cannot be distinguished, and a wrong guess would change a file name.

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, StringRecord};

use crate::row_numbers::RowNumbers;
use crate::workbook::{first_sheet, is_workbook};
use crate::{Error, Result};

/// Delimiters between cells, and the names of tables with them.
const DELIMITERS: [(u8, &str); 4] = [
    (b',', "comma-separated"),
    (b';', "semicolon-separated"),
    (b'\t', "tab-separated"),
    (b'|', "bar-separated"),
];

const UTF16_LE: [u8; 2] = [0xFF, 0xFE];
const UTF16_BE: [u8; 2] = [0xFE, 0xFF];
const UTF8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// A table's bytes in UTF-8 (cells in another encoding apart) and its delimiter.
pub struct TableText {
    bytes: Vec<u8>,
    delimiter: u8,
    /// Rows of the file before the first of `bytes`.
    skipped_rows: u64,
}

impl TableText {
    /// Reads a table and detects its format.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Table`] for a damaged workbook, for
    /// truncated or damaged UTF-16, and for bytes that are not text.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, "open the table", e))?;
        if is_workbook(path) {
            return Ok(Self { bytes: first_sheet(path, &bytes, b',')?, delimiter: b',', skipped_rows: 0 });
        }
        Self::of(path, bytes)
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let bytes = match utf16(&bytes) {
            Some(text) => {
                let damaged = "truncated or damaged UTF-16 text";
                text.ok_or_else(|| Error::table(path, None, damaged, "a table; save it as CSV UTF-8"))?
            }
            None if bytes.starts_with(&UTF8_MARK) => bytes[UTF8_MARK.len()..].to_vec(),
            None => bytes,
        };
        if bytes.contains(&0) {
            return Err(Error::table(path, None, "bytes that are not text", "a table; save it as CSV UTF-8"));
        }
        // Excel's line `sep=` is not part of the table.
        if let [b's', b'e', b'p', b'=', delimiter, rest @ ..] = bytes.as_slice()
            && let Some(end) = rest.iter().position(|byte| *byte == b'\n')
            && rest[..end].trim_ascii().is_empty()
        {
            return Ok(Self { delimiter: *delimiter, bytes: rest[end + 1..].to_vec(), skipped_rows: 1 });
        }
        Ok(Self { delimiter: delimiter_of(&bytes), bytes, skipped_rows: 0 })
    }

    /// A reader of the table's records; blanks around cells are removed.
    pub fn builder(&self) -> ReaderBuilder {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).trim(csv::Trim::All);
        builder
    }

    /// The text that [`builder`](Self::builder) is to read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The row numbers of the records in a spreadsheet.
    pub fn row_numbers(&self) -> RowNumbers {
        RowNumbers::of(&self.bytes, self.delimiter, self.skipped_rows)
    }

    /// How cells are separated, in words, for messages.
    pub fn dialect(&self) -> &'static str {
        DELIMITERS.iter().find(|known| known.0 == self.delimiter).map_or("delimited", |known| known.1)
    }

    /// The header; blank when the table is empty.
    ///
    /// # Errors
    /// [`Error::Table`] when a name is not UTF-8.
    pub fn header(&self, path: &Path) -> Result<StringRecord> {
        let mut reader = self.builder().from_reader(self.bytes());
        let header =
            reader.byte_headers().map_err(|e| Error::table(path, Some(1), e.to_string(), "a header"))?;
        StringRecord::from_byte_record(header.clone()).map_err(|e| {
            let column = e.utf8_error().field();
            let found =
                format!("the header's name {} ('{}') is not UTF-8", column + 1, lossy(header, column));
            Error::table(path, Some(1), found, "a table in UTF-8; save it as CSV UTF-8")
        })
    }

    /// All records with their row numbers; one invalid record is an error for the whole table. In the
    /// columns that `is_numeric` accepts, decimal commas are replaced by
    /// [`points_for_commas`](Self::points_for_commas).
    ///
    /// # Errors
    /// [`Error::Table`] with the line for a record of another length than the header, and for a cell
    /// that is not UTF-8.
    pub fn records(
        &self,
        path: &Path,
        header: &StringRecord,
        is_numeric: impl Fn(&str) -> bool,
    ) -> Result<Vec<(Option<u64>, StringRecord)>> {
        let (row_numbers, mut lines, mut records) = (self.row_numbers(), Vec::new(), Vec::new());
        // Record 0 is the header.
        for (number, record) in (1..).zip(self.builder().from_reader(self.bytes()).into_byte_records()) {
            let line = row_numbers.of_record(number);
            let expected = format!("a {} table with a row like the header", self.dialect());
            let refuse = |found: String| Error::table(path, line, found, expected.as_str());
            let record = record.map_err(|e| refuse(problem(&e, header, None)))?;
            records.push(in_utf8(record, header).map_err(refuse)?);
            lines.push(line);
        }
        self.points_for_commas(header, &mut records, is_numeric);
        Ok(lines.into_iter().zip(records).collect())
    }

    /// Replaces decimal commas by points in the columns whose names `is_numeric` accepts, if the
    /// commas must be decimal: `,` is not the delimiter, no number has a point, and in at least one
    /// number the comma cannot separate thousands (`0,57`). `1,234` alone is ambiguous and is kept.
    pub fn points_for_commas(
        &self,
        header: &StringRecord,
        records: &mut [StringRecord],
        is_numeric: impl Fn(&str) -> bool,
    ) {
        let columns: Vec<bool> = header.iter().map(is_numeric).collect();
        let cells = || {
            let numeric = |record: &'_ StringRecord| -> Vec<String> {
                let cells = record.iter().zip(&columns).filter(|(_, numeric)| **numeric);
                cells.map(|(cell, _)| cell.to_string()).collect()
            };
            records.iter().flat_map(numeric)
        };
        let has_point = |cell: String| cell.contains('.') && cell.parse::<f64>().is_ok();
        if self.delimiter == b',' || !cells().any(|cell| is_decimal_comma(&cell)) || cells().any(has_point) {
            return;
        }
        for record in records {
            let mut pointed: StringRecord = record
                .iter()
                .zip(columns.iter().chain(std::iter::repeat(&false)))
                .map(|(cell, numeric)| {
                    with_point(cell).filter(|_| *numeric).unwrap_or_else(|| cell.to_string())
                })
                .collect();
            pointed.set_position(record.position().cloned());
            *record = pointed;
        }
    }
}

/// The record as text.
///
/// # Errors
/// A sentence that names the first column whose cell is not UTF-8.
pub fn in_utf8(record: ByteRecord, header: &StringRecord) -> std::result::Result<StringRecord, String> {
    StringRecord::from_byte_record(record).map_err(|e| {
        let column = e.utf8_error().field();
        let cell = lossy(&e.into_byte_record(), column);
        let name = header.get(column).unwrap_or_default();
        format!(
            "column '{name}' holds '{cell}', which is not UTF-8 (Latin-1, Windows-1252?); \
             save the table as CSV UTF-8"
        )
    })
}

/// Message for an invalid record, with the column and its cell where one caused the error.
pub fn problem(error: &csv::Error, header: &StringRecord, record: Option<&StringRecord>) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().map(|at| at as usize);
            let cell = column.and_then(|at| Some((header.get(at)?, record?.get(at)?)));
            let named = cell.map(|(name, cell)| format!("column '{name}' holds '{cell}': "));
            format!("{}{}", named.unwrap_or_default(), err.kind())
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} cells, the header has {expected_len}")
        }
        _ => error.to_string(),
    }
}

fn lossy(record: &ByteRecord, column: usize) -> String {
    String::from_utf8_lossy(record.get(column).unwrap_or_default()).into_owned()
}

/// One unit of UTF-16 from its two bytes.
type Unit = fn([u8; 2]) -> u16;

/// Converts UTF-16 to UTF-8 if the bytes are UTF-16, recognised by a byte order mark or by zero
/// bytes in the first letters of the header; `Some(None)` when the text is damaged.
fn utf16(bytes: &[u8]) -> Option<Option<Vec<u8>>> {
    let (unit, text): (Unit, &[u8]) = match *bytes {
        [a, b, ref rest @ ..] if [a, b] == UTF16_LE => (u16::from_le_bytes, rest),
        [a, b, ref rest @ ..] if [a, b] == UTF16_BE => (u16::from_be_bytes, rest),
        [1..=0x7F, 0, 1..=0x7F, 0, ..] => (u16::from_le_bytes, bytes),
        [0, 1..=0x7F, 0, 1..=0x7F, ..] => (u16::from_be_bytes, bytes),
        _ => return None,
    };
    let pairs = text.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    let units: Vec<u16> = pairs.map(|pair| unit([pair[0], pair[1]])).collect();
    Some(String::from_utf16(&units).ok().filter(|_| is_whole).map(String::into_bytes))
}

/// The delimiter with which the header has the most cells; a comma when no delimiter occurs.
fn delimiter_of(bytes: &[u8]) -> u8 {
    let n_cells = |delimiter: u8| {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(bytes);
        reader.byte_headers().map_or(0, ByteRecord::len)
    };
    // On a tie the first delimiter is kept.
    let mut best = (b',', n_cells(b','));
    for (delimiter, _) in DELIMITERS {
        let n = n_cells(delimiter);
        if n > best.1 {
            best = (delimiter, n);
        }
    }
    best.0
}

/// The cell with a decimal point, if it is a number with a comma.
fn with_point(cell: &str) -> Option<String> {
    let pointed = cell.replacen(',', ".", 1);
    (pointed != cell && !cell.contains('.') && pointed.parse::<f64>().is_ok()).then_some(pointed)
}

/// Whether the comma of the cell must be decimal, unlike in `1,234`.
fn is_decimal_comma(cell: &str) -> bool {
    let Some((whole, decimals)) = cell.trim_start_matches(['+', '-']).split_once(',') else { return false };
    let thousands = decimals.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
    with_point(cell).is_some() && !thousands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<Vec<String>> {
        let text = TableText::of(Path::new("t.csv"), bytes.to_vec()).unwrap();
        let header = text.header(Path::new("t.csv")).unwrap();
        let mut records: Vec<StringRecord> =
            text.builder().from_reader(text.bytes()).records().map(|record| record.unwrap()).collect();
        text.points_for_commas(&header, &mut records, |name| name == "score");
        let row = |record: &StringRecord| record.iter().map(str::to_string).collect();
        std::iter::once(&header).chain(&records).map(row).collect()
    }

    #[test]
    fn a_table_reads_the_same_in_every_encoding_and_with_every_delimiter() {
        let plain = "file,score,remark\nä.png,0.57,\"a, b\"\nb.png,12,\n";
        let expected = cells(plain.as_bytes());
        assert_eq!(expected[1], ["ä.png", "0.57", "a, b"]);
        let texts = [
            plain.to_string(),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            "file;score;remark\nä.png;0,57;a, b\nb.png;12;\n".into(),
            "sep=;\r\nfile;score;remark\r\nä.png;0.57;a, b\r\nb.png;12;\r\n".into(),
            "file\tscore\tremark\r\nä.png\t0,57\t\"a, b\"\r\nb.png\t12\t\r\n".into(),
            "file|score|remark\nä.png|0.57|a, b\nb.png|12|\n".into(),
        ];
        for text in &texts {
            let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
            for bytes in [
                text.as_bytes().to_vec(),
                marked(&UTF8_MARK, text.as_bytes()),
                marked(&UTF16_LE, &le),
                marked(&UTF16_BE, &be),
                le,
                be,
            ] {
                assert_eq!(cells(&bytes), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn a_comma_that_may_part_thousands_stays() {
        let score = |second: &str| cells(format!("score;n\n{second};1\n1,234;2\n").as_bytes())[2][0].clone();
        assert_eq!(
            (score("7").as_str(), score("0,5").as_str(), score("0.5").as_str()),
            ("1,234", "1.234", "1,234")
        );
    }

    #[test]
    fn other_encodings_are_named_with_the_column() {
        let latin =
            TableText::of(Path::new("t.csv"), b"file,patient_id\na.png,M\xFCller\n".to_vec()).unwrap();
        let header = latin.header(Path::new("t.csv")).unwrap();
        let record = latin.builder().from_reader(latin.bytes()).byte_records().next().unwrap().unwrap();
        let error = in_utf8(record, &header).unwrap_err();
        assert!(error.contains("'patient_id'") && error.contains("CSV UTF-8"), "{error}");
        let named = TableText::of(Path::new("t.csv"), b"file,Gr\xF6\xDFe\n".to_vec()).unwrap();
        let error = named.header(Path::new("t.csv")).unwrap_err().to_string();
        assert!(error.contains("t.csv, line 1") && error.contains("name 2"), "{error}");
        for damaged in
            [&b"\xFF\xFEf\0i\0l"[..], b"\xFF\xFE\x00\xD8a\0", b"file\0\xFF,x", b"\xFF\xFE\0\0f\0\0\0"]
        {
            let error = TableText::of(Path::new("t.csv"), damaged.to_vec()).err().unwrap().to_string();
            assert!(error.contains("t.csv") && error.contains("CSV UTF-8"), "{error}");
        }
    }
}
