//! Bytes as an Excel workbook, XLSX or XLS, imported as CMMD's clinical data.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo_fuzz::{DataSet, let_decoders_panic};

fuzz_target!(init: let_decoders_panic(), |bytes: &[u8]| DataSet::WORKBOOK.import(bytes));
