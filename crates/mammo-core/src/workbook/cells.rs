//! Reads the cells of workbooks.
//!
//! With `calamine`, whose dense range would take hundreds of gibibytes for two cells far apart;
//! cells of XLSX are therefore read one by one. XLS has at most 65,536 rows.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{Data, Reader, Xls, Xlsx};

use crate::compound::check_chains;

/// Largest workbook, in bytes; those of the archives have a tenth of a mebibyte.
const MAX_BYTES: usize = 16 << 20;

/// Largest number of cells of a table, empty ones included.
const MAX_CELLS: usize = 4 << 20;

/// Rows of cells, each with its place in the sheet, counted from 0.
type Rows = Vec<(u32, Vec<String>)>;

/// [`first_sheet`](super::first_sheet), with the problem in words.
pub(super) fn first_sheet(bytes: &[u8], delimiter: u8) -> Result<Vec<u8>, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("a workbook of {} MiB", bytes.len() >> 20));
    }
    // The library does not validate all fields of a workbook and may panic.
    let rows = std::panic::catch_unwind(|| if bytes.starts_with(b"PK") { xlsx(bytes) } else { xls(bytes) });
    let rows = rows.unwrap_or_else(|_| Err("a damaged workbook".to_string()))?;
    let (mut table, mut next) = (Vec::new(), 0);
    for (at, row) in rows.iter().filter(|(_, row)| row.iter().any(|cell| !cell.is_empty())) {
        table.resize(table.len() + (at - next) as usize, b'\n');
        next = at + 1;
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(&mut table);
        writer.write_record(row).map_err(|e| e.to_string())?;
        writer.flush().map_err(|e| e.to_string())?;
    }
    Ok(table)
}

fn xls(bytes: &[u8]) -> Result<Rows, String> {
    check_chains(bytes)?;
    let mut workbook = Xls::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let sheet = workbook.worksheet_range_at(0).ok_or("a workbook without a sheet")?;
    let sheet = sheet.map_err(|e| e.to_string())?;
    // The range is dense, up to 65,536 rows of 256: only cells with a value are converted to text.
    // Its positions count from its first row.
    let first = sheet.start().map_or(0, |(row, _)| row);
    let place = |row: usize, column: usize| (first + row as u32, column as u32);
    table(sheet.used_cells().map(|(row, column, value)| Ok((place(row, column), value.clone()))))
}

fn xlsx(bytes: &[u8]) -> Result<Rows, String> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let name = workbook.sheet_names().first().cloned().ok_or("a workbook without a sheet")?;
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(|e| e.to_string())?;
    table(std::iter::from_fn(|| match cells.next_cell() {
        Ok(cell) => cell.map(|cell| Ok((cell.get_position(), Data::from(cell.get_value().clone())))),
        Err(e) => Some(Err(e.to_string())),
    }))
}

/// Rows of text from cells at (row, column); rows without any are left out.
fn table(cells: impl Iterator<Item = Result<((u32, u32), Data), String>>) -> Result<Rows, String> {
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
