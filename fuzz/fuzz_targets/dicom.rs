//! Bytes as a DICOM file: header, stored values and grey.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mammo::dicom::{Voi, decode, decode_header};

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzzed.dcm");
    let header = decode_header(path, bytes);
    if let Ok(image) = decode(path, bytes, Voi::Apply) {
        assert_eq!(Some(image.header), header.ok());
        assert_eq!(image.image.pixels.len(), image.image.width * image.image.height);
    }
});
