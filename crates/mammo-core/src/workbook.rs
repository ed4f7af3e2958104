//! Excel workbooks as tables: two archives distribute their labels as XLS or XLSX.

#[cfg(feature = "workbooks")]
mod cells;

use std::path::Path;

use crate::{Error, Result};

/// Whether the file is a workbook, by its extension.
pub fn is_workbook(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["xls", "xlsx"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The first sheet as a delimited table. Rows without values become empty lines, so that row
/// numbers do not change.
///
/// # Errors
/// [`Error::Table`] when the bytes are not a workbook, it has no sheet, its table is too large, or the
/// feature `workbooks` is off.
#[cfg(feature = "workbooks")]
pub fn first_sheet(path: &Path, bytes: &[u8], delimiter: u8) -> Result<Vec<u8>> {
    let damaged = |problem: String| Error::table(path, None, problem, "a whole XLS or XLSX workbook");
    cells::first_sheet(bytes, delimiter).map_err(damaged)
}

/// Returns an error: without the feature `workbooks` no workbook is read.
///
/// # Errors
/// [`Error::Table`], always.
#[cfg(not(feature = "workbooks"))]
pub fn first_sheet(path: &Path, _: &[u8], _: u8) -> Result<Vec<u8>> {
    let expected = "a delimited table: this program was built without the feature `workbooks` of mammo-core";
    Err(Error::table(path, None, "a workbook", expected))
}

#[cfg(all(test, feature = "workbooks"))]
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
