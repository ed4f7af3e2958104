//! Any grey picture through the gate and the preprocessing: two bytes of width, then pixels.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mammo::pixels::GrayImage;
use mammo::preprocess::Preprocessing;
use mammo::record::Polarity;

fuzz_target!(|bytes: &[u8]| {
    let [low, high, rest @ ..] = bytes else { return };
    let width = usize::from(u16::from_le_bytes([*low, *high])).clamp(1, 2048);
    let height = rest.len() / 2 / width;
    let pixels: Vec<u16> =
        rest.chunks_exact(2).take(width * height).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let image = GrayImage { width, height, pixels };
    let settings = Preprocessing { height_px: 96, width_px: 64, ..Preprocessing::default() };
    if height > 0 {
        let _ = mammo::gate::judge(&image, Polarity::Normal, None, &settings);
        let _ = settings.apply(image, Polarity::Normal);
    }
});
