//! JPEG 2000 by `hayro-jpeg2000`: memory-safe, and faster than the translated OpenJPEG that
//! `dicom-pixeldata` would use.
//!
//! The library allocates as many tiles, precincts and code-blocks as a codestream declares. The
//! declared numbers are therefore compared with the length of the data first.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::defect::Defect;
use super::samples::Frame;
use mammo_core::refusal::DicomRefusal;

/// Largest memory for the bookkeeping of code-blocks, in bytes, in addition to two per pixel.
const MAX_BLOCK_BYTES: u64 = 48 << 20;

/// Memory of one code-block and of one layer of it in the library.
const BYTES_PER_BLOCK: u64 = 96;
const BYTES_PER_LAYER: u64 = 24;

/// Smallest length of a tile-part: its SOT and SOD markers.
const TILE_PART_BYTES: usize = 14;

pub(super) fn decode(coded: &[u8], frame: &Frame) -> Result<Vec<u16>, Defect> {
    // A JP2 file wraps the codestream in boxes, whose information DICOM has as well.
    let start = coded.windows(4).position(|four| four == [0xFF, 0x4F, 0xFF, 0x51]);
    let stream = &coded[start.ok_or_else(|| Defect::damaged("no JPEG 2000 size marker"))?..];
    let size = Size::of(stream)?;
    frame.check(size.width, size.height)?;
    check_announced(stream, &size)?;
    let decoded = std::panic::catch_unwind(|| samples(stream, &size));
    decoded.unwrap_or_else(|_| Err(Defect::damaged("the JPEG 2000 data do not decode")))
}

fn samples(stream: &[u8], size: &Size) -> Result<Vec<u16>, Defect> {
    let damaged = |error| Defect::damaged(format!("the JPEG 2000 data do not decode ({error})"));
    let settings = DecodeSettings { strict: true, ..DecodeSettings::default() };
    let image = Image::new(stream, &settings).map_err(damaged)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(damaged)?;
    let [grey] = decoded.components() else {
        return Err(Defect::new(DicomRefusal::Colour, "several JPEG 2000 components"));
    };
    // The decoder adds half the range to signed samples as to unsigned ones.
    let shift = if size.signed { f32::from(2_u16).powi(i32::from(size.precision) - 1) } else { 0.0 };
    let highest = 2_f32.powi(i32::from(size.precision)) - 1.0;
    let cell = |&sample: &f32| (sample.round().clamp(0.0, highest) - shift) as i32 as u16;
    Ok(grey.samples().iter().map(cell).collect())
}

/// The SIZ marker (ISO 15444-1 A.5.1).
struct Size {
    width: usize,
    height: usize,
    tiles: u64,
    precision: u8,
    signed: bool,
}

impl Size {
    /// From a codestream that starts with SOC and SIZ.
    fn of(stream: &[u8]) -> Result<Self, Defect> {
        let body = stream.get(4..43).ok_or_else(|| Defect::damaged("a JPEG 2000 size marker cut short"))?;
        let number = |i: usize| u32::from_be_bytes([body[i], body[i + 1], body[i + 2], body[i + 3]]);
        let side = |end: usize, origin: usize| number(end).saturating_sub(number(origin)) as usize;
        let (components, depth) = (u16::from_be_bytes([body[36], body[37]]), body[38]);
        if components != 1 {
            return Err(Defect::new(DicomRefusal::Colour, format!("{components} JPEG 2000 components")));
        }
        let precision = (depth & 0x7F) + 1;
        if precision > 16 {
            let found = format!("JPEG 2000 samples of {precision} bits");
            return Err(Defect::new(DicomRefusal::UnsupportedPixels, found));
        }
        // B-5: tiles count from their own origin to the end of the reference grid.
        let across = |end: usize, side: usize, origin: usize| {
            u64::from(number(end).saturating_sub(number(origin))).div_ceil(u64::from(number(side).max(1)))
        };
        Ok(Self {
            width: side(4, 12),
            height: side(8, 16),
            tiles: across(4, 20, 28) * across(8, 24, 32),
            precision,
            signed: depth & 0x80 != 0,
        })
    }
}

/// Refuses a codestream that declares more than its bytes can contain: each tile takes a tile-part,
/// each precinct a packet of at least one byte.
fn check_announced(stream: &[u8], size: &Size) -> Result<(), Defect> {
    let n_bytes = stream.len() as u64;
    if size.tiles > n_bytes / TILE_PART_BYTES as u64 {
        return Err(Defect::damaged(format!("{} JPEG 2000 tiles in {n_bytes} bytes", size.tiles)));
    }
    let pixels = size.width as u64 * size.height as u64;
    let mut layers = 1;
    for Coding { layers: stated, block_bits, precinct_bits } in codings(stream)? {
        layers = stated.unwrap_or(layers);
        // Partial blocks and precincts at the borders add a few per tile.
        let (precincts, blocks) = (2 * (pixels >> precinct_bits), 2 * (pixels >> block_bits));
        if precincts > n_bytes {
            return Err(Defect::damaged(format!("{precincts} JPEG 2000 precincts in {n_bytes} bytes")));
        }
        if blocks.saturating_mul(BYTES_PER_BLOCK + BYTES_PER_LAYER * layers) > MAX_BLOCK_BYTES + 2 * pixels {
            return Err(Defect::damaged(format!("{blocks} JPEG 2000 code-blocks of {layers} layers")));
        }
    }
    Ok(())
}

