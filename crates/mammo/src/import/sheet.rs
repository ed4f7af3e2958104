//! Excel workbooks as tables: two archives ship their labels as XLS or XLSX.

use std::io::Cursor;
use std::path::Path;

use calamine::{Data, Reader, open_workbook_auto_from_rs};

use crate::{Error, Result};

/// Whether the file is a workbook, by its extension.
pub fn is_workbook(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["xls", "xlsx"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The first sheet as a delimited table. Rows without any value are left out.
///
/// # Errors
/// [`Error::Table`] when the bytes are no workbook or it has no sheet.
pub fn first_sheet(path: &Path, bytes: Vec<u8>, delimiter: u8) -> Result<Vec<u8>> {
    let damaged = |problem: String| Error::table(path, None, problem, "a whole XLS or XLSX workbook");
    let mut workbook = open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(|e| damaged(e.to_string()))?;
    let sheet = workbook.worksheet_range_at(0).ok_or_else(|| damaged("a workbook without a sheet".into()))?;
    let sheet = sheet.map_err(|e| damaged(e.to_string()))?;
    let mut table = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    for row in sheet.rows().filter(|row| row.iter().any(|cell| *cell != Data::Empty)) {
        table.write_record(row.iter().map(Data::to_string)).map_err(|e| damaged(e.to_string()))?;
    }
    table.into_inner().map_err(|e| damaged(e.to_string()))
}
