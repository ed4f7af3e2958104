//! Bytes as mini-MIAS' `Info.txt` and a PGM film, imported.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo_fuzz::{DataSet, let_decoders_panic};

fuzz_target!(init: let_decoders_panic(), |bytes: &[u8]| DataSet::MINI_MIAS.import(bytes));
