//! Bytes as a DICOM file: header, stored values and grey.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mammo_dicom::{Voi, decode, decode_header};
use mammo_fuzz::let_decoders_panic;

fuzz_target!(init: let_decoders_panic(), |bytes: &[u8]| {
    let path = Path::new("fuzzed.dcm");
    let header = decode_header(path, bytes);
    if let Ok(image) = decode(path, bytes, Voi::Apply) {
        assert_eq!(image.image.pixels.len(), image.image.width * image.image.height);
        // Numbers that are not numbers differ from themselves, so the words are compared.
        assert_eq!(Some(format!("{:?}", image.header)), header.ok().map(|header| format!("{header:?}")));
    }
});
