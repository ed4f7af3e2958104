//! Reads a table whose columns are found by name.

use std::path::Path;

use csv::{ByteRecord, StringRecord};
use serde::Deserialize;

use super::{RejectionReason, RowError, TableProblems, row_error};
use crate::{Error, Result};
use mammo_core::table_text;
use mammo_core::table_text::TableText;

/// A column: its name, its aliases, and whether it is required.
pub(crate) struct Column {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub required: bool,
}

/// The column that names the image in both tables.
pub(super) const FILE: Column = Column {
    name: "file",
    aliases: &["filename", "file_name", "image", "image_path", "path"],
    required: true,
};

/// How a table is read.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// The column that names a row in a rejection.
    pub key: &'static str,
    /// Whether unknown columns are noted; the further columns of an archive are known.
    pub note_others: bool,
}

/// The open table format.
const OPEN: Format = Format { key: FILE.name, note_others: true };

/// Columns of the open table format whose numbers may have decimals.
const DECIMALS: [&str; 7] = ["x", "y", "width", "height", "cx", "cy", "radius"];

/// A table whose rows can be read as structs that name its [`Column`]s.
pub(crate) struct Table {
    key: &'static str,
    header: StringRecord,
    rows: Vec<(u64, StringRecord)>,
}

impl Table {
    /// Reads a table in the open format. Rows that do not fit the header are rejected; unknown
    /// columns are noted.
    pub fn open(path: &Path, columns: &[Column], problems: &mut TableProblems) -> Result<Self> {
        Self::open_as(OPEN, path, columns, problems)
    }

    /// Reads a table in another format; see [`TableText`] for encodings and delimiters.
    pub fn open_as(
        format: Format,
        path: &Path,
        columns: &[Column],
        problems: &mut TableProblems,
    ) -> Result<Self> {
        let text = TableText::read(path)?;
        let mut reader = text.builder().flexible(true).from_reader(text.bytes());
        let found = text.header(path)?;
        let header = canonical_header(path, &found, columns, text.dialect())?;
        let ignored: Vec<&str> = found
            .iter()
            .zip(&header)
            .filter(|(_, name)| columns.iter().all(|column| column.name != *name))
            .map(|(word, _)| word)
            .collect();
        let columns_ignored = format!("of {} ignored: {}", problems.table, ignored.join(", "));
        problems.note(if format.note_others { ignored.len() } else { 0 }, "column", columns_ignored);

        let mut table = Self { key: format.key, header, rows: Vec::new() };
        let numbers = text.row_numbers();
        // Record 0 is the header.
        for (number, record) in (1..).zip(reader.byte_records()) {
            let record = record.map_err(|e| Error::table(path, None, e.to_string(), "a table"))?;
            let line = numbers.of_record(number).unwrap_or_default();
            let file = String::from_utf8_lossy(table.file_cell(&record)).into_owned();
            match table.check(record) {
                Ok(row) => table.rows.push((line, row)),
                Err(error) => problems.reject(&file, line, error),
            }
        }
        let Self { header, rows, .. } = &mut table;
        let (lines, mut records): (Vec<u64>, Vec<StringRecord>) = std::mem::take(rows).into_iter().unzip();
        text.points_for_commas(header, &mut records, |column| DECIMALS.contains(&column));
        *rows = lines.into_iter().zip(records).collect();
        Ok(table)
    }

    /// Whether the header has the column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.header.iter().any(|name| name == column)
    }

    /// Every row with its number as in a spreadsheet; cells of missing columns take serde's default.
    pub fn rows<'r, T: Deserialize<'r>>(&'r self, path: &Path) -> Result<Vec<(u64, T)>> {
        let row = |(line, record): &'r (u64, StringRecord)| match record.deserialize(Some(&self.header)) {
            Ok(cells) => Ok((*line, cells)),
            Err(e) => {
                let found = table_text::problem(&e, &self.header, Some(record));
                Err(Error::table(path, Some(*line), found, "a row that fits the header"))
            }
        };
        self.rows.iter().map(row).collect()
    }

    /// The cell that names the image, as bytes.
    fn file_cell<'r>(&self, record: &'r ByteRecord) -> &'r [u8] {
        let cell = self.header.iter().position(|name| name == self.key).and_then(|at| record.get(at));
        cell.unwrap_or_default()
    }

    /// The row as text if it fits the header.
    fn check(&self, record: ByteRecord) -> Result<StringRecord, RowError> {
        if record.len() != self.header.len() {
            let problem = format!("{} cells; expected {} as in the header", record.len(), self.header.len());
            return row_error(RejectionReason::MalformedRow, problem);
        }
        table_text::in_utf8(record, &self.header)
            .or_else(|problem| row_error(RejectionReason::MalformedRow, problem))
    }
}

/// The header with every known column under its canonical name. The canonical name takes
/// precedence over an alias, an earlier alias over a later one.
fn canonical_header(
    path: &Path,
    found: &StringRecord,
    columns: &[Column],
    dialect: &str,
) -> Result<StringRecord> {
    let words: Vec<String> = found.iter().map(|word| word.to_lowercase().replace([' ', '-'], "_")).collect();
    let mut header: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut missing = Vec::new();
    for column in columns {
        let names = || std::iter::once(&column.name).chain(column.aliases);
        let Some(name) = names().find(|name| words.iter().any(|word| word == *name)) else {
            if column.required {
                let nearest = found.iter().zip(&words).filter_map(|(as_found, word)| {
                    let distance = names().map(|name| strsim::damerau_levenshtein(word, name)).min()?;
                    (distance <= column.name.len() / 2).then_some((distance, as_found))
                });
                let hint = nearest.min().map(|(_, word)| format!(" (did you mean '{word}'?)"));
                missing.push(format!("'{}'{}", column.name, hint.unwrap_or_default()));
            }
            continue;
        };
        let places: Vec<usize> = (0..words.len()).filter(|&at| words[at] == *name).collect();
        if places.len() > 1 {
            let found = format!("column '{name}' occurs {} times", places.len());
            return Err(Error::table(path, Some(1), found, "each column once"));
        }
        header[places[0]] = column.name;
    }
    if missing.is_empty() {
        return Ok(StringRecord::from(header));
    }
    let list = |required: bool| {
        let names = columns.iter().filter(|column| column.required == required).map(|column| column.name);
        names.collect::<Vec<_>>().join(", ")
    };
    let columns_found = found.iter().collect::<Vec<_>>().join(", ");
    Err(Error::table(
        path,
        Some(1),
        format!("no column {}; the {dialect} header has: {columns_found}", missing.join(", ")),
        format!("a table with {}; optional: {}", list(true), list(false)),
    ))
}
