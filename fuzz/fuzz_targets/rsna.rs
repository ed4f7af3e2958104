//! Bytes as RSNA's `train.csv`, imported.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo_fuzz::{DataSet, let_decoders_panic};

fuzz_target!(init: let_decoders_panic(), |bytes: &[u8]| DataSet::RSNA.import(bytes));
