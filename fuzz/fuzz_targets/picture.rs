//! Bytes as a PNG, JPEG, TIFF or PGM picture.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = mammo_dicom::image_file::decode_grey(Path::new("fuzzed"), bytes) {
        assert_eq!(image.pixels.len(), image.width * image.height);
    }
});
