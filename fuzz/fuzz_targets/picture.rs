//! Bytes as any picture file.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = mammo::pixels::decode_gray(Path::new("fuzzed"), bytes);
});
