//! Bytes as the pickle in a PyTorch archive whose storages and checksums are right.

#![no_main]

mod shared;

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use zip::CompressionMethod::Stored;
use zip::write::{SimpleFileOptions, ZipWriter};

/// Storages of the seed, `fixtures/models/vgg_zip.pth`: bytes of each.
const STORAGES: [usize; 6] = [432, 16, 576, 16, 1152, 32];

fuzz_target!(|pickle: &[u8]| {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        archive.start_file(name, options).expect("a name");
        archive.write_all(bytes).expect("memory");
    };
    add("archive/data.pkl", pickle);
    add("archive/byteorder", b"little");
    add("archive/version", b"3\n");
    for (key, length) in STORAGES.into_iter().enumerate() {
        add(&format!("archive/data/{key}"), &vec![0x3c; length]);
    }
    shared::read_weights(&archive.finish().expect("memory").into_inner());
});
