//! JPEG-LS with `pure_jpegls`, the only decoder without C++; it is bit-exact with CharLS.
//!
//! The crate does not validate all fields of a stream: the frame header is checked here first, and
//! a panic in the crate becomes a refusal.

use super::defect::Defect;
use super::samples::Frame;
use mammo_core::refusal::DicomRefusal;

pub(super) fn decode(coded: &[u8], frame: &Frame) -> Result<Vec<u16>, Defect> {
    check_header(coded, frame)?;
    let size = (frame.width as u32, frame.height as u32);
    let decoded = std::panic::catch_unwind(|| jpegls::decode(coded, size.0, size.1));
    match decoded {
        Ok(Ok((cells, width, height))) => {
            frame.check(width as usize, height as usize)?;
            Ok(cells)
        }
        Ok(Err(error)) => Err(Defect::damaged(format!("the JPEG-LS data do not decode ({error})"))),
        Err(_) => Err(Defect::damaged("the JPEG-LS data do not decode")),
    }
}

/// Finds the frame header (SOF55) and compares it with the DICOM header.
fn check_header(coded: &[u8], frame: &Frame) -> Result<(), Defect> {
    let damaged = || Defect::damaged("no JPEG-LS frame header");
    let mut at = 2;
    loop {
        let head = coded.get(at..at + 4).ok_or_else(damaged)?;
        let (marker, length) = (head[1], usize::from(u16::from_be_bytes([head[2], head[3]])));
        if head[0] != 0xFF || marker == 0xDA || length < 2 {
            return Err(damaged());
        }
        if marker == 0xF7 {
            let body = coded.get(at + 4..at + 10).ok_or_else(damaged)?;
            let number = |i: usize| usize::from(u16::from_be_bytes([body[i], body[i + 1]]));
            if body[5] != 1 {
                return Err(Defect::new(DicomRefusal::Colour, format!("{} JPEG-LS components", body[5])));
            }
            return frame.check(number(3), number(1));
        }
        at += 2 + length;
    }
}
