//! Bytes as a manifest and as a split.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo_data::manifest::Manifest;
use mammo_data::split::Split;
use mammo_fuzz::scratch;

fuzz_target!(|bytes: &[u8]| {
    let path = scratch().join("fuzzed.json");
    if std::fs::write(&path, bytes).is_ok() {
        let _ = Manifest::read(&path);
        let _ = Split::read(&path);
    }
});
