//! Any grey image through gate and preprocessing: a byte of settings, two of width, then pixels.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo_image::input_check::check;
use mammo_core::image::GreyImage;
use mammo_image::preprocess::Preprocessing;
use mammo_core::record::Polarity;

fuzz_target!(|bytes: &[u8]| {
    let [choice, low, high, rest @ ..] = bytes else { return };
    let width = usize::from(u16::from_le_bytes([*low, *high])).clamp(1, 2048);
    let height = rest.len() / 2 / width;
    let pixels: Vec<u16> =
        rest.chunks_exact(2).take(width * height).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    if height == 0 {
        return;
    }
    let image = GreyImage { width, height, pixels };
    let preset = if choice & 1 == 0 { Preprocessing::default() } else { Preprocessing::paper() };
    let settings = Preprocessing { height_px: 96, width_px: 64, ..preset };
    let polarity = if choice & 2 == 0 { Polarity::Normal } else { Polarity::Inverted };
    let _ = check(&image, polarity, None, &settings);
    if let Ok(prepared) = settings.apply(image, polarity) {
        assert_eq!((prepared.image.height, prepared.image.width), (96, 64));
    }
});
