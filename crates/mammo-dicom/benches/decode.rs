//! Decoding of a frame of 14 megapixels, 12 bits stored: `cargo bench -p mammo-dicom`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use divan::Bencher;
use divan::counter::BytesCount;
use mammo_dicom::{Voi, decode};
use mammo_phantom::layout::dicom::{Coding, DicomAttributes, DicomPixels, write_dicom};

fn main() {
    divan::main();
}

const WIDTH: usize = 3328;
const HEIGHT: usize = 4096;

/// A bright half disc at the left edge, with noise of a few grey values: as hard to code as a breast.
fn picture() -> DicomPixels {
    let value = |i: usize| {
        let (x, y) = ((i % WIDTH) as f32 / WIDTH as f32, (i / WIDTH) as f32 / HEIGHT as f32 - 0.5);
        let depth = 1.0 - (x * x + 4.0 * y * y);
        let noise = (i as u32).wrapping_mul(2_654_435_761) >> 27;
        if depth > 0.0 { (800.0 + 2400.0 * depth.sqrt()) as u16 + noise as u16 } else { 0 }
    };
    let values = (0..WIDTH * HEIGHT).map(value).collect();
    DicomPixels { width: WIDTH, height: HEIGHT, values, bits: 12, inverted: false }
}

fn file(coding: Coding) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frame.dcm");
    write_dicom(&path, &picture(), &DicomAttributes::default(), coding).unwrap();
    std::fs::read(path).unwrap()
}

/// Times a file that is in memory; the rate is in bytes of decoded 16-bit grey.
#[divan::bench(sample_count = 5, args = [Coding::Explicit, Coding::JpegLossless])]
fn frame_of_14_megapixels(bencher: Bencher, coding: Coding) {
    let bytes = file(coding);
    bencher
        .counter(BytesCount::of_many::<u16>(WIDTH * HEIGHT))
        .bench_local(|| decode(Path::new("frame.dcm"), &bytes, Voi::Apply).unwrap());
}
