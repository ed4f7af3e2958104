//! Bytes as the coded frame of a DICOM file in RLE.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo_fuzz::{decode_frame, let_decoders_panic, syntax};

fuzz_target!(init: let_decoders_panic(), |bytes: &[u8]| decode_frame(syntax::RLE, bytes));
