//! Excel workbooks as tables: two archives ship their labels as XLS or XLSX.
//!
//! Read by `calamine`, in whose dense range two cells far apart would cost hundreds of
//! gibibytes; cells of XLSX are therefore taken one by one. XLS has 65,536 rows at most.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use calamine::{Data, Reader, Xls, Xlsx};

use super::compound::check_chains;
use crate::{Error, Result};

/// Largest workbook, in bytes; the archives' own have a tenth of a mebibyte.
const MAX_BYTES: usize = 16 << 20;

/// Most cells of a table, empty ones included.
const MAX_CELLS: usize = 4 << 20;

/// Rows of cells, each with its place in the sheet, counted from 0.
type Rows = Vec<(u32, Vec<String>)>;

/// Whether the file is a workbook, by its extension.
pub fn is_workbook(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["xls", "xlsx"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The first sheet as a delimited table. Rows without any value are empty lines, so that all rows
/// keep their numbers.
///
/// # Errors
/// [`Error::Table`] when the bytes are no workbook, it has no sheet, or its table is too large.
pub fn first_sheet(path: &Path, bytes: &[u8], delimiter: u8) -> Result<Vec<u8>> {
    let damaged = |problem: String| Error::table(path, None, problem, "a whole XLS or XLSX workbook");
    if bytes.len() > MAX_BYTES {
        return Err(damaged(format!("a workbook of {} MiB", bytes.len() >> 20)));
    }
    // The library trusts parts of what a workbook says.
    let rows = std::panic::catch_unwind(|| if bytes.starts_with(b"PK") { xlsx(bytes) } else { xls(bytes) });
    let rows = rows.unwrap_or_else(|_| Err("a damaged workbook".to_string())).map_err(damaged)?;
    let (mut table, mut next) = (Vec::new(), 0);
    for (at, row) in rows.iter().filter(|(_, row)| row.iter().any(|cell| !cell.is_empty())) {
        table.resize(table.len() + (at - next) as usize, b'\n');
        next = at + 1;
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(&mut table);
        writer.write_record(row).map_err(|e| damaged(e.to_string()))?;
        writer.flush().map_err(|e| damaged(e.to_string()))?;
    }
    Ok(table)
}

fn xls(bytes: &[u8]) -> std::result::Result<Rows, String> {
    check_chains(bytes)?;
    let mut workbook = Xls::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let sheet = workbook.worksheet_range_at(0).ok_or("a workbook without a sheet")?;
    let sheet = sheet.map_err(|e| e.to_string())?;
    // The range is dense, up to 65,536 rows of 256: only what holds something becomes text.
    // Its places count from its own first row.
    let first = sheet.start().map_or(0, |(row, _)| row);
    let place = |row: usize, column: usize| (first + row as u32, column as u32);
    table(sheet.used_cells().map(|(row, column, value)| Ok((place(row, column), value.clone()))))
}

fn xlsx(bytes: &[u8]) -> std::result::Result<Rows, String> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let name = workbook.sheet_names().first().cloned().ok_or("a workbook without a sheet")?;
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(|e| e.to_string())?;
    table(std::iter::from_fn(|| match cells.next_cell() {
        Ok(cell) => cell.map(|cell| Ok((cell.get_position(), Data::from(cell.get_value().clone())))),
        Err(e) => Some(Err(e.to_string())),
    }))
}

/// Rows of text from cells at (row, column); rows without any are left out.
fn table(
    cells: impl Iterator<Item = std::result::Result<((u32, u32), Data), String>>,
) -> std::result::Result<Rows, String> {
    let mut sheet: BTreeMap<u32, BTreeMap<u32, String>> = BTreeMap::new();
    let (mut n, mut width) = (0, 0);
    for cell in cells {
        let ((row, column), value) = cell?;
        if value == Data::Empty {
            continue;
        }
        sheet.entry(row).or_default().insert(column, value.to_string());
        (n, width) = (n + 1, width.max(column as usize + 1));
        if n > MAX_CELLS || width.saturating_mul(sheet.len()) > MAX_CELLS {
            return Err(format!("a table of more than {MAX_CELLS} cells"));
        }
    }
    let row = |(&at, cells): (&u32, &BTreeMap<u32, String>)| {
        let mut row = vec![String::new(); width];
        cells.iter().for_each(|(&column, value)| row[column as usize].clone_from(value));
        (at, row)
    };
    Ok(sheet.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cells_far_apart_are_a_row_each_and_not_gibibytes() {
        let mut workbook = rust_xlsxwriter::Workbook::new();
        let sheet = workbook.add_worksheet();
        sheet.write(0, 0, "ID1").unwrap();
        sheet.write(1_048_575, 16_383, "far").unwrap();
        let bytes = workbook.save_to_buffer().unwrap();
        let table = first_sheet(Path::new("far.xlsx"), &bytes, b',').unwrap();
        let rows: Vec<_> = table.split(|byte| *byte == b'\n').collect();
        assert!(rows[0].starts_with(b"ID1,") && rows[1_048_575].ends_with(b",far"), "{} rows", rows.len());
    }

    #[test]
    fn what_is_no_workbook_is_an_error_that_names_it() {
        for bytes in [&b"PK\x03\x04cut"[..], b"", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"] {
            let error = first_sheet(Path::new("clinical.xls"), bytes, b',').unwrap_err().to_string();
            assert!(error.contains("clinical.xls"), "{error}");
        }
    }
}
