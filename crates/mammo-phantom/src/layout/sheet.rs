//! Excel workbooks, as CMMD ships its labels.

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, XlsxError};

/// A workbook with one sheet. It carries no time of writing, so that its bytes are the same always.
pub fn workbook<'r>(
    header: &[&str],
    rows: impl Iterator<Item = &'r [String]>,
) -> std::result::Result<Vec<u8>, String> {
    let write = || -> std::result::Result<Vec<u8>, XlsxError> {
        let mut workbook = Workbook::new();
        let date = ExcelDateTime::from_ymd(2021, 1, 1)?;
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&date));
        let sheet = workbook.add_worksheet();
        for (column, word) in (0_u16..).zip(header) {
            sheet.write_string(0, column, *word)?;
        }
        for (row, cells) in (1_u32..).zip(rows) {
            for (column, cell) in (0_u16..).zip(cells) {
                match cell.parse::<f64>() {
                    Ok(number) => sheet.write_number(row, column, number)?,
                    Err(_) => sheet.write_string(row, column, cell)?,
                };
            }
        }
        workbook.save_to_buffer()
    };
    write().map_err(|e| e.to_string())
}
