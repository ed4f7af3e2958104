use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageEncoder, Luma};

use super::{decode_grey, read_grey, read_size};
use mammo_core::image::GreyImage;

fn encoded(format: image::ImageFormat) -> Vec<u8> {
    let noise = |x: u32, y: u32| Luma([(x * 37 + y * 91 + x * y) as u8]);
    let mut bytes = Cursor::new(Vec::new());
    image::GrayImage::from_fn(96, 80, noise).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decoded(bytes: &[u8]) -> crate::Result<GreyImage> {
    decode_grey(Path::new("film"), bytes)
}

#[track_caller]
fn refused(bytes: &[u8], named: &str) {
    let error = decoded(bytes).unwrap_err().to_string();
    assert!(error.contains(named) && !error.contains("copy it again"), "{error}");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// The JPEG stream inside a DICOM file.
fn jpeg_of(name: &str) -> Vec<u8> {
    let bytes = bytes_of(name);
    let start = bytes.windows(3).position(|three| three == [0xFF, 0xD8, 0xFF]).unwrap();
    let end = bytes.windows(2).rposition(|two| two == [0xFF, 0xD9]).unwrap();
    bytes[start..end + 2].to_vec()
}

fn without_end(jpeg: &[u8]) -> &[u8] {
    jpeg.strip_suffix(&[0xFF, 0xD9]).unwrap()
}

#[test]
fn a_file_cut_short_is_an_error_in_every_format() {
    for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png, image::ImageFormat::Tiff] {
        let bytes = encoded(format);
        let whole = decoded(&bytes).unwrap();
        assert_eq!((whole.width, whole.height), (96, 80));
        for percent in [30, 60, 95] {
            let cut = &bytes[..bytes.len() * percent / 100];
            assert!(decoded(cut).is_err(), "{format:?} cut to {percent} %");
        }
    }
}

#[test]
fn eight_bits_become_full_scale_sixteen() {
    let grey = decoded(&encoded(image::ImageFormat::Png)).unwrap();
    assert_eq!(grey.row(0)[1], 37 * 257);
}

#[test]
fn a_colour_picture_is_refused_and_a_grey_one_in_three_channels_is_read() {
    let encode = |colour: fn(u32, u32) -> [u8; 3], format| {
        let picture = image::RgbImage::from_fn(300, 260, |x, y| image::Rgb(colour(x, y)));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let grey = |x, y| [((x * 7 + y * 3) % 256) as u8; 3];
    // A coloured mark on one pixel in a hundred.
    let marked = |x, y| if x % 10 == 0 && y % 10 == 0 { [255, 0, 0] } else { [(x % 200) as u8; 3] };
    let photograph = |x, y| [(x % 256) as u8, (y % 256) as u8, 40];
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg] {
        decoded(&encode(grey, format)).unwrap();
        let error = decoded(&encode(photograph, format)).unwrap_err().to_string();
        assert!(error.contains("a colour image (") && error.contains("expected a mammogram"), "{error}");
    }
    decoded(&encode(marked, image::ImageFormat::Png)).unwrap();
}

#[test]
fn a_complete_jpeg_without_its_end_is_read_and_a_cut_one_is_not() {
    for jpeg in [encoded(image::ImageFormat::Jpeg), bytes_of("pixels/three_channels.jpg")] {
        let (whole, body) = (decoded(&jpeg).unwrap(), without_end(&jpeg));
        let half_a_marker = [body, &[0xFF]].concat();
        let padded = [body, &[0; 512]].concat();
        for bytes in [body, &half_a_marker, &padded] {
            assert_eq!(decoded(bytes).unwrap(), whole);
        }
        for missing in 2..60 {
            assert!(decoded(&body[..body.len() - missing]).is_err(), "{missing} bytes cut");
        }
    }
    let progressive = bytes_of("pixels/progressive.jpg");
    decoded(&progressive).unwrap();
    let error = decoded(without_end(&progressive)).unwrap_err().to_string();
    assert!(error.contains("scans may be missing"), "{error}");
}

#[test]
fn lossless_and_12_bit_jpegs_are_read_by_the_decoders_of_dicom() {
    let raw = bytes_of("dicom/explicit_u12.dcm");
    let lossless = bytes_of("pixels/lossless_12.jpg");
    let found = decoded(&lossless).unwrap();
    let n = found.pixels.len();
    let cells = raw[raw.len() - 2 * n..].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let expected: Vec<u16> = cells.map(|cell| ((u32::from(cell) * 65535 + 2047) / 4095) as u16).collect();
    assert!(found.pixels == expected, "pixels differ from the uncompressed ones");
    assert_eq!(decoded(without_end(&lossless)).unwrap(), found);
    assert!(decoded(&lossless[..lossless.len() - 9]).is_err());

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.jpg");
    std::fs::write(&path, &lossless).unwrap();
    assert_eq!(read_size(&path).unwrap(), (found.width as u32, found.height as u32));

    let lossy = decoded(&jpeg_of("dicom/jpeg_extended_u12.dcm")).unwrap();
    let apart = lossy.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(apart < 65535 / 10, "{apart}");
    refused(&jpeg_of("dicom/jpegls_lossless_u12.dcm"), "JPEG-LS");
    for (marker, named) in
        [(0xC9, "arithmetic"), (0xC5, "hierarchical"), (0xC2, "progressive JPEG of 12 bits")]
    {
        let mut other = lossless.clone();
        let frame = other.windows(2).position(|two| two == [0xFF, 0xC3]).unwrap();
        other[frame + 1] = marker;
        refused(&other, named);
    }
}

/// An EXIF segment that holds an orientation alone.
fn exif(orientation: u8) -> Vec<u8> {
    let mut segment = b"\xFF\xE1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    segment.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    segment
}

#[test]
fn every_orientation_is_turned_as_it_is_shown() {
    let jpeg = encoded(image::ImageFormat::Jpeg);
    let plain = decoded(&jpeg).unwrap();
    let (w, h) = (plain.width, plain.height);
    let dir = tempfile::tempdir().unwrap();
    // Where the pixel shown at x, y is stored (EXIF 2.32, tag 0112H).
    type Stored = fn(usize, usize, usize, usize) -> (usize, usize);
    let stored: [Stored; 8] = [
        |x, y, _, _| (x, y),
        |x, y, w, _| (w - 1 - x, y),
        |x, y, w, h| (w - 1 - x, h - 1 - y),
        |x, y, _, h| (x, h - 1 - y),
        |x, y, _, _| (y, x),
        |x, y, _, h| (y, h - 1 - x),
        |x, y, w, h| (w - 1 - y, h - 1 - x),
        |x, y, w, _| (w - 1 - y, x),
    ];
    for (orientation, stored) in (1..).zip(stored) {
        let bytes = [&jpeg[..2], &exif(orientation), &jpeg[2..]].concat();
        for (kind, bytes) in [("whole", &bytes[..]), ("no end", without_end(&bytes))] {
            let path = dir.path().join("film.jpg");
            std::fs::write(&path, bytes).unwrap();
            let shown = read_grey(&path).unwrap();
            let size = if orientation < 5 { (w, h) } else { (h, w) };
            assert_eq!((shown.width, shown.height), size, "{orientation}, {kind}");
            assert_eq!(read_size(&path).unwrap(), (size.0 as u32, size.1 as u32));
            for (x, y) in [(0, 0), (17, 5), (size.0 - 1, 3), (9, size.1 - 1)] {
                let (from_x, from_y) = stored(x, y, w, h);
                assert_eq!(shown.row(y)[x], plain.row(from_y)[from_x], "{orientation}, {kind}: {x}, {y}");
            }
        }
    }
}

/// A TIFF of one strip without compression; `tags` are further ones or replace the usual.
fn tiff(big: bool, bits: u16, photometric: u16, format: u16, strip: &[u8]) -> Vec<u8> {
    let (width, height) = (96_u16, 80_u16);
    let tags: [(u16, u64); 9] = [
        (256, width.into()),
        (257, height.into()),
        (258, bits.into()),
        (259, 1),
        (262, photometric.into()),
        (273, if big { 16 } else { 8 }),
        (278, height.into()),
        (279, strip.len() as u64),
        (339, format.into()),
    ];
    let mut bytes = if big { b"II+\0\x08\0\0\0".to_vec() } else { b"II*\0".to_vec() };
    let directory = bytes.len() as u64 + if big { 8 } else { 4 } + strip.len() as u64;
    let word = |bytes: &mut Vec<u8>, value: u64| {
        let n = if big { 8 } else { 4 };
        bytes.extend(&value.to_le_bytes()[..n]);
    };
    word(&mut bytes, directory);
    bytes.extend(strip);
    let n = if big { 8 } else { 2 };
    bytes.extend(&(tags.len() as u64).to_le_bytes()[..n]);
    for (tag, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(4_u16.to_le_bytes());
        word(&mut bytes, 1);
        word(&mut bytes, value);
    }
    word(&mut bytes, 0);
    bytes
}

#[test]
fn variants_of_tiff_are_read_or_named() {
    let cells: Vec<u16> = (0..96 * 80).map(|i| (i * 8) as u16).collect();
    let strip: Vec<u8> = cells.iter().flat_map(|cell| cell.to_le_bytes()).collect();
    let plain = decoded(&tiff(false, 16, 1, 1, &strip)).unwrap();
    assert_eq!(plain.pixels, cells);
    assert_eq!(decoded(&tiff(true, 16, 1, 1, &strip)).unwrap(), plain, "BigTIFF");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.tif");
    std::fs::write(&path, tiff(true, 16, 1, 1, &strip)).unwrap();
    assert_eq!(read_size(&path).unwrap(), (96, 80));
    // White is zero: stored black is shown white.
    let inverted: Vec<u16> = cells.iter().map(|cell| 65535 - cell).collect();
    assert_eq!(decoded(&tiff(false, 16, 0, 1, &strip)).unwrap().pixels, inverted);
    let planes = decode_grey(Path::new("planes"), &bytes_of("pixels/planes.tif")).unwrap();
    assert!(planes.pixels.iter().all(|value| value % 257 == 0) && planes.width == 96);

    let long = [strip.as_slice(), &strip, &strip, &strip].concat();
    for (bits, photometric, format, named) in [
        (12, 1, 1, "12-bit samples"),
        (32, 1, 3, "32-bit floating-point"),
        (64, 1, 3, "64-bit floating-point"),
        (16, 1, 2, "16-bit signed"),
        (32, 1, 1, "32-bit samples"),
        (8, 3, 1, "palette"),
        (8, 8, 1, "L*a*b*"),
    ] {
        refused(&tiff(false, bits, photometric, format, &long), named);
        refused(&tiff(true, bits, photometric, format, &long), named);
    }
    refused(&bytes_of("pixels/ycbcr.tif"), "YCbCr");
    refused(&bytes_of("pixels/pages.tif"), "2 pages");
}

#[test]
fn greys_of_png_and_pgm_keep_their_scale() {
    let cells: Vec<u16> = (0..96 * 80).map(|i| (i * 8) as u16).collect();
    let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_ne_bytes()).collect();
    let mut png = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.write_image(&bytes, 96, 80, image::ExtendedColorType::L16).unwrap();
    // A gamma and a transparent grey change no value: they are chunks behind the header of 33 bytes.
    let chunk = |kind: &[u8; 4], data: &[u8], check: u32| {
        let length = (data.len() as u32).to_be_bytes();
        [&length[..], kind, data, &check.to_be_bytes()].concat()
    };
    let gamma = chunk(b"gAMA", &45_455_u32.to_be_bytes(), 0x0BFC_6105);
    let transparent = chunk(b"tRNS", &[0, 8], 0x7848_450A);
    let extended = [&png[..33], &gamma, &transparent, &png[33..]].concat();
    for bytes in [&png, &extended] {
        assert_eq!(decoded(bytes).unwrap().pixels, cells);
    }
    // 12 bits in PGM: the header's largest value is white.
    let pgm: Vec<u8> = cells.iter().flat_map(|cell| (cell >> 4).to_be_bytes()).collect();
    let pgm = [b"P5 96 80 4095\n", pgm.as_slice()].concat();
    let expected: Vec<u16> =
        cells.iter().map(|cell| ((u32::from(cell >> 4) * 65535 + 2047) / 4095) as u16).collect();
    let found = decoded(&pgm).unwrap().pixels;
    assert!(
        found.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1),
        "{:?} {:?}",
        &found[..9],
        &expected[..9]
    );
}
