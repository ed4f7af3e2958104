//! Bytes as the original project's `roi_mask_path.csv` and a patient list, imported.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo_fuzz::{DataSet, let_decoders_panic};

fuzz_target!(init: let_decoders_panic(), |bytes: &[u8]| DataSet::ORIGINAL.import(bytes));