/// A COD or COC marker (A.6.1, A.6.2).
struct Coding {
    /// COC leaves them as they are.
    layers: Option<u64>,
    /// Logarithm of the pixels of a code-block.
    block_bits: u32,
    /// Logarithm of the pixels of the smallest precinct.
    precinct_bits: u32,
}

/// The coding markers of the main header and of all tile-parts.
fn codings(stream: &[u8]) -> Result<Vec<Coding>, Defect> {
    const SOT: u8 = 0x90;
    const SOD: u8 = 0x93;
    const EOC: u8 = 0xD9;
    let cut = || Defect::damaged("a JPEG 2000 header cut short");
    let (mut codings, mut at, mut tile_part) = (Vec::new(), 2, None);
    while let Some(&[0xFF, marker, high, low]) = stream.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        // The rest is padding.
        if marker == EOC {
            break;
        }
        if marker == SOD {
            let (start, length) = tile_part.ok_or_else(cut)?;
            // Zero: up to the end of the codestream.
            if length == 0 {
                break;
            }
            at = usize::max(at + 2, start + length);
            continue;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = stream.get(at + 4..at + 2 + length).ok_or_else(cut)?;
        match marker {
            SOT => {
                let &[_, _, a, b, c, d, ..] = body else { return Err(cut()) };
                tile_part = Some((at, u32::from_be_bytes([a, b, c, d]) as usize));
            }
            0x52 => codings.push(Coding::of(body, true).ok_or_else(cut)?),
            0x53 => codings.push(Coding::of(body, false).ok_or_else(cut)?),
            _ => {}
        }
        at += 2 + length;
    }
    Ok(codings)
}

impl Coding {
    fn of(body: &[u8], is_default: bool) -> Option<Self> {
        // COD: style, progression, layers, transform; COC: component, style.
        let (style, layers, rest) = match (is_default, body) {
            (true, &[style, _, high, low, _, ref rest @ ..]) => {
                (style, Some(u16::from_be_bytes([high, low]).into()), rest)
            }
            (false, &[_, style, ref rest @ ..]) => (style, None, rest),
            _ => return None,
        };
        let &[_, width, height, _, _, ref precincts @ ..] = rest else { return None };
        let bits = |exponents: &u8| u32::from(exponents & 15) + u32::from(exponents >> 4);
        let stated = precincts.iter().map(bits).min().filter(|_| style & 1 == 1);
        let precinct_bits = stated.unwrap_or(30);
        // A block is cut where its precinct ends (B.7), which halves each side in a sub-band.
        let block_bits =
            (u32::from(width & 15) + u32::from(height & 15) + 4).min(precinct_bits.saturating_sub(2));
        Some(Self { layers, block_bits, precinct_bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A codestream of one code-block and no packets: SIZ, COD, SOT, SOD.
    fn stream(tile_side: u32, block: [u8; 2], layers: u16, precincts: &[u8]) -> Vec<u8> {
        let mut stream = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
        for number in [2000, 2000, 0, 0, tile_side, tile_side, 0, 0_u32] {
            stream.extend(number.to_be_bytes());
        }
        stream.extend([0, 1, 11, 1, 1, 0xFF, 0x52, 0, 12 + precincts.len() as u8]);
        stream.extend([u8::from(!precincts.is_empty()), 0]);
        stream.extend(layers.to_be_bytes());
        stream.extend([0, 5, block[0], block[1], 0, 1]);
        stream.extend(precincts);
        stream.extend([0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93]);
        stream.extend([0; 4000]);
        stream
    }

    #[track_caller]
    fn check(stream: &[u8], expected: Option<&str>) {
        let found = check_announced(stream, &Size::of(stream).unwrap()).err().map(|defect| defect.found);
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn more_than_the_bytes_can_hold_is_refused_before_it_is_allocated() {
        check(&stream(2000, [4, 4], 1, &[]), None);
        check(&stream(2000, [4, 4], 32, &[]), None);
        check(&stream(1, [4, 4], 1, &[]), Some("tiles"));
        check(&stream(2000, [0, 0], 32, &[]), Some("code-blocks"));
        check(&stream(2000, [4, 4], 1, &[0x88, 0x88, 0x11]), Some("precincts"));
        check(&stream(2000, [4, 4], 1, &[0x77, 0x88]), None);
    }
}
