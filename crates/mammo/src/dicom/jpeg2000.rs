//! JPEG 2000 by `hayro-jpeg2000`: memory-safe, and faster than the translated OpenJPEG that
//! `dicom-pixeldata` would use.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::refusal::{Flaw, Refusal, Sound};
use super::samples::Frame;

pub(super) fn decode(coded: &[u8], frame: &Frame) -> Sound<Vec<u16>> {
    let size = Size::of(coded)?;
    frame.check(size.width, size.height)?;
    let decoded = std::panic::catch_unwind(|| samples(coded, &size));
    decoded.unwrap_or_else(|_| Err(Flaw::damaged("the JPEG 2000 data do not decode")))
}

fn samples(coded: &[u8], size: &Size) -> Sound<Vec<u16>> {
    let damaged = |error| Flaw::damaged(format!("the JPEG 2000 data do not decode ({error})"));
    let settings = DecodeSettings { strict: true, ..DecodeSettings::default() };
    let image = Image::new(coded, &settings).map_err(damaged)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(damaged)?;
    let [grey] = decoded.components() else {
        return Err(Flaw::new(Refusal::Colour, "several JPEG 2000 components"));
    };
    // The decoder shifts signed samples up by half their range like unsigned ones.
    let shift = if size.signed { f32::from(2_u16).powi(i32::from(size.precision) - 1) } else { 0.0 };
    let highest = 2_f32.powi(i32::from(size.precision)) - 1.0;
    let cell = |&sample: &f32| (sample.round().clamp(0.0, highest) - shift) as i32 as u16;
    Ok(grey.samples().iter().map(cell).collect())
}

/// What the SIZ marker says (ISO 15444-1 A.5.1).
struct Size {
    width: usize,
    height: usize,
    precision: u8,
    signed: bool,
}

impl Size {
    fn of(coded: &[u8]) -> Sound<Self> {
        let missing = || Flaw::damaged("no JPEG 2000 size marker");
        // It follows the start of the codestream, which a JP2 file wraps in boxes.
        let start = coded.windows(4).position(|four| four == [0xFF, 0x4F, 0xFF, 0x51]).ok_or_else(missing)?;
        let body = coded.get(start + 4..start + 43).ok_or_else(missing)?;
        let number = |i: usize| u32::from_be_bytes([body[i], body[i + 1], body[i + 2], body[i + 3]]);
        let side = |end: usize, origin: usize| number(end).saturating_sub(number(origin)) as usize;
        let (components, depth) = (u16::from_be_bytes([body[36], body[37]]), body[38]);
        if components != 1 {
            return Err(Flaw::new(Refusal::Colour, format!("{components} JPEG 2000 components")));
        }
        let precision = (depth & 0x7F) + 1;
        if precision > 16 {
            let found = format!("JPEG 2000 samples of {precision} bits");
            return Err(Flaw::new(Refusal::UnsupportedPixels, found));
        }
        Ok(Self { width: side(4, 12), height: side(8, 16), precision, signed: depth & 0x80 != 0 })
    }
}
