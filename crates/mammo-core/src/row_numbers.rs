//! Row numbers of a delimited table as a spreadsheet shows them.
//!
//! A spreadsheet counts rows, the header as row 1 and empty rows included. The positions of the
//! crate csv count line breaks instead, including those inside quoted cells, and are one too small
//! with CRLF.

/// Row numbers of the records of a table, in the order in which the crate csv reads them.
pub struct RowNumbers(Vec<u64>);

impl RowNumbers {
    /// From a table's bytes, which `skipped` rows of the file precede; cells are quoted with `"`, rows
    /// end with LF, CRLF or CR.
    pub fn of(bytes: &[u8], delimiter: u8, skipped: u64) -> Self {
        let mut numbers = Vec::new();
        let (mut row, mut at) = (1 + skipped, 0);
        // The crate skips a byte order mark as well.
        if bytes.starts_with(b"\xEF\xBB\xBF") {
            at = 3;
        }
        while at < bytes.len() {
            let end = end_of_row(bytes, at, delimiter);
            // Empty rows are not records.
            if end > at {
                numbers.push(row);
            }
            let is_crlf = bytes[end..].starts_with(b"\r\n");
            (row, at) = (row + 1, end + if is_crlf { 2 } else { 1 });
        }
        Self(numbers)
    }

    /// The row of a record, counted from 0 with the header as record 0.
    pub fn of_record(&self, record: usize) -> Option<u64> {
        self.0.get(record).copied()
    }
}

/// The end of the row that begins at `at`: its line break, or the end of the table.
///
/// A quotation mark opens a quoted cell only at the start of a cell; a doubled one inside it is a
/// literal quotation mark.
fn end_of_row(bytes: &[u8], mut at: usize, delimiter: u8) -> usize {
    let (mut starts_cell, mut quoted) = (true, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' if quoted && bytes.get(at + 1) == Some(&b'"') => at += 1,
            b'"' if quoted => quoted = false,
            b'"' if starts_cell => quoted = true,
            b'\n' | b'\r' if !quoted => break,
            _ => {}
        }
        starts_cell = byte == delimiter && !quoted;
        at += 1;
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row numbers by hand beside the records that the crate csv reads.
    fn check(text: &str, expected: &[(u64, &str)]) {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let firsts: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_string()).collect();
        let numbers = RowNumbers::of(text.as_bytes(), b',', 0);
        let found: Vec<(u64, &str)> =
            (0..firsts.len()).map(|at| (numbers.of_record(at).unwrap(), firsts[at].as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
        assert_eq!(numbers.of_record(firsts.len()), None, "{text:?}");
    }

    #[test]
    fn rows_are_counted_as_a_spreadsheet_does() {
        check("a,b\n1,2\n3,4", &[(1, "a"), (2, "1"), (3, "3")]);
        check("a,b\r\n1,2\r\n3,4\r\n", &[(1, "a"), (2, "1"), (3, "3")]);
        check("a,b\r1,2\r3,4\r", &[(1, "a"), (2, "1"), (3, "3")]);
        check("a,b\n\"1\n1\",2\n3,4\n", &[(1, "a"), (2, "1\n1"), (3, "3")]);
        check("a,b\r\n\"1\r\n\r\n1\",2\r\n3,4", &[(1, "a"), (2, "1\r\n\r\n1"), (3, "3")]);
        check("a,b\n\n\n1,2\n\n3,4\n\n", &[(1, "a"), (4, "1"), (6, "3")]);
        check("\r\na,b\r\n\r\n1,2\r\n", &[(2, "a"), (4, "1")]);
        check("a,b\n5\" disk,2\n3,4\n", &[(1, "a"), (2, "5\" disk"), (3, "3")]);
        check("a,b\n\"1\"\"\n\",2\n3,4\n", &[(1, "a"), (2, "1\"\n"), (3, "3")]);
        check("\u{feff}a,b\n1,2\n", &[(1, "a"), (2, "1")]);
        check("a,b\n,\n\"\",\"\n\"\n3,4\n", &[(1, "a"), (2, ""), (3, ""), (4, "3")]);
        check("a,b\n\"open,2\n3,4\n", &[(1, "a"), (2, "open,2\n3,4\n")]);
    }
}
